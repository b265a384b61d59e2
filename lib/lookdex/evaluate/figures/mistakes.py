"""A sheet of wrong answers: each row shows the query, a right item, and the items found instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from lookdex.evaluate.figures import canvas
from lookdex.evaluate.figures.canvas import RGB, lettering, paint
from lookdex.evaluate.labelled_photos import Item
from lookdex.evaluate.retrieval import Mistake
from lookdex.evaluate.work import read
from lookdex.imaging import boxes, codec
from lookdex.records import Box

SIDE = 190
GAP = 22
ROW = SIDE + 84
QUERY: RGB = (64, 84, 196)


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture with two lines of text."""

    picture: Image.Image | np.ndarray | None
    """Arrays are uint8 (H, W, 3)."""
    name: str
    """First line below the picture."""
    detail: str
    """Second line."""
    right: bool = False


@dataclass(frozen=True, slots=True)
class MistakeRow:
    """A query, its wrong answers and the right one."""

    query: Tile
    right: Tile | None
    """None if no right item has a picture."""
    answers: tuple[Tile, ...]


def make_row(mistake: Mistake, query: Item, wrong: Sequence[Item], right: Item) -> MistakeRow:
    """Make a row of a mistake found by `retrieve`; reads its photos again."""
    return MistakeRow(
        Tile(_picture(query), query.label, _name(query)),
        Tile(_picture(right), right.label, f"{mistake.right[1]:.3f}", right=True),
        tuple(
            Tile(_picture(item), item.label, f"{similarity:.3f}")
            for item, (_, similarity) in zip(wrong, mistake.wrong, strict=True)
        ),
    )


def draw(rows: Sequence[MistakeRow], title: str) -> Image.Image:
    """Draw the rows one below the other, with similarities below the pictures."""
    columns = max(len(row.answers) for row in rows)
    step = SIDE + GAP
    width = 2 * canvas.MARGIN + (columns + 2) * step + 2 * GAP
    top = canvas.TOP + 36
    image, _ = canvas.sheet(
        width,
        top + len(rows) * ROW + canvas.MARGIN - 20,
        title,
        "Below a picture: its label and its similarity.",
    )
    x = canvas.MARGIN
    heads = [
        (x, QUERY, "query"),
        (x + step + GAP, canvas.RIGHT, "right"),
        (x + 2 * step + 2 * GAP, canvas.WRONG, "answers"),
    ]
    for at, colour, text in heads:
        canvas.legend(image, (at, canvas.TOP), [(colour, text)])
    for n, row in enumerate(rows):
        y = top + n * ROW
        _tile(image, (x, y), row.query, QUERY)
        if row.right is not None:
            _tile(image, (heads[1][0], y), row.right, canvas.RIGHT)
        for place, answer in enumerate(row.answers):
            colour = canvas.RIGHT if answer.right else canvas.WRONG
            _tile(image, (heads[2][0] + place * step, y), answer, colour)
    return image


def _tile(image: Image.Image, at: tuple[int, int], tile: Tile, colour: RGB) -> None:
    x, y = at
    pen = ImageDraw.Draw(image)
    canvas.picture(image, at, SIDE, tile.picture, colour, 4)
    name = lettering.shorten(tile.name, canvas.TEXT, SIDE)
    detail = lettering.shorten(tile.detail, canvas.SMALL, SIDE)
    lettering.write(pen, (x + 2, y + SIDE + 30), name, canvas.TEXT, canvas.INK, weight=0.3)
    lettering.write(pen, (x + 2, y + SIDE + 54), detail, canvas.SMALL, canvas.MUTED)


def _picture(item: Item) -> np.ndarray | None:
    """The part of the item that was embedded, if the item has a box."""
    pixels = read(item.path)
    if pixels is None or item.box is None:
        return pixels
    return codec.crop(pixels, boxes.clip(Box(*item.box), pixels.shape[1], pixels.shape[0]))


def _name(item: Item) -> str:
    return item.path.name if isinstance(item.path, Path) else str(item.path).rsplit("/", 1)[-1]


__all__ = ["MistakeRow", "Tile", "draw", "make_row", "paint"]
