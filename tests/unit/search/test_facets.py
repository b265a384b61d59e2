"""What filters can offer: counted in products, whatever the shop's columns are."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex.errors import BadQuery
from lookdex.search.answer.facets import Bucket, Category, Facet, FacetKind, PriceRange
from lookdex.search.retrieval import facets as module
from lookdex.search.retrieval.facets import facets_of
from lookdex.search.retrieval.product_columns import countable
from lookdex.storage import open_store
from tests.support.catalogs import WITH_CATEGORY, Shown, publish
from tests.support.shops import opened, shop_in
from tests.unit.search.test_search_schema import validator


def facet(values: list[object], kind: pa.DataType | None = None, ids: str = "") -> Facet:
    """Of a column, each row of another product unless `ids` says whose it is."""
    owners = list(ids) or [f"p{n}" for n in range(len(values))]
    (found,) = facets_of(pa.table({"product_id": owners, "x": pa.array(values, kind)}), ["x"]).columns
    return found


def counts(found: Facet) -> list[tuple[object, int]]:
    return [(one.value, one.products) for one in found.values]


def test_the_categories_and_prices_that_every_shop_has() -> None:
    rows = pa.table(
        {
            "product_id": ["a", "a", "b", "c", None],
            "category": ["dress", "dress", "shoes", "dress", "hat"],
            "price": [5.0, 5.0, None, float("nan"), 999.0],
        }
    )
    found = facets_of(rows, ["category", "price"])
    assert found.products == 3
    assert found.categories == (Category("dress", 2), Category("shoes", 1))
    assert found.price == PriceRange(5.0, 5.0)
    assert found.of("price").missing == 2
    assert facets_of(rows, []).categories == ()
    assert facets_of(rows, []).price is None
    odd = facets_of(
        pa.table({"product_id": ["a"], "category": [7], "price": ["cheap"]}), ["category", "price"]
    )
    assert (odd.categories, odd.price) == ((), None)
    later = facets_of(pa.table({"product_id": ["a"], "price": [date(2026, 1, 1)]}), ["price"])
    assert later.price is None


def test_prices_of_every_kind_of_number() -> None:
    for kind in (pa.int64(), pa.float32(), pa.decimal128(23, 2)):
        found = facet(pa.array([3, None, 12]).cast(kind).to_pylist(), kind)
        assert (found.kind, found.least, found.most, found.missing) == (FacetKind.RANGE, 3, 12, 1)
    assert facet([45.3], pa.float32()).least == 45.3


def test_values_of_every_other_kind() -> None:
    assert counts(facet(["b", "a", "", None, "b"])) == [("b", 2), ("a", 1)]
    assert facet(["b", "a", "", None, "b"]).missing == 2
    assert counts(facet([True, False, True, None])) == [(True, 2), (False, 1)]
    sizes = facet([["S", "M", "M"], ["M", None], [], None, [""]], pa.list_(pa.string()))
    assert (counts(sizes), sizes.missing) == ([("M", 2), ("S", 1)], 3)
    assert counts(facet([[36, 37], [37]], pa.list_(pa.int64()))) == [(37, 2), (36, 1)]
    assert counts(facet([[Decimal("1.5")]], pa.list_(pa.decimal128(4, 1)))) == [(Decimal("1.5"), 1)]
    assert counts(facet([[date(2026, 3, 1)]], pa.list_(pa.date32()))) == [(date(2026, 3, 1), 1)]


def test_dates_are_a_range() -> None:
    moments = [datetime(2026, 3, day, tzinfo=UTC) for day in (3, 1, 2)]
    found = facet(moments, pa.timestamp("us", "UTC"))
    assert (found.least, found.most) == (moments[1], moments[0])
    assert facet([date(2026, 3, 1)]).buckets == (Bucket(date(2026, 3, 1), date(2026, 3, 1), 1),)


def test_nothing_to_count() -> None:
    for kind in (pa.float64(), pa.string(), pa.list_(pa.string()), pa.bool_(), pa.date32()):
        assert (facet([], kind).values, facet([], kind).least, facet([], kind).missing) == ((), None, 0)
        assert (facet([None], kind).buckets, facet([None], kind).missing) == ((), 1)


def test_the_fields_of_records() -> None:
    attrs = pa.array([{"material": "wool", "sizes": ["S"]}, {"material": None, "sizes": ["S", "M"]}, None])
    rows = pa.table(
        {"product_id": ["a", "b", "c"], "attrs": attrs, "label": ["top"] * 3, "colour": ["red"] * 3}
    )
    names = countable(rows.schema, ["attrs"])
    assert names == ("attrs.material", "attrs.sizes", "label", "colour")
    material, sizes, *_ = facets_of(rows, names).columns
    assert (counts(material), material.missing) == ([("wool", 1)], 2)
    assert counts(sizes) == [("S", 2), ("M", 1)]


def test_the_most_frequent_are_listed_and_the_others_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_VALUES", 2)
    found = facet(["d", "c", "b", "b", "a", "a", "a"])
    assert (counts(found), found.others) == ([("a", 3), ("b", 2)], 2)
    tied = facet(["d", "c", "b", "a"])
    assert (counts(tied), tied.others) == ([("a", 1), ("b", 1)], 2)
    lists = facet([["a", "x", "y"], ["a", "b"], ["b"], ["x"]], pa.list_(pa.string()))
    assert (counts(lists), lists.others) == ([("a", 2), ("b", 2)], 2)  # two products have x or y, or both


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from(["dress", "hat", "", None])),
        min_size=1,
        max_size=30,
    )
)
def test_counts_are_of_distinct_products(rows: list[tuple[str, str | None]]) -> None:
    found = facet([c for _, c in rows], pa.string(), "".join(p for p, _ in rows))
    products = defaultdict(set)
    for product, category in rows:
        if category:
            products[category].add(product)
    assert dict(counts(found)) == {c: len(p) for c, p in products.items()}
    assert [one.products for one in found.values] == sorted((len(p) for p in products.values()), reverse=True)
    assert found.missing == len({p for p, _ in rows} - set().union(*products.values()))


@given(st.lists(st.integers(-5, 20), max_size=60))
def test_buckets_hold_every_value_once(values: list[int]) -> None:
    found = facet(list(values), pa.int64())
    assert sum(bucket.products for bucket in found.buckets) == len(values)
    assert len(found.buckets) <= module.MAX_BUCKETS
    for bucket in found.buckets:
        assert bucket.products == sum(bucket.least <= value <= bucket.most for value in values)
    ends = [end for bucket in found.buckets for end in (bucket.least, bucket.most)]
    assert ends == sorted(ends)
    if values:
        assert (found.least, found.most) == (min(values), max(values))


def test_buckets_are_of_about_as_many_products_each() -> None:
    sizes = [bucket.products for bucket in facet(list(range(1000)), pa.int64()).buckets]
    assert len(sizes) == module.MAX_BUCKETS
    assert max(sizes) - min(sizes) <= 1


# ── of a release, and with an answer ─────────────────────────────────────────────────────────────────────────


def test_an_answer_counts_what_its_filter_leaves(tmp_path: Path) -> None:
    """Two photos of each product; one photo of none."""
    shown = [
        Shown(f"p{n}", "red", float(n), photo, category=("dress", "top", None)[n % 3])
        for n in range(6)
        for photo in (0, 9)
    ]
    store = open_store(tmp_path)
    for night in ("night-1", "night-2"):
        publish(store, night, [*shown, Shown(None, "red", 3.0)], columns=WITH_CATEGORY)
    catalog = opened(store.uri)
    assert catalog.search_text("red").facets is None
    found = catalog.search_text("red", k=1, where="price >= 2", facets=True)
    assert "facets" in found.seconds
    assert found.facets is not None
    assert found.facets.products == 4
    category, price = found.facets.columns
    assert (category.column, price.column) == ("category", "price")
    assert counts(category) == [("dress", 1), ("top", 1)]
    assert category.missing == 2
    assert (price.least, price.most) == (2.0, 5.0)
    answer = found.as_dict()
    validator("answer-2.json").validate(answer)
    assert answer["facets"]["columns"][0]["values"] == [
        {"value": "dress", "products": 1},
        {"value": "top", "products": 1},
    ]
    own = catalog.search_vector([1.0] * 16, facets=["Label", "title"], crops=False).facets
    assert [one.column for one in own.columns] == ["label", "title"]
    assert counts(own.of("label")) == [("top", 6)]
    none = catalog.search_text("red", where="price > 99", facets=["category", "price"]).facets
    assert (none.products, none.columns[0].values, none.columns[1].least) == (0, (), None)
    with pytest.raises(
        BadQuery, match="'vector' cannot be counted; countable columns: title, price, url, category"
    ):
        catalog.search_text("red", facets=["vector"])
    with pytest.raises(BadQuery, match="price holds numbers"):
        catalog.search_text("red", where="price = 'cheap'", facets=True)


def test_the_shop_chooses_what_is_counted(tmp_path: Path) -> None:
    shop_in(tmp_path, [Shown("p1", "red", category="dress")], columns=WITH_CATEGORY)
    catalog = opened(tmp_path, facets=("colour", "Price"))
    assert [one.column for one in catalog.search_text("red", facets=True).facets.columns] == [
        "colour",
        "price",
    ]
    assert [one.column for one in catalog.facets.columns] == ["colour", "price", "category"]
    assert catalog.facets.categories == (Category("dress", 1),)


def test_a_release_without_a_column_that_is_to_be_counted_is_not_opened(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    publish(store, "night-1", [Shown("p1", "red", category="dress")], columns=WITH_CATEGORY)
    for wrong in ("nope", "category.nope", "vector"):
        with pytest.raises(
            BadQuery, match=f"facets, in release night-1: the column '{wrong}' cannot be counted.*price"
        ):
            opened(tmp_path, facets=["colour", wrong])
    catalog, any_release = opened(tmp_path, facets=["category"]), opened(tmp_path)
    publish(store, "night-2", [Shown("p1", "red")])
    with pytest.raises(BadQuery, match="facets, in release night-2: the column 'category' cannot be counted"):
        catalog.refresh()
    assert (catalog.release.release_id, any_release.release.release_id) == ("night-1", "night-2")
    assert "night-2: the column 'category'" in (catalog.behind or "")
    assert [one.column for one in catalog.search_text("red", facets=True).facets.columns] == ["category"]
    assert [one.column for one in any_release.search_text("red", facets=True).facets.columns] == ["price"]
    publish(store, "night-3", [Shown("p1", "red", category="dress")], columns=WITH_CATEGORY)
    assert (catalog.release.release_id, catalog.behind) == ("night-3", None)


def test_a_filter_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = shop_in(tmp_path, [Shown("p1", "red")])
    asked = []
    count = type(catalog.opened)._count
    monkeypatch.setattr(type(catalog.opened), "_count", lambda *own: asked.append(own[1:]) or count(*own))
    for where in ("price < 5", "price < 50", "price<5", None):
        catalog.search_text("red", where=where, facets=["price"])
    assert len(asked) == 3
    json.dumps(catalog.search_text("red", facets=["price"]).as_dict())
    assert len(asked) == 3


def test_negative_zero_is_counted_as_zero() -> None:
    found = facet([[0.0], [-0.0], [1.0]], pa.list_(pa.float64()))
    assert counts(found) == [(0.0, 2), (1.0, 1)]
