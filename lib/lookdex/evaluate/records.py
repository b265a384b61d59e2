"""What the measures of `evaluate` speak of: photos with known answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class Stored:
    """A photo that is a cell of a Parquet file: `row` of the file's row group `group`, in a column of bytes or of
    structs with a field `bytes`, as Hugging Face's datasets have them."""

    file: Path
    group: int
    row: int
    column: str

    def __str__(self) -> str:
        return f"{self.file}#{self.group}/{self.row}"


Source = Path | Stored  # where a photo's bytes lie


@dataclass(frozen=True, slots=True)
class Item:
    """One photo of one thing. box: what to cut out of it (x0, y0, x1, y1), or None for all of it."""

    path: Source
    label: str
    group: str | None = None
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """One photo's objects. boxes: float (n, 4) x0, y0, x1, y1 in pixels. labels: n names.

    crowd: n flags or (); a box over a heap of things, which neither counts as an object nor makes a box in it wrong.
    """

    image: str
    width: int
    height: int
    boxes: np.ndarray
    labels: tuple[str, ...]
    crowd: tuple[bool, ...] = ()
