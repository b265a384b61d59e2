"""Drawing helpers shared by the figures: sheet, legend, vertical text, framed picture."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from lookdex.search.render import lettering, paint
from lookdex.search.render.theme import CARD, EDGE, INK, MUTED, PAPER, RGB, TRACK

RIGHT: RGB = (38, 140, 88)
WRONG: RGB = (214, 78, 48)
MISSED: RGB = (190, 40, 110)
FOUND: RGB = (37, 121, 171)
MARGIN = 40
HEADING = 30
TEXT = 20
SMALL = 17
TOP = 112  # height of the heading and the line below it


def sheet(width: int, height: int, title: str, detail: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Create an empty RGB sheet with its heading in the top `TOP` pixels."""
    image = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(image)
    room = width - 2 * MARGIN
    lettering.write(draw, (MARGIN, 56), lettering.shorten(title, HEADING, room), HEADING, INK, weight=0.6)
    lettering.write(draw, (MARGIN, 88), lettering.shorten(detail, TEXT, room), TEXT, MUTED)
    return image, draw


def legend(image: Image.Image, at: tuple[int, int], entries: list[tuple[RGB, str]]) -> None:
    """Draw colour swatches with their texts, left to right."""
    x, y = at
    draw = ImageDraw.Draw(image)
    for colour, text in entries:
        paint.panel(image, (x, y), (18, 18), 5, colour)
        lettering.write(draw, (x + 26, y + 15), text, SMALL, INK)
        x += 26 + round(lettering.width(text, SMALL)) + 30


def vertical_text(image: Image.Image, at: tuple[int, int], text: str, size: int, fill: RGB) -> None:
    """Draw vertical text, reading upwards; `at` is the start of its baseline."""
    width, height = round(lettering.width(text, size)) + 4, size + 12
    strip = Image.new("L", (width, height), 0)
    letters, face = lettering.setting(text, size)
    ImageDraw.Draw(strip).text((2, size + 2), letters, font=face, fill=255, anchor="ls")
    turned = strip.rotate(90, expand=True)
    image.paste(fill, (at[0] - size - 2, at[1] - width), turned)


def picture(
    image: Image.Image, at: tuple[int, int], side: int, pixels: np.ndarray | Image.Image | None, frame: RGB, line: int
) -> None:  # fmt: skip
    """Draw a square, framed picture with rounded corners; an empty tile if there is none."""
    mask = paint.rounded(side, side, 12)
    if pixels is None:
        image.paste(TRACK, at, mask)
    else:
        shown = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
        image.paste(paint.fitted(shown, (side, side)), at, mask)
    around = side + 2 * line
    paint.outline(image, (at[0] - line, at[1] - line), (around, around), 12 + line, line, frame)


def blend(light: RGB, dark: RGB, share: float) -> RGB:
    """Mix two colours: share 0 is light, 1 is dark."""
    r, g, b = (round(a + (z - a) * min(1.0, max(0.0, share))) for a, z in zip(light, dark, strict=True))
    return r, g, b


__all__ = [
    "CARD", "EDGE", "FOUND", "HEADING", "INK", "MARGIN", "MISSED", "MUTED", "PAPER", "RGB", "RIGHT", "SMALL", "TEXT",
    "TOP", "TRACK", "WRONG", "blend", "legend", "lettering", "paint", "picture", "sheet", "vertical_text",
]  # fmt: skip
