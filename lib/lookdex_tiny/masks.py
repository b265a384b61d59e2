"""The colours of objects whose pixels are known: by the masks of Clothing Co-Parsing."""

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
    """folder: <photo's name>.png, whose grey value n shows names[n]."""

    folder: Path
    names: tuple[str, ...]

    @classmethod
    def of(cls, root: Path) -> Masks:
        """Those of `root` (masks/, mask_labels.json)."""
        return cls(root / "masks", tuple(json.loads((root / "mask_labels.json").read_text())))

    def colour(self, path: Path, photo: np.ndarray, box: Box, tag: str) -> str | None:
        """The name that the pixels of the thing called `tag` within the box vote for; None: there are none."""
        file = self.folder / f"{path.stem}.png"
        mask = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        if mask is None:
            raise FileNotFoundError(f"{file} is missing or no image")
        inside = slice(box.y0, box.y1), slice(box.x0, box.x1)
        own = mask[inside] == self.names.index(tag)
        return name_of(photo[inside][own]) if own.any() else None


def name_of(pixels: np.ndarray) -> str:
    """The colour that pixels, uint8 (…, 3) RGB, vote for."""
    flat = pixels.reshape(-1, 3)
    return vote(to_lab(flat), np.ones(len(flat)))[0]
