"""Colours and letter sizes of pictures."""

from __future__ import annotations

RGB = tuple[int, int, int]

# Of the objects in turn: far apart in hue, and dark enough for white letters.
LANE_COLOURS: tuple[RGB, ...] = (
    (214, 78, 48), (37, 121, 171), (38, 140, 88), (132, 84, 184), (188, 126, 14),
    (204, 62, 122), (16, 130, 136), (64, 84, 196), (112, 122, 30), (130, 82, 56),
)  # fmt: skip
WHOLE_COLOUR: RGB = (92, 100, 112)
PAPER: RGB = (246, 244, 240)
CARD: RGB = (255, 255, 255)
EDGE: RGB = (228, 224, 216)
TRACK: RGB = (236, 233, 227)
INK: RGB = (32, 33, 36)
MUTED: RGB = (122, 120, 116)

TEXT = 24
SMALL = 22
