"""Filters (`where`): predicates are compiled for Lance, anything else is refused."""

from __future__ import annotations

import contextlib
import re
from decimal import Decimal
from pathlib import Path

import lance
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex.errors import BadQuery, StorageError
from lookdex.search.retrieval.filters import MAX_DEPTH, compile_filter
from lookdex.search.retrieval.open_release import to_filter_error

COLUMNS = ("title", "category", "price", "Size EU", "cost", "stock", "added", "date", "on_sale")
ROWS = pa.table(
    {
        "title": ["Red dress", "it's black", "50% off \\ now", None],
        "category": ["dress", "top", "shoes", "bag"],
        "price": [10.0, 49.5, 120.0, None],
        "Size EU": [36, 38, 40, 42],
        "cost": pa.array([Decimal("4.50"), Decimal("19.99"), Decimal("60.00"), None], pa.decimal128(10, 2)),
        "stock": pa.array([0, 1, 200, 30_000], pa.int16()),
        "added": pa.array([0, 86_400, 2 * 86_400, 3 * 86_400], pa.timestamp("s")),
        "date": pa.array([0, 1, 2, 3], pa.date32()),
        "on_sale": [True, False, None, True],
        "secret": [1, 2, 3, 4],
    }
)
SCHEMA = pa.schema([ROWS.schema.field(name) for name in COLUMNS])


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> lance.LanceDataset:
    return lance.write_dataset(ROWS, str(tmp_path_factory.mktemp("filters") / "rows.lance"))


def compiled(where: str) -> str:
    return compile_filter(where, SCHEMA)


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("price < 50", [1, 2]),
        ("PRICE<50 AND Category='dress'", [1]),
        ("price < 50 or price is null", [1, 2, 4]),
        ("not price < 50", [3]),
        ("not not (price < 50)", [1, 2]),
        ("price between 20 and 200", [2, 3]),
        ("price not between 20 and 200", [1]),
        ("category in ('dress', 'bag')", [1, 4]),
        ("category not in ('dress')", [2, 3, 4]),
        ("title like '%dress'", [1]),
        ("title ilike 'RED%'", [1]),
        ("title not like '%e%'", [2, 3]),
        ("title = 'it''s black'", [2]),
        ("title = '50% off \\ now'", [3]),
        ("lower(title) = 'red dress'", [1]),
        ("length(category) > 4", [1, 3]),
        ('"Size EU" >= 40', [3, 4]),
        ("`Size EU` >= 40 and price > -1", [3]),
        ('abs(-price) + 1 < 12 or ("Size EU" - 36) / 2 = 1', [1, 2]),
        ('"Size EU" < 38.5', [1, 2]),
        ('"Size EU" = 38.0 or 41.5 < "Size EU"', [2, 4]),
        ('"Size EU" between 37.5 and 40', [2, 3]),
        ('"Size EU" in (36.0, 37.5, 42)', [1, 4]),
        ('"Size EU" < 1e400 and "Size EU" > -99999999999999999999', [1, 2, 3, 4]),
        ("cost < 19.99", [1]),
        ("cost <= 19.99 or cost = 60.0", [1, 2, 3]),
        ("cost not in (4.5, 60)", [2]),
        ("cost < 100000000000 and cost > 4", [1, 2, 3]),
        ("stock < 100000 and stock > 199.5", [3, 4]),
        ("price * 2 > 3 * price - 20 and price <> 1", [1]),
        ("added >= timestamp '1970-01-03 00:00:00'", [3, 4]),
        ("date > date '1970-01-02'", [3, 4]),
        ("on_sale is true", [1, 4]),
        ("on_sale is not true", [2, 3]),
        ("on_sale", [1, 4]),
        ("true", [1, 2, 3, 4]),
        ("price < 1e3\n  and price>.5", [1, 2, 3]),
        ("price <= 10 AND category = 'dress' OR category = 'bag'", [1, 4]),
    ],
)
def test_a_predicate_keeps_the_rows_that_fulfil_it(
    rows: lance.LanceDataset, where: str, kept: list[int]
) -> None:
    found = rows.to_table(columns=["secret"], filter=compiled(where))
    assert found["secret"].to_pylist() == kept


EXTREMES = pa.table(
    {
        "n": [1, 2, 3],
        "price": [0.0, -0.0, 1.0],
        "rating": pa.array([0.0, -0.0, 1.0], pa.float32()),
        "scores": [[0.0], [5.0, -0.0], [1.0, None]],
        "ratings": pa.array([[0.0], [5.0, -0.0], [1.0, None]], pa.list_(pa.float32())),
        "fine": pa.array(
            [Decimal("-123456789012.12345678901234567891"), Decimal(1), Decimal(2)], pa.decimal128(38, 20)
        ),
        "whole": pa.array([Decimal("9" * 38), Decimal(1), Decimal(2)], pa.decimal128(38, 0)),
    }
)


@pytest.fixture(scope="module")
def extremes(tmp_path_factory: pytest.TempPathFactory) -> lance.LanceDataset:
    return lance.write_dataset(EXTREMES, str(tmp_path_factory.mktemp("extremes") / "rows.lance"))


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("fine = -123456789012.12345678901234567891", [1]),
        ("fine in (-123456789012.12345678901234567891, 2)", [1, 3]),
        ("price < -1e1000000", []),
        ("fine > -1e1000000", [1, 2, 3]),
        ("-1e1000000 < 1", [1, 2, 3]),
        ("whole < 1e38", [1, 2, 3]),
        ("whole = 1e38 or whole = -1e38", []),
        ("rating > 1e39", []),
        ("rating < 1e39", [1, 2, 3]),
        ("0 in scores", [1, 2]),
        ("scores in (-0.0)", [1, 2]),
        ("scores in (0, 1)", [1, 2, 3]),
        ("scores not in (0)", [3]),
        ("0 = any(ratings)", [1, 2]),
        ("price = 0 and rating in (-0.0, 7)", [1, 2]),
    ],
)
def test_numbers_at_the_limits_of_their_types(
    extremes: lance.LanceDataset, where: str, kept: list[int]
) -> None:
    sql = compile_filter(where, EXTREMES.schema)
    assert extremes.to_table(columns=["n"], filter=sql)["n"].to_pylist() == kept


@pytest.mark.parametrize(
    "where",
    [
        "",
        "   ",
        "price < 50; drop table items",
        "price < 50;",
        "1 = 1 -- and price < 50",
        "price < 50 /* */",
        "price in (select price from items)",
        "exists (select 1)",
        "(select 1) = 1",
        "price) or (1 = 1",
        "price < 50 limit 1",
        "price < 50 order by price",
        "price < 50 union select 1",
        "read_text('/etc/passwd') = ''",
        "title = getenv('HOME')",
        "arrow_cast(price, 'Utf8') = ''",
        "price::text = ''",
        "cast(price as text) = ''",
        "case when true then true end",
        "items.price < 50",
        "price = $1",
        "price = ?",
        "price = 0x10",
        "title = 'open",
        'title = "open',
        'title = "Red dress"',
        "price between 1",
        "price in ()",
        "price in (title)",
        "price in 5",
        "price <",
        "< 5",
        "price is 5",
        "title like lower('x')",
        "not",
        "and",
        "price not",
        "title = 'a\x00b'",
        "`pri`ce` < 5",
        "price == 5",
        "price || 'x' = ''",
        "@price = 1",
        "price[0] = 1",
        "price < 1..2",
        "price < 5 5",
        "lower(title, title) = ''",
        "(" * 500 + "true" + ")" * 500,
        "not " * 5000 + "true",
        "-" * 5000 + "1 = 1",
        "price = 1 or " * 5000 + "true",
        "price + " * 50 + "1 > 2",
    ],
)
def test_anything_but_a_predicate_is_refused(where: str) -> None:
    with pytest.raises(BadQuery):
        compiled(where)


@pytest.mark.parametrize(
    "where", ["secret = 1", "size < 3", "_rowid = 1", "`secret` = 1", '"sec ret" = 1', "vector is null"]
)
def test_the_error_of_an_unknown_column_lists_the_columns(where: str) -> None:
    with pytest.raises(BadQuery, match=r"title, category, price, Size EU, cost, stock, added, date, on_sale"):
        compiled(where)


def test_the_error_of_a_filter_says_where_it_goes_wrong() -> None:
    with pytest.raises(BadQuery, match=r"at character 12, before “limit 1”"):
        compiled("price < 50 limit 1")


@pytest.mark.parametrize("where", ["price <", "price < ", "price < 50 and\t"])
def test_the_error_of_an_unfinished_filter_says_so(where: str) -> None:
    with pytest.raises(BadQuery, match="not a predicate: it ends too early"):
        compiled(where)


def test_the_error_of_an_unknown_function_lists_the_functions() -> None:
    with pytest.raises(BadQuery, match="lower, upper, length, abs"):
        compiled("random() < 1")


@pytest.mark.parametrize(
    ("where", "types"),
    [
        ("title < 50", "title holds text"),
        ("title in (1, 2)", "title holds text"),
        ("title * 2 < price", "title holds text"),
        ("title < price", "title holds text; price holds numbers"),
        ("abs(title) < 3", "title holds text"),
        ("title is true", "title holds text"),
        ("price < 'a `b` c'", "price holds numbers"),
        ("title = 'x' and added > 5", "added holds date-times"),
        ("on_sale = 1", "on_sale holds true or false"),
        ("\"Size EU\" like '4%'", "Size EU holds numbers"),
    ],
)
def test_the_error_of_types_that_do_not_compare_names_the_columns(where: str, types: str) -> None:
    with pytest.raises(BadQuery, match=re.escape(f"cannot be applied: {types}.")):
        compiled(where)


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("100 / stock > 1", [2]),
        ("not 100 / stock > 1", [3, 4]),
        ("100 / stock is null", [1]),
        ("stock % (stock - 1) is not null", [1, 3, 4]),
        ("abs(-9223372036854775807 - 1) > stock", [1, 2, 3, 4]),
        ("stock * 1e300 * 1e300 > 5", [2, 3, 4]),
    ],
)
def test_a_division_by_zero_is_null_and_an_overflow_no_error(
    rows: lance.LanceDataset, where: str, kept: list[int]
) -> None:
    assert rows.to_table(columns=["secret"], filter=compiled(where))["secret"].to_pylist() == kept


@pytest.mark.parametrize("where", ["stock % 0 = 1", "cost / 0 > 1", "1 / 0.0 = price"])
def test_a_division_by_the_number_zero_is_refused(where: str) -> None:
    with pytest.raises(BadQuery, match="divides by 0"):
        compiled(where)


@pytest.mark.parametrize(
    ("where", "sql"),
    [
        ("n = 900719925474099311", "(`n` = 900719925474099311)"),
        ("n < 7.5", "(`n` <= 7)"),
        ("7.5 < n", "(`n` > 7)"),
        ("n >= -7.5", "(`n` > -8)"),
        ("n in (1, 2.5, 3.0)", "(`n` IN (1, 3))"),
        ("n < 1e999999999", "(`n` IS NOT NULL OR CAST(NULL AS BOOLEAN))"),
        ("n = 1e999999999", "(`n` IS NULL AND CAST(NULL AS BOOLEAN))"),
        ("n > 1e-999999999", "(`n` > 0)"),
        ("n = 0e999999999", "(`n` = 0)"),
        ("d < 7.125", "(`d` <= CAST('7.12' AS DECIMAL(5, 2)))"),
        ("d > 1000", "(`d` IS NULL AND CAST(NULL AS BOOLEAN))"),
        ("f = 1.5", "(`f` = 1.5)"),
        ("n + 1 = 2", "((CAST(`n` AS DOUBLE) + CAST(1.0 AS DOUBLE)) = 2.0)"),
    ],
)
def test_numbers_are_written_in_the_type_of_the_column(where: str, sql: str) -> None:
    schema = pa.schema([("n", pa.int64()), ("d", pa.decimal128(5, 2)), ("f", pa.float64())])
    assert compile_filter(where, schema) == sql


NINES = "9" * 38
WIDE = pa.table(
    {
        "whole": [2**63 - 1, 2**63 - 2, -(2**63)],
        "exact": pa.array([Decimal(NINES), Decimal(NINES) - 10**12, Decimal(1)], pa.decimal128(38, 0)),
        "share": pa.array(
            [Decimal(f"0.{'1' * 38}"), Decimal(f"0.{'1' * 37}2"), Decimal(0)], pa.decimal128(38, 38)
        ),
        "price": pa.array([Decimal("12.90"), Decimal("12.95"), Decimal(1)], pa.decimal128(12, 2)),
    }
)


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("whole = 9223372036854775807", [0]),
        ("whole > 9223372036854775806", [0]),
        ("whole = -9223372036854775808", [2]),
        ("whole < 9223372036854775808", [0, 1, 2]),
        ("whole < 9223372036854775806.5", [1, 2]),
        ("whole in (9223372036854775806, 5)", [1]),
        (f"exact = {NINES}", [0]),
        ("exact > 99999999999999999999 and exact < 1e39", [0, 1]),
        (f"share = 0.{'1' * 38}", [0]),
        ("share < 1e-300 or share > 0.111112", [2]),
        ("price = 12.9", [0]),
        ("price <= 12.901", [0, 2]),
        ("price in (12.95, 1, 7.123)", [1, 2]),
        ("price < whole", [0, 1]),
        ("price < whole + 0.5", [0, 1]),
    ],
)
def test_numbers_of_many_digits_are_compared_exactly(tmp_path: Path, where: str, kept: list[int]) -> None:
    dataset = lance.write_dataset(WIDE.append_column("n", pa.array([0, 1, 2])), str(tmp_path / "wide.lance"))
    sql = compile_filter(where, WIDE.schema)
    assert dataset.to_table(columns=["n"], filter=sql)["n"].to_pylist() == kept


def test_nesting_up_to_the_limit_is_allowed(rows: lance.LanceDataset) -> None:
    where = "(" * MAX_DEPTH + "price < 50" + ")" * MAX_DEPTH
    assert rows.count_rows(compiled(where)) == 2


@given(st.text(max_size=60))
def test_any_text_is_compiled_or_refused(where: str) -> None:
    with contextlib.suppress(BadQuery):
        compiled(where)


SIGNS = ["(", ")", "=", "<", ",", ";", "--", "-", "+", "*", "'", '"', "`"]
KEYWORDS = ["and", "or", "not", "in", "like", "between", "is", "null", "true", "select", "from"]
VALUES = ["price", "cost", "stock", "title", "'x'", "1", "0", "2.5", "lower", "abs"]
WORDS = st.sampled_from([*SIGNS, "/", "%", *KEYWORDS, *VALUES])


@given(st.lists(WORDS, max_size=14).map(" ".join))
def test_compiled_filters_work_in_lance_or_raise_bad_query(rows: lance.LanceDataset, where: str) -> None:
    try:
        sql = compiled(where)
    except BadQuery:
        return
    outside_texts = re.sub(r"'[^']*'", "", sql)
    assert not any(sign in outside_texts.lower() for sign in (";", "--", "select", "from"))
    with contextlib.suppress(BadQuery):
        try:
            rows.count_rows(sql)
        except (OSError, ValueError) as error:
            failed = StorageError("a read failed")
            failed.__cause__ = error
            raise to_filter_error(failed, sql, rows.schema) from error


@given(st.text(max_size=30).filter(lambda t: "\x00" not in t))
def test_texts_are_quoted(value: str) -> None:
    quoted = value.replace("'", "''")
    assert compiled(f"title = '{quoted}'") == f"(`title` = '{quoted}')"
