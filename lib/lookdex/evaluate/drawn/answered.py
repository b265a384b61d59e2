"""The worst answers of an end-to-end evaluation: the object in its photo, its product, and the products shown."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from lookdex.catalog.sql import quoted
from lookdex.evaluate.drawn import cases
from lookdex.evaluate.lanes import Lane, Outcome
from lookdex.evaluate.work import read
from lookdex.imaging import boxes, codec
from lookdex.records import Box

if TYPE_CHECKING:
    from lookdex.search.answer.answer import Match
    from lookdex.search.catalog import Catalog

CASES, SHOWN = 10, 5


def worst(told: Sequence[Outcome], most: int = CASES) -> list[Outcome]:
    """Found objects whose first product is wrong, by how much more similar it is than the right one (which, where it
    is not among the k, is taken for the least similar of all)."""
    wrong = [one for one in told if one.found and one.lanes[Lane.DETECTED].rank != 1]

    def margin(one: Outcome) -> float:
        placed = one.lanes[Lane.DETECTED]
        return (placed.wrong or 0.0) - (-1.0 if placed.right is None else placed.right)

    return sorted(wrong, key=lambda one: -margin(one))[:most]


def draw_worst(told: Sequence[Outcome], catalog: Catalog) -> Image.Image | None:
    """A sheet of the worst cases, asked again for their pictures; None when there is none."""
    rows = [_row(one, catalog) for one in worst(told)]
    return (
        cases.draw(rows, "Worst cases: a wrong product first for an object that was found") if rows else None
    )


def _row(one: Outcome, catalog: Catalog) -> cases.Row:
    asked, placed = one.asked, one.lanes[Lane.DETECTED]
    pixels = read(Path(asked.image))
    assert pixels is not None  # it was asked with
    box = boxes.clip(
        placed.box or Box(0, 0, pixels.shape[1], pixels.shape[0]), pixels.shape[1], pixels.shape[0]
    )
    matches = catalog.search(pixels, k=SHOWN, box=box).objects[0].matches
    own = (
        catalog.search(pixels, k=1, box=box, where=f"product_id = {quoted(asked.product_id)}")
        .objects[0]
        .matches
    )
    right = _tile(own[0], asked.product_id) if own else None
    query = cases.Tile(codec.crop(pixels, box, 0.05), asked.category, Path(asked.image).name)
    return cases.Row(query, right, tuple(_tile(match, asked.product_id) for match in matches))


def _tile(match: Match, wanted: str) -> cases.Tile:
    name = match.product_id or match.image_key
    title = str(match.columns.get("title") or name)
    return cases.Tile(
        _opened(match.crop), title, f"{match.similarity:.3f}  {name}", match.product_id == wanted
    )


def _opened(jpeg: bytes | None) -> Any:
    return Image.open(io.BytesIO(jpeg)).convert("RGB") if jpeg else None
