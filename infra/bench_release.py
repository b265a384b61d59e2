"""Time of deleting 100,000 of 200,000 items, and of the SQL checks over 200,000 items of 100,000 products.

Figures are in release/commits.py and audit.py.

    taskset -c 0 env OMP_NUM_THREADS=1 PYTHONPATH=lib python -m infra.bench_release
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import lance
import numpy as np
import pyarrow as pa

from lookdex.catalog import tables
from lookdex.catalog.schemas import IMAGES_SCHEMA, items_schema
from lookdex.release import commits, rows
from lookdex.release.audit import CHECK_FILES, PRODUCT_CHECKS, compare_products, run_check
from lookdex.storage import open_store

ROWS, DIM, CROP_BYTES = 200_000, 256, 6_000
PRODUCTS = ROWS // 2


@contextmanager
def print_time(what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    print(f"{time.perf_counter() - start:7.3f} s  {what}", flush=True)


def fill_rows(schema: pa.Schema, known: dict[str, object], count: int) -> pa.Table:
    return pa.table([known.get(field.name, pa.nulls(count, field.type)) for field in schema], schema=schema)


def products() -> pa.Table:
    numbers = np.arange(PRODUCTS)
    ids = pa.array([f"P{number:07d}" for number in numbers])
    sizes = pa.array([["S", "M", "L"]] * PRODUCTS)
    return pa.table(
        {
            "product_id": ids,
            "title": pa.array([f"Thing {number} of a shop, in a colour and a size" for number in numbers]),
            "category": pa.array(["dress"] * PRODUCTS),
            "url": pa.array([f"https://shop.example/products/{number:07d}.html" for number in numbers]),
            "price": pa.array(numbers / 7),
            "stock": pa.array(numbers),
            "since": pa.array(numbers * 1_000_000).cast(pa.timestamp("us")),
            "sizes": sizes,
        }
    )


def main() -> None:
    rng = np.random.default_rng(0)
    stock = products()
    shown = stock.take(pa.array(np.arange(ROWS) % PRODUCTS))
    vectors = rng.standard_normal((ROWS, DIM), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    keys = pa.array([f"{number:07d}/photo.jpg" for number in range(ROWS)])
    box = {"x0": [0] * ROWS, "y0": [0] * ROWS, "x1": [64] * ROWS, "y1": [64] * ROWS}
    items = fill_rows(
        items_schema(DIM, pa.schema(list(stock.schema)[1:])),
        {
            **{name: shown[name] for name in stock.column_names},
            **{name: pa.array(values, pa.int32()) for name, values in box.items()},
            "item_id": keys,
            "image_key": keys,
            "scope": pa.array(["image"] * ROWS),
            "role": pa.array(["main"] * ROWS),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIM),
            "crop": pa.array([bytes(CROP_BYTES)] * ROWS, pa.binary()),
        },
        ROWS,
    )
    side = pa.array([64] * ROWS, pa.int32())
    images = fill_rows(
        IMAGES_SCHEMA,
        {
            "image_key": keys,
            "product_ids": pa.ListArray.from_arrays(
                np.arange(ROWS + 1, dtype=np.int32), shown["product_id"].combine_chunks()
            ),
            "status": pa.array(["no_object"] * ROWS),
            "width": side,
            "height": side,
            "items": pa.array([1] * ROWS, pa.int32()),
        },
        ROWS,
    )
    with tempfile.TemporaryDirectory() as folder:
        catalog = open_store(folder)
        base = lance.write_dataset(
            items, catalog.lance_uri(tables.ITEMS), max_rows_per_file=rows.FULL_FRAGMENT
        )
        ledger = lance.write_dataset(images, catalog.lance_uri(tables.IMAGES))
        with tables.connect(tables.Tables(base, ledger)) as connection:
            connection.execute("SET threads = 1")
            for file in CHECK_FILES:
                for name, query in tables.sql_blocks(tables.sql_text(file)).items():
                    with print_time(f"check: {name}"):
                        run_check(connection, name, query)
            compare_products(connection, stock)
            for name, query in tables.sql_blocks(tables.sql_text(PRODUCT_CHECKS)).items():
                with print_time(f"check: {name} ({PRODUCTS:,} products, {stock.num_columns - 1} columns)"):
                    found = run_check(connection, name, query)
                assert found.result.passed, found
        half = pa.table({"image_key": keys.take(pa.array(rng.choice(ROWS, ROWS // 2, replace=False)))})
        with print_time("find the rows of 100,000 keys"):
            gone = rows.rows_of(half, base.scanner(columns=["image_key"], with_row_id=True).to_reader())
        with print_time("delete them by address, one commit"):
            commits.update(catalog, tables.ITEMS, base, gone, [], "bench")
        listed = ", ".join(f"'{key}'" for key in half["image_key"].to_pylist()[:10_000])
        with print_time("for comparison: dataset.delete of 10,000 keys by predicate"):
            lance.dataset(base.uri, version=1).delete(f"image_key IN ({listed})")


if __name__ == "__main__":
    main()
