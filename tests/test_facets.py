"""What filters can offer of a release: counted in products, whatever the shop's columns are."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lookdex.search.facets import Category, Facets, PriceRange, facets_of


def test_categories_by_products_and_the_range_of_prices() -> None:
    rows = pa.table(
        {
            "product_id": ["a", "a", "b", "c", None],
            "category": ["dress", "dress", "shoes", "dress", "hat"],
            "price": [5.0, 5.0, None, float("nan"), 999.0],
        }
    )
    assert facets_of(rows) == Facets(3, (Category("dress", 2), Category("shoes", 1)), PriceRange(5.0, 5.0))


def test_a_shop_without_such_columns() -> None:
    assert facets_of(pa.table({"product_id": ["a"]})) == Facets(1, (), None)
    odd = pa.table({"product_id": ["a"], "category": [7], "price": ["cheap"]})
    assert facets_of(odd) == Facets(1, (), None)
    empty = pa.table({"product_id": pa.array([], pa.string()), "price": pa.array([], pa.float64())})
    assert facets_of(empty) == Facets(0, (), None)


def test_prices_of_every_kind_of_number() -> None:
    for kind in (pa.int32(), pa.float32(), pa.decimal128(9, 2)):
        rows = pa.table({"product_id": ["a", "b"], "price": pa.array([Decimal(3), Decimal(12)]).cast(kind)})
        assert facets_of(rows).price == PriceRange(3.0, 12.0)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from(["dress", "hat", "", None])),
        min_size=1,
        max_size=30,
    )
)
def test_counts_are_of_distinct_products(rows: list[tuple[str, str | None]]) -> None:
    found = facets_of(
        pa.table(
            {"product_id": [p for p, _ in rows], "category": pa.array([c for _, c in rows], pa.string())}
        )
    )
    products = defaultdict(set)
    for product, category in rows:
        if category:
            products[category].add(product)
    assert {c.name: c.products for c in found.categories} == {c: len(p) for c, p in products.items()}
    assert [c.products for c in found.categories] == sorted((len(p) for p in products.values()), reverse=True)
    assert found.products == len({p for p, _ in rows})
