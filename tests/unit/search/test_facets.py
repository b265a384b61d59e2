"""Facets: the values of product columns, counted in products, for every type of column."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex.errors import BadQuery
from lookdex.search.answer.answer import Answer
from lookdex.search.answer.facets import MAX_BUCKETS, Bucket, Category, Facet, FacetKind, Facets, PriceRange
from lookdex.search.catalog import Catalog
from lookdex.search.retrieval import facets as facets_module
from lookdex.search.retrieval.facets import count_columns
from lookdex.search.retrieval.open_release import OpenRelease
from lookdex.search.retrieval.product_columns import countable_columns
from lookdex.storage import open_store
from tests.support.catalogs import WITH_CATEGORY, Shown, publish
from tests.support.shops import opened, shop_in
from tests.unit.search.test_search_schema import validator


def facet(values: Sequence[object], kind: pa.DataType | None = None, ids: str = "") -> Facet:
    """The facet of a column. ids: the rows' products, a letter each; without, each row has its own."""
    products = list(ids) or [f"p{n}" for n in range(len(values))]
    (found,) = count_columns(pa.table({"product_id": products, "x": pa.array(values, kind)}), ["x"]).columns
    return found


def of_answer(answer: Answer) -> Facets:
    assert answer.facets is not None
    return answer.facets


def column_of(facets: Facets, name: str) -> Facet:
    found = facets.of(name)
    assert found is not None
    return found


def columns_of(facets: Facets) -> list[str]:
    return [facet.column for facet in facets.columns]


def counts(found: Facet) -> list[tuple[object, int]]:
    return [(one.value, one.products) for one in found.values]


def test_categories_and_prices_are_summarised() -> None:
    rows = pa.table(
        {
            "product_id": ["a", "a", "b", "c", None],
            "category": ["dress", "dress", "shoes", "dress", "hat"],
            "price": [5.0, 5.0, None, float("nan"), 999.0],
        }
    )
    found = count_columns(rows, ["category", "price"])
    assert found.products == 3
    assert found.categories == (Category("dress", 2), Category("shoes", 1))
    assert found.price == PriceRange(5.0, 5.0)
    assert column_of(found, "price").missing == 2


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ({"category": ["dress"], "price": [5.0]}, []),
        ({"category": [7], "price": ["cheap"]}, ["category", "price"]),
        ({"price": [date(2026, 1, 1)]}, ["price"]),
    ],
    ids=["not counted", "other types", "dates"],
)
def test_without_usable_columns_there_are_no_categories_and_prices(
    columns: dict[str, list[object]], names: list[str]
) -> None:
    found = count_columns(pa.table({"product_id": ["a"], **columns}), names)
    assert (found.categories, found.price) == ((), None)


@pytest.mark.parametrize("kind", [pa.int64(), pa.float32(), pa.decimal128(23, 2)], ids=str)
def test_numbers_are_a_range(kind: pa.DataType) -> None:
    found = facet(pa.array([3, None, 12]).cast(kind).to_pylist(), kind)
    assert (found.kind, found.least, found.most, found.missing) == (FacetKind.RANGE, 3, 12, 1)


def test_32_bit_numbers_are_shown_as_they_were_written() -> None:
    assert facet([45.3], pa.float32()).least == 45.3


@pytest.mark.parametrize(
    ("values", "kind", "expected", "missing"),
    [
        (["b", "a", "", None, "b"], pa.string(), [("b", 2), ("a", 1)], 2),
        ([True, False, True, None], pa.bool_(), [(True, 2), (False, 1)], 1),
        ([["S", "M", "M"], ["M", None], [], None, [""]], pa.list_(pa.string()), [("M", 2), ("S", 1)], 3),
        ([[36, 37], [37]], pa.list_(pa.int64()), [(37, 2), (36, 1)], 0),
        ([[Decimal("1.5")]], pa.list_(pa.decimal128(4, 1)), [(Decimal("1.5"), 1)], 0),
        ([[date(2026, 3, 1)]], pa.list_(pa.date32()), [(date(2026, 3, 1), 1)], 0),
    ],
    ids=["text", "flags", "texts", "numbers", "decimals", "dates"],
)
def test_texts_flags_and_lists_are_counted_by_value(
    values: list[object], kind: pa.DataType, expected: list[tuple[object, int]], missing: int
) -> None:
    found = facet(values, kind)
    assert (counts(found), found.missing) == (expected, missing)


def test_dates_are_a_range() -> None:
    moments = [datetime(2026, 3, day, tzinfo=UTC) for day in (3, 1, 2)]
    found = facet(moments, pa.timestamp("us", "UTC"))
    assert (found.least, found.most) == (moments[1], moments[0])
    assert facet([date(2026, 3, 1)]).buckets == (Bucket(date(2026, 3, 1), date(2026, 3, 1), 1),)


@pytest.mark.parametrize(
    "kind", [pa.float64(), pa.string(), pa.list_(pa.string()), pa.bool_(), pa.date32()], ids=str
)
def test_a_column_without_values_has_an_empty_facet(kind: pa.DataType) -> None:
    assert (facet([], kind).values, facet([], kind).least, facet([], kind).missing) == ((), None, 0)
    assert (facet([None], kind).buckets, facet([None], kind).missing) == ((), 1)


def test_fields_of_records_are_counted_like_columns() -> None:
    attrs = pa.array([{"material": "wool", "sizes": ["S"]}, {"material": None, "sizes": ["S", "M"]}, None])
    rows = pa.table(
        {"product_id": ["a", "b", "c"], "attrs": attrs, "label": ["top"] * 3, "colour": ["red"] * 3}
    )
    names = countable_columns(rows.schema, ["attrs"])
    assert names == ("attrs.material", "attrs.sizes", "label", "colour")
    material, sizes, *_ = count_columns(rows, names).columns
    assert (counts(material), material.missing) == ([("wool", 1)], 2)
    assert counts(sizes) == [("S", 2), ("M", 1)]


def test_the_most_frequent_values_are_listed_and_the_others_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facets_module, "MAX_VALUES", 2)
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
def test_each_product_is_counted_once_per_value(rows: list[tuple[str, str | None]]) -> None:
    found = facet([c for _, c in rows], pa.string(), "".join(p for p, _ in rows))
    products = defaultdict(set)
    for product, category in rows:
        if category:
            products[category].add(product)
    assert dict(counts(found)) == {c: len(p) for c, p in products.items()}
    assert [one.products for one in found.values] == sorted((len(p) for p in products.values()), reverse=True)
    assert found.missing == len({p for p, _ in rows} - set().union(*products.values()))


@given(st.lists(st.integers(-5, 20), max_size=60))
def test_every_value_is_in_exactly_one_bucket(values: list[int]) -> None:
    found = facet(list(values), pa.int64())
    assert sum(bucket.products for bucket in found.buckets) == len(values)
    assert len(found.buckets) <= MAX_BUCKETS
    for bucket in found.buckets:
        assert bucket.products == sum(bucket.least <= value <= bucket.most for value in values)
    ends = [end for bucket in found.buckets for end in (bucket.least, bucket.most)]
    assert ends == sorted(ends)
    if values:
        assert (found.least, found.most) == (min(values), max(values))


def test_buckets_have_about_as_many_products_each() -> None:
    sizes = [bucket.products for bucket in facet(list(range(1000)), pa.int64()).buckets]
    assert len(sizes) == MAX_BUCKETS
    assert max(sizes) - min(sizes) <= 1


# ── with an answer, and of a release ─────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Six products with two photos each, and a photo without a product; published twice."""
    shown = [
        Shown(f"p{n}", "red", float(n), photo, category=("dress", "top", None)[n % 3])
        for n in range(6)
        for photo in (0, 9)
    ]
    store = open_store(str(tmp_path_factory.mktemp("catalog")))
    for night in ("night-1", "night-2"):
        publish(store, night, [*shown, Shown(None, "red", 3.0)], columns=WITH_CATEGORY)
    return opened(store.uri)


def test_an_answer_has_facets_only_on_request(catalog: Catalog) -> None:
    assert catalog.search_text("red").facets is None
    assert "facets" in catalog.search_text("red", facets=True).seconds


def test_facets_count_the_products_that_the_filter_leaves(catalog: Catalog) -> None:
    found = catalog.search_text("red", k=1, where="price >= 2", facets=True)
    assert of_answer(found).products == 4
    category, price = of_answer(found).columns
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


def test_a_question_may_name_the_columns_to_count(catalog: Catalog) -> None:
    found = of_answer(catalog.search_vector([1.0] * 16, facets=["Label", "title"], crops=False))
    assert columns_of(found) == ["label", "title"]
    assert counts(column_of(found, "label")) == [("top", 6)]


def test_facets_are_empty_when_no_product_passes_the_filter(catalog: Catalog) -> None:
    found = of_answer(catalog.search_text("red", where="price > 99", facets=["category", "price"]))
    assert (found.products, found.columns[0].values, found.columns[1].least) == (0, (), None)


def test_a_column_that_cannot_be_counted_is_refused(catalog: Catalog) -> None:
    with pytest.raises(
        BadQuery, match="'vector' cannot be counted; countable columns: title, price, url, category"
    ):
        catalog.search_text("red", facets=["vector"])


def test_an_invalid_filter_is_refused_with_facets_too(catalog: Catalog) -> None:
    with pytest.raises(BadQuery, match="price holds numbers"):
        catalog.search_text("red", where="price = 'cheap'", facets=True)


def test_the_setting_facets_chooses_the_columns_to_count(tmp_path: Path) -> None:
    shop_in(tmp_path, [Shown("p1", "red", category="dress")], columns=WITH_CATEGORY)
    catalog = opened(tmp_path, facets=("colour", "Price"))
    assert columns_of(of_answer(catalog.search_text("red", facets=True))) == ["colour", "price"]
    assert columns_of(catalog.facets) == ["colour", "price", "category"]
    assert catalog.facets.categories == (Category("dress", 1),)


@pytest.mark.parametrize("column", ["nope", "category.nope", "vector"])
def test_a_release_without_a_column_of_the_setting_facets_is_not_opened(tmp_path: Path, column: str) -> None:
    shop_in(tmp_path, [Shown("p1", "red", category="dress")], columns=WITH_CATEGORY)
    with pytest.raises(
        BadQuery, match=f"facets, in release night-1: the column '{column}' cannot be counted.*price"
    ):
        opened(tmp_path, facets=["colour", column])


def test_a_new_release_without_a_column_of_the_setting_facets_is_skipped(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    publish(store, "night-1", [Shown("p1", "red", category="dress")], columns=WITH_CATEGORY)
    catalog, any_release = opened(tmp_path, facets=["category"]), opened(tmp_path)
    publish(store, "night-2", [Shown("p1", "red")])
    with pytest.raises(BadQuery, match="facets, in release night-2: the column 'category' cannot be counted"):
        catalog.refresh()
    assert (catalog.release.release_id, any_release.release.release_id) == ("night-1", "night-2")
    assert "night-2: the column 'category'" in (catalog.behind or "")
    assert columns_of(of_answer(catalog.search_text("red", facets=True))) == ["category"]
    assert columns_of(of_answer(any_release.search_text("red", facets=True))) == ["price"]
    publish(store, "night-3", [Shown("p1", "red", category="dress")], columns=WITH_CATEGORY)
    assert (catalog.release.release_id, catalog.behind) == ("night-3", None)


def test_the_facets_of_a_filter_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = shop_in(tmp_path, [Shown("p1", "red")])
    counted: list[tuple[object, ...]] = []
    count = OpenRelease._count

    def watched(release: OpenRelease, where: str | None, columns: tuple[str, ...]) -> Facets:
        counted.append((where, columns))
        return count(release, where, columns)

    monkeypatch.setattr(OpenRelease, "_count", watched)
    for where in ("price < 5", "price < 50", "price<5", None, None):
        catalog.search_text("red", where=where, facets=["price"])
    assert len(counted) == 3


def test_negative_zero_is_counted_as_zero() -> None:
    found = facet([[0.0], [-0.0], [1.0]], pa.list_(pa.float64()))
    assert counts(found) == [(0.0, 2), (1.0, 1)]
