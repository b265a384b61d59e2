"""Matches that show nearly the same picture: one file saved twice, smaller, brighter, cropped, under two products.

Vectors and palettes propose (cosine ≥ 0.97, colours ≥ 0.9 alike), the pixels of the stored crops decide
(`samepicture`, whose words say how well).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lookdex import colour, images
from lookdex.records import Swatch
from lookdex.samepicture import same_picture
from lookdex.search.ranking import Candidate

NEAR = 0.97
COLOURS = 0.9
_MOST = 10_000_000  # pixels and bytes of a stored crop are far fewer


def comparer(
    ranked: Sequence[Candidate], crops: Callable[[Sequence[int]], dict[int, bytes]]
) -> Callable[[Candidate, Candidate], bool]:
    """A test of two of the candidates. crops: row ids → JPEGs, asked once, and only where vectors propose a pair."""
    pairs = _proposed(ranked)
    wanted = sorted(set().union(*pairs)) if pairs else []
    pixels = {row: _pixels(jpeg) for row, jpeg in crops(wanted).items()} if wanted else {}
    same = {pair for pair in pairs if _alike(*(pixels.get(row) for row in pair))}
    return lambda a, b: frozenset((a.id, b.id)) in same


def _proposed(ranked: Sequence[Candidate]) -> set[frozenset[int]]:
    """Pairs of row ids."""
    if len(ranked) < 2:
        return set()
    vectors = np.stack([one.vector for one in ranked])
    near = np.argwhere(np.triu(vectors @ vectors.T >= NEAR, 1))
    pairs = ((ranked[a], ranked[b]) for a, b in near.tolist())
    return {frozenset((a.id, b.id)) for a, b in pairs if _coloured_alike(a.row.palette, b.row.palette)}


def _coloured_alike(a: Sequence[Swatch], b: Sequence[Swatch]) -> bool:
    return not a or not b or colour.similarity(a, b) >= COLOURS


def _pixels(jpeg: bytes) -> np.ndarray | None:
    """None for a crop that is no picture."""
    try:
        return images.decode(jpeg, _MOST, _MOST, min_side=1)
    except images.BadImage:
        return None


def _alike(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is not None and b is not None and same_picture(a, b)
