"""Precision-recall curves, one panel per category."""

from __future__ import annotations

import math

from PIL import Image, ImageDraw

from lookdex.evaluate.coco import RECALLS
from lookdex.evaluate.detection import CategoryScore, DetectionScore
from lookdex.evaluate.figures import canvas
from lookdex.evaluate.figures.canvas import lettering, paint

COLUMNS = 4
PANEL = (330, 330)
GAP = 22
PLOT = (256, 204)
SUPERSAMPLE = 3  # for smooth edges


def draw(score: DetectionScore) -> Image.Image:
    """Draw the categories, those with the most objects first. The dot is the operating point."""
    categories = sorted(score.by_category.items(), key=lambda category: -category[1].objects)
    columns = min(COLUMNS, max(2, len(categories)))
    rows = math.ceil(len(categories) / columns)
    width = 2 * canvas.MARGIN + columns * (PANEL[0] + GAP) - GAP
    detail = (
        f"AP50 {score.ap50:.3f}, AP {score.ap:.3f}. Curve: IoU 0.5, each category alone. "
        f"Dot: what is shown at a score of {score.min_score:g}."
    )
    image, _ = canvas.sheet(
        width, canvas.TOP + rows * (PANEL[1] + GAP) + canvas.MARGIN - GAP + 10, "Precision and recall", detail
    )
    for n, (name, category) in enumerate(categories):
        row, column = divmod(n, columns)
        _panel(
            image,
            (canvas.MARGIN + column * (PANEL[0] + GAP), canvas.TOP + row * (PANEL[1] + GAP)),
            name,
            category,
        )
    return image


def _panel(image: Image.Image, at: tuple[int, int], name: str, category: CategoryScore) -> None:
    x, y = at
    pen = ImageDraw.Draw(image)
    paint.panel(image, at, PANEL, 16, canvas.CARD)
    value = f"{category.ap50:.2f}"
    lettering.write(pen, (x + PANEL[0] - 18, y + 36), value, 22, canvas.FOUND, anchor="rs", weight=0.5)
    title = lettering.shorten(name, 22, PANEL[0] - 60 - lettering.width(value, 22))
    lettering.write(pen, (x + 18, y + 36), title, 22, canvas.INK, weight=0.5)
    left, top = x + 54, y + 54
    image.paste(_plot(category), (left, top))
    for share, text in ((0.0, "0"), (0.5, "0.5"), (1.0, "1")):
        right, high = left + round(share * PLOT[0]), top + round((1 - share) * PLOT[1])
        lettering.write(pen, (right, top + PLOT[1] + 20), text, 15, canvas.MUTED, anchor="ms")
        lettering.write(pen, (left - 8, high + 5), text, 15, canvas.MUTED, anchor="rs")
    lettering.write(pen, (left + PLOT[0] * 0.25, top + PLOT[1] + 20), "recall", 15, canvas.MUTED, anchor="ms")
    canvas.vertical_text(image, (x + 40, top + round(PLOT[1] * 0.25) + 32), "precision", 15, canvas.MUTED)
    caption = (
        f"recall {category.found:.2f} ({category.objects:,} objects), precision {category.precision:.2f}"
    )
    lettering.write(
        pen, (x + 18, y + PANEL[1] - 16), lettering.shorten(caption, 17, PANEL[0] - 36), 17, canvas.MUTED
    )


def _plot(category: CategoryScore) -> Image.Image:
    width, height = PLOT[0] * SUPERSAMPLE, PLOT[1] * SUPERSAMPLE
    plot = Image.new("RGB", (width, height), canvas.CARD)
    pen = ImageDraw.Draw(plot)
    points = [
        (float(r) * width, (1 - float(p)) * height)
        for r, p in zip(RECALLS, category.curve, strict=True)
        if p > 0
    ]
    if points:
        end = points[-1][0]
        pen.polygon([(0, height), *points, (end, height)], fill=canvas.blend(canvas.CARD, canvas.FOUND, 0.16))
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = share * (width - SUPERSAMPLE), share * (height - SUPERSAMPLE)
        pen.line([(at[0], 0), (at[0], height)], canvas.EDGE, SUPERSAMPLE)
        pen.line([(0, at[1]), (width, at[1])], canvas.EDGE, SUPERSAMPLE)
    if points:
        pen.line([*points, (points[-1][0], height)], canvas.FOUND, 3 * SUPERSAMPLE, "curve")
    if not category.found:  # nothing detected: no precision
        return plot.resize(PLOT, Image.Resampling.LANCZOS)
    middle = category.found * width, (1 - category.precision) * height
    for radius, fill in ((8 * SUPERSAMPLE, canvas.CARD), (6 * SUPERSAMPLE, canvas.WRONG)):
        pen.ellipse([middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius], fill)
    return plot.resize(PLOT, Image.Resampling.LANCZOS)
