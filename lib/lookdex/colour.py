"""The basic colour of a garment: the commonest of 14 names over the middle of its crop."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

# Some names cover several places of the colour space; each place is one sRGB value. Picked by eye over garments.
_PLACES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "black": ((15, 15, 17), (42, 41, 44)),
    "grey": ((88, 90, 94), (132, 134, 138), (178, 179, 181)),
    "white": ((245, 245, 243), (226, 226, 224)),
    "beige": ((218, 202, 176), (196, 178, 150), (232, 222, 204)),
    "brown": ((70, 46, 32), (110, 72, 46), (150, 104, 66), (186, 142, 96)),
    "red": ((190, 30, 40), (140, 28, 38), (104, 28, 44), (220, 60, 60)),
    "orange": ((222, 108, 42), (240, 146, 70)),
    "yellow": ((240, 212, 70), (212, 162, 46), (250, 236, 150)),
    "green": ((50, 120, 60), (36, 80, 60), (100, 104, 60), (150, 190, 120)),
    "teal": ((30, 120, 124), (110, 190, 186)),
    "blue": ((40, 84, 170), (84, 116, 160), (140, 176, 214), (70, 140, 210)),
    "navy": ((30, 38, 72), (42, 58, 98)),
    "purple": ((104, 66, 132), (150, 110, 180), (70, 36, 84), (196, 174, 216)),
    "pink": ((228, 158, 174), (222, 90, 140), (246, 208, 214)),
}
NAMES = tuple(_PLACES)
_OWNER = np.array([i for i, name in enumerate(NAMES) for _ in _PLACES[name]])
_SAMPLES = 32  # at most this many rows and columns are looked at


class Colour(NamedTuple):
    name: str
    share: float  # of the middle of the crop, 0 … 1


def _lab(rgb: np.ndarray) -> np.ndarray:
    """uint8 (n, 3) sRGB → CIE L*a*b* (D65), float32 (n, 3)."""
    return cv2.cvtColor((rgb.reshape(1, -1, 3) / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0]


# Lightness counts less: a fold's shadow does not change a garment's colour.
_WEIGHT = np.array([0.6, 1.0, 1.0], np.float32)
_CENTRES = _lab(np.array([value for values in _PLACES.values() for value in values], np.uint8)) * _WEIGHT


def name_of(crop: np.ndarray) -> Colour:
    """The colour most pixels of the middle (half the width, half the height) are nearest to in L*a*b*.

    crop: uint8 (H, W, 3) RGB, at least one pixel.
    """
    height, width = crop.shape[:2]
    middle = crop[height // 4 : height - height // 4, width // 4 : width - width // 4]
    rows, columns = (-(-side // _SAMPLES) for side in middle.shape[:2])
    pixels = _lab(middle[::rows, ::columns].reshape(-1, 3)) * _WEIGHT
    # |p − c|² less |p|², which is the same for all c.
    distance = (_CENTRES**2).sum(axis=1) - 2 * pixels @ _CENTRES.T
    votes = np.bincount(_OWNER[distance.argmin(axis=1)], minlength=len(NAMES))
    best = int(votes.argmax())
    return Colour(NAMES[best], round(float(votes[best] / votes.sum()), 4))
