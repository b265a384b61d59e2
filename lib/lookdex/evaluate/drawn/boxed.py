"""The photos with the most mistakes of a detector, with the true boxes and those that were found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from lookdex.evaluate.detection import PhotoScore
from lookdex.evaluate.drawn import canvas
from lookdex.evaluate.drawn.canvas import RGB, lettering, paint
from lookdex.evaluate.records import Truth
from lookdex.evaluate.work import read

PHOTOS, COLUMNS = 12, 4
TILE = (400, 520)
GAP = 24
LETTERS = 16


@dataclass(frozen=True, slots=True)
class Mark:
    """A box to draw, in pixels of the photo. below: its name stands at the lower edge."""

    corners: Sequence[float]
    name: str
    colour: RGB
    below: bool


def draw_worst(
    paths: Sequence[Path], truths: Sequence[Truth], scores: Sequence[PhotoScore], most: int = PHOTOS
) -> Image.Image | None:
    """The photos with the most objects missed and boxes wrong, together; None when there is no mistake."""
    mistakes = [_missed(t, s) + s.right.count(False) for t, s in zip(truths, scores, strict=True)]
    worst = [n for n in np.argsort(-np.array(mistakes, int), kind="stable").tolist() if mistakes[n]][:most]
    if not worst:
        return None
    columns = min(COLUMNS, max(2, len(worst)))
    rows = math.ceil(len(worst) / columns)
    width = 2 * canvas.MARGIN + columns * (TILE[0] + GAP) - GAP
    top = canvas.TOP + 36
    height = top + rows * (TILE[1] + 44 + GAP) + canvas.MARGIN - GAP
    wrong = sum(bool(n) for n in mistakes)
    made, pen = canvas.sheet(
        width,
        height,
        "Worst photos",
        f"{wrong:,} of {len(truths):,} photos have an object missed or a box wrong",
    )
    canvas.legend(made, (canvas.MARGIN, canvas.TOP), [
        (canvas.RIGHT, "true box, found"), (canvas.MISSED, "true box, missed"),
        (canvas.FOUND, "found, right"), (canvas.WRONG, "found, wrong"),
    ])  # fmt: skip
    for place, n in enumerate(worst):
        row, column = divmod(place, columns)
        at = canvas.MARGIN + column * (TILE[0] + GAP), top + row * (TILE[1] + 44 + GAP)
        _photo(made, at, paths[n], marks(truths[n], scores[n]))
        told = f"{_missed(truths[n], scores[n])} missed, {scores[n].right.count(False)} wrong"
        lettering.write(
            pen, (at[0] + TILE[0], at[1] + TILE[1] + 28), told, canvas.SMALL, canvas.MUTED, anchor="rs"
        )
        room = TILE[0] - lettering.width(told, canvas.SMALL) - 20
        name = lettering.shorten(Path(truths[n].image).name, canvas.SMALL, room)
        lettering.write(pen, (at[0], at[1] + TILE[1] + 28), name, canvas.SMALL, canvas.INK)
    return made


def marks(truth: Truth, score: PhotoScore) -> list[Mark]:
    """The true boxes, then those found; names of the first above, of the second below."""
    true = [
        Mark(box, label, canvas.RIGHT if found else canvas.MISSED, below=False)
        for box, label, found, crowd in zip(
            truth.boxes.tolist(),
            truth.labels,
            score.found,
            truth.crowd or [False] * len(truth.labels),
            strict=True,
        )
        if not crowd
    ]
    own = [
        Mark((o.box.x0, o.box.y0, o.box.x1, o.box.y1), f"{o.label} {o.score:.2f}", colour, below=True)
        for o, right in zip(score.shown, score.right, strict=True)
        for colour in [canvas.FOUND if right else canvas.WRONG]
    ]
    return [*own, *true]


def _missed(truth: Truth, score: PhotoScore) -> int:
    crowd = truth.crowd or (False,) * len(truth.labels)
    return sum(not found and not heap for found, heap in zip(score.found, crowd, strict=True))


def _photo(made: Image.Image, at: tuple[int, int], path: Path, drawn: Sequence[Mark]) -> None:
    pixels = read(path)
    paint.panel(made, at, TILE, 14, canvas.TRACK)
    if pixels is None:
        return
    photo = Image.fromarray(pixels)
    scale = min(TILE[0] / photo.width, TILE[1] / photo.height)
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    tile = Image.new("RGB", TILE, canvas.TRACK)
    left, top = (TILE[0] - size[0]) // 2, (TILE[1] - size[1]) // 2
    tile.paste(photo.resize(size, Image.Resampling.LANCZOS), (left, top))
    placed = [
        (
            mark,
            [
                round(left + v * scale) if i % 2 == 0 else round(top + v * scale)
                for i, v in enumerate(mark.corners)
            ],
        )
        for mark in drawn
    ]
    for mark, (x0, y0, x1, y1) in placed:
        extent = max(8, x1 - x0), max(8, y1 - y0)
        paint.outline(tile, (x0 - 1, y0 - 1), (extent[0] + 2, extent[1] + 2), 6, 5, canvas.CARD)
        paint.outline(tile, (x0, y0), extent, 5, 3, mark.colour)
    taken: list[tuple[int, int, int, int]] = []
    for mark, corners in placed:
        taken.append(_name(tile, mark, corners, taken))
    made.paste(tile, at, paint.rounded(*TILE, 14))


def _name(
    tile: Image.Image, mark: Mark, corners: Sequence[int], taken: Sequence[tuple[int, int, int, int]]
) -> tuple[int, int, int, int]:
    """Write the mark's name at its box, where no other name is; returns where."""
    x0, y0, _, y1 = corners
    wide, high = round(lettering.width(mark.name, LETTERS)) + 14, LETTERS + 10
    edge = y1 - high if mark.below else y0
    step = -high - 1 if mark.below else high + 1
    spots = [
        (max(0, min(x0, TILE[0] - wide)), max(0, min(edge + n * step, TILE[1] - high))) for n in range(12)
    ]
    areas = [(x, y, x + wide, y + high) for x, y in spots]
    area = next((a for a in areas if not any(_touch(a, b) for b in taken)), areas[0])
    paint.panel(tile, area[:2], (wide, high), 6, mark.colour)
    lettering.write(
        ImageDraw.Draw(tile), (area[0] + 7, area[1] + 19), mark.name, LETTERS, canvas.CARD, weight=0.3
    )
    return area


def _touch(a: Sequence[int], b: Sequence[int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
