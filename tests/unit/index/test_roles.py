from __future__ import annotations

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


def test_the_label_that_fits_the_category_is_the_product() -> None:
    assert link_objects([PANTS, SHOES, TOP], ["p"], ["shoes"], W, H) == [OTHER, main("p"), OTHER]


def test_without_a_category_or_without_a_fit_the_most_prominent_is() -> None:
    for category in (None, "hat"):
        assert link_objects([SHOES, PANTS, TOP], ["p"], [category], W, H) == [OTHER, main("p"), OTHER]


def test_a_photo_without_products_has_a_main_object_too() -> None:
    assert link_objects([SHOES, PANTS], [], [None], W, H) == [OTHER, main(None)]
    assert link_objects([], ["p"], ["top"], W, H) == []


def test_each_product_gets_the_object_of_its_category() -> None:
    links = link_objects([PANTS, SHOES, TOP], ["t", "s", "p"], ["top", "shoes", "pants"], W, H)
    assert links == [main("p"), main("s"), main("t")]
    left, right = found("shoes", 20, 240, 90, 290), found("shoes", 110, 240, 150, 290)
    assert link_objects([right, left], ["a", "b"], ["shoes", "shoes"], W, H) == [main("b"), main("a")]


def test_a_single_product_left_gets_the_most_prominent_object() -> None:
    assert link_objects([PANTS, SHOES, TOP], ["t", "x"], ["top", None], W, H) == [main("x"), OTHER, main("t")]
    assert link_objects([PANTS, SHOES, TOP], ["t", "x", "y"], ["top"], W, H) == [OTHER, OTHER, main("t")]
    assert link_objects([PANTS, SHOES], ["x", "y"], [], W, H) == [main("x"), OTHER]


def test_prominence() -> None:
    assert prominence(Box(0, 0, W, H), W, H) == 1.0
    assert prominence(Box(50, 75, 150, 225), W, H) == 0.25
    assert prominence(Box(0, 0, 100, 150), W, H) < 0.25


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
def test_links_are_consistent(objects: list[Detection], wanted: list[tuple[str, str | None]]) -> None:
    ids, categories = [p for p, _ in wanted], [c for _, c in wanted]
    links = link_objects(objects, ids, categories, W, H)
    assert len(links) == len(objects)
    mains = [t for t in links if t.role is Role.MAIN]
    named = [t.product_id for t in mains if t.product_id is not None]
    assert len(named) == len(set(named))  # no product twice
    assert set(named) <= set(ids)
    assert all(t == OTHER for t in links if t.role is Role.OTHER)
    assert bool(mains) == bool(objects)
    if ids:
        assert len(named) == len(mains)
    for (label, product), t in zip(
        [(o.label, t.product_id) for o, t in zip(objects, links, strict=True)], links, strict=True
    ):
        category = dict(wanted).get(product) if product else None
        if (
            category and label != category
        ):  # linked although it is named otherwise: then no object is left that fits
            assert all(
                o.label != category or s.role is Role.MAIN for o, s in zip(objects, links, strict=True)
            )
        assert t in (OTHER, *mains)
