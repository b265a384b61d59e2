"""What colour an object of a photo has: a name with its share, and a palette, from the object's own pixels.

There is no mask. `garment` weighs the pixels of the box by how likely they are the object and not what lies around or
under it, `names` lets them vote for one of 14 names, `palette` sums them up in a few Lab colours and compares two such
sums. The same pixels always give the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookdex.imaging.colour.garment import own_pixels
from lookdex.imaging.colour.names import NAMES, vote
from lookdex.imaging.colour.palette import hex_of, make_palette, similarities, similarity
from lookdex.records import Box, Swatch


@dataclass(frozen=True, slots=True)
class Colour:
    """name: of NAMES; share: of the object's own pixels, 0 … 1. palette: largest share first, one to five."""

    name: str
    share: float
    palette: tuple[Swatch, ...]


def describe(photo: np.ndarray, box: Box, label: str | None = None) -> Colour:
    """The colour of the object that `box` holds, of the category `label` (None or another's label: of any).

    photo: uint8 (H, W, 3) RGB; what it shows around the box is taken as evidence of the background. box: within it.
    """
    pixels = own_pixels(photo, box, label)
    name, share = vote(pixels.lab, pixels.weight)
    return Colour(name, share, make_palette(pixels.lab, pixels.weight))


__all__ = ["NAMES", "Colour", "describe", "hex_of", "similarities", "similarity"]
