"""Products files as shops export them: formats, encodings, separators, folders, and errors."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lookdex.config import NightSettings
from lookdex.errors import ConfigError
from lookdex.planning import products
from lookdex.planning.feed.datafile import Found, Reading
from lookdex.storage import open_store
from tests.support import feeds


class Load(Protocol):
    def __call__(self, name: str, data: bytes | str, **settings: Any) -> products.Products: ...


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """A function that writes a file and reads it as the products file, with these settings."""

    def read(name: str, data: bytes | str, **settings: Any) -> products.Products:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data.encode() if isinstance(data, str) else data)
        found = products.load_configured(NightSettings(products=str(tmp_path / name), **settings))
        assert found is not None
        return found

    return read


LINES = "product_id{0}title{0}price\r\n1{0}가방{0}1.5\r\n2{0}원피스{0}2\r\n"


@pytest.mark.parametrize(
    ("separator", "name"), [(",", "comma"), (";", "semicolon"), ("\t", "tab"), ("|", "pipe")]
)
@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16-le"), ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"), ("utf-32", "utf-32-le"), ("cp949", "cp949"), ("euc_kr", "cp949"),
    ],
)  # fmt: skip
def test_separators_and_encodings_are_detected(
    load: Load, separator: str, name: str, encoding: str, found: str
) -> None:
    file = load("p.csv", LINES.format(separator).encode(encoding))
    assert file.table.to_pydict() == {
        "product_id": ["1", "2"],
        "title": ["가방", "원피스"],
        "price": [1.5, 2.0],
    }
    assert (file.found.encoding, file.found.separator, file.found.rows) == (found, name, 2)
    assert (file.found.guess == f"1{separator}가방{separator}1.5") is (found == "cp949")


@pytest.mark.parametrize(
    "text",
    [
        "Größe\nP1;M",
        "titre\nP1;Robe d’été – été",
        "t\nP1;Señor Ñandú",
        "t\nP1;Äpfel",
        "prix\nP1;10 €",
        "t\nP1;30°C ½ µm",
    ],
)
def test_windows_1252_is_detected(load: Load, text: str) -> None:
    column, value = text.split("\nP1;")
    file = load("p.csv", f"product_id;{text}\n".encode("cp1252"))
    assert file.table.to_pydict() == {"product_id": ["P1"], column: [value]}
    assert file.found.encoding == "cp1252"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Чёрная сумка", "cp1251"),
        ("黒いバッグ商品名", "cp932"),
        ("连衣裙", "gb18030"),
        ("Φόρεμα μαύρο", "cp1253"),
        ("ÄÖÜ", "cp1252"),
    ],
)
def test_undetectable_encoding_is_refused_unless_it_is_set(load: Load, text: str, encoding: str) -> None:
    data = f"product_id,t\nP1,{text}\n".encode(encoding)
    with pytest.raises(ConfigError, match=r"encoding cannot be determined.* --products-encoding cp1252$"):
        load("p.csv", data)
    assert load("p.csv", data, products_encoding=encoding).table["t"].to_pylist() == [text]


def test_damaged_utf_8_is_an_error(load: Load) -> None:
    data = f"product_id,t\n1,{'가방 ' * 20}\n2,x\n".encode() + b"3,\xea\xb0\n"
    with pytest.raises(ConfigError, match="is UTF-8 except in 1 place, first in line 4"):
        load("p.csv", data)
    with pytest.raises(ConfigError, match="is not valid utf-8: line 4 has an invalid byte 0xea"):
        load("p.csv", data, products_encoding="utf-8")
    with pytest.raises(ConfigError, match="there is no encoding 'klingon'"):
        load("p.csv", data, products_encoding="klingon")


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"'])
def test_sep_line_names_the_separator(load: Load, first: str) -> None:
    assert load("p.csv", f"{first}\r\nproduct_id;t\r\n1;a,b\r\n").table.to_pydict() == {
        "product_id": ["1"],
        "t": ["a,b"],
    }
    with pytest.raises(
        ConfigError, match=r"names the separator ':' in its first line.*comma, semicolon, tab, pipe"
    ):
        load("p.csv", "sep=:\nproduct_id:t\n")


def test_other_separators_within_values_are_kept(load: Load) -> None:
    rows = 'product_id\ttitle\tcategory\n1\tshirt, blue; long\tWomen|Tops\n2\t"tab\there"\tWomen|Shoes\n'
    assert load("p.txt", rows).table["title"].to_pylist() == ["shirt, blue; long", "tab\there"]
    with pytest.raises(
        ConfigError,
        match=r"no column 'product_id'; its columns: product_id\ttitle.*\(split by comma; --products-separator sets",
    ):
        load("p.txt", rows, products_separator="comma")


def test_quoted_values_may_be_long_and_have_line_breaks(load: Load) -> None:
    long = "line of it\n" * 200_000
    file = load("p.csv", f'product_id,t\n1,"{long}"\n2,"a ""quoted"" word"\n3,5" wide\n')
    assert file.table["t"].to_pylist() == [long, 'a "quoted" word', '5" wide']


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            'product_id,t\n1,"two\nlines"\n2,a,b\n',
            "line 4 has 3 fields, but the header names 2 columns: '2,a,b'",
        ),
        ("sep=,\nproduct_id,t\n1,a\n2\n", "line 4 has 1 field, but the header names 2 columns: '2'"),
        ('product_id,t\n1,a\n2,"open\n3,b\n', "after line 2: a double quote is never closed"),
        (
            'product_id,t\n1,"5" wide"\n',
            "after line 1: .* expected after '\"'. Within a quoted value, double each",
        ),
        (
            "7,shirt\n8,dress\n",
            "has no column 'product_id'; its columns: 7, shirt \\(split by comma; --products-separator sets",
        ),
        ("\n\n", "has no header"),
    ],
)
def test_csv_errors_name_the_line(load: Load, rows: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load("p.csv", rows)


def test_trailing_separators_make_no_column(load: Load) -> None:
    assert load("p.csv", "product_id;t;;\n1;a;;\n").table.column_names == ["product_id", "t"]


def test_only_empty_fields_are_null(load: Load) -> None:
    file = load("p.csv", 'product_id,country,brand,size\nP0,NA,null,\nP1,KR,N/A,XL\nNA,DE,None,""\n')
    assert file.table.to_pydict() == {
        "product_id": ["P0", "P1", "NA"], "country": ["NA", "KR", "DE"], "brand": ["null", "N/A", "None"],
        "size": [None, "XL", None],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("separator", "written", "read"),
    [
        (";", ["1,5", "2"], [1.5, 2.0]),
        (";", ["1,50", "1,500"], [1.5, 1.5]),
        (";", ["0,125", ""], [0.125, None]),
        (";", ["1234,567", ""], [1234.567, None]),
        (";", ["1,500", "2,000"], ["1,500", "2,000"]),
        (";", ["1.234,50", ""], ["1.234,50", None]),
        ("\t", ["1,5", "2"], [1.5, 2.0]),
        (",", ['"1,5"', "2"], ["1,5", "2"]),
    ],
)
def test_decimal_commas_are_read_if_unambiguous(
    load: Load, separator: str, written: list[str], read: list[float | str | None]
) -> None:
    rows = "".join(f"{n}{separator}{value}\n" for n, value in enumerate(written))
    assert load("p.csv", f"product_id{separator}price\n{rows}").table["price"].to_pylist() == read


def test_type_settings_override_detection(load: Load) -> None:
    rows = "product_id;EAN;price;code;day;on\n1;12345678;1,500;007;2026-03-01;true\n"
    rows += "2;87654321;2,000;8;2026-03-02;false\n"
    types = ("ean=text", "price=number", "code=number", "day=text", "on=text")
    assert load("p.csv", rows, products_types=types).table.to_pydict() == {
        "product_id": ["1", "2"], "EAN": ["12345678", "87654321"], "price": [1.5, 2.0], "code": [7, 8],
        "day": ["2026-03-01", "2026-03-02"], "on": ["true", "false"],
    }  # fmt: skip
    with pytest.raises(
        ConfigError, match=r"the column 'code' holds a value that is not a date, e.g. '007': correct it"
    ):
        load("p.csv", rows, products_types=("code=date",))
    with pytest.raises(ConfigError, match=r"names the column 'sku'.* its columns: product_id, EAN, price"):
        load("p.csv", rows, products_types=("sku=text",))
    with pytest.raises(
        ConfigError, match=r"ean=integer: give column=type, with a type of text, number, date"
    ):
        load("p.csv", rows, products_types=("ean=integer",))
    table = feeds.parquet(pa.table({"product_id": ["1"], "ean": [8801234567890], "price": ["9.50"]}))
    typed = load("p.parquet", table, products_types=("ean=text", "price=number")).table
    assert typed.to_pydict() == {"product_id": ["1"], "ean": ["8801234567890"], "price": [9.5]}


JSON = '{"product_id": 7, "price": 1, "tags": ["a"]}\n\n{"price": 2.5, "product_id": 8, "n": 18446744073709551615}\n'


@pytest.mark.parametrize("name", ["p.jsonl", "p.ndjson", "p.json", "p.jsonl.gz", "feed"])
def test_json_lines_are_read(load: Load, name: str) -> None:
    file = load(name, gzip.compress(JSON.encode()) if name.endswith(".gz") else JSON)
    assert file.table.to_pydict() == {
        "product_id": ["7", "8"], "price": [1.0, 2.5], "tags": [["a"], None], "n": [None, 2**64 - 1]
    }  # fmt: skip
    assert file.found == Found("JSON lines", 2, "utf-8", gzip=name.endswith(".gz"))


def test_json_list_is_read_with_exact_values(load: Load) -> None:
    rows = [{"product_id": "1", "day": "2026-03-01", "code": "007"}]
    assert load("p.json", json.dumps(rows)).table.to_pylist() == rows
    exact = load("p.json", '[{"product_id": "1", "share": 0.1234567890123456789}]').table
    assert exact["share"].to_pylist() == [Decimal("0.1234567890123456789")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"product_id": 1}\n{"product_id"', "line 2 is not JSON"),
        ('{"product_id": 1, "x": NaN}\n', "line 1 is not JSON: NaN is not a number"),
        ("[1]", "row 1 is not an object"),
        ('{"product_id": "1", "x": 1}\n{"product_id": "2", "x": "a"}', "'x' cannot be read .its values are int and"),
        ('{"product_id": "1", "x": 9007199254740993}\n{"product_id": "2", "x": 0.5}', "'x' holds 9007199254740993"),
        ('{"id": "1"}', "has no column 'product_id'; its columns: id"),
    ],
)  # fmt: skip
def test_json_errors_name_the_line(load: Load, data: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load("p.jsonl", data)


CSV = "product_id,t\n1,a\n"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "p.csv",
            feeds.parquet(pa.table({"product_id": ["1"]})),
            "is a Parquet file, despite its name",
        ),
        ("p.parquet", CSV.encode(), "cannot be read as Parquet"),
        ("p.csv.gz", gzip.compress(CSV.encode())[:-9], "cannot be decompressed: .* Is the file complete"),
        ("p.xlsx", b"PK\x03\x04....", "is a zip archive or an Excel file: export it as CSV"),
        ("p.csv.zst", b"\x28\xb5\x2f\xfd....", "is compressed with zstd"),
    ],
)
def test_files_of_other_formats_are_refused(load: Load, name: str, data: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(name, data)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("p.csv.gz", gzip.compress(CSV.encode())),
        ("p.csv", gzip.compress(CSV.encode("utf-16"))),
        ("P.CSV", CSV.encode()),
        ("export.2026-03-01", CSV.encode()),
        ("feed", feeds.parquet(pa.table({"product_id": ["1"], "t": ["a"]}))),
        ("p.parquet", feeds.parquet(pa.table({"product_id": ["1"], "t": ["a"]}))),
    ],
)
def test_format_is_detected_by_suffix_and_content(load: Load, name: str, data: bytes) -> None:
    assert load(name, data).table.to_pydict() == {"product_id": ["1"], "t": ["a"]}


def part(**columns: object) -> bytes:
    return feeds.parquet(pa.table(columns))


def test_folder_of_parquet_files_is_one_table(root_uri: str) -> None:
    store = open_store(root_uri)
    store.put("p.parquet/_SUCCESS", b"")
    store.put("p.parquet/_temporary/part-9.parquet", b"half")
    store.put("p.parquet/.part-0.parquet.crc", b"crc")
    store.put("p.parquet/part-0.snappy.parquet", part(product_id=["1"], n=pa.array([1], pa.int32()), t=["a"]))
    store.put("p.parquet/part-1.snappy.parquet", part(product_id=["2"], n=[2**40], extra=[0.5]))
    for uri in (f"{root_uri}/p.parquet", f"{root_uri}/p.parquet/"):
        file = products.load_products(uri)
        assert file.table.to_pydict() == {
            "product_id": ["1", "2"],
            "n": [1, 2**40],
            "t": ["a", None],
            "extra": [None, 0.5],
        }
        assert file.found == Found("folder of 2 Parquet files", 2)
    store.put("m.parquet/part-0.parquet", part(image_key=["1/a.jpg"], product_id=["1"]))
    assert products.load_mapping(f"{root_uri}/m.parquet").num_rows == 1


def test_partition_folders_become_columns(load: Load, tmp_path: Path) -> None:
    (tmp_path / "p/season=2026/country=NA").mkdir(parents=True)
    (tmp_path / "p/season=2026/country=NA/part-0.parquet").write_bytes(part(product_id=["1"]))
    (tmp_path / "p/season=2025/country=__HIVE_DEFAULT_PARTITION__").mkdir(parents=True)
    (tmp_path / "p/season=2025/country=__HIVE_DEFAULT_PARTITION__/part-0.parquet").write_bytes(
        part(product_id=["2"])
    )
    assert products.load_products(f"{tmp_path}/p").table.to_pydict() == {
        "product_id": ["2", "1"], "season": [2025, 2026], "country": [None, "NA"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"a.parquet": part(product_id=["1"], x=["a"]), "b.parquet": part(product_id=["2"], x=[1])},
            "'x' holds text in .*a.parquet and whole numbers in",
        ),
        (
            {"a.parquet": part(product_id=["1"], x=[0.5]), "b.parquet": part(product_id=["2"], x=[2**60 + 1])},
            "'x' holds floating-point numbers in",
        ),
        ({"x=1/a.parquet": part(product_id=["1"], X=["a"])}, "has a column 'x', but is also in the folder 'x=1'"),
        ({"a.txt": b"", "_SUCCESS": b""}, "is a folder without Parquet files, but with a.txt"),
    ],
)  # fmt: skip
def test_folder_errors_name_the_files(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    for name, data in files.items():
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / name).write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        products.load_products(f"{tmp_path}/p")


def test_timestamps_of_older_spark_keep_their_years(tmp_path: Path) -> None:
    values = [datetime(9999, 12, 31), datetime(1000, 1, 1)]
    table = pa.table({"product_id": ["1", "2"], "until": pa.array(values, pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "p.parquet", use_deprecated_int96_timestamps=True)
    assert products.load_products(f"{tmp_path}/p.parquet").table["until"].to_pylist() == values


def test_reading_is_built_from_settings() -> None:
    assert Reading.of("", "auto", ()) == Reading(flags=True)
    assert Reading.of("cp949", "tab", ["a=b=text", "n = number"]) == Reading(
        "cp949", "tab", {"a=b": "text", "n": "number"}, flags=True
    )
