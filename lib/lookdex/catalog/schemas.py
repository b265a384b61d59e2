"""Arrow schemas of the plan and of the tables `images` and `items`."""

from __future__ import annotations

import pyarrow as pa

PLAN_SCHEMA = pa.schema(
    [
        ("shard_id", pa.string()),  # null for deleted images
        ("image_key", pa.string()),
        ("etag", pa.string()),
        ("bytes", pa.int64()),
        ("product_ids", pa.list_(pa.string())),
        ("category", pa.string()),
        ("change", pa.string()),
    ]
)

IMAGES_SCHEMA = pa.schema(
    [
        ("image_key", pa.string()),
        ("etag", pa.string()),
        ("bytes", pa.int64()),
        ("content_hash", pa.string()),  # SHA-256 of the file, hex; null when it could not be fetched
        ("product_ids", pa.list_(pa.string())),
        ("category", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("items", pa.int32()),
        ("recipe", pa.string()),
        ("run_id", pa.string()),
        ("first_seen", pa.timestamp("us", tz="UTC")),
        ("indexed_at", pa.timestamp("us", tz="UTC")),
    ]
)

PALETTE = pa.list_(pa.struct([(name, pa.float32()) for name in ("l", "a", "b", "share")]))  # of Swatch


def items_schema(dim: int, product_columns: pa.Schema | None = None) -> pa.Schema:
    """The `items` table: one row per vector of `dim` float32, then the product columns of the catalogue."""
    fields = [
        ("item_id", pa.string()),
        ("image_key", pa.string()),
        ("content_hash", pa.string()),
        ("product_id", pa.string()),
        ("scope", pa.string()),
        ("role", pa.string()),
        ("label", pa.string()),
        ("score", pa.float32()),
        ("x0", pa.int32()),
        ("y0", pa.int32()),
        ("x1", pa.int32()),
        ("y1", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("colour", pa.string()),
        ("colour_share", pa.float32()),
        ("palette", PALETTE),
        ("vector", pa.list_(pa.float32(), dim)),
        ("crop", pa.binary()),
        ("run_id", pa.string()),
    ]
    return pa.schema([*fields, *(product_columns or ())])
