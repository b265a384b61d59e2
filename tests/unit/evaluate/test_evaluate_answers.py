"""Which known objects and products an answer finds, on cases computed by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lookdex.evaluate.answers import KnownObject, Tally, judge
from lookdex.records import Box
from lookdex.search.answer.answer import Answer, Models
from lookdex.search.answer.kinds import LaneKind
from lookdex.search.answer.lanes import FoundObject, Match

MODELS = Models("d", "0", "e", "0")


def found(label: str, box: Box, *products: str) -> FoundObject:
    matches = tuple(
        Match(
            rank=rank,
            product_id=product,
            similarity=0.9,
            distance=0.1,
            item_id="i",
            image_key="k",
            label=label,
            colour=None,
            box=box,
        )
        for rank, product in enumerate(products, start=1)
    )
    return FoundObject(
        kind=LaneKind.OBJECT, matches=matches, exhausted=False, box=box, label=label, score=0.5
    )


def answer(*objects: FoundObject) -> Answer:
    return Answer(
        release_id="r",
        released_at=datetime(2026, 1, 1, tzinfo=UTC),
        models=MODELS,
        objects=objects,
        whole=None,
        seconds={},
    )


TOP = KnownObject(Box(0, 0, 100, 100), "top", "A")
SHOES = KnownObject(Box(0, 200, 100, 260), "shoes", "B")


def test_an_object_is_found_by_a_box_of_its_category_and_place() -> None:
    result = answer(
        found("top", Box(0, 0, 100, 90), "A", "C"), found("shoes", Box(0, 200, 100, 260), "C", "B")
    )
    tally = judge([TOP, SHOES], result)
    assert tally == Tally(objects=2, found=2, right_first=1, right_among=2)
    assert tally.objects_found == 1.0
    assert tally.right_product_top1 == 0.5


@pytest.mark.parametrize(
    "objects",
    [(found("dress", TOP.box, "A"),), (found("top", Box(0, 0, 100, 40), "A"),), ()],
    ids=["other category", "other place", "nothing"],
)
def test_an_object_is_not_found_by_anything_else(objects: tuple[FoundObject, ...]) -> None:
    assert judge([TOP], answer(*objects)) == Tally(objects=1)


def test_without_known_objects_the_shares_are_zero() -> None:
    assert judge([], answer(found("top", TOP.box, "A"))) == Tally()
    assert Tally().objects_found == Tally().right_product_top1 == 0.0


def test_a_box_finds_only_the_object_that_it_fits_best() -> None:
    near = KnownObject(Box(0, 0, 100, 60), "top", "D")
    result = answer(found("top", Box(0, 0, 100, 98), "A"))
    assert judge([near, TOP], result) == Tally(objects=2, found=1, right_first=1, right_among=1)


def test_tallies_of_photos_add_up() -> None:
    result = answer(found("top", Box(0, 0, 100, 98), "A"))
    total = judge([TOP], result) + judge([SHOES], result)
    assert total == Tally(objects=2, found=1, right_first=1, right_among=1)
