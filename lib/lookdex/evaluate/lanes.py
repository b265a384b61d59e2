"""From a photo to products, by the ways a shopper can ask: what each answers, and what detection costs. Pure.

A lane is one way to ask for an object: with the whole photo, with the box that was detected for it, with whichever box
scored best, or with its true box. All are judged over the same objects, so their shares can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lookdex.evaluate.answers import KnownObject, Recall, matched, recall_of
from lookdex.evaluate.trust import Seen
from lookdex.records import Box
from lookdex.search.answer.answer import Answer, FoundObject, Match


class Lane(StrEnum):
    WHOLE = "whole photo"
    DETECTED = "detected object"  # of the right category, IoU ≥ 0.5 with the true box where that is known
    BEST = "best-scored object"  # the only one answered for, where an application shows but one
    TRUE = "true box"  # as if the shopper had drawn it


@dataclass(frozen=True, slots=True)
class Asked:
    """An object of a photo that is a known product. box: None where only its category is known."""

    image: str
    product_id: str
    category: str
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the right product came in one lane.

    box: what was asked with. rank: from 1, None: not among the k. right: its similarity (-1 … 1), None likewise.
    wrong: the similarity of the best other product, None where there is none.
    """

    box: Box | None
    rank: int | None
    right: float | None
    wrong: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one object. A lane that answered nothing for it is not in `lanes`."""

    asked: Asked
    lanes: dict[Lane, Placed]

    @property
    def found(self) -> bool:
        """The detector found it."""
        return Lane.DETECTED in self.lanes


@dataclass(frozen=True, slots=True)
class LaneScore:
    """answered: objects for which the lane had an answer. of_all: over all objects asked for. of_found: over those
    that the detector found, in every lane the same ones."""

    answered: int
    of_all: Recall
    of_found: Recall


def outcomes(asked: Sequence[Asked], answer: Answer, drawn: Sequence[FoundObject | None]) -> list[Outcome]:
    """One photo's objects against its answer.

    drawn: for each object, what the query function says of its true box; None where that is not known.
    """
    detected = found_for(asked, answer)
    best = answer.objects[0] if answer.objects else None
    lanes = [
        {Lane.WHOLE: answer.whole, Lane.DETECTED: detected.get(n), Lane.BEST: best, Lane.TRUE: drawn[n]}
        for n in range(len(asked))
    ]
    return [
        Outcome(one, {lane: place(f, one.product_id) for lane, f in own.items() if f and f.matches})
        for one, own in zip(asked, lanes, strict=True)
    ]


def found_for(asked: Sequence[Asked], answer: Answer) -> dict[int, FoundObject]:
    """The detected object of each asked one: by its true box where it has one, else the best-scored one of its
    category that is not another's."""
    placed = [n for n, one in enumerate(asked) if one.box is not None]
    known = [KnownObject(one.box, one.category, one.product_id) for one in asked if one.box is not None]
    found = {placed[t]: answer.objects[f] for t, f in matched(known, answer).items()}
    used = {id(one) for one in found.values()}
    for n, one in enumerate(asked):
        if one.box is None:
            free = (f for f in answer.objects if f.label == one.category and id(f) not in used)
            if (best := next(free, None)) is not None:
                found[n] = best
                used.add(id(best))
    return found


def seen_in(asked: Sequence[Asked], among_all: Answer, among_own: Answer) -> list[Seen]:
    """The asked objects that were found by their true boxes, whatever they were called.

    among_all, among_own: two answers of one photo, whose objects are the same in the same order.
    """
    known = [KnownObject(one.box, one.category, one.product_id) for one in asked if one.box is not None]
    told = []
    for t, f in matched(known, among_all, any_label=True).items():
        found, product = among_all.objects[f], known[t].product_id
        ranks = [place(answer.objects[f], product).rank for answer in (among_all, among_own)]
        told.append(Seen(known[t].category, found.label or "", found.score or 0.0, *ranks))
    return told


def place(found: FoundObject, product_id: str) -> Placed:
    """Where a product came among the matches of a lane."""

    def similarity(match: Match | None) -> float | None:
        return None if match is None else match.similarity

    right = next((m for m in found.matches if m.product_id == product_id), None)
    wrong = next((m for m in found.matches if m.product_id != product_id), None)
    return Placed(found.box, None if right is None else right.rank, similarity(right), similarity(wrong))


def score(told: Sequence[Outcome]) -> dict[Lane, LaneScore]:
    """Every lane that any of the objects could be asked in, over all of them."""
    boxed = [one for one in told if one.asked.box is not None]
    scores = {}
    for lane in Lane:
        judged = boxed if lane is Lane.TRUE else told
        if judged:
            scores[lane] = LaneScore(
                sum(lane in one.lanes for one in judged),
                recall(judged, lane),
                recall([one for one in judged if one.found], lane),
            )
    return scores


def recall(told: Sequence[Outcome], lane: Lane) -> Recall:
    return recall_of([one.lanes[lane].rank if lane in one.lanes else None for one in told])
