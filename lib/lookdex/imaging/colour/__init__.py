"""The colour of a detected object: a colour name with its share, and a palette.

There is no mask. `garment` weights the pixels of the box by how likely they belong to the object rather than to the
background, `names` lets them vote for one of 14 names, and `palette` summarises them in a few Lab colours and compares
palettes. Results are deterministic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookdex.imaging.colour.garment import sample_object
from lookdex.imaging.colour.names import NAMES, vote
from lookdex.imaging.colour.palette import make_palette, similarities, similarity, to_hex
from lookdex.records import Box, Swatch


@dataclass(frozen=True, slots=True)
class Colour:
    """The colour of an object."""

    name: str
    """One of NAMES."""
    share: float
    """Share of the object's pixels that have it, 0 … 1."""
    palette: tuple[Swatch, ...]
    """One to five colours, largest share first."""


def describe(photo: np.ndarray, box: Box, label: str | None = None) -> Colour:
    """Describe the colour of the object in a box.

    Args:
        photo: uint8 (H, W, 3) RGB; the surroundings of the box are evidence for the background.
        box: within the photo.
        label: the object's category; None or another label: any category.
    """
    pixels = sample_object(photo, box, label)
    name, share = vote(pixels.lab, pixels.weight)
    return Colour(name, share, make_palette(pixels.lab, pixels.weight))


__all__ = ["NAMES", "Colour", "describe", "similarities", "similarity", "to_hex"]
