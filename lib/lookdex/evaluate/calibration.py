"""Calibrate the similarity from which a match is good, for each category.

The rule: the highest threshold that keeps at least `keep` (95 %) of the right first matches. The result also has the
share of wrong first matches that pass it when the right product is absent. Similarities of different categories are
not comparable. A category with fewer than `least` right matches uses the threshold pooled over all categories.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lookdex.evaluate import label_trust
from lookdex.evaluate.label_trust import HasLabel
from lookdex.pipeline.thresholds import FORMAT
from lookdex.records import Recipe, Threshold, Thresholds, Trust

KEEP = 0.95
MIN_MATCHES = 20  # right matches; below that a quantile is too coarse (at 20, one match is 5 %)


@dataclass(frozen=True, slots=True)
class Case:
    """One query."""

    category: str
    right: float | None
    """Similarity (-1 … 1) of the right product if it came first, else None."""
    wrong: float | None
    """Similarity of the best other product, which would come first without the right one; None if there is none."""


def calibrate(
    cases: Sequence[Case],
    recipe: Recipe,
    believed: Trust | None = None,
    keep: float = KEEP,
    least: int = MIN_MATCHES,
) -> Thresholds | None:
    """Calibrate thresholds; None if no right product came first.

    Args:
        recipe: of the release queried.
        believed: trust in its detector's labels, None if not measured.
    """
    similarities = [case.right for case in cases if case.right is not None]
    if not similarities:
        return None
    pooled = find_highest(similarities, keep)
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.category].append(case)
    each = {}
    for category, members in sorted(groups.items()):
        own = [case.right for case in members if case.right is not None]
        enough = len(own) >= least
        each[category] = _threshold(members, find_highest(own, keep) if enough else pooled, not enough)
    return Thresholds(
        keep, least, recipe.embedder, recipe.embedder_digest, _threshold(cases, pooled, True), each,
        recipe.detector, recipe.detector_digest, believed, FORMAT,
    )  # fmt: skip


def calibrate_labels(
    named: Sequence[HasLabel], recipe: Recipe, least: int = MIN_MATCHES
) -> Thresholds | None:
    """Calibrate trust in a detector's labels alone, for any embedder; None without objects."""
    believed = label_trust.calibrate(named, least=least)
    if believed is None:
        return None
    return Thresholds(
        KEEP, least, "", "", None, {}, recipe.detector, recipe.detector_digest, believed, FORMAT
    )


def find_highest(similarities: Sequence[float], keep: float) -> float:
    """Return the highest threshold that at least `keep` (0 … 1) of the similarities reach.

    Raises ValueError if there are no similarities.
    """
    if not similarities:
        raise ValueError("a threshold needs at least one right match")
    # Rounding may leave the product just above a whole number (0.95 × 20 = 19.000000000000004).
    needed = max(1, math.ceil(keep * len(similarities) - 1e-9))
    return sorted(similarities, reverse=True)[needed - 1]


def _threshold(cases: Sequence[Case], similarity: float, pooled: bool) -> Threshold:
    right = [case.right >= similarity for case in cases if case.right is not None]
    wrong = [case.wrong >= similarity for case in cases if case.wrong is not None]
    return Threshold(similarity, _share(right), _share(wrong), len(right), len(wrong), pooled)


def _share(passed: Sequence[bool]) -> float | None:
    return sum(passed) / len(passed) if passed else None
