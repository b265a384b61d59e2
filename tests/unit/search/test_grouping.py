"""k distinct products out of nearest rows, whatever the number of photos a product has."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from lookdex.search.retrieval.grouping import (
    ANYTHING,
    FIRST_ROWS,
    Distinct,
    Hit,
    Tier,
    gather,
    nearest_distinct,
    nearest_of_each,
)

LABELS = ("top", "dress", "bag")
COLOURS = ("red", "blue")


def table(products: Sequence[int | None]) -> list[Hit]:
    """Rows in the order of their distance; each of a product, or (None) of none, every photo with two rows. A row's
    label goes by its place, its product's category by the product, so that they often differ."""
    return [
        Hit(
            row, None if p is None else f"p{p}", f"photo{row // 2}.jpg", row / 1000, LABELS[row % 3],
            None if p is None or p % 4 == 3 else LABELS[p % 4 % 3], COLOURS[row % 2],
        )
        for row, p in enumerate(products)
    ]  # fmt: skip


class Table:
    def __init__(self, *lanes: list[Hit]) -> None:
        self.lanes, self.asked = lanes, [0] * len(lanes)

    def __call__(self, lanes: Sequence[int], limit: int) -> list[list[Hit]]:
        for lane in lanes:
            self.asked[lane] += 1
        return [self.lanes[lane][:limit] for lane in lanes]


def expected(rows: list[Hit], k: int) -> Distinct:
    seen, hits = set(), []
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


@given(
    st.lists(st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=400), min_size=1, max_size=4),
    st.integers(1, 40),
)
def test_the_answer_is_that_of_a_scan_of_all_rows(lanes: list[list[int | None]], k: int) -> None:
    rows = [table(products) for products in lanes]
    assert nearest_distinct(Table(*rows), len(rows), k) == tuple(expected(r, k) for r in rows)


@given(st.integers(0), st.integers(1, 20))
def test_fifty_photos_of_each_product(seed: int, k: int) -> None:
    """The nearest products may hide behind 50 rows each; in any order of the rows there are exactly k, all distinct."""
    products = shuffled(seed, 24, 50)
    rows = table(products)
    (found,) = nearest_distinct(Table(rows), 1, k)
    assert len({hit.product_id for hit in found.hits}) == k
    assert not found.exhausted
    assert found == expected(rows, k)


def test_fifty_photos_of_each_product_one_after_the_other() -> None:
    rows = table([p for p in range(100) for _ in range(50)])
    asked = Table(rows)
    (found,) = nearest_distinct(asked, 1, 10)
    assert [hit.product_id for hit in found.hits] == [f"p{p}" for p in range(10)]
    assert asked.asked == [2]  # 40 rows hold one product, so that the next question goes for 500


def test_exhausted_says_that_fewer_fit() -> None:
    rows = table([1, 1, 2, 2])
    assert [d.exhausted for k in (1, 2, 3) for d in nearest_distinct(Table(rows), 1, k)] == [
        False,
        False,
        True,
    ]
    assert nearest_distinct(Table([]), 1, 3) == (Distinct((), True, ()),)


def test_only_lanes_that_lack_products_are_asked_again() -> None:
    asked = Table(table(list(range(200))), table([0] * 200))
    easy, hard = nearest_distinct(asked, 2, 5)
    assert (easy.exhausted, hard.exhausted, len(hard.hits)) == (False, True, 1)
    assert asked.asked[0] == 1 < asked.asked[1]


class Shelves:
    """The table as `gather` asks it."""

    def __init__(self, lanes: Sequence[list[Hit]], tiers: Sequence[Sequence[Tier]]) -> None:
        self.lanes, self.tiers, self.asked = lanes, tiers, 0

    def __call__(self, lanes: Sequence[int], limit: int, tier: int | None) -> list[list[Hit]]:
        self.asked += 1
        return [self._rows(lane, tier)[:limit] for lane in lanes]

    def _rows(self, lane: int, tier: int | None) -> list[Hit]:
        rows = self.lanes[lane]
        return rows if tier is None else fitting(rows, self.tiers[lane][tier])


def fitting(rows: list[Hit], tier: Tier) -> list[Hit]:
    own = [row for row in rows if tier.within in (None, row.label, row.category)]
    return [row for row in own if tier.tint is None or row.colour == tier.tint]


def scanned(rows: list[Hit], tiers: Sequence[Tier], k: int) -> Distinct:
    """What a scan of all rows says, worked out in the plainest way."""
    hits: list[tuple[Hit, int]] = []
    for number, tier in enumerate(tiers):
        groups = {hit.group for hit, _ in hits}
        own = expected(fitting(rows, tier), len(rows) + 1).hits
        hits += [(hit, number) for hit in own if hit.group not in groups]
    hits = hits[:k]
    return Distinct(tuple(hit for hit, _ in hits), len(hits) < k, tuple(number for _, number in hits))


rows_of_lanes = st.lists(
    st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=400), min_size=1, max_size=4
)
some_tiers = st.lists(
    st.builds(
        Tier, st.none() | st.sampled_from((*LABELS, "hat")), st.none() | st.sampled_from((*COLOURS, "teal"))
    ),
    min_size=1,
    max_size=3,
)


@given(rows_of_lanes, st.data(), st.integers(1, 40))
def test_tiers_follow_each_other_as_a_scan_has_it(
    lanes: list[list[int | None]], data: st.DataObject, k: int
) -> None:
    rows = [table(products) for products in lanes]
    tiers = data.draw(st.lists(some_tiers, min_size=len(rows), max_size=len(rows)))
    told = gather(Shelves(rows, tiers), tiers, k)
    assert told == tuple(scanned(own, wish, k) for own, wish in zip(rows, tiers, strict=True))


@given(st.integers(0), some_tiers, st.integers(1, 20))
def test_fifty_crops_of_each_product_in_tiers(seed: int, tiers: list[Tier], k: int) -> None:
    """Exactly k distinct products, or `exhausted`, however the rows lie and whatever is asked first."""
    rows = table(shuffled(seed, 24, 50))
    (found,) = gather(Shelves([rows], [tiers]), [tiers], k)
    groups = [hit.group for hit in found.hits]
    assert len(groups) == len(set(groups))
    assert found.exhausted == (len(groups) < k)
    if ANYTHING in tiers:
        assert len(groups) == k
    assert list(found.tiers) == sorted(found.tiers)
    assert found == scanned(rows, tiers, k)


def test_one_question_is_enough_where_the_nearest_are_of_the_category() -> None:
    tiers = [Tier("top"), ANYTHING]
    shelves = Shelves([table(range(0, 400, 4))], [tiers])  # all tops
    (found,) = gather(shelves, [tiers], 8)
    assert (found.tiers, found.exhausted, shelves.asked) == ((0,) * 8, False, 1)


def test_photos_without_a_product_count_by_photo() -> None:
    rows = table([None] * 10)
    assert [hit.image_key for hit in nearest_of_each(rows, FIRST_ROWS)] == [f"photo{n}.jpg" for n in range(5)]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 60))
def test_a_part_of_an_index_that_holds_enough_products_is_enough(
    least: int, spare: int, products: int
) -> None:
    """Of a table's products a part is read at first: `ask` answers fewer rows than its limit."""
    rows = table(list(range(100)))
    part = rows[:products]

    def ask(lanes: Sequence[int], limit: int, tier: int | None) -> list[list[Hit]]:
        return [(part if products >= least else rows)[:limit] for _ in lanes]

    (found,) = gather(ask, [[ANYTHING]], least + spare, least)
    assert not found.exhausted
    assert len(found.hits) == min(least + spare, products if products >= least else 100)
