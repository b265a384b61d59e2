"""Which object of a photo shows which product."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex.imaging.boxes import prominence
from lookdex.index.roles import OTHER, Link, link_objects
from lookdex.records import Box, Detection, Role
from lookdex.taxonomy.categories import CATEGORIES

W, H = 200, 300
LABELS = list(CATEGORIES[:4])


def found(label: str, x0: int, y0: int, x1: int, y1: int, score: float = 0.9) -> Detection:
    return Detection(Box(x0, y0, x1, y1), label, score)


PANTS = found("pants", 40, 60, 160, 280)
SHOES = found("shoes", 60, 270, 140, 298)
TOP = found("top", 50, 10, 150, 60)


def main(product: str | None) -> Link:
    return Link(Role.MAIN, product)


def test_the_object_of_the_products_category_is_the_product() -> None:
    assert link_objects([PANTS, SHOES, TOP], ["p"], ["shoes"], W, H) == [OTHER, main("p"), OTHER]


@pytest.mark.parametrize("category", [None, "hat"])
def test_without_an_object_of_the_category_the_most_prominent_is_the_product(category: str | None) -> None:
    assert link_objects([SHOES, PANTS, TOP], ["p"], [category], W, H) == [OTHER, main("p"), OTHER]


def test_a_photo_without_products_has_a_main_object_too() -> None:
    assert link_objects([SHOES, PANTS], [], [None], W, H) == [OTHER, main(None)]


def test_without_objects_there_are_no_links() -> None:
    assert link_objects([], ["p"], ["top"], W, H) == []


def test_each_product_gets_the_object_of_its_category() -> None:
    links = link_objects([PANTS, SHOES, TOP], ["t", "s", "p"], ["top", "shoes", "pants"], W, H)
    assert links == [main("p"), main("s"), main("t")]


def test_the_first_of_two_products_of_a_category_gets_the_more_prominent_object() -> None:
    left, right = found("shoes", 20, 240, 90, 290), found("shoes", 110, 240, 150, 290)
    assert link_objects([right, left], ["a", "b"], ["shoes", "shoes"], W, H) == [main("b"), main("a")]


def test_of_equally_prominent_objects_the_surer_one_is_the_product() -> None:
    unsure, sure = found("shoes", 20, 240, 90, 290, 0.4), found("shoes", 20, 240, 90, 290, 0.8)
    assert link_objects([unsure, sure], ["p"], ["shoes"], W, H) == [OTHER, main("p")]
    assert link_objects([sure, sure], ["p"], ["shoes"], W, H) == [main("p"), OTHER]


def test_a_single_remaining_product_gets_the_most_prominent_object() -> None:
    assert link_objects([PANTS, SHOES, TOP], ["t", "x"], ["top", None], W, H) == [main("x"), OTHER, main("t")]
    assert link_objects([PANTS, SHOES, TOP], ["t", "x", "y"], ["top"], W, H) == [OTHER, OTHER, main("t")]
    assert link_objects([PANTS, SHOES], ["x", "y"], [], W, H) == [main("x"), OTHER]


def test_prominence_is_size_and_closeness_to_the_centre() -> None:
    assert prominence(Box(0, 0, W, H), W, H) == 1.0
    assert prominence(Box(50, 75, 150, 225), W, H) == 0.25
    assert prominence(Box(0, 0, 100, 150), W, H) == pytest.approx(0.125)  # halfway to the corner
    assert prominence(Box(100, 0, 200, 150), W, H) == pytest.approx(0.125)


detections = st.lists(
    st.builds(
        lambda label, x, y, w, h, score: found(label, x, y, x + w, y + h, score),
        st.sampled_from(LABELS), st.integers(0, 150), st.integers(0, 250),
        st.integers(1, 50), st.integers(1, 50), st.floats(0, 1),
    ),
    max_size=8,
)  # fmt: skip
products = st.lists(st.tuples(st.uuids().map(str), st.none() | st.sampled_from(LABELS)), max_size=5)


@given(detections, products)
def test_a_photo_with_objects_has_main_ones_each_of_another_product(
    objects: list[Detection], products: list[tuple[str, str | None]]
) -> None:
    ids, categories = [p for p, _ in products], [c for _, c in products]
    links = link_objects(objects, ids, categories, W, H)
    assert len(links) == len(objects)
    mains = [link for link in links if link.role is Role.MAIN]
    linked = [link.product_id for link in mains if link.product_id is not None]
    assert len(linked) == len(set(linked))
    assert set(linked) <= set(ids)
    assert all(link == OTHER for link in links if link.role is Role.OTHER)
    assert bool(mains) == bool(objects)
    if ids:
        assert len(linked) == len(mains)


@given(detections, products)
def test_a_product_gets_an_object_of_another_category_only_if_none_of_its_own_is_left(
    objects: list[Detection], products: list[tuple[str, str | None]]
) -> None:
    links = link_objects(objects, [p for p, _ in products], [c for _, c in products], W, H)
    others = {o.label for o, link in zip(objects, links, strict=True) if link.role is Role.OTHER}
    category_of = dict(products)
    for detection, link in zip(objects, links, strict=True):
        category = category_of[link.product_id] if link.product_id is not None else None
        if category is not None and detection.label != category:
            assert category not in others
