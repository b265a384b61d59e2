"""14 basic colour names over L*a*b*, robust to brightness."""

from __future__ import annotations

import numpy as np

from lookdex.imaging.colour.space import to_lab

# Some names cover several regions of the colour space. Each region is one sRGB value, chosen by eye over garments.
_PLACES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "black": ((15, 15, 17), (50, 49, 52)),
    "grey": ((88, 90, 94), (132, 134, 138), (178, 179, 181)),
    "white": ((245, 245, 243), (226, 226, 224), (210, 210, 207)),
    "beige": ((218, 202, 176), (196, 178, 150), (232, 222, 204), (204, 190, 168)),
    "brown": ((70, 46, 32), (110, 72, 46), (150, 104, 66), (186, 142, 96)),
    "red": ((190, 30, 40), (140, 28, 38), (104, 28, 44), (220, 60, 60)),
    "orange": ((222, 108, 42), (240, 146, 70), (188, 92, 46)),
    "yellow": ((240, 212, 70), (212, 162, 46), (250, 236, 150), (164, 122, 38)),
    "green": ((50, 120, 60), (36, 80, 60), (100, 104, 60), (150, 190, 120)),
    "teal": ((30, 120, 124), (110, 190, 186)),
    "blue": ((40, 84, 170), (50, 90, 156), (84, 116, 160), (140, 176, 214), (70, 140, 210), (96, 108, 130)),
    "navy": ((30, 38, 72), (42, 58, 98)),
    "purple": ((104, 66, 132), (150, 110, 180), (70, 36, 84), (196, 174, 216)),
    "pink": ((228, 158, 174), (222, 90, 140), (246, 208, 214)),
}
NAMES = tuple(_PLACES)
_OWNER = np.array([i for i, name in enumerate(NAMES) for _ in _PLACES[name]])
_LIGHTNESS = 0.5  # weight of L* relative to a* and b*


def _normalise_light(lab: np.ndarray) -> np.ndarray:
    """Normalise Lab (n, 3) for brightness: chroma is scaled to that at L* 50, and lightness has less weight.

    L* + 16, a* and b* are all sums of cube roots of the light (CIE 15:2004, 8.2.1), so in a shadow they shrink by one
    factor, and a*, b* over L* + 16 are constant. Bounded, because the chroma of near-black is noise.
    """
    gain = np.clip(66 / (lab[:, :1] + 16), 0.8, 2.0)
    return np.hstack([lab[:, :1] * _LIGHTNESS, lab[:, 1:] * gain]).astype(np.float32)


_CENTRES = _normalise_light(
    to_lab(np.array([value for values in _PLACES.values() for value in values], np.uint8))
)


def vote(lab: np.ndarray, weight: np.ndarray) -> tuple[str, float]:
    """The colour name with the most weight, and its share (0 … 1).

    Args:
        lab: float32 (n, 3).
        weight: (n,), not negative, with a positive sum.
    """
    # |p − c|² without |p|², which is the same for all c.
    distance = (_CENTRES**2).sum(axis=1) - 2 * _normalise_light(lab) @ _CENTRES.T
    votes = np.bincount(_OWNER[distance.argmin(axis=1)], weight, len(NAMES))
    best = int(votes.argmax())
    return NAMES[best], round(float(votes[best] / votes.sum()), 4)
