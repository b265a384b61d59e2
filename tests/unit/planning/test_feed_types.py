"""Types of product columns: supported ones reach every reader unchanged, others are cast or refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest

from lookdex.catalog.column_types import fits
from lookdex.errors import ConfigError
from lookdex.planning import products
from tests.support import feeds

FIRST, LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)
NINES = Decimal("9" * 38)
SUPPORTED: dict[str, tuple[pa.DataType, list[object]]] = {
    "text": (pa.string(), ["a", "", "it's", "가방", "𝒳\u2028 pad ", "NA", "null", "x" * 70_000]),
    "whole": (pa.int64(), [0, -(2**63), 2**63 - 1, 2**53 + 1, -1]),
    "number": (pa.float64(), [0.0, 1e308, 5e-324, 0.1, 1 / 3, -12.9]),
    "narrow": (pa.float32(), [float(np.float32(45.3)), 0.5, float(np.float32(3.4e38))]),
    "wide": (pa.decimal128(38, 0), [NINES, NINES.copy_negate(), Decimal("9" * 37 + "8"), Decimal(0)]),
    "share": (pa.decimal128(38, 38), [Decimal(f"0.{'9' * 38}"), Decimal(0)]),
    "price": (pa.decimal128(12, 2), [Decimal("12.90"), Decimal("9999999999.99"), Decimal("-0.01")]),
    "flag": (pa.bool_(), [True, False]),
    "day": (pa.date32(), [FIRST.date(), LAST.date(), date(2026, 3, 1)]),
    "moment": (pa.timestamp("us"), [FIRST, LAST, datetime(1677, 9, 21), datetime(2026, 3, 1, 9)]),
    "instant": (
        pa.timestamp("us", "UTC"),
        [FIRST.replace(tzinfo=UTC), LAST.replace(tzinfo=UTC), datetime(2026, 3, 1, 9, tzinfo=UTC)],
    ),
    "texts": (pa.list_(pa.string()), [["a", None, ""], []]),
    "wholes": (pa.list_(pa.int64()), [[2**63 - 1, None], [], [None]]),
    "moments": (pa.list_(pa.timestamp("us")), [[FIRST, None, LAST], []]),
    "wides": (pa.list_(pa.decimal128(38, 2)), [[Decimal("0.10"), None], []]),
    "record": (
        pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string())), ("c", pa.date32())]),
        [{"a": 2**53 + 1, "b": [None, ""], "c": FIRST.date()}, {"a": None, "b": None, "c": None}],
    ),
    "records": (
        pa.list_(pa.struct([("a", pa.struct([("b", pa.bool_())])), ("n", pa.float64())])),
        [[{"a": {"b": True}, "n": 0.1}, None, {"a": None, "n": None}], []],
    ),
}  # fmt: skip


def test_values_of_every_supported_type_reach_all_readers(tmp_path: Path) -> None:
    rows = max(len(values) for _, values in SUPPORTED.values()) + 1
    columns = {name: [*values, *[None] * (rows - len(values))] for name, (_, values) in SUPPORTED.items()}
    assert all(fits(kind) for kind, _ in SUPPORTED.values())
    table = pa.table(
        {
            "product_id": feeds.ids(rows),
            **{name: pa.array(values, SUPPORTED[name][0]) for name, values in columns.items()},
        }
    )
    (tmp_path / "p.parquet").write_bytes(feeds.parquet(table))
    kept = products.choose(products.load_products(f"{tmp_path}/p.parquet"))
    assert kept.equals(table)
    published = feeds.publish(tmp_path / "catalog", kept)
    feeds.check(
        published,
        {
            name: dict(zip(feeds.ids(rows), map(feeds.plain, values), strict=True))
            for name, values in columns.items()
        },
    )


def test_values_of_a_csv_file_reach_all_readers(tmp_path: Path) -> None:
    rows = [
        ["product_id", "text", "ean", "whole", "price", "comma", "exact", "flag"],
        [
            "1",
            '"two\nlines; and ""quotes"""',
            "8801234567890",
            "-5",
            "12.90",
            "1,5",
            "0.12345678901234567890",
            "true",
        ],
        ["2", "NA", "0012", "99999999999", "0.5", "2", "1", "FALSE"],
        ["NA", *[""] * 12],
    ]
    rows[0] += ["day", "moment", "instant", "clock", "empty"]
    rows[1] += ["2026-03-01", "2026-03-01 09:00:00", "2026-03-01T09:00:00+09:00", "10:30", ""]
    rows[2] += ["0001-01-01", "9999-12-31T23:59:59.999999", "2026-03-01 00:00Z", "23:59:59.5", ""]
    (tmp_path / "p.csv").write_text("".join(f"{';'.join(row)}\n" for row in rows), encoding="utf-8")
    kept = products.choose(products.load_products(f"{tmp_path}/p.csv"))
    expected: dict[str, tuple[pa.DataType, list[object]]] = {
        "text": (pa.string(), ['two\nlines; and "quotes"', "NA"]),
        "ean": (pa.string(), ["8801234567890", "0012"]),
        "whole": (pa.int64(), [-5, 99_999_999_999]),
        "price": (pa.float64(), [12.9, 0.5]),
        "comma": (pa.float64(), [1.5, 2.0]),
        "exact": (pa.decimal128(21, 20), [Decimal("0.12345678901234567890"), Decimal(1)]),
        "flag": (pa.bool_(), [True, False]),
        "day": (pa.date32(), [date(2026, 3, 1), FIRST.date()]),
        "moment": (pa.timestamp("us"), [datetime(2026, 3, 1, 9), LAST]),
        "instant": (pa.timestamp("us", "UTC"), [datetime(2026, 3, 1, tzinfo=UTC)] * 2),
        "clock": (pa.string(), ["10:30:00", "23:59:59.500000"]),
        "empty": (pa.string(), [None, None]),
    }
    assert kept.schema == pa.schema(
        [("product_id", pa.string()), *((name, kind) for name, (kind, _) in expected.items())]
    )
    feeds.check(
        feeds.publish(tmp_path / "catalog", kept),
        {
            name: dict(zip(["1", "2", "NA"], [*values, None], strict=True))
            for name, (_, values) in expected.items()
        },
    )


DECIMALS = pa.decimal128(38, 2)
UUIDS = [UUID(int=7).bytes, None]
CAST = {
    "null": (pa.nulls(2), pa.string(), [None, None]),
    "int8": (pa.array([-128, None], pa.int8()), pa.int64(), [-128, None]),
    "uint32": (pa.array([2**32 - 1, None], pa.uint32()), pa.int64(), [2**32 - 1, None]),
    "uint64": (pa.array([2**63 - 1, None], pa.uint64()), pa.int64(), [2**63 - 1, None]),
    "large uint64": (pa.array([2**64 - 1, None], pa.uint64()), pa.decimal128(20, 0), [Decimal(2**64 - 1), None]),
    "float16": (pa.array([np.float16(1.1), None], pa.float16()), pa.float64(), [1.099609375, None]),
    "decimal32": (pa.array([Decimal("1.5"), None], pa.decimal32(5, 2)), pa.decimal128(5, 2), [Decimal("1.5"), None]),
    "decimal256": (pa.array([Decimal("1.5"), None], pa.decimal256(60, 2)), DECIMALS, [Decimal("1.5"), None]),
    "string view": (pa.array(["x", None], pa.string_view()), pa.string(), ["x", None]),
    "large string": (pa.array(["x", None], pa.large_string()), pa.string(), ["x", None]),
    "dictionary": (pa.array(["x", None]).dictionary_encode(), pa.string(), ["x", None]),
    "uuid": (pa.array(UUIDS, pa.uuid()), pa.string(), [str(UUID(int=7)), None]),
    "json": (pa.array(['{"a": 1}', None], pa.string()).cast(pa.json_()), pa.string(), ['{"a": 1}', None]),
    "bool8": (pa.array([5, None], pa.bool8()), pa.bool_(), [True, None]),
    "seconds": (pa.array([1, None], pa.timestamp("s")), pa.timestamp("us"), [datetime(1970, 1, 1, 0, 0, 1), None]),
    "nanoseconds": (
        pa.array([1000, None], pa.timestamp("ns")), pa.timestamp("us"), [datetime(1970, 1, 1, 0, 0, 0, 1), None]
    ),
    "zone": (
        pa.array([0, None], pa.timestamp("ms", "Asia/Seoul")),
        pa.timestamp("us", "UTC"),
        [datetime(1970, 1, 1, tzinfo=UTC), None],
    ),
    "date64": (pa.array([date(2026, 3, 1), None], pa.date64()), pa.date32(), [date(2026, 3, 1), None]),
    "time32": (pa.array([time(10, 30), None], pa.time32("s")), pa.string(), ["10:30:00", None]),
    "time64": (pa.array([time(10, 30, 0, 5), None], pa.time64("us")), pa.string(), ["10:30:00.000005", None]),
    "nanotime": (pa.array([5, None], pa.time64("ns")), pa.string(), ["00:00:00.000000005", None]),
    "list view": (pa.array([[1, None], None], pa.list_view(pa.int8())), pa.list_(pa.int64()), [[1, None], None]),
    "fixed list": (pa.array([[0.5, 1], None], pa.list_(pa.float32(), 2)), pa.list_(pa.float64()), [[0.5, 1.0], None]),
    "large list": (pa.array([["x"], None], pa.large_list(pa.large_string())), pa.list_(pa.string()), [["x"], None]),
    "struct": (
        pa.array([{"a": time(9), "b": [1]}, None], pa.struct([("a", pa.time32("ms")), ("b", pa.list_(pa.uint8()))])),
        pa.struct([("a", pa.string()), ("b", pa.list_(pa.int64()))]),
        [{"a": "09:00:00", "b": [1]}, None],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CAST)
def test_other_types_are_cast_without_loss(tmp_path: Path, name: str) -> None:
    values, kind, expected = CAST[name]
    (tmp_path / "p.parquet").write_bytes(feeds.parquet(pa.table({"product_id": ["1", "2"], "x": values})))
    found = products.choose(products.load_products(f"{tmp_path}/p.parquet"))["x"]
    assert found.type == kind
    assert fits(kind)
    assert found.to_pylist() == expected


REFUSED = {
    "duration": (
        pa.array([timedelta(1)]),
        r"holds duration\[us\].*e.g. 1 day, 0:00:00: write it as a number",
    ),
    "binary": (pa.array([b"\xff"]), r"holds binary.*e.g. b'\\xff': write it as text"),
    "fixed binary": (pa.array([b"x" * 16], pa.binary(16)), "holds fixed_size_binary"),
    "map": (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), r"holds map<.*one column per key"),
    "nan": (
        pa.array([1.0, float("nan"), float("inf")]),
        "holds 2 of NaN or infinity.*e.g. nan: leave these values",
    ),
    "nul": (pa.array(["a\0"]), r"a NUL character, e.g. 'a\\x00'"),
    "nanoseconds": (pa.array([1001], pa.timestamp("ns")), "would lose data: 1001"),
    "year 10000": (pa.array([2_932_897], pa.date32()), "not in the years 1 to 9999"),
    "year 0": (pa.array([-719_163], pa.date32()), "not in the years 1 to 9999"),
    "seconds": (pa.array([2**61], pa.timestamp("ms")), "holds timestamp"),
    "decimal256": (pa.array([Decimal("9" * 40)], pa.decimal256(50, 2)), "does not fit in precision 38"),
    "within a list": (pa.array([[b"x"]]), "holds binary"),
    "within a struct": (pa.array([{"a": {"b": timedelta(1)}}]), "holds duration"),
    "fields of one name": (pa.array([{"a": 1, "A": 2}]), "a field named 'a'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unsupported_columns_are_refused_with_an_example_and_a_remedy(tmp_path: Path, name: str) -> None:
    values, message = REFUSED[name]
    table = pa.table({"product_id": feeds.ids(len(values)), "x": values, "title": ["t"] * len(values)})
    (tmp_path / "p.parquet").write_bytes(feeds.parquet(table))
    file = products.load_products(f"{tmp_path}/p.parquet")
    with pytest.raises(
        ConfigError, match=f"the column 'x' .*{message}.*leave the column out: --product-columns title$"
    ) as caught:
        products.choose(file)
    assert "\n" not in str(caught.value)
    assert products.choose(file, ["title"]).column_names == ["product_id", "title"]


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        (pa.array([7, 8]), ["7", "8"]),
        (pa.array([2**64 - 1, 8], pa.uint64()), [str(2**64 - 1), "8"]),
        (pa.array([Decimal(7), Decimal(8)], pa.decimal128(38, 0)), ["7", "8"]),
        (pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        (pa.array([UUID(int=1).bytes, UUID(int=2).bytes], pa.uuid()), [str(UUID(int=1)), str(UUID(int=2))]),
    ],
    ids=["int64", "uint64", "decimal", "dictionary", "uuid"],
)
def test_whole_numbers_and_uuids_as_product_ids_become_text(
    tmp_path: Path, values: pa.Array, ids: list[str]
) -> None:
    (tmp_path / "p.parquet").write_bytes(feeds.parquet(pa.table({"product_id": values})))
    assert products.load_products(f"{tmp_path}/p.parquet").table["product_id"].to_pylist() == ids


@pytest.mark.parametrize(
    "values",
    [
        pa.array([7.0, 8.0]),
        pa.array([Decimal("7.0"), Decimal("8.5")]),
        pa.array([["a"], ["b"]]),
        pa.array([b"a" * 16, b"b" * 16], pa.binary(16)),
        pa.array([b"a", b"b"]),
        pa.array([True, False]),
        pa.array([date(2026, 3, 1), date(2026, 3, 2)]),
        pa.array([time(1), time(2)]),
    ],
    ids=lambda values: str(values.type),
)
def test_other_types_of_product_ids_are_refused(tmp_path: Path, values: pa.Array) -> None:
    (tmp_path / "p.parquet").write_bytes(feeds.parquet(pa.table({"product_id": values})))
    with pytest.raises(ConfigError, match=r"the column 'product_id' holds .*write it as text$"):
        products.load_products(f"{tmp_path}/p.parquet")
