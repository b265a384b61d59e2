"""Records of what was measured for a recipe's models: which matches are good, and which labels are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lookdex.records.ranges import Count, Finite, Share
from lookdex.records.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Threshold:
    """A match is good when its similarity is at least `similarity`.

    kept: share of the category's right first matches that are. false_accepts: share of its wrong ones that are. Both
    are None without a case. right, wrong: the cases counted. pooled: `similarity` is that of all categories together.
    """

    similarity: Finite
    kept: Share | None
    false_accepts: Share | None
    right: Count
    wrong: Count
    pooled: bool


@dataclass(frozen=True, slots=True)
class Trust:
    """From which score on a detector's label is believed: it is right for at least `right` of those objects.

    all: for a label that was seen too seldom. A score above 1: the label is never believed.
    """

    right: Share
    all: Finite
    by_label: dict[str, Finite]

    def believes(self, label: str, score: float) -> bool:
        return score >= self.by_label.get(label, self.all)

    def shown(self, label: str) -> str:
        """That score, for a table."""
        score = self.by_label.get(label, self.all)
        return "never" if score > 1 else f"{score:.2f}"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What `lookdex evaluate end-to-end --thresholds` writes and a release keeps.

    The models are those whose similarities and scores these are; of no use for others. A file of format 1 names no
    detector and has no trust; one of `lookdex evaluate detection` names no embedder and has nothing but trust.
    """

    FORMAT: ClassVar[int] = 2  # raised when a field changes its meaning or goes

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
        """They were measured with the recipe's models."""
        embedder, detector = self.embedder_digest, self.detector_digest
        return embedder in ("", recipe.embedder_digest) and detector in ("", recipe.detector_digest)

    def similarity(self, category: str | None) -> float | None:
        """From which similarity on a match is good, for an object of this category; None where it was not measured."""
        found = self.by_category.get(category or "", self.all)
        return None if found is None else found.similarity
