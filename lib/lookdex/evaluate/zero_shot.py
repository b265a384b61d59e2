"""Classes by their names alone: photos against texts that name the classes. Pure but for the embedder it is given."""

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
    """recall: share of the class's photos that are taken for it. precision: of the photos taken for it, those that
    are; None where none is."""

    recall: float
    precision: float | None
    photos: int


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """accuracy: share of the photos, 0 … 1. balanced: the mean of the classes' recalls, each class alike.
    counts: int (classes, classes), how often a photo of the row's class was taken for the column's."""

    accuracy: float
    balanced: float
    classes: tuple[str, ...]
    counts: np.ndarray
    by_class: dict[str, ClassScore]

    @property
    def confused(self) -> list[tuple[str, str, int]]:
        """(class, taken for, how often), most frequent first."""
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
    """A vector for each class: the mean over its names and the templates (Radford et al., 2021, section 3.1.4).

    names: class → what it is called. templates: each with {} for the name. Returns float32 (classes, dim), unit
    length.

    Raises:
        ConfigError: a template without {}. BadQuery: an embedder that knows no texts.
    """
    for template in templates:
        if "{}" not in template:
            raise ConfigError(f"--template {template!r} has no place for the name: write {{}} where it goes")
    vectors = []
    for own in names.values():
        texts = [template.replace("{}", name) for template in templates for name in own]
        mean = embedder.embed_texts(texts).mean(axis=0)
        vectors.append(mean / np.linalg.norm(mean))
    return np.stack(vectors).astype(np.float32)


def classify(
    vectors: np.ndarray, labels: Sequence[str], texts: np.ndarray, classes: Sequence[str]
) -> ZeroShot:
    """Each photo is taken for the class whose text is most similar (equal ones: the first).

    vectors: (n, dim). labels: n of the classes. texts: (classes, dim). All vectors of unit length.
    """
    number = {name: i for i, name in enumerate(classes)}
    truth = np.array([number[label] for label in labels], np.int64)
    taken = (vectors @ texts.T).argmax(axis=1)
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (truth, taken), 1)
    right, own, claimed = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    by_class = {
        name: ClassScore(
            float(right[i] / own[i]), float(right[i] / claimed[i]) if claimed[i] else None, int(own[i])
        )
        for i, name in enumerate(classes)
        if own[i]
    }
    return ZeroShot(
        accuracy=float(right.sum() / max(1, counts.sum())),
        balanced=float(np.mean([c.recall for c in by_class.values()])) if by_class else 0.0,
        classes=tuple(classes),
        counts=counts,
        by_class=by_class,
    )
