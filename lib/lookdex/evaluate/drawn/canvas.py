"""What the pictures have in common: paper, a heading, letters that run upwards, a picture in a frame."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from lookdex.search.render.sheet import CARD, EDGE, INK, MUTED, PAPER, TRACK, lettering, paint

RGB = tuple[int, int, int]

RIGHT: RGB = (38, 140, 88)
WRONG: RGB = (214, 78, 48)
MISSED: RGB = (190, 40, 110)
FOUND: RGB = (37, 121, 171)
MARGIN = 40
HEADING = 30
TEXT = 20
SMALL = 17
TOP = 112  # height of a heading with the line below it


def sheet(width: int, height: int, title: str, detail: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty sheet (RGB) of that size, with its heading in the upper `TOP` pixels."""
    made = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(made)
    room = width - 2 * MARGIN
    lettering.write(draw, (MARGIN, 56), lettering.shorten(title, HEADING, room), HEADING, INK, weight=0.6)
    lettering.write(draw, (MARGIN, 88), lettering.shorten(detail, TEXT, room), TEXT, MUTED)
    return made, draw


def legend(made: Image.Image, at: tuple[int, int], entries: list[tuple[RGB, str]]) -> None:
    """Colours and what they mean, from left to right."""
    x, y = at
    draw = ImageDraw.Draw(made)
    for colour, text in entries:
        paint.panel(made, (x, y), (18, 18), 5, colour)
        lettering.write(draw, (x + 26, y + 15), text, SMALL, INK)
        x += 26 + round(lettering.width(text, SMALL)) + 30


def upwards(made: Image.Image, at: tuple[int, int], text: str, size: int, fill: RGB) -> None:
    """A line of text that runs upwards from `at`, its baseline."""
    width, height = round(lettering.width(text, size)) + 4, size + 12
    strip = Image.new("L", (width, height), 0)
    letters, face = lettering.setting(text, size)
    ImageDraw.Draw(strip).text((2, size + 2), letters, font=face, fill=255, anchor="ls")
    turned = strip.rotate(90, expand=True)
    made.paste(fill, (at[0] - size - 2, at[1] - width), turned)


def picture(
    made: Image.Image, at: tuple[int, int], side: int, pixels: np.ndarray | Image.Image | None, frame: RGB, line: int
) -> None:  # fmt: skip
    """A square picture with rounded corners in a frame; plain ground where there is none."""
    mask = paint.rounded(side, side, 12)
    if pixels is None:
        made.paste(TRACK, at, mask)
    else:
        shown = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
        made.paste(paint.fitted(shown, (side, side)), at, mask)
    around = side + 2 * line
    paint.outline(made, (at[0] - line, at[1] - line), (around, around), 12 + line, line, frame)


def blend(light: RGB, dark: RGB, share: float) -> RGB:
    """From light (0) to dark (1)."""
    r, g, b = (round(a + (z - a) * min(1.0, max(0.0, share))) for a, z in zip(light, dark, strict=True))
    return r, g, b


__all__ = [
    "CARD", "EDGE", "FOUND", "HEADING", "INK", "MARGIN", "MISSED", "MUTED", "PAPER", "RGB", "RIGHT", "SMALL", "TEXT",
    "TOP", "TRACK", "WRONG", "blend", "legend", "lettering", "paint", "picture", "sheet", "upwards",
]  # fmt: skip
