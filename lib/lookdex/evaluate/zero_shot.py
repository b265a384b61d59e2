"""Zero-shot classification: photos against texts that name the classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lookdex.errors import ConfigError

if TYPE_CHECKING:
    from lookdex.models.embed import Embedder

TEMPLATES = ("a photo of a {}",)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """The score of one class."""

    recall: float
    """Share of the class's photos classified as it."""
    precision: float | None
    """Share of photos classified as it that are right; None if there are none."""
    photos: int


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """The score of a zero-shot classification."""

    accuracy: float
    """Share of right photos, 0 … 1."""
    balanced: float
    """Mean recall of the classes."""
    classes: tuple[str, ...]
    counts: np.ndarray
    """int (classes, classes): rows are true classes, columns predicted ones."""
    by_class: dict[str, ClassScore]

    @property
    def confused(self) -> list[tuple[str, str, int]]:
        """(class, predicted class, count), most frequent first."""
        pairs = Counter({
            (a, b): int(self.counts[i, j])
            for i, a in enumerate(self.classes)
            for j, b in enumerate(self.classes)
            if i != j and self.counts[i, j]
        })  # fmt: skip
        return [(a, b, n) for (a, b), n in pairs.most_common()]


def class_vectors(
    embedder: Embedder, names: Mapping[str, Sequence[str]], templates: Sequence[str] = TEMPLATES
) -> np.ndarray:
    """Embed each class as the mean over its names and the templates (Radford et al., 2021, section 3.1.4).

    Args:
        names: class → its names.
        templates: texts with {} for the name.

    Returns:
        float32 (classes, dim), unit length.

    Raises:
        ConfigError: a template without {}. BadQuery: the embedder has no text encoder.
    """
    for template in templates:
        if "{}" not in template:
            raise ConfigError(f"--template {template!r} needs {{}} where the name goes")
    vectors = []
    for class_names in names.values():
        texts = [template.replace("{}", name) for template in templates for name in class_names]
        mean = embedder.embed_texts(texts).mean(axis=0)
        vectors.append(mean / np.linalg.norm(mean))
    return np.stack(vectors).astype(np.float32)


def classify(
    vectors: np.ndarray, labels: Sequence[str], texts: np.ndarray, classes: Sequence[str]
) -> ZeroShot:
    """Assign each photo to the class with the most similar text; the first one wins ties.

    Args:
        vectors: (n, dim).
        labels: n class names.
        texts: (classes, dim). All vectors have unit length.
    """
    number = {name: i for i, name in enumerate(classes)}
    truth = np.array([number[label] for label in labels], np.int64)
    predicted = (vectors @ texts.T).argmax(axis=1)
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (truth, predicted), 1)
    right, photos, claimed = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    by_class = {
        name: ClassScore(
            float(right[i] / photos[i]), float(right[i] / claimed[i]) if claimed[i] else None, int(photos[i])
        )
        for i, name in enumerate(classes)
        if photos[i]
    }
    return ZeroShot(
        accuracy=float(right.sum() / max(1, counts.sum())),
        balanced=float(np.mean([c.recall for c in by_class.values()])) if by_class else 0.0,
        classes=tuple(classes),
        counts=counts,
        by_class=by_class,
    )
