"""Thresholds measured for models: which matches are good, and which labels are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lookdex.records.ranges import Count, Finite, Share
from lookdex.records.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Threshold:
    """A match is good if its similarity is at least `similarity`.

    kept, false_accepts: share of the category's right and wrong first matches that are good; None without any. right,
    wrong: their numbers. pooled: `similarity` was measured over all categories together.
    """

    similarity: Finite
    kept: Share | None
    false_accepts: Share | None
    right: Count
    wrong: Count
    pooled: bool


@dataclass(frozen=True, slots=True)
class Trust:
    """The score from which a detector's label is believed: it is right for at least a share `right` of such objects.

    all: for labels that were seen too rarely. A score above 1: the label is never believed.
    """

    right: Share
    all: Finite
    by_label: dict[str, Finite]

    def believes(self, label: str, score: float) -> bool:
        return score >= self.by_label.get(label, self.all)

    def shown(self, label: str) -> str:
        """The score for a label, formatted for a table."""
        score = self.by_label.get(label, self.all)
        return "never" if score > 1 else f"{score:.2f}"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Thresholds as `lookdex evaluate end-to-end --thresholds` writes them and a release keeps them.

    They are valid only for the named models. A file of format 1 names no detector and has no trust; one of `lookdex
    evaluate detection` names no embedder and has only trust.
    """

    FORMAT: ClassVar[int] = 2  # increased when a field is removed or changes its meaning

    keep: Share
    least: Count
    embedder: str
    embedder_digest: str
    all: Threshold | None
    by_category: dict[str, Threshold]
    detector: str = ""
    detector_digest: str = ""
    trust: Trust | None = None
    format: int = 1

    def fits(self, recipe: Recipe) -> bool:
        """Whether they were measured with the recipe's models."""
        embedder, detector = self.embedder_digest, self.detector_digest
        return embedder in ("", recipe.embedder_digest) and detector in ("", recipe.detector_digest)

    def similarity(self, category: str | None) -> float | None:
        """The similarity from which a match of this category is good; None if it was not measured."""
        found = self.by_category.get(category or "", self.all)
        return None if found is None else found.similarity
