"""Do two pictures show one photo, saved, cut or brightened anew? By their pixels: to a model two shirts are alike too.

The middle of one is looked for in the other over a few scales; there, their colours must agree but for one gain. Of 120
rendered and 120 real product photos, saved anew (quality 60, 0.6 and 1.5 times as large, 8 % brighter) all are known
again, with 4 % cut off two or four sides 0.97 and 0.96 (real, two sides: 0.90). Of 849 pairs of different photos with a
cosine of 0.9 or more, rendered and real, one is taken for the same: earrings, from both sides. A mirrored
picture is another, unless what it shows has two like halves.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

LEAST_MATCH = 0.93  # normalised correlation of the lightness
MOST_DIFFERENCE = 0.03  # mean difference of two colour values, 0 … 1
_SIDE, _MARGIN = 96, 12
_SCALES = (0.92, 0.95, 0.975, 1.0, 1.025, 1.05, 1.08)


@dataclass(frozen=True, slots=True)
class Small:
    """A picture as it is compared, 37 kB; one that is compared with several is made small once.

    colour: uint8 (96, 96, 3) RGB. grey: its lightness (96, 96). shape: width / height, before it was made small.
    """

    colour: np.ndarray
    grey: np.ndarray
    shape: float

    @classmethod
    def of(cls, pixels: np.ndarray) -> Small:
        """pixels: uint8 (H, W, 3) RGB."""
        small = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        return cls(small, cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), pixels.shape[1] / pixels.shape[0])


def same_picture(a: np.ndarray, b: np.ndarray) -> bool:
    """a, b: uint8 (H, W, 3) RGB, of any two sizes. Symmetric. Shapes that differ by a quarter are never the same."""
    return same(Small.of(a), Small.of(b))


def same(one: Small, other: Small) -> bool:
    """`same_picture` of two that are small already. Some 3 ms."""
    shapes = sorted((one.shape, other.shape))
    if shapes[0] * 1.25 < shapes[1]:
        return False
    match, difference = max(_found(one, other), _found(other, one), key=lambda found: found[0])
    return match >= LEAST_MATCH and difference <= MOST_DIFFERENCE


def _found(part: Small, whole: Small) -> tuple[float, float]:
    """How well the middle of `part` is found in `whole` (-1 … 1), and how much their colours differ there (0 … 1)."""
    inner = slice(_MARGIN, _SIDE - _MARGIN)
    grey, colour = part.grey[inner, inner], part.colour[inner, inner]
    best = -1.0, 1.0
    if grey.std() < 1:  # one plain area is found anywhere, or nowhere
        return best
    for scale in _SCALES:
        side = round(grey.shape[0] * scale)
        scaled = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)
        _, match, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(whole.grey, scaled, cv2.TM_CCOEFF_NORMED))
        if match > best[0]:
            own = cv2.resize(colour, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
            there = whole.colour[y : y + side, x : x + side].astype(np.float32)
            gain = float(there.mean()) / max(float(own.mean()), 1.0)
            best = float(match), float(np.abs(np.clip(own * gain, 0, 255) - there).mean()) / 255
    return best
