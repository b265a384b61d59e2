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

from lookdex.evaluate import trust
from lookdex.evaluate.trust import Labelled
from lookdex.pipeline.thresholds import FORMAT
from lookdex.records import Recipe, Threshold, Thresholds, Trust

KEEP = 0.95
LEAST = 20  # right matches, of fewer a quantile says little: at 20, one of them is 5 %


@dataclass(frozen=True, slots=True)
class Case:
    """One question. right: the similarity (-1 … 1) of the right product where it came first, else None. wrong: of the
    best other product, which comes first where the right one is left out; None where there is no other."""

    category: str
    right: float | None
    wrong: float | None


def calibrate(
    cases: Sequence[Case],
    recipe: Recipe,
    believed: Trust | None = None,
    keep: float = KEEP,
    least: int = LEAST,
) -> Thresholds | None:
    """The thresholds of the cases; None when no right product came first, so that there is nothing to keep.

    recipe: of the release that was asked. believed: trust in its detector's labels, None where it was not measured.
    """
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
    return Thresholds(
        keep, least, recipe.embedder, recipe.embedder_digest, _told(cases, pooled, True), each,
        recipe.detector, recipe.detector_digest, believed, FORMAT,
    )  # fmt: skip


def of_labels(named: Sequence[Labelled], recipe: Recipe, least: int = LEAST) -> Thresholds | None:
    """Trust in a detector's labels alone, whatever embedder goes with it; None without any object."""
    believed = trust.calibrate(named, least=least)
    if believed is None:
        return None
    return Thresholds(
        KEEP, least, "", "", None, {}, recipe.detector, recipe.detector_digest, believed, FORMAT
    )


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
