"""Thresholds measured for models: which matches are good, and which labels are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from typing_extensions import Doc

from lookdex.records.ranges import Count, Finite, Share
from lookdex.records.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Threshold:
    """From which similarity a match is good."""

    similarity: Annotated[Finite, Doc("A match is good if its similarity is at least this.")]
    kept: Annotated[Share | None, Doc("Share of the right first matches that are good. Null without any.")]
    false_accepts: Annotated[
        Share | None, Doc("Share of the wrong first matches that are good. Null without any.")
    ]
    right: Annotated[Count, Doc("Right first matches that were measured.")]
    wrong: Annotated[Count, Doc("Wrong first matches that were measured.")]
    pooled: Annotated[bool, Doc("Whether `similarity` was measured over all categories together.")]


@dataclass(frozen=True, slots=True)
class Trust:
    """From which score a detector's label is believed. A score above 1: the label is never believed."""

    right: Annotated[Share, Doc("From these scores on, at least this share of the labels is right.")]
    all: Annotated[Finite, Doc("The score for labels that were seen too rarely.")]
    by_label: Annotated[dict[str, Finite], Doc("The score for each other label.")]

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

    keep: Annotated[Share, Doc("Share of the right first matches that a threshold must keep.")]
    least: Annotated[Count, Doc("Right matches that a category needs for a threshold of its own.")]
    embedder: Annotated[str, Doc("The embedder that they were measured with.")]
    embedder_digest: Annotated[str, Doc("Digest of its files. Empty: any embedder.")]
    all: Annotated[Threshold | None, Doc("The threshold over all categories. Null if not measured.")]
    by_category: Annotated[dict[str, Threshold], Doc("The threshold of each category.")]
    detector: Annotated[str, Doc("The detector that `trust` was measured with.")] = ""
    detector_digest: Annotated[str, Doc("Digest of its files. Empty: any detector.")] = ""
    trust: Annotated[Trust | None, Doc("From which score a label is believed. Null if not measured.")] = None
    format: Annotated[int, Doc("Format of this record.")] = 1

    def fits(self, recipe: Recipe) -> bool:
        """Whether they were measured with the recipe's models."""
        embedder, detector = self.embedder_digest, self.detector_digest
        return embedder in ("", recipe.embedder_digest) and detector in ("", recipe.detector_digest)

    def similarity(self, category: str | None) -> float | None:
        """The similarity from which a match of this category is good; None if it was not measured."""
        found = self.by_category.get(category or "", self.all)
        return None if found is None else found.similarity
