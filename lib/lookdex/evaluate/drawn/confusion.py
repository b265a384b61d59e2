"""What is taken for what, as a picture: a row for each class, dark where its photos go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from lookdex.evaluate.drawn import canvas
from lookdex.evaluate.drawn.canvas import lettering, paint

if TYPE_CHECKING:
    from lookdex.evaluate.retrieval import Retrieval

MOST = 30  # classes that are shown; of more, those with the most mistakes
OTHERS = "all others"
CELL = 46
NAME_ROOM = 260  # pixels of a class's name


def of_nearest(score: Retrieval) -> tuple[tuple[str, ...], np.ndarray]:
    """(labels, int (n, n): how often a query of the row's label has a nearest item of the column's)."""
    labels = tuple(sorted({*score.agreed, *(b for _, b, _ in score.confused)}))
    number = {label: i for i, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), np.int64)
    for label, times in score.agreed.items():
        counts[number[label], number[label]] = times
    for a, b, times in score.confused:
        counts[number[a], number[b]] = times
    return labels, counts


def foremost(names: Sequence[str], counts: np.ndarray, most: int = MOST) -> tuple[list[str], np.ndarray]:
    """The classes by their number of photos; of more than `most`, those that take part in the most mistakes, and the
    rest of them as one."""
    order = np.argsort(-counts.sum(axis=1), kind="stable")
    if len(names) <= most:
        return [names[i] for i in order], counts[np.ix_(order, order)]
    off = counts - np.diag(counts.diagonal())
    worst = np.argsort(-(off.sum(axis=0) + off.sum(axis=1)), kind="stable")[: most - 1]
    chosen = [i for i in order if i in set(worst.tolist())]
    group = np.full(len(names), most - 1)
    group[chosen] = np.arange(most - 1)
    merged = np.zeros((most, most), counts.dtype)
    np.add.at(merged, (group[:, None], group[None, :]), counts)
    return [*(names[i] for i in chosen), OTHERS], merged


def draw(names: Sequence[str], counts: np.ndarray, title: str) -> Image.Image:
    """counts: int (n, n), rows the truth, columns what it was taken for."""
    shown, values = foremost(names, counts)
    total = max(1, int(counts.sum()))
    right = int(counts.diagonal().sum())
    n = len(shown)
    longest = max(lettering.width(name, canvas.TEXT) for name in shown)
    room = round(min(NAME_ROOM, longest)) + 20
    left, top = canvas.MARGIN + room, canvas.TOP + 34 + room
    width = max(760, left + n * CELL + 90 + canvas.MARGIN)
    detail = f"{right:,} of {total:,} right ({right / total:.1%}). A row's shade is the share of its photos."
    made, pen = canvas.sheet(width, top + n * CELL + 30 + canvas.MARGIN, title, detail)
    lettering.write(pen, (left, canvas.TOP + 20), "taken for", canvas.SMALL, canvas.MUTED)
    for i, name in enumerate(shown):
        fit = lettering.shorten(name, canvas.TEXT, room - 16)
        y = top + i * CELL
        lettering.write(pen, (left - 14, y + 30), fit, canvas.TEXT, canvas.INK, anchor="rs")
        canvas.upwards(made, (left + i * CELL + 34, top - 12), fit, canvas.TEXT, canvas.INK)
        own = int(values[i].sum())
        lettering.write(pen, (left + n * CELL + 18, y + 30), f"{own:,}", canvas.SMALL, canvas.MUTED)
        for j in range(n):
            _cell(made, (left + j * CELL, y), int(values[i, j]), own, i == j)
    lettering.write(pen, (left + n * CELL + 18, top - 12), "photos", canvas.SMALL, canvas.MUTED)
    return made


def _cell(made: Image.Image, at: tuple[int, int], count: int, own: int, right: bool) -> None:
    """A mistake that is rare among many photos still shows: shades follow the square root."""
    portion = (count / own) ** 0.5 if own else 0.0
    dark = canvas.RIGHT if right else canvas.WRONG
    fill = canvas.blend(canvas.CARD, dark, portion) if count else canvas.TRACK if right else canvas.CARD
    paint.panel(made, (at[0] + 1, at[1] + 1), (CELL - 3, CELL - 3), 7, fill)
    if not count:
        return
    text = str(count) if count < 10_000 else f"{count / 1000:.0f}k"
    size = next((s for s in (18, 16, 14) if lettering.width(text, s) <= CELL - 8), 12)
    ink = canvas.CARD if portion > 0.6 else canvas.INK
    pen = canvas.ImageDraw.Draw(made)
    lettering.write(pen, (at[0] + CELL / 2 - 1, at[1] + CELL / 2), text, size, ink, anchor="mm")
