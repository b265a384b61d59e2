"""The cost limit of filters: it allows less the more rows there are, and never refuses what shops ask."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.errors import BadQuery
from lookdex.search.retrieval.filters import compile_filter
from lookdex.search.retrieval.filters.cost import Bill, measure_widths

SCHEMA = pa.schema(
    [
        ("product_id", pa.string()),
        ("title", pa.string()),
        ("story", pa.string()),
        ("price", pa.float64()),
        ("stock", pa.int64()),
        ("sizes", pa.list_(pa.string())),
        ("attrs", pa.struct([("material", pa.string())])),
        ("launched", pa.date32()),
    ]
)
WIDTHS = {"product_id": 10.0, "title": 60.0, "story": 400.0, "sizes": 6.0, "attrs.material": 8.0}


def compiled(where: str, rows: int) -> str:
    return compile_filter(where, SCHEMA, rows=rows, widths=WIDTHS)


def joined(part: str, count: int, word: str = "or") -> str:
    return f" {word} ".join(part.format(n=n) for n in range(count))


@pytest.mark.parametrize(
    "where",
    [
        "title ilike '%red%' and (title ilike '%dress%' or title ilike '%skirt%') and not title ilike '%kids%'",
        "story ilike '%linen%' or story ilike '%cotton%'",
        "title like 'Red%' and price between 20 and 80 and stock > 0 and launched >= '2026-01-01'",
        f"product_id in ({', '.join(repr(f'P{n:07d}') for n in range(1000))})",
        joined("product_id = 'P{n}'", 800),
        joined("stock <> {n}", 800, "and"),
        f"sizes in ({', '.join(repr(str(n)) for n in range(30))}) and attrs.material in ('wool', 'silk')",
        "lower(title) like '%red_dress%' and price * 0.8 < 50 and length(sizes) > 0",
    ],
)
def test_usual_filters_are_allowed_over_a_million_rows(where: str) -> None:
    assert compiled(where, 1_000_000)


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        (joined("title ilike '%x{n}%'", 600), "600 ilike"),
        (joined("price<{n}", 1500), "1,500 comparisons"),
        (joined("title like '%{n}%a%b%c%'", 300), "300 patterns of several parts"),
        (joined("lower(title) = '{n}' or upper(title) > '{n}'", 300), "lower or upper"),
        (f"story like '%e{'_' * 100}q%'", "1 patterns with many _ after a %"),
        (joined("'{n}' in sizes and '{n}x' in sizes", 200), "400 searches in lists"),
        (
            joined("+".join(["stock"] * 11) + " < {n}", 3) + " or " + joined("length(title) > {n}", 600),
            "length",
        ),
    ],
)
def test_the_error_of_an_expensive_filter_names_what_is_expensive(where: str, reason: str) -> None:
    with pytest.raises(BadQuery, match="too expensive: over the 1,000,000 rows") as refused:
        compiled(where, 1_000_000)
    assert reason in str(refused.value)
    assert len(str(refused.value)) < 600
    assert compiled(where, 100)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 5_000_000), st.integers(0, 5_000_000), st.integers(1, 400))
def test_a_filter_allowed_over_more_rows_is_allowed_over_fewer(one: int, other: int, tests: int) -> None:
    where = joined("title ilike '%x{n}%'", tests)

    def allowed(rows: int) -> bool:
        try:
            return bool(compiled(where, rows))
        except BadQuery:
            return False

    assert allowed(min(one, other)) >= allowed(max(one, other))


def seconds(pattern: str, width: float, any_case: bool = True) -> float:
    """The estimated seconds to match a pattern against a million texts of that mean width."""
    bill = Bill()
    bill.add_pattern(pattern, any_case, width)
    return bill.seconds(1_000_000)


def test_patterns_cost_more_for_longer_texts_and_for_any_case() -> None:
    assert seconds("%x%", 400) > 2 * seconds("%x%", 40)
    assert seconds("%x%", 400, any_case=False) < seconds("%x%", 400)


def test_patterns_cost_more_for_each_part_and_each_wildcard_after_a_percent_sign() -> None:
    assert seconds("%a%a%a%", 40) > 2 * seconds("%a%", 40)
    assert seconds("____%", 40) == seconds("%a_%", 40)
    assert seconds(f"%a{'_' * 100}%", 400) > 10


def test_a_columns_width_is_the_mean_length_of_its_values() -> None:
    sample = pa.table(
        {
            "title": ["abc", None, "바"],
            "sizes": [["M", "L"], None, []],
            "long": [["x" * 400], ["y" * 400], None],
            "attrs": [
                {"material": "wool", "deep": {"codes": [1, 2, 3]}},
                None,
                {"material": None, "deep": None},
            ],
            "price": [1.0, 2.0, 3.0],
        }
    )
    assert measure_widths(sample) == {
        "title": 3.0,
        "sizes": pytest.approx((2 + 2 / 40) / 3),
        "long": pytest.approx((2 + 800 / 40) / 3),
        "attrs.material": 4.0,
        "attrs.deep.codes": 1.0,
    }
    assert set(measure_widths(sample.slice(0, 0)).values()) == {0.0}
