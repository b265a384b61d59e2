"""The columns of the plan and of the tables `images` and `items`, each with its Arrow type and its description.

The descriptions are for docs/tables.md (see `catalog.reference`). They are not in the Arrow metadata: Parquet stores
that in each file, and the names and digests of a run's files depend on their bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. unit: its unit, or the values that it takes; '' for plain text."""

    name: str
    type: pa.DataType
    unit: str
    description: str


def build_schema(columns: Iterable[Column]) -> pa.Schema:
    return pa.schema([(column.name, column.type) for column in columns])


_IMAGE_KEY = Column("image_key", pa.string(), "key", "The photo's key, relative to the source.")
_ETAG = Column("etag", pa.string(), "", "The photo's ETag as listed.")
_BYTES = Column("bytes", pa.int64(), "bytes", "The photo's size as listed.")
_PRODUCT_IDS = Column(
    "product_ids", pa.list_(pa.string()), "ids", "The photo's products, by pattern or mapping. May be empty."
)
_CATEGORY = Column(
    "category",
    pa.string(),
    "category",
    "Category of the first product that has one, as a label of the detector if possible.",
)
_RUN_ID = Column("run_id", pa.string(), "run id", "The run that wrote the row.")

PLAN_COLUMNS = (
    Column(
        "shard_id",
        pa.string(),
        "16 hex digits",
        "The shard that indexes the photo. Null for a deleted photo.",
    ),
    _IMAGE_KEY,
    _ETAG,
    _BYTES,
    _PRODUCT_IDS,
    _CATEGORY,
    Column("change", pa.string(), "new, changed, recipe, retry, deleted", "Why the photo is in the plan."),
)

IMAGES_COLUMNS = (
    _IMAGE_KEY,
    _ETAG,
    _BYTES,
    Column(
        "content_hash", pa.string(), "SHA-256, hex", "Digest of the file. Null if it could not be fetched."
    ),
    _PRODUCT_IDS,
    _CATEGORY,
    Column("status", pa.string(), "indexed, no_object, rejected, failed", "The photo's outcome."),
    Column("reason", pa.string(), "see below", "Why the photo was rejected or failed. Null otherwise."),
    Column("width", pa.int32(), "pixels", "Width of the upright photo. Null if unknown."),
    Column("height", pa.int32(), "pixels", "Height of the upright photo. Null if unknown."),
    Column("items", pa.int32(), "rows", "Rows of the photo in `items`."),
    Column(
        "recipe",
        pa.string(),
        "16 hex digits",
        "Digest of the recipe. For a rejected photo: of everything that the rejection depends on.",
    ),
    _RUN_ID,
    Column("first_seen", pa.timestamp("us", tz="UTC"), "UTC", "When the photo was first in the catalogue."),
    Column(
        "indexed_at",
        pa.timestamp("us", tz="UTC"),
        "UTC",
        "When the photo was indexed. A failed photo keeps the earlier time.",
    ),
)

PALETTE = pa.list_(pa.struct([(name, pa.float32()) for name in ("l", "a", "b", "share")]))  # of Swatch


def items_columns(dim: int) -> tuple[Column, ...]:
    """The columns of `items`, without the product columns. dim: numbers in a vector."""
    return (
        Column(
            "item_id",
            pa.string(),
            "32 hex digits",
            "Digest of key, content, scope, label and box: the same across nights and embedders.",
        ),
        _IMAGE_KEY,
        Column("content_hash", pa.string(), "SHA-256, hex", "Digest of the photo's file."),
        Column("product_id", pa.string(), "id", "The product shown. Null for other things in the photo."),
        Column(
            "scope",
            pa.string(),
            "object, image",
            "A detected object, or the whole photo (one row per photo).",
        ),
        Column("role", pa.string(), "main, other", "The photo's product, or something else in the photo."),
        Column("label", pa.string(), "label", "The detector's label; `photo` for a whole photo."),
        Column("score", pa.float32(), "0 … 1", "The detector's confidence; 1 for a whole photo."),
        Column("x0", pa.int32(), "pixels", "Left edge of the box, in the upright photo."),
        Column("y0", pa.int32(), "pixels", "Top edge of the box."),
        Column("x1", pa.int32(), "pixels", "Right edge of the box, exclusive."),
        Column("y1", pa.int32(), "pixels", "Bottom edge of the box, exclusive."),
        Column("width", pa.int32(), "pixels", "Width of the upright photo."),
        Column("height", pa.int32(), "pixels", "Height of the upright photo."),
        Column("colour", pa.string(), "one of 14 names", "Main colour of the object's own pixels."),
        Column(
            "colour_share", pa.float32(), "0 … 1", "Share of the object's own pixels that have this colour."
        ),
        Column(
            "palette",
            PALETTE,
            "CIE L\\*a\\*b\\* (D65); share 0 … 1",
            "Up to five colours of the object's own pixels, largest share first. Old releases have none.",
        ),
        Column(
            "vector",
            pa.list_(pa.float32(), dim),
            "unit length",
            "The embedding. The inner product is the cosine.",
        ),
        Column(
            "crop",
            pa.binary(),
            "JPEG",
            "Picture of the object with a margin, or of the whole photo, downscaled.",
        ),
        _RUN_ID,
    )


PLAN_SCHEMA = build_schema(PLAN_COLUMNS)
IMAGES_SCHEMA = build_schema(IMAGES_COLUMNS)


def items_schema(dim: int, product_columns: pa.Schema | None = None) -> pa.Schema:
    """The `items` table: one row per vector of `dim` float32, then the product columns of the catalogue."""
    return pa.schema([*build_schema(items_columns(dim)), *(product_columns or ())])
