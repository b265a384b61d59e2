"""Releases of synthetic vectors, of any size, for the benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa

from lookdex.catalog import promotion_log, tables
from lookdex.catalog.schemas import items_schema
from lookdex.imaging.codec import encode_jpeg
from lookdex.records import Recipe, Release
from lookdex.release import ann
from lookdex.storage import open_store
from lookdex.taxonomy.categories import CATEGORIES

CHUNK = 20_000
PRODUCT_COLUMNS = pa.schema([("title", pa.string()), ("category", pa.string()), ("price", pa.float64())])
COLOURS = ("black", "white", "red", "blue", "green")


def publish(folder: Path, recipe: Recipe, items: int, dim: int, name: str = "bench") -> None:
    """Publish a release of `items` rows: two photos per product, three objects per photo. Titles end in `name`."""
    store = open_store(str(folder))
    dataset = lance.write_dataset(
        rows(items, dim, name),
        store.lance_uri(tables.ITEMS),
        schema=items_schema(dim, PRODUCT_COLUMNS),
        mode="overwrite",
    )
    index = ann.update_index(dataset, None, items)
    release = Release(
        release_id=name,
        parent=None,
        created_at=datetime.now(UTC),
        source="synthetic",
        items_version=dataset.version,
        images_version=1,
        recipe=recipe,
        dim=dim,
        items=items,
        images={"indexed": items // 4},
        index=index,
        product_columns=tuple(PRODUCT_COLUMNS.names),
    )
    promotion_log.save_release(store, release)
    promotion_log.append(store, release_id=name, action="promote", expected=promotion_log.current(store))


def rows(items: int, dim: int, name: str) -> Iterator[pa.RecordBatch]:
    rng = np.random.default_rng(0)
    schema = items_schema(dim, PRODUCT_COLUMNS)
    centres = rng.standard_normal((max(1, items // 50), dim), dtype=np.float32)
    pictures = [encode_jpeg(rng.integers(0, 255, (24, 18, 3), np.uint8), 24) for _ in range(64)]
    for start in range(0, items, CHUNK):
        number = np.arange(start, min(items, start + CHUNK))
        count, photo = len(number), number // 4
        vectors = centres[rng.integers(0, len(centres), count)]
        vectors = vectors + 0.65 * rng.standard_normal((count, dim), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        whole = number % 4 == 3
        labels = np.array(CATEGORIES)[rng.integers(0, len(CATEGORIES), count)]
        swatches = [
            [
                {"l": 40.0 + n % 20, "a": 3.0, "b": -4.0, "share": 0.7},
                {"l": 80.0, "a": 0.0, "b": 0.0, "share": 0.3},
            ]
            for n in number.tolist()
        ]
        known = {
            "item_id": [f"{n:016x}" for n in number],
            "image_key": [f"{n // 2:06d}/{n % 2}.jpg" for n in photo],
            "content_hash": [f"{n:064x}" for n in photo],
            "product_id": [f"P{n // 2:06d}" for n in photo],
            "scope": np.where(whole, "image", "object"),
            "role": np.where(whole | (number % 4 == 0), "main", "other"),
            "label": pa.array(labels, mask=whole),
            "score": rng.uniform(0.4, 1, count).astype(np.float32),
            **{name: np.full(count, value, np.int32) for name, value in
               {"x0": 10, "y0": 20, "x1": 400, "y1": 600, "width": 640, "height": 960}.items()},
            "colour": np.array(COLOURS)[rng.integers(0, len(COLOURS), count)],
            "colour_share": np.full(count, 0.7, np.float32),
            "palette": swatches,
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dim),
            "crop": pa.array([pictures[n % 64] for n in number], pa.binary()),
            "run_id": [name] * count,
            "title": [f"Thing {n} of {name}" for n in photo],
            "category": labels,
            "price": (photo % 200).astype(np.float64),
        }  # fmt: skip
        yield pa.record_batch(
            [pa.array(known[f.name], f.type) if not isinstance(known[f.name], pa.Array) else known[f.name].cast(f.type)
             for f in schema], schema=schema,
        )  # fmt: skip
