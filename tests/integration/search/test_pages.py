"""Pages of an answer, and answers sorted by a column, against a real table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lookdex.catalog.promotion_log import load_release
from lookdex.errors import BadQuery, ReleaseChanged
from lookdex.records import Box
from lookdex.search.answer.answer import Answer, Next
from lookdex.search.answer.kinds import LaneKind
from lookdex.search.answer.lanes import FoundObject
from lookdex.search.catalog import Catalog
from lookdex.search.query.options import MAX_K, Options
from lookdex.search.retrieval import pages
from lookdex.search.retrieval.pages import sort_candidates
from lookdex.search.retrieval.product_columns import Order
from lookdex.search.retrieval.ranking import Candidate
from lookdex.search.retrieval.rows import ItemRow
from lookdex.storage import open_store
from tests.fakes import COLOURS
from tests.support.catalogs import Shown, go_live, picture, publish, with_index
from tests.support.shops import opened, products, shop_in, thresholds

NAMES = list(COLOURS)


def large() -> list[Shown]:
    """90 products in shades of six colours, 40 red ones that look the same, and three photos without a product."""
    shown = [Shown(f"p{n:03d}", NAMES[n % 6], float(n * 37 % 50), photo=n // 6 % 4 * 7) for n in range(90)]
    shown += [Shown(f"t{n:03d}", "red", float(n % 3), photo=3) for n in range(40)]
    return shown + [Shown(None, "red", photo=n) for n in range(3)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    catalog = shop_in(tmp_path_factory.mktemp("shop"), large(), thresholds=thresholds())
    return catalog.load()


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """24 products in six colours; two of each colour share a picture."""
    shown = [
        Shown(
            f"p{n:03d}",
            NAMES[n % 6],
            float(n % 5),
            photo=n // 12 * n // 6 * 9,
            mark=f"m{n % 6}" if n < 12 else None,
        )
        for n in range(24)
    ]
    return shop_in(tmp_path_factory.mktemp("twins"), shown, thresholds=thresholds())


def vector(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=16)


def ask(catalog: Catalog, kind: str, **options: Any) -> Answer:
    """One question of each kind. Text and vectors have no colours to compare."""
    if kind in ("text", "vector"):
        options["colour"] = 0.0
    match kind:
        case "photo":
            return catalog.search(picture("red", "blue"), crops=False, **options)
        case "box":
            return catalog.search(picture("red"), crops=False, box=Box(8, 12, 80, 80), label="top", **options)
        case "photo and text":
            return catalog.search(picture("red"), crops=False, text="blue", **options)
        case "text":
            return catalog.search_text("red", crops=False, **options)
        case "product":
            return catalog.similar("p006", crops=False, goes_with=True, **options)
        case _:
            return catalog.search_vector(vector(7), crops=False, **options)


KINDS = ("photo", "box", "photo and text", "text", "product", "vector")


def lanes(answer: Answer) -> tuple[FoundObject, ...]:
    return (*answer.lanes, *answer.goes_with)


def summary(lane: FoundObject) -> list[tuple[object, ...]]:
    return [(m.rank, m.product_id, m.item_id, round(m.score, 6), m.other, m.good) for m in lane.matches]


def assert_two_pages_are_one(catalog: Catalog, kind: str, k: int, **options: Any) -> None:
    """The first two pages together are the answer with 2k matches."""
    first = ask(catalog, kind, k=k, **options)
    second = ask(catalog, kind, k=k, offset=k, release=first.release_id, **options)
    both = ask(catalog, kind, k=2 * k, **options)
    for first_lane, second_lane, together in zip(lanes(first), lanes(second), lanes(both), strict=True):
        assert summary(first_lane) + summary(second_lane) == summary(together)
        assert second_lane.exhausted == together.exhausted
    assert (first.next is None) == all(lane.exhausted for lane in lanes(first))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(KINDS),
    k=st.integers(1, 30),
    colour=st.sampled_from([0.0, 0.3]),
    widen=st.sampled_from(["auto", "never", "always"]),
    where=st.sampled_from([None, "price < 20", "label = 'top'"]),
)
def test_two_pages_are_one_answer_of_twice_the_size(
    shop: Catalog, kind: str, k: int, colour: float, widen: str, where: str | None
) -> None:
    assert_two_pages_are_one(shop, kind, k, colour=colour, widen=widen, where=where, fold=False)


@pytest.mark.parametrize(
    ("kind", "k", "colour"), [("photo", 3, 0.0), ("photo and text", 8, 0.3), ("product", 2, 0.0)]
)
def test_folding_is_the_same_for_two_pages_and_one(twins: Catalog, kind: str, k: int, colour: float) -> None:
    assert_two_pages_are_one(twins, kind, k, colour=colour, whole=False)


def test_each_product_is_shown_or_folded_once(twins: Catalog) -> None:
    found = [match for lane in walk(twins, "text", 7) for match in lane.matches]
    shown = [match.product_id for match in found]
    folded = [product for match in found for product in match.folded_products]
    assert len({*shown, *folded}) == len(shown) + len(folded) == 24
    assert len(folded) >= 5


def walk(catalog: Catalog, kind: str, k: int, **more: Any) -> list[FoundObject]:
    """All pages of the first lane."""
    found, page = [], ask(catalog, kind, k=k, **more)
    found.append(page.lanes[0])
    while page.next is not None:
        assert page.next == Next(k * len(found), "night-1")
        page = ask(catalog, kind, k=k, offset=page.next.offset, release=page.next.release, **more)
        found.append(page.lanes[0])
    return found


@pytest.mark.parametrize("sort", [{}, {"sort": "-price", "pool": 60}])
def test_pages_reach_all_products(shop: Catalog, sort: dict[str, object]) -> None:
    found = walk(shop, "text", 7, fold=False, **sort)
    keys = [match.product_id or match.image_key for lane in found for match in lane.matches]
    assert len(keys) == len(set(keys)) == (60 if sort else 133)
    assert [match.rank for lane in found for match in lane.matches] == list(range(1, len(keys) + 1))
    assert [lane.exhausted for lane in found] == [False] * (len(found) - 1) + [True]


@pytest.fixture(scope="module")
def approximate(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The shop with an index: one of twelve partitions is read if it has enough products."""
    path = tmp_path_factory.mktemp("approximate")
    store = open_store(str(path))
    publish(store, "exact", large(), thresholds=thresholds())
    with_index(store, load_release(store, "exact"), "night-1", partitions=12, nprobes=1, refine=4)
    go_live(store, "night-1")
    return opened(path).load()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(KINDS),
    k=st.integers(1, 120),
    offset=st.integers(0, 120),
    colour=st.sampled_from([0.0, 0.3]),
    widen=st.sampled_from(["auto", "never", "always"]),
    where=st.sampled_from([None, "price < 20"]),
)
def test_page_of_an_approximate_index_is_a_part_of_the_whole_answer(
    approximate: Catalog, kind: str, k: int, offset: int, **options: Any
) -> None:
    """Reading more partitions for further pages does not change the earlier ones."""
    page = ask(approximate, kind, k=k, offset=offset, fold=False, **options)
    every = ask(approximate, kind, k=240, fold=False, **options)
    for lane, whole in zip(lanes(page), lanes(every), strict=True):
        assert summary(lane) == summary(whole)[offset : offset + k]
        assert lane.exhausted == (offset + k > len(whole.matches))
        assert len({m.product_id or m.image_key for m in whole.matches}) == len(whole.matches)


def test_approximate_index_ranks_by_score_within_a_block(approximate: Catalog) -> None:
    for seed in range(12):
        found = approximate.search_vector(vector(seed), k=MAX_K, crops=False, fold=False).objects[0]
        ends = [0, *(block.end for block in pages.BLOCKS)]
        for start, end in pairwise(ends):
            scores = [match.score for match in found.matches[start:end]]
            assert scores == sorted(scores, reverse=True)


def test_equal_vectors_have_a_stable_order(tmp_path: Path) -> None:
    """More rows are equally near than are read at first."""
    catalog = shop_in(tmp_path, [Shown(f"p{n:03d}", "red") for n in range(150)])
    every = products(catalog.search_vector(vector(1), k=150, crops=False, fold=False).objects[0])
    assert len(set(every)) == 150
    for k in (1, 2, 5, 20):
        assert (
            products(catalog.search_vector(vector(1), k=k, crops=False, fold=False).objects[0]) == every[:k]
        )


def test_further_page_has_no_look_and_continues_the_ranks(twins: Catalog) -> None:
    first = twins.search(picture("red", "blue"), k=3, look_photos=1)
    further = twins.search(picture("red", "blue"), k=3, offset=3, look_photos=1, crops=True)
    assert first.look is not None
    assert further.look is None
    for lane in further.lanes:
        assert [match.rank for match in lane.matches] == [4, 5, 6]
        assert all(match.crop for match in lane.matches)


def test_page_of_another_release_is_refused(tmp_path: Path) -> None:
    shown = [Shown(f"p{n:03d}", "red", photo=n) for n in range(9)]
    catalog = shop_in(tmp_path, shown)
    first = catalog.search_text("red", k=3)
    assert first.next == Next(3, "night-1")
    publish(open_store(str(tmp_path)), "night-2", shown)
    searches: tuple[Callable[[], Answer], ...] = (
        lambda: catalog.search_text("red", k=3, offset=3, release="night-1"),
        lambda: catalog.search_vector(vector(1), k=3, release="night-1"),
    )
    for search in searches:
        with pytest.raises(
            ReleaseChanged, match=r"asks for release 'night-1', but 'night-2' answers now.* the first page"
        ):
            search()
    assert len(catalog.search_text("red", k=3, offset=3, release="night-2").objects[0].matches) == 3


def test_last_page_ends_at_max_k() -> None:
    assert Options(k=500, offset=500).offset == 500
    lane = FoundObject(kind=LaneKind.TEXT, matches=(), exhausted=False)
    assert pages.next_page([lane], Options(k=400, offset=200), "r") == Next(600, "r")
    assert pages.next_page([lane], Options(k=400, offset=201), "r") is None
    assert pages.next_page([replace(lane, exhausted=True), lane], Options(), "r") == Next(5, "r")
    assert pages.next_page([replace(lane, exhausted=True)], Options(), "r") is None
    assert pages.next_page([lane], Options(sort="price"), "r") is None
    assert pages.next_page([lane], Options(sort="price", pool=6), "r") == Next(5, "r")


@given(st.integers(1, MAX_K), st.booleans(), st.data())
def test_pages_are_parts_of_the_same_blocks(k: int, by_price: bool, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, MAX_K - k))
    sorting: dict[str, Any] = {"sort": "price", "pool": MAX_K} if by_price else {}
    options = Options(k=k, offset=offset, **sorting)
    blocks = pages.select_blocks(options)
    assert blocks == pages.BLOCKS[: len(blocks)]
    assert offset + k <= blocks[-1].end
    if not by_price:
        assert all(block.end < offset + k for block in blocks[:-1])


def test_blocks_cover_all_pages_with_more_candidates_than_places() -> None:
    assert pages.BLOCKS[-1].end == MAX_K
    for before, block in pairwise(pages.BLOCKS):
        assert before.end < block.end
    for block in pages.BLOCKS:
        assert block.end * 1.25 <= block.scored <= block.coloured <= 2000


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"offset": -1}, "offset is -1"),
        ({"k": 10, "offset": 991}, "offset [+] k is 1001: pages end at 1000"),
        ({"pool": 20}, "give sort too"),
        ({"sort": "price", "pool": 4}, "pool is 4: it must be at least k, which is 5"),
        ({"sort": "price", "pool": 1001}, "pool is 1001"),
        ({"sort": "price", "offset": 5}, "need pool"),
        ({"facets": "price"}, "facets is 'price': give True or False, or a list of at most 16"),
        ({"facets": [5]}, "facets is .5.: give"),
        ({"facets": [f"c{n}" for n in range(17)]}, "or a list of at most 16"),
    ],
)
def test_contradictory_page_and_sort_options_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(BadQuery, match=says):
        Options(**options)


# ── sorted by a column ───────────────────────────────────────────────────────────────────────────────────────


def test_matches_are_sorted_by_a_column(shop: Catalog) -> None:
    """The k nearest are sorted, those of the requested category first, and good ones before others."""
    for sort, sign in (("price", 1), ("-price", -1), ("-PRICE", -1)):
        plain = shop.search(picture("red"), k=30, crops=False, fold=False)
        answer = shop.search(picture("red"), k=30, crops=False, fold=False, sort=sort)
        for lane, before in zip(answer.lanes, plain.lanes, strict=True):
            assert set(products(lane)) == set(products(before))
            keys = [(m.other is not None, m.good is False, sign * m.columns["price"]) for m in lane.matches
                    if m.product_id is not None]  # fmt: skip
            assert keys == sorted(keys)
            assert [m.rank for m in lane.matches] == list(range(1, len(lane.matches) + 1))
    assert shop.search_text("red", sort="score", k=9).objects == shop.search_text("red", k=9).objects


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(KINDS[:5]), k=st.integers(1, 20), sort=st.sampled_from(["price", "-price", "title"])
)
def test_two_sorted_pages_are_one_answer_of_twice_the_size(
    shop: Catalog, kind: str, k: int, sort: str
) -> None:
    first, second = (ask(shop, kind, k=k, sort=sort, pool=45, offset=offset, fold=False) for offset in (0, k))
    both = ask(shop, kind, k=2 * k, sort=sort, pool=45, fold=False)
    for first_lane, second_lane, together in zip(lanes(first), lanes(second), lanes(both), strict=True):
        assert summary(first_lane) + summary(second_lane) == summary(together)


def test_look_has_the_most_similar_products_in_any_order(twins: Catalog) -> None:
    photo = picture("red", "blue")
    plain, cheap = (twins.search(photo, k=9, sort=sort).look for sort in (None, "price"))
    assert plain is not None
    assert cheap is not None
    assert [piece.similarity for piece in plain.pieces] == [piece.similarity for piece in cheap.pieces]


def candidate(n: int, value: object, tier: int = 0, similarity: float = 0.9) -> Candidate:
    row = ItemRow(f"i{n}", f"p{n}", "k", None, None, Box(0, 0, 1, 1), (), {"x": value})
    return Candidate(n, row, np.zeros(1), similarity, None, similarity, tier)


@pytest.mark.parametrize(
    "values",
    [
        (None, 3, 1, 2),
        (float("nan"), 3.5, -1.0, 2.0),
        (None, Decimal("3.10"), Decimal("-1"), Decimal("3.05")),
        (None, "zoe", "Anna", "bert"),
        (None, date(2026, 3, 1), date(2025, 12, 31), date(2026, 2, 28)),
        ([1], True, False, False),
    ],
)
def test_values_of_every_type_are_sorted_with_missing_ones_last(values: tuple[object, ...]) -> None:
    ranked = [candidate(n, value) for n, value in enumerate(values)]
    up, down = (
        [c.id for c in sort_candidates(ranked, Order("x", descending), None)] for descending in (False, True)
    )
    assert up == [2, 3, 1, 0]
    assert down == ([1, 2, 3, 0] if values[2] == values[3] else [1, 3, 2, 0])


def test_matches_of_other_categories_and_weak_ones_follow() -> None:
    ranked = [candidate(0, 9), candidate(1, 5, similarity=0.1), candidate(2, 1, tier=1), candidate(3, None)]
    assert [c.id for c in sort_candidates(ranked, Order("x", False), 0.5)] == [0, 3, 1, 2]
    assert [c.id for c in sort_candidates(ranked, Order("x", False), None)] == [1, 0, 3, 2]
    assert sort_candidates(ranked, None, 0.5) == ranked


def test_unsortable_columns_are_refused(tmp_path: Path) -> None:
    columns = pa.schema([("title", pa.string()), ("price", pa.float64()), ("url", pa.list_(pa.string()))])
    catalog = shop_in(tmp_path, [Shown("p1", "red")], columns=columns)
    assert catalog.sortable == ("title", "price")
    for wrong in ("prise", "url", "-url", "vector", "--price"):
        with pytest.raises(BadQuery, match="can be sorted by: score, title, price"):
            catalog.search_text("red", sort=wrong)
    with pytest.raises(BadQuery, match="sort"):  # before a model runs: the fake would refuse the text
        catalog.search_text("no colour", sort="prise")
    assert catalog.search_vector(vector(1), sort="-title", crops=False).objects[0].matches
