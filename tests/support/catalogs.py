"""Small published catalogues, written without a run."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa

import lookdex
from lookdex.catalog import promotion_log
from lookdex.catalog.schemas import items_schema
from lookdex.imaging import colour
from lookdex.imaging.codec import crop, encode_jpeg
from lookdex.models import digests
from lookdex.records import (
    Box,
    Detection,
    IndexParameters,
    LiveEntry,
    Recipe,
    Release,
    Role,
    Scope,
    Thresholds,
    item_id,
)
from lookdex.search.catalog import Catalog
from lookdex.storage import Store
from tests import fakes
from tests.fakes import COLOURS, LABELS, FakeDetector, FakeEmbedder

PRODUCT_COLUMNS = pa.schema([("title", pa.string()), ("price", pa.float64()), ("url", pa.string())])
WITH_CATEGORY = PRODUCT_COLUMNS.append(pa.field("category", pa.string()))
SIZE = 96


@dataclass(frozen=True)
class Shown:
    """A photo: a coloured rectangle on white. `product_id` None: no product.

    Crops of photos with the same mark (default: one per product) are nearly the same picture. others: colours of
    things worn with the product. category: the product's.
    """

    product_id: str | None
    colour: str
    price: float = 10.0
    photo: int = 0
    mark: str | None = None
    others: tuple[str, ...] = ()
    category: str | None = None

    @property
    def key(self) -> str:
        return f"{self.product_id or 'loose'}/{self.colour}-{self.photo}.jpg"


def picture(*colours: str, shade: int = 0, size: int = SIZE) -> np.ndarray:
    """uint8 (size, size, 3): white, with a rectangle per colour side by side, `shade` levels darker."""
    pixels = np.full((size, size, 3), 250, np.uint8)
    width = (size - 16) // max(1, len(colours))
    for n, name in enumerate(colours):
        left = 8 + n * width
        pixels[12 : size - 12, left : left + width - 6] = np.clip(np.array(COLOURS[name]) - shade, 0, 255)
    return pixels


def stock(products: int = 12, photos: int = 2) -> list[Shown]:
    """Products in the six colours of the fakes in turn, priced 0, 1, 2 …, with `photos` each."""
    names = list(COLOURS)
    return [Shown(f"p{n:03d}", names[n % 6], float(n), m) for n in range(products) for m in range(photos)]


def marked(pixels: np.ndarray, mark: str) -> np.ndarray:
    """Invert strips of the picture, chosen by the mark: this changes the crop, but not its vector."""
    strips = np.array_split(np.arange(pixels.shape[1]), 16)
    copy = pixels.copy()
    for n, strip in enumerate(strips):
        if zlib.crc32(mark.encode()) >> n & 1:
            copy[:, strip] = 255 - copy[:, strip]
    return copy


def rows_of(shown: Shown, run_id: str, recipe: Recipe) -> list[dict[str, Any]]:
    pixels = picture(shown.colour, *shown.others, shade=shown.photo % 40)
    detections = FakeDetector().detect([pixels])[0]
    whole = Detection(Box(0, 0, SIZE, SIZE), "", 1.0)
    found = [(Scope.IMAGE, whole, pixels)]
    found += [(Scope.OBJECT, d, crop(pixels, d.box, recipe.crop_margin)) for d in detections]
    vectors = FakeEmbedder().embed_images([part for _, _, part in found])
    other = {LABELS[name] for name in shown.others}
    rows = [
        {
            "item_id": item_id(shown.key, "h", scope, d.label, d.box),
            "image_key": shown.key,
            "content_hash": "h",
            "product_id": shown.product_id,
            "scope": str(scope),
            "role": str(Role.MAIN),
            "label": d.label or None,
            "score": d.score,
            **{name: getattr(d.box, name) for name in ("x0", "y0", "x1", "y1")},
            "width": SIZE,
            "height": SIZE,
            "colour": shown.colour,
            "colour_share": 1.0,
            "palette": [asdict(swatch) for swatch in colour.describe(pixels, d.box, d.label).palette],
            "vector": vector,
            "crop": encode_jpeg(
                marked(part, shown.mark or shown.product_id or shown.key), recipe.crop_pixels
            ),
            "run_id": run_id,
            "title": f"{shown.colour} thing of {run_id}",
            "price": shown.price,
            "url": None,
            "category": shown.category,
        }
        for (scope, d, part), vector in zip(found, vectors, strict=True)
    ]
    unsold = {"role": str(Role.OTHER)} | dict.fromkeys(("product_id", *PRODUCT_COLUMNS.names, "category"))
    return [row | unsold if row["label"] in other else row for row in rows]


def write_release(
    store: Store,
    release_id: str,
    shown: Sequence[Shown],
    *,
    recipe: Recipe | None = None,
    roles: Role | None = None,
    dim: int = FakeEmbedder.dim,
    columns: pa.Schema = PRODUCT_COLUMNS,
    thresholds: Thresholds | None = None,
) -> Release:
    """Write the items as a new table version, and the release's record. Nothing becomes live."""
    recipe = recipe or fakes.recipe()
    rows = [row for photo in shown for row in rows_of(photo, release_id, recipe)]
    if roles is not None:
        rows = [row | {"role": str(roles)} for row in rows]
    if dim != FakeEmbedder.dim:
        rows = [row | {"vector": np.eye(1, dim, dtype=np.float32)[0]} for row in rows]
    table = pa.Table.from_pylist(rows, schema=items_schema(dim, columns))
    uri = store.lance_uri("tables/items.lance")
    items = lance.write_dataset(table, uri, mode="overwrite", storage_options=store.lance_options)
    release = Release(
        release_id=release_id,
        parent=None,
        created_at=datetime.now(UTC),
        source="memory",
        items_version=items.version,
        images_version=1,
        recipe=recipe,
        dim=dim,
        items=len(rows),
        images={"indexed": len(shown)},
        index=IndexParameters("exact"),
        product_columns=tuple(columns.names),
        thresholds=thresholds,
    )
    return promotion_log.save_release(store, release)


def publish(store: Store, release_id: str, shown: Sequence[Shown], **changes: Any) -> LiveEntry:
    """Write a release and make it live. changes: keyword arguments of `write_release`."""
    write_release(store, release_id, shown, **changes)
    return go_live(store, release_id)


def go_live(store: Store, release_id: str) -> LiveEntry:
    return promotion_log.append(
        store, release_id=release_id, action="promote", expected=promotion_log.current(store)
    )


def live(store: Store) -> Release:
    """The live release."""
    current = promotion_log.live_release(store)
    assert current is not None
    return current[1]


def with_index(store: Store, release: Release, release_id: str, **index: Any) -> Release:
    """A release of the same items with a vector index."""
    items = lance.dataset(
        store.lance_uri("tables/items.lance"),
        version=release.items_version,
        storage_options=store.lance_options,
    )
    items.create_index("vector", "IVF_SQ", metric="cosine", num_partitions=index["partitions"])
    indexed = replace(
        release,
        release_id=release_id,
        items_version=items.version,
        index=IndexParameters("IVF_SQ", **index),
    )
    return promotion_log.save_release(store, indexed)


def recipe_with_digests(**changes: object) -> Recipe:
    """A recipe of the fakes with their true digests, so that another process can load them by name."""
    return fakes.recipe(
        detector_digest=digests.detector_digest(FakeDetector.name),
        embedder_digest=digests.embedder_digest(FakeEmbedder.name),
        **changes,
    )


def opened(uri: str | Path | Store, **options: Any) -> Catalog:
    """Open with the fakes as models; the promotion log is checked for each query. options: of `open_catalog`."""
    settings: dict[str, Any] = {"detector": FakeDetector(), "embedder": FakeEmbedder(), "poll_seconds": 0.0}
    return lookdex.open_catalog(uri, **settings | options)
