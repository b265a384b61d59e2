"""The worst answers of an end-to-end evaluation: the detected object, its product, and the products shown instead."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from lookdex.catalog.sql import quoted
from lookdex.evaluate.figures import mistakes
from lookdex.evaluate.lanes import Lane, Outcome
from lookdex.evaluate.work import read
from lookdex.imaging import boxes, codec
from lookdex.records import Box

if TYPE_CHECKING:
    from lookdex.search.answer.lanes import Match
    from lookdex.search.catalog import Catalog

CASES, SHOWN = 10, 5


def find_worst(results: Sequence[Outcome], limit: int = CASES) -> list[Outcome]:
    """Return detected objects whose first product is wrong, largest similarity margin first.

    A right product that is not within k counts as similarity -1.
    """
    wrong = [outcome for outcome in results if outcome.found and outcome.lanes[Lane.DETECTED].rank != 1]

    def margin(outcome: Outcome) -> float:
        placed = outcome.lanes[Lane.DETECTED]
        return (placed.wrong or 0.0) - (-1.0 if placed.right is None else placed.right)

    return sorted(wrong, key=lambda outcome: -margin(outcome))[:limit]


def draw_worst(results: Sequence[Outcome], catalog: Catalog) -> Image.Image | None:
    """Draw the worst cases, queried again for their pictures; None if there are none."""
    rows = [_row(outcome, catalog) for outcome in find_worst(results)]
    return (
        mistakes.draw(rows, "Worst cases: a wrong product first for an object that was found")
        if rows
        else None
    )


def _row(outcome: Outcome, catalog: Catalog) -> mistakes.MistakeRow:
    query_object, placed = outcome.asked, outcome.lanes[Lane.DETECTED]
    pixels = read(Path(query_object.image))
    assert pixels is not None  # it was readable as a query
    box = boxes.clip(
        placed.box or Box(0, 0, pixels.shape[1], pixels.shape[0]), pixels.shape[1], pixels.shape[0]
    )
    matches = catalog.search(pixels, k=SHOWN, box=box).objects[0].matches
    right_matches = (
        catalog.search(pixels, k=1, box=box, where=f"product_id = {quoted(query_object.product_id)}")
        .objects[0]
        .matches
    )
    right = _tile(right_matches[0], query_object.product_id) if right_matches else None
    query = mistakes.Tile(codec.crop(pixels, box, 0.05), query_object.category, Path(query_object.image).name)
    return mistakes.MistakeRow(
        query, right, tuple(_tile(match, query_object.product_id) for match in matches)
    )


def _tile(match: Match, right_product: str) -> mistakes.Tile:
    name = match.product_id or match.image_key
    title = str(match.columns.get("title") or name)
    return mistakes.Tile(
        _decode(match.crop), title, f"{match.similarity:.3f}  {name}", match.product_id == right_product
    )


def _decode(jpeg: bytes | None) -> Image.Image | None:
    return Image.open(io.BytesIO(jpeg)).convert("RGB") if jpeg else None
