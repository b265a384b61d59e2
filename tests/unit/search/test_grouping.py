"""The nearest k distinct products, however many photos a product has, compared with a scan of all rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex.search.retrieval.grouping import (
    ANYTHING,
    FIRST_ROWS,
    TIED_ROWS,
    Distinct,
    Hit,
    Tier,
    find_distinct,
    first_of_each,
    gather,
)

LABELS = ("top", "dress", "bag")
COLOURS = ("red", "blue")


def table(products: Sequence[int | None]) -> list[Hit]:
    """Rows by distance, of these products (None: no product). Every photo has two rows.

    A row's label depends on its position and its product's category on the product, so that they often differ.
    """
    return [
        Hit(
            row, None if p is None else f"p{p}", f"photo{row // 2}.jpg", row / 1000, LABELS[row % 3],
            None if p is None or p % 4 == 3 else LABELS[p % 4 % 3], COLOURS[row % 2],
        )
        for row, p in enumerate(products)
    ]  # fmt: skip


class Table:
    """A search of the nearest rows. reads: searches of each lane. limits: of each search."""

    def __init__(self, *lanes: list[Hit]) -> None:
        self.lanes, self.reads = lanes, [0] * len(lanes)
        self.limits: list[int] = []

    def __call__(self, lanes: Sequence[int], limit: int) -> list[list[Hit]]:
        self.limits.append(limit)
        for lane in lanes:
            self.reads[lane] += 1
        return [nearest_rows(self.lanes[lane], limit) for lane in lanes]


def nearest_rows(rows: list[Hit], limit: int) -> list[Hit]:
    """Sorted by distance and row id. Of equally near rows at the limit, an index may return any: here, the last."""
    chosen = sorted(rows, key=lambda hit: (hit.distance, -hit.row))[:limit]
    return sorted(chosen, key=lambda hit: (hit.distance, hit.row))


def tied(rows: list[Hit], size: int) -> list[Hit]:
    """The same rows, of which every `size` are equally near."""
    return [replace(hit, distance=float(hit.row // size)) for hit in rows]


def scan(rows: list[Hit], k: int) -> Distinct:
    """The answer by a scan of all rows."""
    seen: set[str] = set()
    hits: list[Hit] = []
    for hit in rows:
        key = hit.product_id or f"photo:{hit.image_key}"
        if key not in seen and len(hits) < k:
            seen.add(key)
            hits.append(hit)
    return Distinct(tuple(hits), exhausted=len(hits) < k, tiers=(0,) * len(hits))


def shuffled(seed: int, products: int, photos: int) -> list[int]:
    """Every product `photos` times, in some order."""
    found = [product for product in range(products) for _ in range(photos)]
    random.Random(seed).shuffle(found)
    return found


products_of_lanes = st.lists(
    st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=400), min_size=1, max_size=4
)


@given(products_of_lanes, st.integers(1, 40))
def test_the_answer_equals_a_scan_of_all_rows(lanes: list[list[int | None]], k: int) -> None:
    rows = [table(products) for products in lanes]
    assert find_distinct(Table(*rows), len(rows), k) == tuple(scan(r, k) for r in rows)


@given(products_of_lanes, st.integers(1, 40), st.integers(1, 200))
def test_which_equally_near_rows_are_shown_does_not_depend_on_the_rows_read(
    lanes: list[list[int | None]], k: int, size: int
) -> None:
    rows = [tied(table(products), size) for products in lanes]
    expected = tuple(scan(r, k) for r in rows)
    assert find_distinct(Table(*rows), len(rows), k) == expected
    tiers = [[ANYTHING]] * len(rows)
    assert gather(TieredTable(rows, tiers), tiers, k) == expected


def test_not_all_of_many_equally_near_rows_are_read() -> None:
    search = Table(tied(table(range(6_000)), 6_000))
    (found,) = find_distinct(search, 1, 10)
    assert search.limits == [40, 320, TIED_ROWS]
    assert (len(found.hits), found.exhausted) == (10, False)


@given(st.integers(0), st.integers(1, 20))
def test_k_distinct_products_are_found_among_50_photos_of_each(seed: int, k: int) -> None:
    rows = table(shuffled(seed, 24, 50))
    (found,) = find_distinct(Table(rows), 1, k)
    assert len({hit.product_id for hit in found.hits}) == k
    assert not found.exhausted
    assert found == scan(rows, k)


def test_the_number_of_rows_grows_with_the_photos_of_a_product() -> None:
    search = Table(table([p for p in range(100) for _ in range(50)]))
    (found,) = find_distinct(search, 1, 10)
    assert [hit.product_id for hit in found.hits] == [f"p{p}" for p in range(10)]
    assert search.limits == [40, 500]  # the first 40 rows are of one product


def test_the_number_of_rows_is_at_least_doubled() -> None:
    search = Table(table([*range(8), *[8] * 50, *range(9, 100)]))
    (found,) = find_distinct(search, 1, 10)
    assert [hit.product_id for hit in found.hits] == [f"p{p}" for p in range(10)]
    assert search.limits == [40, 80]


@pytest.mark.parametrize(("k", "exhausted"), [(1, False), (2, False), (3, True)])
def test_exhausted_means_fewer_than_k_products(k: int, exhausted: bool) -> None:
    (found,) = find_distinct(Table(table([1, 1, 2, 2])), 1, k)
    assert found.exhausted is exhausted


def test_an_empty_table_is_exhausted() -> None:
    assert find_distinct(Table([]), 1, 3) == (Distinct((), True, ()),)


def test_only_lanes_that_lack_products_are_read_again() -> None:
    search = Table(table(list(range(200))), table([0] * 200))
    easy, hard = find_distinct(search, 2, 5)
    assert (easy.exhausted, hard.exhausted, len(hard.hits)) == (False, True, 1)
    assert search.reads[0] == 1 < search.reads[1]


class TieredTable:
    """A search of the nearest rows of a tier, or of all rows. reads: searches."""

    def __init__(self, lanes: Sequence[list[Hit]], tiers: Sequence[Sequence[Tier]]) -> None:
        self.lanes, self.tiers, self.reads = lanes, tiers, 0

    def __call__(self, lanes: Sequence[int], limit: int, tier: int | None) -> list[list[Hit]]:
        self.reads += 1
        return [nearest_rows(self._rows(lane, tier), limit) for lane in lanes]

    def _rows(self, lane: int, tier: int | None) -> list[Hit]:
        rows = self.lanes[lane]
        return rows if tier is None else rows_of_tier(rows, self.tiers[lane][tier])


def rows_of_tier(rows: list[Hit], tier: Tier) -> list[Hit]:
    within = [row for row in rows if tier.within in (None, row.label, row.category)]
    return [row for row in within if tier.tint is None or row.colour == tier.tint]


def scan_tiers(rows: list[Hit], tiers: Sequence[Tier], k: int) -> Distinct:
    """The answer by a scan of all rows for each tier."""
    hits: list[tuple[Hit, int]] = []
    for number, tier in enumerate(tiers):
        groups = {hit.group for hit, _ in hits}
        new = scan(rows_of_tier(rows, tier), len(rows) + 1).hits
        hits += [(hit, number) for hit in new if hit.group not in groups]
    hits = hits[:k]
    return Distinct(tuple(hit for hit, _ in hits), len(hits) < k, tuple(number for _, number in hits))


some_tiers = st.lists(
    st.builds(
        Tier, st.none() | st.sampled_from((*LABELS, "hat")), st.none() | st.sampled_from((*COLOURS, "teal"))
    ),
    min_size=1,
    max_size=3,
)


@given(products_of_lanes, st.data(), st.integers(1, 40))
def test_the_answer_in_tiers_equals_a_scan_of_all_rows(
    lanes: list[list[int | None]], data: st.DataObject, k: int
) -> None:
    rows = [table(products) for products in lanes]
    tiers = data.draw(st.lists(some_tiers, min_size=len(rows), max_size=len(rows)))
    found = gather(TieredTable(rows, tiers), tiers, k)
    assert found == tuple(scan_tiers(*lane, k) for lane in zip(rows, tiers, strict=True))


@given(st.integers(0), some_tiers, st.integers(1, 20))
def test_k_distinct_products_are_found_in_tiers_among_50_photos_of_each(
    seed: int, tiers: list[Tier], k: int
) -> None:
    rows = table(shuffled(seed, 24, 50))
    (found,) = gather(TieredTable([rows], [tiers]), [tiers], k)
    groups = [hit.group for hit in found.hits]
    assert len(groups) == len(set(groups))
    assert found.exhausted == (len(groups) < k)
    if ANYTHING in tiers:
        assert len(groups) == k
    assert list(found.tiers) == sorted(found.tiers)
    assert found == scan_tiers(rows, tiers, k)


def test_one_read_is_enough_when_the_nearest_rows_are_of_the_first_tier() -> None:
    tiers = [Tier("top"), ANYTHING]
    search = TieredTable([table(range(0, 400, 4))], [tiers])  # all tops
    (found,) = gather(search, [tiers], 8)
    assert (found.tiers, found.exhausted, search.reads) == ((0,) * 8, False, 1)


@pytest.mark.parametrize(
    ("tiers", "rows", "enough"),
    [
        ([Tier("top"), ANYTHING], 12, 4),  # rows 0, 3, 6 and 9 are tops
        ([ANYTHING], 3, 4),
    ],
    ids=["enough products", "all rows"],
)
def test_fewer_rows_than_the_limit_need_no_second_read(tiers: list[Tier], rows: int, enough: int) -> None:
    search = TieredTable([[replace(hit, category=None) for hit in table(range(rows))]], [tiers])
    (found,) = gather(search, [tiers], 8, enough)
    assert (found.exhausted, search.reads) == (rows < enough, 1)


def test_as_many_rows_as_the_limit_may_not_be_all() -> None:
    tiers = [ANYTHING]
    (found,) = gather(TieredTable([table([*[0] * 80, *range(1, 30)])], [tiers]), [tiers], 20, 1)
    assert len(found.hits) == 20


@pytest.mark.parametrize("at", [0, 2, 9])
def test_a_further_tier_adds_the_nearest_others(at: int) -> None:
    """at: where the only bag is among ten products."""
    rows = [replace(hit, category=None, label="bag" if hit.row == at else "top") for hit in table(range(10))]
    tiers = [Tier("bag"), ANYTHING]
    (found,) = gather(TieredTable([rows], [tiers]), [tiers], 5)
    assert [hit.row for hit in found.hits] == [at, *[n for n in range(10) if n != at][:4]]
    assert found.tiers == (0, 1, 1, 1, 1)


def test_without_a_product_the_rows_of_a_photo_are_one_match() -> None:
    rows = table([None] * 10)
    assert [hit.image_key for hit in first_of_each(rows, FIRST_ROWS)] == [f"photo{n}.jpg" for n in range(5)]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 60))
def test_a_part_of_the_index_is_enough_if_it_has_the_least_number_of_products(
    least: int, spare: int, products: int
) -> None:
    """A search of a part of the index returns fewer rows than its limit."""
    rows = table(list(range(100)))
    part = rows[:products]

    def search(lanes: Sequence[int], limit: int, tier: int | None) -> list[list[Hit]]:
        return [(part if products >= least else rows)[:limit] for _ in lanes]

    (found,) = gather(search, [[ANYTHING]], least + spare, least)
    assert not found.exhausted
    assert len(found.hits) == min(least + spare, products if products >= least else 100)
