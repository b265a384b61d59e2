"""k distinct products out of nearest rows, whatever the number of photos a product has."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from lookdex.search.grouping import FIRST_ROWS, Distinct, Hit, nearest_distinct, nearest_of_each


def table(products: Sequence[int | None]) -> list[Hit]:
    """Rows in the order of their distance; each of a product, or (None) of none, every photo with two rows."""
    return [
        Hit(row, None if p is None else f"p{p}", f"photo{row // 2}.jpg", row / 1000)
        for row, p in enumerate(products)
    ]


class Table:
    def __init__(self, *lanes: list[Hit]):
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
    return Distinct(tuple(hits), exhausted=len(hits) < k)


@given(
    st.lists(st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=400), min_size=1, max_size=4),
    st.integers(1, 40),
)
def test_the_answer_is_that_of_a_scan_of_all_rows(lanes: list[list[int | None]], k: int):
    rows = [table(products) for products in lanes]
    assert nearest_distinct(Table(*rows), len(rows), k) == tuple(expected(r, k) for r in rows)


@given(st.data(), st.integers(1, 20))
def test_fifty_photos_of_each_product(data: st.DataObject, k: int):
    """The nearest products may hide behind 50 rows each; in any order of the rows there are exactly k, all distinct."""
    products = data.draw(st.permutations([p for p in range(24) for _ in range(50)]))
    rows = table(products)
    (found,) = nearest_distinct(Table(rows), 1, k)
    assert len({hit.product_id for hit in found.hits}) == k
    assert not found.exhausted
    assert found == expected(rows, k)


def test_fifty_photos_of_each_product_one_after_the_other():
    rows = table([p for p in range(100) for _ in range(50)])
    asked = Table(rows)
    (found,) = nearest_distinct(asked, 1, 10)
    assert [hit.product_id for hit in found.hits] == [f"p{p}" for p in range(10)]
    assert asked.asked == [2]  # 40 rows hold one product, so that the next question goes for 500


def test_exhausted_says_that_fewer_fit():
    rows = table([1, 1, 2, 2])
    assert [d.exhausted for k in (1, 2, 3) for d in nearest_distinct(Table(rows), 1, k)] == [
        False,
        False,
        True,
    ]
    assert nearest_distinct(Table([]), 1, 3) == (Distinct((), exhausted=True),)


def test_only_lanes_that_lack_products_are_asked_again():
    asked = Table(table(list(range(200))), table([0] * 200))
    easy, hard = nearest_distinct(asked, 2, 5)
    assert (easy.exhausted, hard.exhausted, len(hard.hits)) == (False, True, 1)
    assert asked.asked[0] == 1 < asked.asked[1]


def test_photos_without_a_product_count_by_photo():
    rows = table([None] * 10)
    assert [hit.image_key for hit in nearest_of_each(rows, FIRST_ROWS)] == [f"photo{n}.jpg" for n in range(5)]
