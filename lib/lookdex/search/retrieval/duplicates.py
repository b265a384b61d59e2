"""Matches that show nearly the same picture: one file saved twice, smaller, brighter, cropped, under two products.

Vectors and palettes propose (cosine ≥ 0.95, colours ≥ 0.9 alike), the stored crops decide: by their bytes, else by
their pixels (`same_picture`, whose words say how well).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lookdex.imaging import codec, colour
from lookdex.imaging.same_picture import Small, same
from lookdex.records import Swatch
from lookdex.search.retrieval.ranking import Candidate

NEAR = 0.95
COLOURS = 0.9
# What one lane may spend, whatever a shop holds (a thousand products under one picture); beyond it all are different,
# but for those of equal bytes.
MOST_COLOURED = (
    20_000  # pairs, by their palettes: some 30 µs each, and 1,000 products that are near make 500,000
)
MOST_COMPARED = 256  # pairs, by their pixels: some 3 ms each
MOST_FOLDED = 1000  # rows


class Comparer:
    """Tests candidates of one lane, of which more may come; no crop is read, and no two are compared, twice."""

    def __init__(self, crops: Callable[[Sequence[int]], dict[int, bytes]]) -> None:
        """crops: row ids → JPEGs, asked only for those whose vectors propose a pair."""
        self._read = crops
        self._crops: dict[int, bytes] = {}
        self._small: dict[int, Small | None] = {}
        self._told: dict[tuple[int, int], bool] = {}
        self._coloured = 0
        self._compared = 0
        self._folded: set[int] = set()

    def of(self, ranked: Sequence[Candidate]) -> Callable[[Candidate, Candidate], bool]:
        """The test, for any two of the candidates: the better one first."""
        wanted = [row for row in _proposed(ranked) if row not in self._crops]
        if wanted:
            self._crops |= {row: jpeg for row, jpeg in self._read(wanted).items() if jpeg}
        return self._same

    def near(self, one: Candidate) -> bool:
        """A candidate that was tested may show the same picture as another; else it is the same as none."""
        return one.id in self._crops

    def _same(self, better: Candidate, one: Candidate) -> bool:
        if not (self.near(one) and self.near(better)):
            return False
        pair = better.id, one.id
        if self._spent and pair not in self._told and self._crops[better.id] != self._crops[one.id]:
            return False
        if float(np.dot(better.vector, one.vector)) < NEAR:
            return False
        if pair not in self._told:
            self._told[pair] = self._alike(better, one)
            if self._told[pair]:
                self._folded.add(one.id)
        return self._told[pair]

    def _alike(self, better: Candidate, one: Candidate) -> bool:
        if len(self._folded) >= MOST_FOLDED and one.id not in self._folded:
            return False
        if self._crops[better.id] == self._crops[one.id]:
            return True
        self._coloured += 1
        if not _coloured_alike(better.row.palette, one.row.palette):
            return False
        self._compared += 1
        a, b = self._seen(better.id), self._seen(one.id)
        return a is not None and b is not None and same(a, b)

    @property
    def _spent(self) -> bool:
        return self._compared >= MOST_COMPARED or self._coloured >= MOST_COLOURED

    def _seen(self, row: int) -> Small | None:
        """None for a crop that is no picture."""
        if row not in self._small:
            pixels = codec.decode_crop(self._crops[row])
            self._small[row] = None if pixels is None else Small.of(pixels)
        return self._small[row]


def _proposed(ranked: Sequence[Candidate]) -> list[int]:
    """The row ids of the candidates to which another one is near."""
    if len(ranked) < 2:
        return []
    vectors = np.stack([one.vector for one in ranked])
    near = (vectors @ vectors.T >= NEAR).sum(axis=1) > 1
    return [one.id for one, so in zip(ranked, near, strict=True) if so]


def _coloured_alike(a: Sequence[Swatch], b: Sequence[Swatch]) -> bool:
    return not a or not b or colour.similarity(a, b) >= COLOURS
