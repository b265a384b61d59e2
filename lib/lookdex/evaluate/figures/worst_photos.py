"""The photos with the most detection errors, with true and detected boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from lookdex.evaluate.detection import PhotoScore
from lookdex.evaluate.figures import canvas
from lookdex.evaluate.figures.canvas import RGB, lettering, paint
from lookdex.evaluate.labelled_photos import Truth
from lookdex.evaluate.work import read
from lookdex.imaging import boxes
from lookdex.records import Box

PHOTOS, COLUMNS = 9, 3
TILE = (300, 430)  # one of a photo's two pictures
SEAM = 6
PAIR = 2 * TILE[0] + SEAM
GAP = 30
LETTERS = 16


@dataclass(frozen=True, slots=True)
class Mark:
    """A box to draw, in photo pixels."""

    corners: Sequence[float]
    name: str
    colour: RGB


def draw_worst(
    paths: Sequence[Path], truths: Sequence[Truth], scores: Sequence[PhotoScore], limit: int = PHOTOS
) -> Image.Image | None:
    """Draw the photos with the most missed objects and wrong boxes, once with true boxes and once with detected ones.

    Returns None if there are no errors.
    """
    mistakes = [_count_missed(t, s) + s.right.count(False) for t, s in zip(truths, scores, strict=True)]
    worst = [n for n in np.argsort(-np.array(mistakes, int), kind="stable").tolist() if mistakes[n]][:limit]
    if not worst:
        return None
    columns = min(COLUMNS, len(worst))
    rows = math.ceil(len(worst) / columns)
    width = max(900, 2 * canvas.MARGIN + columns * (PAIR + GAP) - GAP)
    top = canvas.TOP + 36
    height = top + rows * (TILE[1] + 44 + GAP) + canvas.MARGIN - GAP
    wrong = sum(bool(n) for n in mistakes)
    image, pen = canvas.sheet(
        width,
        height,
        "Worst photos",
        f"{wrong:,} of {len(truths):,} photos have an object missed or a box wrong",
    )
    canvas.legend(image, (canvas.MARGIN, canvas.TOP), [
        (canvas.RIGHT, "true box, found"), (canvas.MISSED, "true box, missed"),
        (canvas.FOUND, "found, right"), (canvas.WRONG, "found, wrong"),
    ])  # fmt: skip
    for place, n in enumerate(worst):
        row, column = divmod(place, columns)
        at = canvas.MARGIN + column * (PAIR + GAP), top + row * (TILE[1] + 44 + GAP)
        photo = read(paths[n])
        _picture(image, at, photo, true_marks(truths[n], scores[n]))
        _picture(image, (at[0] + TILE[0] + SEAM, at[1]), photo, found_marks(scores[n]))
        caption = f"{_count_missed(truths[n], scores[n])} missed, {scores[n].right.count(False)} wrong"
        lettering.write(
            pen, (at[0] + PAIR, at[1] + TILE[1] + 28), caption, canvas.SMALL, canvas.MUTED, anchor="rs"
        )
        room = PAIR - lettering.width(caption, canvas.SMALL) - 20
        name = lettering.shorten(Path(truths[n].image).name, canvas.SMALL, room)
        lettering.write(pen, (at[0], at[1] + TILE[1] + 28), name, canvas.SMALL, canvas.INK)
    return image


def true_marks(truth: Truth, score: PhotoScore) -> list[Mark]:
    return [
        Mark(truth.boxes[i].tolist(), label, canvas.RIGHT if found else canvas.MISSED)
        for i, (label, found) in enumerate(zip(truth.labels, score.found, strict=True))
        if not (truth.crowd and truth.crowd[i])
    ]


def found_marks(score: PhotoScore) -> list[Mark]:
    return [
        Mark(
            (o.box.x0, o.box.y0, o.box.x1, o.box.y1),
            f"{o.label} {o.score:.2f}",
            canvas.FOUND if right else canvas.WRONG,
        )
        for o, right in zip(score.shown, score.right, strict=True)
    ]


def _count_missed(truth: Truth, score: PhotoScore) -> int:
    crowd = truth.crowd or (False,) * len(truth.labels)
    return sum(not found and not is_crowd for found, is_crowd in zip(score.found, crowd, strict=True))


def _picture(
    image: Image.Image, at: tuple[int, int], pixels: np.ndarray | None, marks: Sequence[Mark]
) -> None:
    """Draw a photo with its boxes in a tile. Large boxes are drawn first, so that small ones stay visible."""
    paint.panel(image, at, TILE, 14, canvas.TRACK)
    if pixels is None:
        return
    photo = Image.fromarray(pixels)
    scale = min(TILE[0] / photo.width, TILE[1] / photo.height)
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    tile = Image.new("RGB", TILE, canvas.TRACK)
    corner = (TILE[0] - size[0]) // 2, (TILE[1] - size[1]) // 2
    tile.paste(photo.resize(size, Image.Resampling.LANCZOS), corner)
    placed = [(mark, _scale(mark.corners, scale, corner)) for mark in marks]
    placed.sort(key=lambda one: -boxes.area(one[1]))
    for mark, box in placed:
        extent = box.x1 - box.x0, box.y1 - box.y0
        paint.outline(tile, (box.x0 - 1, box.y0 - 1), (extent[0] + 2, extent[1] + 2), 6, 5, canvas.CARD)
        paint.outline(tile, (box.x0, box.y0), extent, 5, 3, mark.colour)
    taken: list[Box] = []
    for mark, box in reversed(placed):
        taken.append(_name(tile, mark, box, taken))
    image.paste(tile, at, paint.rounded(*TILE, 14))


def _scale(corners: Sequence[float], scale: float, corner: tuple[int, int]) -> Box:
    x0, y0, x1, y1 = (round(corner[i % 2] + value * scale) for i, value in enumerate(corners))
    return Box(x0, y0, max(x1, x0 + 8), max(y1, y0 + 8))


def _name(tile: Image.Image, mark: Mark, box: Box, taken: Sequence[Box]) -> Box:
    """Write the mark's name at a corner of its box, clear of other names; returns the area used."""
    wide, high = round(lettering.width(mark.name, LETTERS)) + 14, LETTERS + 10
    sides = (box.x0 - 2, box.x1 - wide + 2)
    spots = [(x, y) for y in (box.y0 - high, box.y1, box.y0, box.y1 - high) for x in sides]
    spots += [(box.x0 - 2, y) for y in range(box.y0, TILE[1] - high, high + 1)]
    areas = []
    for x, y in spots:
        x, y = max(0, min(x, TILE[0] - wide)), max(0, min(y, TILE[1] - high))
        areas.append(Box(x, y, x + wide, y + high))
    area = next((a for a in areas if not any(_touch(a, b) for b in taken)), areas[0])
    paint.panel(tile, (area.x0, area.y0), (wide, high), 6, mark.colour)
    lettering.write(
        ImageDraw.Draw(tile), (area.x0 + 7, area.y0 + 19), mark.name, LETTERS, canvas.CARD, weight=0.3
    )
    return area


def _touch(a: Box, b: Box) -> bool:
    return a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1
