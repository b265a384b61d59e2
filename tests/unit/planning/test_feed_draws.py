"""Random products files are published with equal values through every reader, or refused by `plan`.

The usual run draws a few. For 1,000 of each kind, with statistics:

    pytest --hypothesis-profile thorough -n 0 -s tests/unit/planning/test_feed_draws.py
"""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeVar

import hypothesis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.catalog.column_types import fits
from lookdex.errors import ConfigError
from lookdex.planning import products
from tests.support import feeds

T = TypeVar("T")
FILES = 5  # per example, published as one catalogue: building it takes most of the time
PROFILE = settings.default
assert PROFILE is not None
EXAMPLES = PROFILE.max_examples // FILES if PROFILE.max_examples == 1_000 else 2
# Shrinking a failing example would take minutes.
DRAWS = settings(
    max_examples=EXAMPLES,
    phases=[phase for phase in hypothesis.Phase if phase is not hypothesis.Phase.shrink],
    suppress_health_check=list(hypothesis.HealthCheck),
)
ROWS = 6
NAMES = ("a", "select", "Größe", "가격", "two words", "UPPER", "it's", "a,b", "x=y", "price")
COUNTS: Counter[str] = Counter()


@dataclass(frozen=True)
class Loaded:
    """The columns of a file that may be published, and the values they should have."""

    table: pa.Table
    expected: dict[str, list[object]]


@pytest.fixture(scope="module", autouse=True)
def _print_counts() -> Iterator[None]:
    yield
    print(f"\n{dict(COUNTS)}")


# ── Parquet ──────────────────────────────────────────────────────────────────────────────────────────────────

INTEGERS = {
    kind: (-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1)
    for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64())
} | {kind: (0, 2**kind.bit_width - 1) for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())}
TEMPORAL = {
    **{pa.timestamp(unit, zone): 64 for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "Asia/Seoul")},
    **{pa.duration(unit): 64 for unit in ("s", "ms", "us", "ns")},
    pa.date32(): 32, pa.date64(): 64, pa.time32("s"): 32, pa.time32("ms"): 32, pa.time64("us"): 64, pa.time64("ns"): 64,
}  # fmt: skip
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
TEXTS = (pa.string(), pa.large_string(), pa.string_view())
BYTES = (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(4))
DECIMALS = ((pa.decimal32, 9), (pa.decimal64, 18), (pa.decimal128, 38), (pa.decimal256, 76))
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["", "NA", "x" * 5000, "a\0b"]
)


def column(count: int, values: st.SearchStrategy[T]) -> st.SearchStrategy[list[T | None]]:
    """`count` values, some of them null."""
    return st.lists(st.none() | values, min_size=count, max_size=count)


def floats(width: Literal[16, 32, 64]) -> st.SearchStrategy[float]:
    """Numbers of that many bits, rarely NaN or infinity."""
    finite = st.floats(width=width, allow_nan=False, allow_infinity=False)
    return st.one_of(finite, finite, finite, st.floats(width=width))


@st.composite
def leaves(draw: st.DrawFn, count: int) -> pa.Array:
    """An array of a type without children."""
    group = draw(
        st.sampled_from(["null", "bool", "int", "float", "decimal", "text", "bytes", "temporal", "extension"])
    )
    if group == "null":
        return pa.nulls(count)
    if group == "bool":
        return pa.array(draw(column(count, st.booleans())), pa.bool_())
    if group == "int":
        kind, (low, high) = draw(st.sampled_from(list(INTEGERS.items())))
        return pa.array(draw(column(count, st.integers(low, high) | st.sampled_from([low, high]))), kind)
    if group == "float":
        kind = draw(st.sampled_from([pa.float16(), pa.float32(), pa.float64()]))
        values = draw(column(count, floats(kind.bit_width)))
        if pa.types.is_float16(kind):
            return pa.array([None if value is None else np.float16(value) for value in values], kind)
        return pa.array(values, kind)
    if group == "decimal":
        decimal_type, max_precision = draw(st.sampled_from(DECIMALS))
        precision = draw(st.integers(1, max_precision))
        scale = draw(st.integers(0, precision))
        digits = st.integers(-(10**precision) + 1, 10**precision - 1)
        scaled = digits.map(lambda n: Decimal((int(n < 0), tuple(map(int, str(abs(n)))), -scale)))
        return pa.array(draw(column(count, scaled)), decimal_type(precision, scale))
    if group == "text":
        values = pa.array(draw(column(count, WORDS)), draw(st.sampled_from(TEXTS)))
        plain = pa.types.is_string(values.type) and draw(st.booleans())
        return values.dictionary_encode() if plain else values
    if group == "bytes":
        kind = draw(st.sampled_from(BYTES))
        return pa.array(draw(column(count, st.binary(min_size=4, max_size=4))), kind)
    if group == "extension":
        raw = st.binary(min_size=16, max_size=16)
        return draw(
            st.one_of(
                column(count, raw).map(lambda values: pa.array(values, pa.uuid())),
                column(count, st.integers(-2, 2)).map(lambda values: pa.array(values, pa.bool8())),
                column(count, st.just('{"a": 1}')).map(
                    lambda values: pa.array(values, pa.string()).cast(pa.json_())
                ),
            )
        )
    return draw(temporal(count))


@st.composite
def temporal(draw: st.DrawFn, count: int) -> pa.Array:
    """Dates, times and durations by their integers, mostly in supported years, some beyond."""
    kind, bits = draw(st.sampled_from(list(TEMPORAL.items())))
    unit = UNITS.get(getattr(kind, "unit", ""), 1)
    if pa.types.is_date(kind):
        whole = 86_400_000 if pa.types.is_date64(kind) else 1
        near = st.integers(-719_162, 2_932_896).map(lambda days: days * whole)
    elif pa.types.is_time(kind):
        step = max(1, unit // 10**6)  # the expected values are Python's times, which have no nanoseconds
        near = st.integers(0, 86_400 * unit // step - 1).map(lambda n: n * step)
    else:
        near = st.integers(-2_000_000_000, 9_000_000_000).map(lambda seconds: seconds * unit)
        near |= st.integers(-(10**9), 10**9)
    least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    usual = near.map(lambda n: max(least, min(n, most)))
    far = st.sampled_from([least, most, 0, -1, -719_163, 2_932_897])
    values = draw(column(count, usual if draw(st.integers(0, 9)) else usual | far))
    return pa.array(values, pa.int32() if bits == 32 else pa.int64()).view(kind)


@st.composite
def arrays(draw: st.DrawFn, count: int, depth: int = 2) -> pa.Array:
    """An array of any type that Parquet can hold."""
    layouts = ["list", "large_list", "fixed_list", "list_view", "large_list_view", "struct", "map"]
    nested = draw(st.sampled_from(["leaf"] * 9 + layouts)) if depth else "leaf"
    if nested == "leaf":
        return draw(leaves(count))
    missing = pa.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    if nested == "struct":
        fields = draw(
            st.lists(st.sampled_from(["a", "b", "select", "한"]), min_size=1, max_size=3, unique=True)
        )
        children = [draw(arrays(count, depth - 1)) for _ in fields]
        return pa.StructArray.from_arrays(children, fields, mask=missing)
    if nested == "fixed_list":
        size = draw(st.integers(1, 3))
        return pa.FixedSizeListArray.from_arrays(draw(arrays(size * count, depth - 1)), size, mask=missing)
    lengths = draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    starts = [sum(lengths[:at]) for at in range(count + 1)]
    items = draw(arrays(sum(lengths), depth - 1))
    if nested == "map":
        keys = pa.array([f"k{at}" for at in range(len(items))], pa.string())
        return pa.MapArray.from_arrays(pa.array(starts, pa.int32()), keys, items)
    if nested.endswith("view"):
        view, width = (
            (pa.LargeListViewArray, pa.int64()) if "large" in nested else (pa.ListViewArray, pa.int32())
        )
        return view.from_arrays(pa.array(starts[:-1], width), pa.array(lengths, width), items, mask=missing)
    layout, width = (pa.LargeListArray, pa.int64()) if nested == "large_list" else (pa.ListArray, pa.int32())
    return layout.from_arrays(pa.array(starts, width), items, mask=missing)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    columns = draw(st.lists(arrays(ROWS), min_size=1, max_size=3))
    names = draw(st.permutations(NAMES))
    return pa.table({"product_id": feeds.ids(ROWS), **dict(zip(names, columns, strict=False))})


@DRAWS
@given(st.lists(tables(), min_size=FILES, max_size=FILES))
def test_parquet_columns_of_any_type_are_published_unchanged_or_refused(drawn: list[pa.Table]) -> None:
    files: list[Loaded] = []
    with TemporaryDirectory() as folder:
        for table in drawn:
            try:
                (Path(folder) / "p.parquet").write_bytes(feeds.parquet(table))
            except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
                COUNTS["Parquet: files that pyarrow does not write"] += 1
                continue
            file = products.load_products(f"{folder}/p.parquet")
            refused = {column.name for column in file.refused}
            for name in refused:
                with pytest.raises(ConfigError, match="leave the column out: --product-columns"):
                    products.choose(file, [name])
            names = [name for name in table.column_names[1:] if name not in refused]
            COUNTS["Parquet: files"] += 1
            COUNTS["Parquet: columns refused"] += len(refused)
            COUNTS["Parquet: columns published"] += len(names)
            if names:
                expected = {name: list(map(feeds.plain, table[name].to_pylist())) for name in names}
                files.append(Loaded(products.choose(file, names), expected))
        check_published(Path(folder), files)


def check_published(folder: Path, files: list[Loaded]) -> None:
    """Publish the columns of all files, prefixed by the file's number, and read them with every reader."""
    columns: dict[str, object] = {"product_id": feeds.ids(ROWS)}
    expected = {}
    for number, file in enumerate(files):
        assert all(fits(kind) for kind in file.table.schema.types)
        for name, values in file.expected.items():
            columns[f"{number} {name}"] = file.table[name]
            expected[f"{number} {name}"] = dict(zip(feeds.ids(ROWS), values, strict=True))
    if expected:
        feeds.check(feeds.publish(folder / "catalog", pa.table(columns)), expected)


# ── CSV ──────────────────────────────────────────────────────────────────────────────────────────────────────

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
HANGUL = "가방원피스여성롱코트블랙와이드데님팬츠니트신상품뷁똠"
LATIN = "éèàçñöäüßÄÖÜø"
CODES = [
    "00012", "12E5", "1e10", "+82101234567", "8801234567890", "123456789012", "NA", "null", "None", "N/A", "nan",
    "01/02/2026", "2026-02-30", "0000-00-00", "1 000", "1.234,5", "0x1F", "-", "25:00", "1.", ".5", "--", "Infinity",
    "2026-3-1", "12:60", "yes", "9" * 40, "1/2", "=1+1", "'5", '"', 'a"b', '5" wide', "a,b;c|d\te", "two\nlines",
    "two\r\nlines", " x ", "x" * 5000, "{}", "\\N", "\\",
]  # fmt: skip
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp949", "cp1252")


def letters(encoding: str) -> st.SearchStrategy[str]:
    alphabet = {"cp949": HANGUL, "cp1252": LATIN}.get(encoding, HANGUL + LATIN + "𝒳—")
    return st.text(st.sampled_from(list(alphabet + "abcXYZ 019 ")), min_size=1, max_size=12)


def cells(encoding: str) -> dict[str, tuple[st.SearchStrategy[str], Callable[[str], object]]]:
    """Kind of column → the texts of its cells, and a function from the text to the value."""
    day = st.dates(date(1, 1, 1), date(9999, 12, 31))
    moment = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
    zone = st.sampled_from([UTC, timezone(timedelta(hours=9)), timezone(-timedelta(hours=3, minutes=30))])
    words = letters(encoding).map(lambda text: f"word {text}")
    return {
        "text": (words, str),
        "code": (st.sampled_from(CODES) | words, str),
        "whole": (st.integers(-(10**11) + 1, 10**11 - 1).map(str), int),
        "number": (
            st.tuples(st.integers(-(10**9), 10**9), st.integers(1, 6)).map(
                lambda drawn: f"{drawn[0] / 10 ** drawn[1]:.{drawn[1]}f}"
            ),
            float,
        ),
        "float": (
            st.floats(1e-4, 1e11, allow_nan=False)
            .map(repr)
            .filter(lambda text: "e" not in text and "." in text),
            float,
        ),
        "day": (day.map(date.isoformat), date.fromisoformat),
        "moment": (
            st.tuples(moment, st.sampled_from(" T")).map(lambda drawn: drawn[0].isoformat(drawn[1])),
            datetime.fromisoformat,
        ),
        "instant": (
            st.tuples(moment, zone).map(lambda drawn: drawn[0].replace(tzinfo=drawn[1]).isoformat()),
            datetime.fromisoformat,
        ),
        "flag": (st.sampled_from(["true", "false", "True", "FALSE"]), lambda text: text.lower() == "true"),
        "clock": (
            st.times().map(lambda drawn: drawn.isoformat()[:15]),
            lambda text: time.fromisoformat(text).isoformat(),
        ),
    }


@dataclass(frozen=True)
class CsvFile:
    """A file's name and bytes, and the values of its columns."""

    name: str
    data: bytes
    expected: dict[str, list[object]]


@st.composite
def csv_files(draw: st.DrawFn) -> CsvFile:
    encoding = draw(st.sampled_from(ENCODINGS))
    kinds = cells(encoding)
    names = draw(st.permutations([name for name in NAMES if encoding != "cp1252" or name != "가격"]))
    names = [name for name in names if encoding != "cp949" or name != "Größe"][: draw(st.integers(1, 5))]
    rows = [[product] for product in feeds.ids(ROWS)]
    expected: dict[str, list[object]] = {}
    for name in names:
        kind = draw(st.sampled_from(list(kinds)))
        strategy, value_of = kinds[kind]
        written = draw(st.lists(st.just("") | strategy, min_size=ROWS, max_size=ROWS))
        if kind == "code":  # one cell of text at least: the codes alone could be numbers or dates
            written[0] = draw(st.sampled_from(["x", "word", "NA", "00012"]))
        for row, cell in zip(rows, written, strict=True):
            row.append(cell)
        expected[name] = [feeds.plain(value_of(cell)) if cell else None for cell in written]
    separator = draw(st.sampled_from(list(SEPARATORS)))
    buffer = io.StringIO(newline="")
    if draw(st.integers(0, 3)) == 0:
        buffer.write(f"sep={separator}\r\n")
    writer = csv.writer(
        buffer,
        delimiter=separator,
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])),
    )
    writer.writerow(["product_id", *names])
    writer.writerows(rows)
    data = buffer.getvalue().encode(encoding)
    packed = draw(st.booleans())
    suffix = draw(st.sampled_from([".csv", ".tsv", ".txt"])) + (".gz" if packed else "")
    return CsvFile(f"p{suffix}", gzip.compress(data) if packed else data, expected)


@DRAWS
@given(st.lists(csv_files(), min_size=FILES, max_size=FILES))
def test_csv_files_of_any_dialect_are_published_unchanged_or_refused(drawn: list[CsvFile]) -> None:
    files: list[Loaded] = []
    with TemporaryDirectory() as folder:
        for written in drawn:
            COUNTS["CSV: files"] += 1
            (Path(folder) / written.name).write_bytes(written.data)
            try:
                file = products.load_products(f"{folder}/{written.name}")
            except ConfigError as error:
                COUNTS["CSV: files refused, of unknown encoding"] += 1
                if "encoding cannot be determined" in str(error):
                    continue
                raise
            COUNTS["CSV: files published"] += 1
            files.append(Loaded(products.choose(file), written.expected))
        check_published(Path(folder), files)
