"""Find matches that show nearly the same picture: a file saved twice, scaled, brightened, cropped, or of two products.

Vectors and palettes propose pairs (cosine ≥ 0.95, colour similarity ≥ 0.9). The stored crops decide, by their bytes or
else by their pixels (see `same_picture`, also for its accuracy).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lookdex.imaging import codec, colour
from lookdex.imaging.same_picture import Small, is_same
from lookdex.records import Swatch
from lookdex.search.retrieval.ranking import Candidate

NEAR = 0.95
COLOURS = 0.9
# Limits of the work for one lane, for shops with a thousand products under one picture. Beyond them only crops of equal
# bytes count as the same picture.
MAX_COLOUR_PAIRS = (
    20_000  # pairs compared by palette, about 30 µs each: 1,000 near products make 500,000 pairs
)
MAX_PIXEL_PAIRS = 256  # pairs compared by pixels, about 3 ms each
MAX_FOLDED = 1000  # rows


class Comparer:
    """Compares the candidates of one lane, across its blocks. Reads each crop and compares each pair once."""

    def __init__(self, crops: Callable[[Sequence[int]], dict[int, bytes]]) -> None:
        """crops: reads JPEGs by row id; called only for rows with a near vector."""
        self._read = crops
        self._crops: dict[int, bytes] = {}
        self._small: dict[int, Small | None] = {}
        self._results: dict[tuple[int, int], bool] = {}
        self._coloured = 0
        self._compared = 0
        self._folded: set[int] = set()

    def prepare(self, ranked: Sequence[Candidate]) -> Callable[[Candidate, Candidate], bool]:
        """Return the test of two of these candidates, the better one first, and read the crops it needs."""
        missing = [row for row in _find_near(ranked) if row not in self._crops]
        if missing:
            self._crops |= {row: jpeg for row, jpeg in self._read(missing).items() if jpeg}
        return self._same

    def is_near(self, one: Candidate) -> bool:
        """Whether one of the candidates passed to `prepare` may show the same picture as another."""
        return one.id in self._crops

    def _same(self, better: Candidate, one: Candidate) -> bool:
        if not (self.is_near(one) and self.is_near(better)):
            return False
        pair = better.id, one.id
        if self._spent and pair not in self._results and self._crops[better.id] != self._crops[one.id]:
            return False
        if float(np.dot(better.vector, one.vector)) < NEAR:
            return False
        if pair not in self._results:
            self._results[pair] = self._compare(better, one)
            if self._results[pair]:
                self._folded.add(one.id)
        return self._results[pair]

    def _compare(self, better: Candidate, one: Candidate) -> bool:
        if len(self._folded) >= MAX_FOLDED and one.id not in self._folded:
            return False
        if self._crops[better.id] == self._crops[one.id]:
            return True
        self._coloured += 1
        if not _have_similar_colours(better.row.palette, one.row.palette):
            return False
        self._compared += 1
        a, b = self._decode(better.id), self._decode(one.id)
        return a is not None and b is not None and is_same(a, b)

    @property
    def _spent(self) -> bool:
        return self._compared >= MAX_PIXEL_PAIRS or self._coloured >= MAX_COLOUR_PAIRS

    def _decode(self, row: int) -> Small | None:
        """None for a crop that cannot be decoded."""
        if row not in self._small:
            pixels = codec.decode_crop(self._crops[row])
            self._small[row] = None if pixels is None else Small.from_pixels(pixels)
        return self._small[row]


def _find_near(ranked: Sequence[Candidate]) -> list[int]:
    """Find the row ids of candidates with another one near them."""
    if len(ranked) < 2:
        return []
    vectors = np.stack([one.vector for one in ranked])
    near = (vectors @ vectors.T >= NEAR).sum(axis=1) > 1
    return [one.id for one, is_near in zip(ranked, near, strict=True) if is_near]


def _have_similar_colours(a: Sequence[Swatch], b: Sequence[Swatch]) -> bool:
    return not a or not b or colour.similarity(a, b) >= COLOURS
