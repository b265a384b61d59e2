"""Products files as shop systems and spreadsheets write them: blanks, separators, encodings, folders."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from lookdex.config import NightSettings
from lookdex.errors import ConfigError
from lookdex.planning import products
from tests.support import feeds


@dataclass(frozen=True)
class Loader:
    """Writes a products file, or a folder of files, and loads it."""

    folder: Path

    def __call__(
        self,
        name: str,
        data: bytes | str | dict[str, bytes],
        *,
        products_encoding: str = "",
        products_types: tuple[str, ...] = (),
    ) -> pa.Table:
        for path, content in (data if isinstance(data, dict) else {"": data}).items():
            file = self.folder / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        settings = NightSettings(
            products=str(self.folder / name),
            products_encoding=products_encoding,
            products_types=products_types,
        )
        found = products.load_configured(settings)
        assert found is not None
        return found.table


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    return Loader(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        'product_id, t, n\n1, "a, b", 5\n2, c, 6\n',
        'product_id,t,n\n1, "a, b",5\n2,c,6\n',
        '"product_id", "t", "n"\n"1", "a, b", "5"\n"2", "c", "6"\n',
        'product_id;t;n\n1; "a, b";5\n2;c;6\n',
        "n;product_id;t\n5;1;a, b\n6;2;c\n",
    ],
)
def test_spaces_between_separators_and_quotes_are_ignored(load: Loader, text: str) -> None:
    table = load("p.csv", text)
    assert [value.strip() for value in table["t"].to_pylist()] == ["a, b", "c"]
    assert (table["product_id"].to_pylist(), table["n"].to_pylist()) == (["1", "2"], [5, 6])


def test_spaces_and_quotes_within_quotes_are_kept(load: Loader) -> None:
    table = load("p.csv", 'product_id,t,u\n1,"  ""Mac"" shirt", x\n')
    assert table.to_pydict() == {"product_id": ["1"], "t": ['  "Mac" shirt'], "u": [" x"]}


def test_quotes_within_an_unquoted_value_are_kept(load: Loader) -> None:
    table = load("p.csv", 'product_id,t,u\n1,"  ""Mac"" shirt", x\n2, "5" wide,y\n')
    assert table["t"].to_pylist() == ['  "Mac" shirt', ' "5" wide']


def test_the_error_of_an_unreadable_header_says_why(load: Loader) -> None:
    with pytest.raises(
        ConfigError, match=r"the header cannot be read: ',' expected after '\"'.*\" Product_ID \" ,"
    ):
        load("p.csv", '" Product_ID " ,"t"\n1,a\n')


@pytest.mark.parametrize(
    "text",
    [
        "product_id,t\n1,a,\n2,b,,\n",
        "product_id,t,\n1,a\n2,b,\n",
        "product_id,t\n1,a\n2,b\n,\n,\n   \n",
        ",,\nproduct_id,t,\n\n1,a,\n ,\n2,b,\n",
        "\ufeff\ufeffproduct_id,t\r\n1,a\r\n2,b\r\n",
    ],
)
def test_empty_columns_and_lines_are_skipped(load: Loader, text: str) -> None:
    assert load("p.csv", text).to_pydict() == {"product_id": ["1", "2"], "t": ["a", "b"]}


@pytest.mark.parametrize("text", ["product_id,t\n1,a,b\n", "product_id,t,\n1\n", "product_id,,t\n1,\n"])
def test_rows_with_missing_or_extra_fields_are_refused(load: Loader, text: str) -> None:
    with pytest.raises(ConfigError, match=r"line 2 has . fields?, but the header names . columns"):
        load("p.csv", text)


def test_the_error_of_rows_without_an_id_names_the_first(load: Loader) -> None:
    with pytest.raises(
        ConfigError, match=r"2 rows without a product_id, first row 2 of 4 \(not counting the header\)"
    ):
        load("p.csv", "product_id,t\n1,a\n,b\n3,c\n ,d\n")


def test_a_date_time_beyond_the_year_9999_stays_text(load: Loader) -> None:
    assert load("p.csv", "product_id,t\n1,9999-12-31T23:00:00-09:00\n")["t"].to_pylist() == [
        "9999-12-31T23:00:00-09:00"
    ]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Señor Ñandú", "mac_roman"), ("Robe d’été", "mac_roman"), ("Größe", "mac_roman"), ("Botões", "mac_roman"),
        ("Gr\xf6\xdfe", "cp850"), ("Jupe élégante", "cp437"), ("Pantalón", "cp850"), ("Bœuf, cœur", "iso8859-15"),
        ("Női ruha", "cp1250"), ("színű", "cp1250"), ("Rochie lungă", "cp1250"), ("黑包 短裤", "gb18030"),
        ("봄 옷", "cp949"), ("シャツ", "shift_jis"), ("ｶﾊﾞﾝ", "shift_jis"),
    ],
)  # fmt: skip
def test_text_in_a_rare_encoding_is_never_misread(load: Loader, text: str, encoding: str) -> None:
    data = f"product_id;t\n1;dress\n2;{text}\n".encode(encoding)
    with suppress(ConfigError):
        assert load("p.csv", data)["t"].to_pylist() == ["dress", text]
    assert load("p.csv", data, products_encoding=encoding)["t"].to_pylist() == ["dress", text]


@pytest.mark.parametrize(
    ("texts", "encoding"),
    [
        (["Robe “été” 12 €", "Cœur – noué", "‘Coco’ Crème", "¡Oferta!"], "cp1252"),
        (["Calção de lã", "Botões"], "cp1252"), (["„Äpfel“ für Mädchen", "S–XL"], "cp1252"),
        (["원피스"], "cp949"), (["V넥 티", "볼륨 셔링 블라우스"], "cp949"), (["꽃무늬 왕리본"], "cp949"),
    ],
)  # fmt: skip
def test_common_encodings_are_recognised(load: Loader, texts: list[str], encoding: str) -> None:
    rows = "".join(f"{at};{text}\n" for at, text in enumerate(texts))
    assert load("p.csv", f"product_id;t\n{rows}".encode(encoding))["t"].to_pylist() == texts


@pytest.mark.parametrize("rows", [b"1;caf\xc3\xa9\n2;caf\xc3\n", b"1;caf\xc3\n", b"1;\xed\xa0\x80\n"])
def test_damaged_utf_8_is_not_taken_for_another_encoding(load: Loader, rows: bytes) -> None:
    with pytest.raises(ConfigError, match="UTF-8"):
        load("p.csv", b"product_id;t\n" + rows)


@pytest.mark.parametrize("name", ["undefined", "idna", "unicode_escape", "a\0b"])
def test_unsuitable_encodings_are_refused(load: Loader, name: str) -> None:
    with pytest.raises(
        ConfigError, match=r"--products-encoding: (there is no encoding|.* is not a text encoding)"
    ):
        load("p.csv", "product_id\n1\n", products_encoding=name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"product_id": "1", "t": 1, "t": 2}\n',
            "line 1 is not JSON: it has the key 't' twice. Write one object",
        ),
        (f'{{"product_id": "1", "t": {"[" * 50_000}{"]" * 50_000}}}', "line 1 .* nested lists"),
        (f'{{"product_id": "1", "t": {"[" * 30}{"]" * 30}}}', "'t' has more than 20 nested lists"),
        (
            json.dumps({"product_id": "1"}, indent=1),
            "line 1 is not JSON: .*Write one object in each line, or one list",
        ),
        ('{"product_id": "1", "t": "\\ud83d"}', "'t' holds '.ud83d', with half of a surrogate pair"),
    ],
)
def test_json_that_would_lose_data_is_refused(load: Loader, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load("p.jsonl", text)


def test_json_numbers_of_many_digits_are_exact(load: Loader) -> None:
    rows = '{"product_id": 1, "x": 0.12345678901234567}\n{"product_id": 2, "x": 0.5}\n{"product_id": 3, "x": 7}\n'
    assert load("p.jsonl", rows)["x"].to_pylist() == [
        Decimal("0.12345678901234567"),
        Decimal("0.5"),
        Decimal(7),
    ]


def part(product: str, **columns: pa.Array) -> bytes:
    return feeds.parquet(pa.table({"product_id": [product], **columns}))


@pytest.mark.parametrize(
    ("one", "other", "values"),
    [
        (
            pa.array([datetime(2026, 3, 1)], pa.timestamp("ns")),
            pa.array([datetime(9999, 3, 1)], pa.timestamp("us")),
            [datetime(2026, 3, 1), datetime(9999, 3, 1)],
        ),
        (pa.array([2**63], pa.uint64()), pa.array([-1]), [Decimal(2**63), Decimal(-1)]),
        (pa.array(["a"], pa.large_string()), pa.array(["b"]).dictionary_encode(), ["a", "b"]),
    ],
)
def test_the_files_of_a_folder_may_have_different_types(
    load: Loader, one: pa.Array, other: pa.Array, values: list[object]
) -> None:
    table = load("p", {"0.parquet": part("1", t=one), "1.parquet": part("2", t=other)})
    assert table["t"].to_pylist() == values


def test_the_files_of_a_folder_may_have_different_time_zones(load: Loader) -> None:
    zones = [pa.array([0], pa.timestamp("us", zone)) for zone in ("UTC", "Asia/Seoul")]
    table = load("p", {f"{at}.parquet": part(str(at), t=values) for at, values in enumerate(zones)})
    assert table["t"].cast(pa.int64()).to_pylist() == [0, 0]


def test_a_value_in_a_folder_name_is_typed_unless_a_setting_makes_it_text(load: Loader) -> None:
    files = {"size=1.50/0.parquet": part("1"), "size=2.0/0.parquet": part("2")}
    assert load("p", files)["size"].to_pylist() == [1.5, 2.0]
    assert load("p", files, products_types=("size=text",))["size"].to_pylist() == ["1.50", "2.0"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("1.csv", "has other files beside its Parquet files, such as 1.csv, which"),
        ("_delta_log/0.json", "is a Delta table"),
        (".hoodie/x", "is a Hudi table"),
    ],
)
def test_a_folder_with_other_files_than_parquet_is_refused(load: Loader, other: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load("p", {"0.parquet": part("1"), other: b"x"})


def test_a_product_id_cannot_be_made_a_number(load: Loader) -> None:
    with pytest.raises(ConfigError, match="product_id=number: the column 'product_id' is always text"):
        load("p.csv", "product_id\n1\n", products_types=("product_id=number",))


def test_a_setting_makes_a_number_text(load: Loader) -> None:
    eans = part("1", ean=pa.array([8801234567890.0]))
    assert load("p.parquet", eans, products_types=("ean=text",))["ean"].to_pylist() == ["8801234567890"]
