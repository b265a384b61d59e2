"""The things that are hardest to distinguish: neighbours in an embedder's space.

Batches of them contain hard negatives. Randomly drawn things are mostly far apart already and teach nothing (Schroff et
al., FaceNet, 2015; Xiong et al., ANCE, 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

NEIGHBOURS = 40  # neighbours kept per thing
_BLOCK = 1024  # things compared per block


class Lookalikes:
    """The nearest neighbours of each thing.

    Args:
        ids: distinct.
        near: int32 (n, m), indexes in `ids`, nearest first.
    """

    def __init__(self, ids: Sequence[str], near: np.ndarray) -> None:
        self._ids, self._near = list(ids), near
        self._place = {one: n for n, one in enumerate(self._ids)}
        odds = np.arange(1.0, near.shape[1] + 1) ** -0.5  # nearer ones are drawn more often
        self._odds = odds / max(odds.sum(), 1.0)

    @classmethod
    def compute(cls, ids: Sequence[str], vectors: np.ndarray, limit: int = NEIGHBOURS) -> Lookalikes:
        """Compute from vectors (n, dim) by cosine; lengths may differ but not be 0."""
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        limit = min(limit, len(unit) - 1)
        near = np.empty((len(unit), limit), np.int32)
        for start in range(0, len(unit), _BLOCK):
            block = np.arange(start, min(len(unit), start + _BLOCK))
            cosines = unit[block] @ unit.T
            cosines[block - start, block] = -np.inf
            near[block] = np.argsort(-cosines, axis=1, kind="stable")[:, :limit]
        return cls(ids, near)

    def beside(self, thing: str, count: int, rng: np.random.Generator) -> list[str]:
        """Draw up to `count` look-alikes of a thing; none if it is unknown."""
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
