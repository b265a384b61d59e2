"""Lanes of an end-to-end evaluation, on answers written by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from lookdex.catalog import json_codec
from lookdex.evaluate.lanes import Lane, LaneResult, Outcome, QueryObject, score, score_answer
from lookdex.records import Box
from lookdex.search.answer.answer import Answer, Models
from lookdex.search.answer.kinds import LaneKind
from lookdex.search.answer.lanes import FoundObject, Match

TOP_BOX, SHOES_BOX = Box(0, 0, 100, 100), Box(0, 200, 100, 260)
TOP = QueryObject("look.jpg", "A", "top", TOP_BOX)
SHOES = QueryObject("look.jpg", "B", "shoes", SHOES_BOX)


def lane(kind: LaneKind, label: str | None, box: Box, *products: str) -> FoundObject:
    matches = tuple(
        Match(
            rank=rank,
            product_id=product,
            similarity=1 - rank / 10,
            distance=rank / 10,
            item_id="i",
            image_key="k",
            label=label,
            colour=None,
            box=box,
        )
        for rank, product in enumerate(products, start=1)
    )
    return FoundObject(kind=kind, matches=matches, exhausted=False, box=box, label=label, score=0.5)


def found(label: str, box: Box, *products: str) -> FoundObject:
    return lane(LaneKind.OBJECT, label, box, *products)


def answer(*objects: FoundObject, whole: tuple[str, ...] = ("C", "B")) -> Answer:
    everything = lane(LaneKind.IMAGE, None, Box(0, 0, 100, 300), *whole)
    models = Models("d", "0", "e", "0")
    return Answer(
        release_id="r",
        released_at=datetime(2026, 1, 1, tzinfo=UTC),
        models=models,
        objects=objects,
        whole=everything,
        seconds={},
    )


def test_each_lane_has_the_rank_and_similarity_of_the_right_product() -> None:
    result = answer(found("shoes", SHOES_BOX, "C", "D", "B"), found("top", Box(0, 0, 100, 40), "A"))
    top, shoes = score_answer(
        [TOP, SHOES],
        result,
        [lane(LaneKind.BOX, None, TOP_BOX, "A", "C"), lane(LaneKind.BOX, None, SHOES_BOX, "C")],
    )
    assert set(top.lanes) == {Lane.WHOLE, Lane.BEST, Lane.TRUE}  # the box of the top does not overlap enough
    assert not top.found
    assert top.lanes[Lane.TRUE] == LaneResult(TOP_BOX, 1, 0.9, 0.8)
    assert top.lanes[Lane.BEST] == LaneResult(SHOES_BOX, None, None, 0.9)
    assert shoes.lanes[Lane.DETECTED] == LaneResult(SHOES_BOX, 3, 1 - 3 / 10, 0.9)
    assert shoes.lanes[Lane.WHOLE].rank == 2
    assert shoes.lanes[Lane.TRUE].rank is None


def test_scores_are_shares_of_all_objects_and_of_those_found() -> None:
    result = answer(found("shoes", SHOES_BOX, "C", "D", "B"), found("top", Box(0, 0, 100, 40), "A"))
    true_boxes = [lane(LaneKind.BOX, None, TOP_BOX, "A", "C"), lane(LaneKind.BOX, None, SHOES_BOX, "C")]
    scores = score(score_answer([TOP, SHOES], result, true_boxes))
    detected = scores[Lane.DETECTED]
    assert (detected.answered, detected.of_all.objects, detected.of_found.objects) == (1, 2, 1)
    assert (detected.of_all.first, detected.of_all.among_5, detected.of_found.among_5) == (0.0, 0.5, 1.0)
    assert (scores[Lane.TRUE].of_all.first, scores[Lane.TRUE].of_found.first) == (0.5, 0.0)
    assert scores[Lane.WHOLE].of_all.among_k == 0.5


def test_without_a_true_box_the_best_object_of_the_category_answers() -> None:
    result = answer(found("top", Box(0, 0, 9, 9), "C"), found("top", Box(50, 50, 99, 99), "A"))
    first, second = score_answer([replace(TOP, box=None), replace(TOP, box=None)], result, [None, None])
    assert first.lanes[Lane.DETECTED].box == Box(0, 0, 9, 9)  # the best-scored one
    assert second.lanes[Lane.DETECTED].rank == 1  # each object answers once
    assert Lane.TRUE not in first.lanes
    assert Lane.TRUE not in score([first, second])


def test_an_object_that_nothing_answers_has_no_lanes() -> None:
    found_nothing = score_answer([TOP], answer(whole=()), [None])
    assert found_nothing == [Outcome(TOP, {})]
    assert score(found_nothing)[Lane.DETECTED].answered == 0


def test_without_objects_there_are_no_scores() -> None:
    assert score([]) == {}


def test_an_outcome_can_be_stored_as_json() -> None:
    outcome = score_answer([TOP], answer(found("top", TOP_BOX, "A")), [None])[0]
    assert json_codec.from_json(Outcome, json_codec.to_json(outcome)) == outcome
