"""Calibrate when to trust a detector's label, and measure what that does to the answers.

Searched only within its label, an object with a wrong label never finds its product. Searched among all categories,
one with a right label may lose to another category. The rule: the label's category comes first if labels with such
a score are right for at least `right` (99 %) of the objects; otherwise all categories are searched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lookdex.evaluate.answers import Recall, compute_recall
from lookdex.records import Trust

RIGHT = 0.99
MIN_OBJECTS = 20  # objects of a label; below that a share is too coarse
NEVER = 2.0  # above every score


class HasLabel(Protocol):
    """A detection matched to a true object. category: the true one. label: the detector's."""

    @property
    def category(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def score(self) -> float: ...


@dataclass(frozen=True, slots=True)
class LabelledDetection:
    category: str
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class RankedDetection:
    """A detection and the rank of its product."""

    category: str
    label: str
    score: float
    among_all: int | None
    """Rank (from 1; None: not within k) when all categories are searched, or only the label's; so is `among_own`."""
    among_own: int | None


@dataclass(frozen=True, slots=True)
class Policy:
    """A rule for which products are searched."""

    name: str
    own: float
    """Share of the objects for which only their category was searched."""
    recall: Recall


def calibrate(seen: Sequence[HasLabel], right: float = RIGHT, least: int = MIN_OBJECTS) -> Trust | None:
    """Return the lowest score per label from which at least `right` of its objects are labelled correctly; None if
    empty.

    A label with fewer than `least` objects uses the score pooled over all labels.
    """
    if not seen:
        return None
    groups: dict[str, list[HasLabel]] = defaultdict(list)
    for one in seen:
        groups[one.label].append(one)
    pooled = find_lowest(seen, right)
    each = {label: find_lowest(own, right) for label, own in sorted(groups.items()) if len(own) >= least}
    return Trust(right, pooled, each)


def find_lowest(seen: Sequence[HasLabel], right: float) -> float:
    """Return the lowest score such that at least `right` of the objects that reach it are labelled correctly.

    Objects with equal scores count together. Returns NEVER if there is no such score.
    """
    best, hits = NEVER, 0
    ranked = sorted(seen, key=lambda one: -one.score)
    for counted, one in enumerate(ranked, start=1):
        hits += one.label == one.category
        last = counted == len(ranked) or ranked[counted].score < one.score
        if last and hits >= right * counted - 1e-9:
            best = one.score
    return best


def compare(seen: Sequence[RankedDetection], trust: Trust) -> list[Policy]:
    """Compare the policies over the same objects."""
    believed = [trust.believes(one.label, one.score) for one in seen]
    policies = {
        "all categories": [False] * len(seen),
        "own category only": [True] * len(seen),
        f"own where the label is right for {trust.right:.0%}": believed,
    }
    return [
        Policy(name, sum(own) / max(1, len(own)), compute_recall(_ranks(seen, own)))
        for name, own in policies.items()
    ]


def _ranks(seen: Sequence[RankedDetection], own: Sequence[bool]) -> list[int | None]:
    return [one.among_own if own_only else one.among_all for one, own_only in zip(seen, own, strict=True)]
