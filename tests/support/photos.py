"""Photos that the fakes understand, put into a store, and their plan."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from lookdex.catalog import runs
from lookdex.catalog.schemas import PLAN_SCHEMA
from lookdex.records import Box, ImageRef, PlanSummary, Recipe, ShardReport, StoredFile
from lookdex.storage import Store
from tests import fakes

PAPER = (236, 234, 230)


def draw(objects: Mapping[str, Box], width: int = 120, height: int = 160) -> np.ndarray:
    """A photo with a rectangle per colour of `fakes.COLOURS`: uint8 (height, width, 3)."""
    pixels = np.full((height, width, 3), PAPER, np.uint8)
    for colour, box in objects.items():
        pixels[box.y0 : box.y1, box.x0 : box.x1] = fakes.COLOURS[colour]
    return pixels


def encode(pixels: np.ndarray, format: str = "PNG", **options: Any) -> bytes:
    """options: of Pillow's encoder."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format, **options)
    return out.getvalue()


def numbered(number: int) -> bytes:
    """A small photo with one or two objects, different for each number."""
    colours = list(fakes.COLOURS)
    shift = number // 6 % 40
    objects = {colours[number % 6]: Box(10 + shift, 20, 60 + shift, 90)}
    if number % 3 == 0:
        objects[colours[(number + 1) % 6]] = Box(80, 100, 110, 150 - number % 20)
    return encode(draw(objects))


def fill(store: Store, count: int) -> None:
    for number in range(count):
        store.put(f"p{number:05d}/a.png", numbered(number))


def refs_of(store: Store, products: bool = True, category: str | None = None) -> tuple[ImageRef, ...]:
    return tuple(
        ImageRef(o.key, o.etag, o.bytes, (o.key.split("/")[0],) if products else (), category)
        for o in store.list()
    )


def plan(
    source: Store,
    catalog: Store,
    *,
    run_id: str = "night",
    shard_images: int = 8,
    recipe: Recipe | None = None,
) -> PlanSummary:
    """Store a plan of all photos in `source` as new ones, in shards of equal size."""
    refs = refs_of(source)
    rows = [
        {
            "shard_id": f"shard-{n // shard_images:04d}", "image_key": ref.key, "etag": ref.etag, "bytes": ref.bytes,
            "product_ids": list(ref.product_ids), "category": ref.category, "change": "new",
        }
        for n, ref in enumerate(refs)
    ]  # fmt: skip
    summary = PlanSummary(
        run_id=run_id, live=0, release_id=None, source=source.uri, recipe=recipe or fakes.recipe(),
        changes={"new": len(rows)}, shards=-(-len(rows) // shard_images), created_at=datetime.now(UTC),
        plan=StoredFile("", "", 0, 0),
    )  # fmt: skip
    return runs.save_plan(catalog, pa.Table.from_pylist(rows, PLAN_SCHEMA), summary)


def table_of(catalog: Store, file: StoredFile) -> pa.Table:
    """Read a shard's file and check its digest."""
    table = pq.read_table(pa.BufferReader(runs.read_stored(catalog, file)))
    assert table.num_rows == file.rows
    return table


def items_of(catalog: Store, reports: Sequence[ShardReport]) -> pa.Table:
    return pa.concat_tables(table_of(catalog, report.objects) for report in reports).sort_by("item_id")


def images_of(catalog: Store, reports: Sequence[ShardReport]) -> pa.Table:
    return pa.concat_tables(table_of(catalog, report.images) for report in reports).sort_by("image_key")


def smooth(*shapes: tuple[int, int], seed: int = 0) -> list[np.ndarray]:
    """Smooth random pictures. Models and resizing give unstable results on noise."""
    rng = np.random.default_rng(seed)
    found = []
    for height, width in shapes:
        coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        found.append(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
    return found


def poisoned(first_pixel: tuple[int, int, int] = fakes.POISON) -> bytes:
    """A photo that breaks `fakes.poisoned_detector`, or another model that checks the first pixel."""
    pixels = draw({"red": Box(10, 20, 60, 90)})
    pixels[0, 0] = first_pixel
    return encode(pixels)
