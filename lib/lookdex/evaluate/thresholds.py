"""From which similarity on a match may be shown: "no good match" below it, calibrated for each category.

The rule: of the thresholds that keep at least `keep` (95 %) of the right first matches, the highest. How many wrong
first matches pass it, where the right product is not in the answers, is told beside it. Similarities of different
categories are not comparable; a category with fewer than `least` right matches takes the threshold of all together.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

FORMAT = 1  # of the JSON; raised when a field changes its meaning or goes
KEEP = 0.95
LEAST = 20  # right matches, of fewer a quantile says little: at 20, one of them is 5 %


@dataclass(frozen=True, slots=True)
class Case:
    """One question. right: the similarity (-1 … 1) of the right product where it came first, else None. wrong: of the
    best other product, which comes first where the right one is left out; None where there is no other."""

    category: str
    right: float | None
    wrong: float | None


@dataclass(frozen=True, slots=True)
class Threshold:
    """A match is shown when its similarity is at least `similarity`.

    kept: share of the category's right first matches that are. false_accepts: share of its wrong ones that are. Both
    are None without a case. right, wrong: the cases counted. pooled: `similarity` is that of all categories together.
    """

    similarity: float
    kept: float | None
    false_accepts: float | None
    right: int
    wrong: int
    pooled: bool


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What `--thresholds` writes. embedder, embedder_digest: whose similarities these are; of no use for another."""

    keep: float
    least: int
    embedder: str
    embedder_digest: str
    all: Threshold
    by_category: dict[str, Threshold]
    format: int = FORMAT


def calibrate(
    cases: Sequence[Case], embedder: str, embedder_digest: str, keep: float = KEEP, least: int = LEAST
) -> Thresholds | None:
    """The thresholds of the cases; None when no right product came first, so that there is nothing to keep."""
    together = [case.right for case in cases if case.right is not None]
    if not together:
        return None
    pooled = highest(together, keep)
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.category].append(case)
    each = {}
    for category, members in sorted(groups.items()):
        own = [case.right for case in members if case.right is not None]
        enough = len(own) >= least
        each[category] = _told(members, highest(own, keep) if enough else pooled, not enough)
    return Thresholds(keep, least, embedder, embedder_digest, _told(cases, pooled, True), each)


def highest(similarities: Sequence[float], keep: float) -> float:
    """The highest threshold that at least `keep` (0 … 1) of the similarities reach: one of them.

    Raises ValueError without similarities.
    """
    if not similarities:
        raise ValueError("no similarity to keep: a threshold needs one right match at least")
    # The product may end a hair above a whole number (0.95 × 20 = 19.000000000000004 in another order).
    needed = max(1, math.ceil(keep * len(similarities) - 1e-9))
    return sorted(similarities, reverse=True)[needed - 1]


def _told(cases: Sequence[Case], similarity: float, pooled: bool) -> Threshold:
    right = [case.right >= similarity for case in cases if case.right is not None]
    wrong = [case.wrong >= similarity for case in cases if case.wrong is not None]
    return Threshold(similarity, _share(right), _share(wrong), len(right), len(wrong), pooled)


def _share(passed: Sequence[bool]) -> float | None:
    return sum(passed) / len(passed) if passed else None
