"""What is taken for what, as a picture: a row for each class, dark where its photos go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from lookdex.evaluate.drawn import canvas
from lookdex.evaluate.drawn.canvas import lettering, paint

if TYPE_CHECKING:
    from lookdex.evaluate.retrieval import Retrieval
    from lookdex.evaluate.zero_shot import ZeroShot

MOST = 30  # classes that are shown; of more, those that take part in the most mistakes
OTHERS = "all others"
CELL = 46
NAME_ROOM = 260  # pixels of a class's name

Taken = tuple[str, str, int]  # (class, taken for, how often)


def of_nearest(score: Retrieval) -> list[Taken]:
    """Each query's label and its nearest item's."""
    return [*((label, label, n) for label, n in score.agreed.items() if n), *score.confused]


def of_classes(score: ZeroShot) -> list[Taken]:
    """Each photo's class and the one whose text is most similar."""
    right = zip(score.classes, score.counts.diagonal().tolist(), strict=True)
    return [*((name, name, n) for name, n in right if n), *score.confused]


def arranged(taken: Sequence[Taken], most: int = MOST) -> tuple[list[str], np.ndarray]:
    """(classes by their number of photos, int (n, n): rows the truth, columns what it was taken for).

    Of more than `most` classes, those that take part in the most mistakes, and the rest as one, `OTHERS`.
    """
    photos: Counter[str] = Counter()
    mistaken: Counter[str] = Counter()
    for a, b, n in taken:
        photos[a] += n
        photos[b] += 0
        for name in {a, b} if a != b else ():
            mistaken[name] += n
    names = sorted(photos, key=lambda name: (-photos[name], name))
    if len(names) > most:
        worst = set(sorted(names, key=lambda name: -mistaken[name])[: most - 1])
        names = [*(name for name in names if name in worst), OTHERS]
    number = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), np.int64)
    for a, b, n in taken:
        counts[number.get(a, len(names) - 1), number.get(b, len(names) - 1)] += n
    return names, counts


def draw(taken: Sequence[Taken], title: str) -> Image.Image:
    """The matrix, with its numbers. A row's shade is the share of its photos."""
    shown, values = arranged(taken)
    total = max(1, int(values.sum()))
    right = sum(n for a, b, n in taken if a == b)
    n = len(shown)
    longest = max(lettering.width(name, canvas.TEXT) for name in shown)
    room = round(min(NAME_ROOM, longest)) + 20
    left, top = canvas.MARGIN + room, canvas.TOP + 34 + room
    width = max(760, left + n * CELL + 90 + canvas.MARGIN)
    detail = (
        f"{right:,} of {total:,} right ({right / total:.1%}). The darker, the larger the share of its row."
    )
    made, pen = canvas.sheet(width, top + n * CELL + canvas.MARGIN, title, detail)
    lettering.write(pen, (left, canvas.TOP + 20), "taken for", canvas.SMALL, canvas.MUTED)
    for i, name in enumerate(shown):
        fit = lettering.shorten(name, canvas.TEXT, room - 16)
        y = top + i * CELL
        lettering.write(pen, (left - 14, y + 30), fit, canvas.TEXT, canvas.INK, anchor="rs")
        canvas.upwards(made, (left + i * CELL + 34, top - 12), fit, canvas.TEXT, canvas.INK)
        own = int(values[i].sum())
        lettering.write(pen, (left + n * CELL + 18, y + 30), f"{own:,}", canvas.SMALL, canvas.MUTED)
        for j in range(n):
            shade = canvas.WRONG if i != j else canvas.MUTED if name == OTHERS else canvas.RIGHT
            _cell(made, (left + j * CELL, y), int(values[i, j]), own, shade, i == j)
    lettering.write(pen, (left + n * CELL + 18, top - 12), "photos", canvas.SMALL, canvas.MUTED)
    return made


def _cell(
    made: Image.Image, at: tuple[int, int], count: int, own: int, dark: canvas.RGB, diagonal: bool
) -> None:
    """A mistake that is rare among many photos still shows: shades follow the square root."""
    portion = (count / own) ** 0.5 if own else 0.0
    fill = canvas.blend(canvas.CARD, dark, portion) if count else canvas.TRACK if diagonal else canvas.CARD
    paint.panel(made, (at[0] + 1, at[1] + 1), (CELL - 3, CELL - 3), 7, fill)
    if not count:
        return
    text = str(count) if count < 10_000 else f"{count / 1000:.0f}k"
    size = next((s for s in (18, 16, 14) if lettering.width(text, s) <= CELL - 8), 12)
    ink = canvas.CARD if portion > 0.7 else canvas.INK
    pen = ImageDraw.Draw(made)
    lettering.write(pen, (at[0] + CELL / 2 - 1, at[1] + CELL / 2), text, size, ink, anchor="mm")
