"""Recall of products by query lane, and what detection costs.

A lane is one way to query for an object: the whole photo, the detected box, the best-scored box, or the true box. All
lanes are scored over the same objects, so that their shares can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lookdex.evaluate.answers import KnownObject, Recall, compute_recall, match_objects
from lookdex.evaluate.label_trust import RankedDetection
from lookdex.records import Box
from lookdex.search.answer.answer import Answer
from lookdex.search.answer.lanes import FoundObject, Match


class Lane(StrEnum):
    WHOLE = "whole photo"
    DETECTED = "detected object"  # right category; IoU ≥ 0.5 with the true box where one is known
    BEST = "best-scored object"  # as if an application showed only one object
    TRUE = "true box"  # as if the shopper had drawn the box


@dataclass(frozen=True, slots=True)
class QueryObject:
    """An object in a query photo whose product is known."""

    image: str
    product_id: str
    category: str
    box: Box | None = None
    """None if only its category is known."""


@dataclass(frozen=True, slots=True)
class LaneResult:
    """The rank of the right product in one lane."""

    box: Box | None
    """The query box."""
    rank: int | None
    """From 1, None if not within k."""
    right: float | None
    """Similarity of the right product (-1 … 1), None likewise."""
    wrong: float | None
    """Similarity of the best other product, None if there is none."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Results for one object. Lanes without matches are not in `lanes`."""

    asked: QueryObject
    lanes: dict[Lane, LaneResult]

    @property
    def found(self) -> bool:
        """Whether the detector found the object."""
        return Lane.DETECTED in self.lanes


@dataclass(frozen=True, slots=True)
class LaneScore:
    """Recall of one lane."""

    answered: int
    """Objects for which the lane had matches."""
    of_all: Recall
    """Recall over all objects."""
    of_found: Recall
    """Recall over detected objects, the same ones in every lane."""


def score_answer(
    asked: Sequence[QueryObject], answer: Answer, true_box_results: Sequence[FoundObject | None]
) -> list[Outcome]:
    """Score one photo's answer for each of its known objects.

    Args:
        true_box_results: for each object, the result for its true box; None if that is not known.
    """
    detected = find_detections(asked, answer)
    best = answer.objects[0] if answer.objects else None
    lanes = [
        {
            Lane.WHOLE: answer.whole,
            Lane.DETECTED: detected.get(n),
            Lane.BEST: best,
            Lane.TRUE: true_box_results[n],
        }
        for n in range(len(asked))
    ]
    return [
        Outcome(one, {lane: find_rank(f, one.product_id) for lane, f in own.items() if f and f.matches})
        for one, own in zip(asked, lanes, strict=True)
    ]


def find_detections(asked: Sequence[QueryObject], answer: Answer) -> dict[int, FoundObject]:
    """Map each known object to its detection.

    Objects with a true box are matched by IoU. The others take the best-scored detection of their category that is
    still free.
    """
    placed = [n for n, one in enumerate(asked) if one.box is not None]
    known = [KnownObject(one.box, one.category, one.product_id) for one in asked if one.box is not None]
    found = {placed[t]: answer.objects[f] for t, f in match_objects(known, answer).items()}
    used = {id(one) for one in found.values()}
    for n, one in enumerate(asked):
        if one.box is None:
            free = (f for f in answer.objects if f.label == one.category and id(f) not in used)
            if (best := next(free, None)) is not None:
                found[n] = best
                used.add(id(best))
    return found


def rank_detections(
    asked: Sequence[QueryObject], among_all: Answer, among_own: Answer
) -> list[RankedDetection]:
    """Rank the products of all detected objects, whatever their labels.

    Args:
        among_all, among_own: answers for one photo, with the same objects in the same order.
    """
    known = [KnownObject(one.box, one.category, one.product_id) for one in asked if one.box is not None]
    results = []
    for t, f in match_objects(known, among_all, any_label=True).items():
        found, product = among_all.objects[f], known[t].product_id
        ranks = [find_rank(answer.objects[f], product).rank for answer in (among_all, among_own)]
        results.append(RankedDetection(known[t].category, found.label or "", found.score or 0.0, *ranks))
    return results


def find_rank(found: FoundObject, product_id: str) -> LaneResult:
    """Find a product's rank among the matches of a lane."""

    def similarity(match: Match | None) -> float | None:
        return None if match is None else match.similarity

    right = next((m for m in found.matches if m.product_id == product_id), None)
    wrong = next((m for m in found.matches if m.product_id != product_id), None)
    return LaneResult(found.box, None if right is None else right.rank, similarity(right), similarity(wrong))


def score(results: Sequence[Outcome]) -> dict[Lane, LaneScore]:
    """Score every lane over all objects that could be queried in it."""
    with_box = [one for one in results if one.asked.box is not None]
    scores = {}
    for lane in Lane:
        scored = with_box if lane is Lane.TRUE else results
        if scored:
            scores[lane] = LaneScore(
                sum(lane in one.lanes for one in scored),
                recall(scored, lane),
                recall([one for one in scored if one.found], lane),
            )
    return scores


def recall(results: Sequence[Outcome], lane: Lane) -> Recall:
    return compute_recall([one.lanes[lane].rank if lane in one.lanes else None for one in results])
