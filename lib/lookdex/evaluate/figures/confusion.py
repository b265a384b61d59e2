"""A confusion matrix as a picture: rows are true classes, darker cells have a larger share of the row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from lookdex.evaluate.figures import canvas
from lookdex.evaluate.figures.canvas import lettering, paint

if TYPE_CHECKING:
    from lookdex.evaluate.retrieval import Retrieval
    from lookdex.evaluate.zero_shot import ZeroShot

MAX_CLASSES = 30  # classes shown; if there are more, those with the most mistakes
OTHERS = "all others"
CELL = 46
NAME_ROOM = 260  # pixels of a class's name

Confused = tuple[str, str, int]  # (class, predicted class, count)


def count_nearest(score: Retrieval) -> list[Confused]:
    """Count each query's label against that of its nearest item."""
    return [*((label, label, n) for label, n in score.agreed.items() if n), *score.confused]


def count_classes(score: ZeroShot) -> list[Confused]:
    """Count each photo's class against the predicted one."""
    right = zip(score.classes, score.counts.diagonal().tolist(), strict=True)
    return [*((name, name, n) for name, n in right if n), *score.confused]


def confusion_matrix(pairs: Sequence[Confused], limit: int = MAX_CLASSES) -> tuple[list[str], np.ndarray]:
    """Return (classes by number of photos, int (n, n) counts: rows are true classes, columns predicted ones).

    If there are more than `limit` classes, those with the most mistakes are kept and the rest is merged into `OTHERS`.
    """
    photos: Counter[str] = Counter()
    mistaken: Counter[str] = Counter()
    for a, b, n in pairs:
        photos[a] += n
        photos[b] += 0
        for name in {a, b} if a != b else ():
            mistaken[name] += n
    names = sorted(photos, key=lambda name: (-photos[name], name))
    if len(names) > limit:
        worst = set(sorted(names, key=lambda name: -mistaken[name])[: limit - 1])
        names = [*(name for name in names if name in worst), OTHERS]
    number = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), np.int64)
    for a, b, n in pairs:
        counts[number.get(a, len(names) - 1), number.get(b, len(names) - 1)] += n
    return names, counts


def draw(pairs: Sequence[Confused], title: str) -> Image.Image:
    """Draw the matrix with its counts. A cell's shade is its share of the row."""
    shown, values = confusion_matrix(pairs)
    total = max(1, int(values.sum()))
    right = sum(n for a, b, n in pairs if a == b)
    n = len(shown)
    longest = max(lettering.width(name, canvas.TEXT) for name in shown)
    room = round(min(NAME_ROOM, longest)) + 20
    left, top = canvas.MARGIN + room, canvas.TOP + 34 + room
    width = max(760, left + n * CELL + 90 + canvas.MARGIN)
    detail = (
        f"{right:,} of {total:,} right ({right / total:.1%}). The darker, the larger the share of its row."
    )
    image, pen = canvas.sheet(width, top + n * CELL + canvas.MARGIN, title, detail)
    lettering.write(pen, (left, canvas.TOP + 20), "taken for", canvas.SMALL, canvas.MUTED)
    for i, name in enumerate(shown):
        fit = lettering.shorten(name, canvas.TEXT, room - 16)
        y = top + i * CELL
        lettering.write(pen, (left - 14, y + 30), fit, canvas.TEXT, canvas.INK, anchor="rs")
        canvas.vertical_text(image, (left + i * CELL + 34, top - 12), fit, canvas.TEXT, canvas.INK)
        row_total = int(values[i].sum())
        lettering.write(pen, (left + n * CELL + 18, y + 30), f"{row_total:,}", canvas.SMALL, canvas.MUTED)
        for j in range(n):
            shade = canvas.WRONG if i != j else canvas.MUTED if name == OTHERS else canvas.RIGHT
            _cell(image, (left + j * CELL, y), int(values[i, j]), row_total, shade, i == j)
    lettering.write(pen, (left + n * CELL + 18, top - 12), "photos", canvas.SMALL, canvas.MUTED)
    return image


def _cell(
    image: Image.Image, at: tuple[int, int], count: int, row_total: int, dark: canvas.RGB, diagonal: bool
) -> None:
    """Draw a cell. Shades follow the square root of the share, so that rare mistakes stay visible."""
    portion = (count / row_total) ** 0.5 if row_total else 0.0
    fill = canvas.blend(canvas.CARD, dark, portion) if count else canvas.TRACK if diagonal else canvas.CARD
    paint.panel(image, (at[0] + 1, at[1] + 1), (CELL - 3, CELL - 3), 7, fill)
    if not count:
        return
    text = str(count) if count < 10_000 else f"{count / 1000:.0f}k"
    size = next((s for s in (18, 16, 14) if lettering.width(text, s) <= CELL - 8), 12)
    ink = canvas.CARD if portion > 0.7 else canvas.INK
    pen = ImageDraw.Draw(image)
    lettering.write(pen, (at[0] + CELL / 2 - 1, at[1] + CELL / 2), text, size, ink, anchor="mm")
