"""Records of labelled evaluation data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class ParquetPhoto:
    """A photo stored in a Parquet file, at `row` of the row group `group`.

    The column holds bytes, or structs with a field `bytes` as Hugging Face data sets do.
    """

    file: Path
    group: int
    row: int
    column: str

    def __str__(self) -> str:
        return f"{self.file}#{self.group}/{self.row}"


Source = Path | ParquetPhoto  # where a photo's bytes are stored


@dataclass(frozen=True, slots=True)
class Item:
    """A photo of one labelled thing."""

    path: Source
    label: str
    group: str | None = None
    box: tuple[int, int, int, int] | None = None
    """The crop to embed (x0, y0, x1, y1), or None for the whole photo."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth of one photo."""

    image: str
    width: int
    height: int
    boxes: np.ndarray
    """float (n, 4) x0, y0, x1, y1 in pixels."""
    labels: tuple[str, ...]
    """n names."""
    crowd: tuple[bool, ...] = ()
    """n flags or (). A crowd box covers several objects: it does not count as an object, and a detection inside it is
    not a false positive.
    """
