"""Which things are hardest to tell apart: those that an embedder puts next to each other.

In a batch of them each has neighbours to be told from, where things drawn at random are mostly far apart already and
teach nothing (hard negatives: Schroff et al., FaceNet, 2015; Xiong et al., ANCE, 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

MOST = 40  # kept of each
_BLOCK = 1024  # things compared at a time


class Lookalikes:
    """The nearest others of each thing. ids: distinct. near: int32 (n, m), places in `ids`, nearest first."""

    def __init__(self, ids: Sequence[str], near: np.ndarray) -> None:
        self._ids, self._near = list(ids), near
        self._place = {one: n for n, one in enumerate(self._ids)}
        odds = np.arange(1.0, near.shape[1] + 1) ** -0.5  # a nearer one more often
        self._odds = odds / max(odds.sum(), 1.0)

    @classmethod
    def of(cls, ids: Sequence[str], vectors: np.ndarray, most: int = MOST) -> Lookalikes:
        """By the cosines of vectors (n, dim), of any length but 0."""
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        most = min(most, len(unit) - 1)
        near = np.empty((len(unit), most), np.int32)
        for start in range(0, len(unit), _BLOCK):
            own = np.arange(start, min(len(unit), start + _BLOCK))
            cosines = unit[own] @ unit.T
            cosines[own - start, own] = -np.inf
            near[own] = np.argsort(-cosines, axis=1, kind="stable")[:, :most]
        return cls(ids, near)

    def beside(self, thing: str, count: int, rng: np.random.Generator) -> list[str]:
        """Some others that look like it, `count` at most; none of a thing that is not known."""
        if thing not in self._place:
            return []
        chosen = rng.choice(
            len(self._odds),
            min(count, len(self._odds)),
            replace=False,
            p=self._odds if len(self._odds) else None,
        )
        return [self._ids[i] for i in self._near[self._place[thing], chosen]]

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, ids=np.array(self._ids), near=self._near)

    @classmethod
    def load(cls, path: Path) -> Lookalikes:
        """Raises OSError."""
        with np.load(path) as kept:
            return cls(kept["ids"].tolist(), kept["near"])
