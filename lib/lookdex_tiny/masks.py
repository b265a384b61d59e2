"""Colours of objects with known pixels: the masks of Clothing Co-Parsing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lookdex.imaging.colour.names import vote
from lookdex.imaging.colour.space import to_lab
from lookdex.records import Box


@dataclass(frozen=True, slots=True)
class Masks:
    """Masks of photos."""

    folder: Path
    """<photo name>.png, whose grey value n means names[n]."""
    names: tuple[str, ...]

    @classmethod
    def load(cls, root: Path) -> Masks:
        """Load the masks of `root` (masks/, mask_labels.json)."""
        return cls(root / "masks", tuple(json.loads((root / "mask_labels.json").read_text())))

    def colour(self, path: Path, photo: np.ndarray, box: Box, tag: str) -> str | None:
        """The colour name of the `tag` pixels within the box; None if there are none."""
        file = self.folder / f"{path.stem}.png"
        mask = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        if mask is None:
            raise FileNotFoundError(f"{file} is missing or not an image")
        inside = slice(box.y0, box.y1), slice(box.x0, box.x1)
        own = mask[inside] == self.names.index(tag)
        return name_colour(photo[inside][own]) if own.any() else None


def name_colour(pixels: np.ndarray) -> str:
    """The colour name of pixels, uint8 (…, 3) RGB."""
    flat = pixels.reshape(-1, 3)
    return vote(to_lab(flat), np.ones(len(flat)))[0]
