"""Lanes of an end-to-end evaluation, on handwritten answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lookdex.catalog import json_codec
from lookdex.evaluate.lanes import Lane, LaneResult, Outcome, QueryObject, outcomes, score
from lookdex.records import Box
from lookdex.search.answer.answer import Answer, Models
from lookdex.search.answer.kinds import LaneKind
from lookdex.search.answer.lanes import FoundObject, Match

TOP = QueryObject("look.jpg", "A", "top", Box(0, 0, 100, 100))
SHOES = QueryObject("look.jpg", "B", "shoes", Box(0, 200, 100, 260))


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


def test_each_lane_by_hand() -> None:
    told = answer(found("shoes", SHOES.box, "C", "D", "B"), found("top", Box(0, 0, 100, 40), "A"))
    top, shoes = outcomes(
        [TOP, SHOES],
        told,
        [lane(LaneKind.BOX, None, TOP.box, "A", "C"), lane(LaneKind.BOX, None, SHOES.box, "C")],
    )
    assert set(top.lanes) == {Lane.WHOLE, Lane.BEST, Lane.TRUE}  # the top's box lies wrong
    assert not top.found
    assert top.lanes[Lane.TRUE] == LaneResult(TOP.box, 1, 0.9, 0.8)
    assert top.lanes[Lane.BEST] == LaneResult(SHOES.box, None, None, 0.9)
    assert shoes.lanes[Lane.DETECTED] == LaneResult(SHOES.box, 3, pytest.approx(0.7), 0.9)
    assert shoes.lanes[Lane.WHOLE].rank == 2
    assert shoes.lanes[Lane.TRUE].rank is None

    scores = score([top, shoes])
    detected = scores[Lane.DETECTED]
    assert (detected.answered, detected.of_all.objects, detected.of_found.objects) == (1, 2, 1)
    assert (detected.of_all.first, detected.of_all.among_5, detected.of_found.among_5) == (0.0, 0.5, 1.0)
    assert (scores[Lane.TRUE].of_all.first, scores[Lane.TRUE].of_found.first) == (0.5, 0.0)
    assert scores[Lane.WHOLE].of_all.among_k == 0.5


def test_without_a_true_box_the_best_object_of_the_category_answers() -> None:
    told = answer(found("top", Box(0, 0, 9, 9), "C"), found("top", Box(50, 50, 99, 99), "A"))
    first, second = outcomes([replace(TOP, box=None), replace(TOP, box=None)], told, [None, None])
    assert first.lanes[Lane.DETECTED].box == Box(0, 0, 9, 9)  # the best-scored one
    assert second.lanes[Lane.DETECTED].rank == 1  # each object answers once
    assert Lane.TRUE not in first.lanes
    assert Lane.TRUE not in score([first, second])


def test_nothing_found_and_nothing_asked() -> None:
    told = outcomes([TOP], answer(whole=()), [None])
    assert told == [Outcome(TOP, {})]
    assert score(told)[Lane.DETECTED].answered == 0
    assert score([]) == {}


def test_an_outcome_crosses_processes_as_json() -> None:
    told = outcomes([TOP], answer(found("top", TOP.box, "A")), [None])[0]
    assert json_codec.from_json(Outcome, json_codec.to_json(told)) == told
