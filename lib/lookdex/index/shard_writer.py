"""Turn photos with their objects into rows, and write the two Parquet files of a shard in bounded row groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lookdex.catalog.schemas import IMAGES_SCHEMA, items_schema
from lookdex.imaging import codec, colour
from lookdex.index import roles
from lookdex.index.fetch import Bad, Cost, Photo
from lookdex.records import Box, Detection, ImageRef, Reason, Recipe, Role, Scope, Status, item_id

PHOTO_LABEL = "photo"  # label of rows of scope `image`
CROP_QUALITY = 85
GROUP_BYTES = 8_000_000  # crops and vectors held before a row group is written


@dataclass(frozen=True, slots=True)
class Seen:
    """A photo that the models have processed. items: rows of `items_schema`, the whole photo first."""

    ref: ImageRef
    content_hash: str
    width: int
    height: int
    items: list[dict[str, Any]]
    cost: Cost

    @property
    def status(self) -> Status:
        return Status.INDEXED if len(self.items) > 1 else Status.NO_OBJECT


Outcome = Seen | Bad


def describe(
    photo: Photo, detections: Sequence[Detection], vectors: np.ndarray, recipe: Recipe, run_id: str
) -> Seen:
    """Make the rows of a decoded photo. vectors (1 + objects, dim): the whole photo first."""
    ref = photo.ref
    height, width = photo.pixels.shape[:2]
    whole = Detection(Box(0, 0, width, height), PHOTO_LABEL, 1.0)
    product = ref.product_ids[0] if ref.product_ids else None
    links = [
        roles.Link(Role.MAIN, product),
        *roles.link_objects(detections, ref.product_ids, (ref.category,), width, height),
    ]
    scopes = [Scope.IMAGE, *[Scope.OBJECT] * len(detections)]
    items = [
        _item(photo, scope, found, link, vector, recipe, run_id)
        for scope, found, link, vector in zip(scopes, [whole, *detections], links, vectors, strict=True)
    ]
    return Seen(ref, photo.content_hash, width, height, items, photo.cost)


def _item(
    photo: Photo,
    scope: Scope,
    found: Detection,
    link: roles.Link,
    vector: np.ndarray,
    recipe: Recipe,
    run_id: str,
) -> dict[str, Any]:
    box, pixels = found.box, photo.pixels
    shown = colour.describe(pixels, box, found.label)
    whole = scope is Scope.IMAGE
    crop = pixels if whole else codec.crop(pixels, box, recipe.crop_margin)
    # The whole photo is shown smaller, beside the crops of objects.
    longer_side = recipe.crop_pixels * 3 // 4 if whole else recipe.crop_pixels
    return {
        "item_id": item_id(photo.ref.key, photo.content_hash, scope, found.label, box),
        "image_key": photo.ref.key,
        "content_hash": photo.content_hash,
        "product_id": link.product_id,
        "scope": scope.value,
        "role": link.role.value,
        "label": found.label,
        "score": found.score,
        **asdict(box),
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "colour": shown.name,
        "colour_share": shown.share,
        "palette": [asdict(swatch) for swatch in shown.palette],
        "vector": vector,
        "crop": codec.encode_jpeg(crop, max(1, longer_side), CROP_QUALITY),
        "run_id": run_id,
    }


class ShardWriter:
    """Writes outcomes to the two files of a shard. Buffers at most one row group; `close` completes both files."""

    def __init__(self, folder: Path, dim: int, recipe: Recipe, run_id: str, now: datetime) -> None:
        self.items_path, self.images_path = folder / "items.parquet", folder / "images.parquet"
        self.items = 0
        self._recipe, self._run_id, self._now = recipe, run_id, now
        self._schema = items_schema(dim)
        # Crops and vectors do not compress; all other columns do.
        packed = {name: "ZSTD" for name in self._schema.names if name not in ("crop", "vector")}
        packed |= {"crop": "NONE", "vector.list.element": "NONE"}
        self._items_file = pq.ParquetWriter(
            self.items_path, self._schema, compression=packed, use_dictionary=["image_key", "label", "colour"]
        )
        self._images_file = pq.ParquetWriter(self.images_path, IMAGES_SCHEMA, compression="ZSTD")
        self._item_rows: list[dict[str, Any]] = []
        self._image_rows: list[dict[str, Any]] = []
        self._buffered = 0

    def copy(self, items: pq.ParquetFile, image_rows: pa.Table) -> None:
        """Copy rows that are kept from an earlier round of the shard."""
        for number in range(items.num_row_groups):
            group = items.read_row_group(number)
            self._items_file.write_table(group.select(self._schema.names).cast(self._schema))
        self._images_file.write_table(image_rows.select(IMAGES_SCHEMA.names).cast(IMAGES_SCHEMA))
        self.items += items.metadata.num_rows

    def add(self, outcome: Outcome) -> None:
        """Add the rows of one photo."""
        if isinstance(outcome, Seen):
            self._item_rows += outcome.items
            self.items += len(outcome.items)
            self._buffered += sum(len(row["crop"]) + row["vector"].nbytes + 500 for row in outcome.items)
            self._add_image(outcome, None, len(outcome.items))
        else:
            self._add_image(outcome, outcome.reason, 0)
        if self._buffered >= GROUP_BYTES:
            self._flush()

    def _add_image(self, outcome: Outcome, reason: Reason | None, items: int) -> None:
        ref = outcome.ref
        self._image_rows.append(
            {
                "image_key": ref.key,
                "etag": ref.etag,
                "bytes": ref.bytes,
                "content_hash": outcome.content_hash,
                "product_ids": list(ref.product_ids),
                "category": ref.category,
                "status": outcome.status.value,
                "reason": reason.value if reason else None,
                "width": outcome.width,
                "height": outcome.height,
                "items": items,
                "recipe": self._recipe.refusal if outcome.status is Status.REJECTED else self._recipe.digest,
                "run_id": self._run_id,
                "first_seen": self._now,
                "indexed_at": self._now,
            }
        )
        self._buffered += 500

    def _flush(self) -> None:
        if self._item_rows:
            self._items_file.write_batch(items_batch(self._item_rows, self._schema))
        if self._image_rows:
            self._images_file.write_batch(pa.RecordBatch.from_pylist(self._image_rows, IMAGES_SCHEMA))
        self._item_rows, self._image_rows, self._buffered = [], [], 0

    def close(self) -> None:
        """Write the buffered rows and complete both files."""
        try:
            self._flush()
        finally:
            self._items_file.close()
            self._images_file.close()


def items_batch(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    columns = []
    for field in schema:
        values = [row[field.name] for row in rows]
        if field.name == "vector":
            flat = np.concatenate(values).astype(np.float32, copy=False)
            columns.append(pa.FixedSizeListArray.from_arrays(pa.array(flat), field.type.list_size))
        else:
            columns.append(pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)
