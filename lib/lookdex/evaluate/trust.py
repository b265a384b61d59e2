"""When a detector's label is believed, and what follows for the answers. Pure.

Asked for its own category alone, an object whose label is wrong never finds its product; asked among all, one whose
label is right may lose to another category's. The rule: the category comes first where the label is right for at
least `right` (99 %) of the objects with such a score, by label; elsewhere all categories answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lookdex.evaluate.answers import Recall, recall_of
from lookdex.records import Trust

RIGHT = 0.99
LEAST = 20  # objects of a label, of fewer a share says little
NEVER = 2.0  # a score that no label reaches


class Labelled(Protocol):
    """An object that was found, whatever the detector calls it. category: what it is."""

    @property
    def category(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def score(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Named:
    category: str
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Seen:
    """A found object and its products.

    among_all, among_own: where its product came (from 1; None: not among the k) when products of all categories were
    asked, and those of the label alone.
    """

    category: str
    label: str
    score: float
    among_all: int | None
    among_own: int | None


@dataclass(frozen=True, slots=True)
class Policy:
    """How an object's products are chosen. own: share of the objects that were asked for their category alone."""

    name: str
    own: float
    recall: Recall


def calibrate(seen: Sequence[Labelled], right: float = RIGHT, least: int = LEAST) -> Trust | None:
    """The lowest scores from which labels are right for at least `right` of the objects; None without any object.

    A label of fewer than `least` objects takes the score of all together.
    """
    if not seen:
        return None
    groups: dict[str, list[Labelled]] = defaultdict(list)
    for one in seen:
        groups[one.label].append(one)
    together = lowest(seen, right)
    each = {label: lowest(own, right) for label, own in sorted(groups.items()) if len(own) >= least}
    return Trust(right, together, each)


def lowest(seen: Sequence[Labelled], right: float) -> float:
    """The lowest score of the objects such that at least `right` of those that reach it are labelled rightly.

    Objects with one score count together. NEVER when there is none.
    """
    best, hits = NEVER, 0
    ranked = sorted(seen, key=lambda one: -one.score)
    for counted, one in enumerate(ranked, start=1):
        hits += one.label == one.category
        last = counted == len(ranked) or ranked[counted].score < one.score
        if last and hits >= right * counted - 1e-9:
            best = one.score
    return best


def compare(seen: Sequence[Seen], trust: Trust) -> list[Policy]:
    """Each way to choose the products that answer, over the same objects."""
    believed = [trust.believes(one.label, one.score) for one in seen]
    policies = {
        "all categories": [False] * len(seen),
        "own category only": [True] * len(seen),
        f"own where the label is right for {trust.right:.0%}": believed,
    }
    return [
        Policy(name, sum(own) / max(1, len(own)), recall_of(_ranks(seen, own)))
        for name, own in policies.items()
    ]


def _ranks(seen: Sequence[Seen], own: Sequence[bool]) -> list[int | None]:
    return [one.among_own if alone else one.among_all for one, alone in zip(seen, own, strict=True)]
