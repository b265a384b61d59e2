"""Write a sample catalogue: photos, looks, the shop's products file and the ground truth."""

from __future__ import annotations

import io
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import resources
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lookdex.taxonomy.categories import CATEGORIES
from lookdex_sample.photos import Photo, pick_outfit, render_look, render_product
from lookdex_sample.products import Product, category_of, make_product

PRODUCTS_SCHEMA = pa.schema(
    [
        ("product_id", pa.string()),
        ("title", pa.string()),
        ("category", pa.string()),
        ("colour", pa.string()),
        ("price", pa.float64()),
        ("url", pa.string()),
    ]
)

TRUTH_SCHEMA = pa.schema(
    [
        ("image_key", pa.string()),
        ("kind", pa.string()),
        ("category", pa.string()),
        ("product_id", pa.string()),
        ("x0", pa.int32()),
        ("y0", pa.int32()),
        ("x1", pa.int32()),
        ("y1", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)

_ROWS = 2048
_SECOND_VIEW = 1 / 3


class Target(Protocol):
    """Where a sample is written: any store of bytes by key."""

    def put(self, key: str, data: bytes) -> object: ...


class Shelf(Sequence[Product]):
    """The products of one category, created on access; holds only their numbers."""

    def __init__(self, seed: int, numbers: NDArray[np.int64]) -> None:
        self._seed = seed
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, at: int) -> Product: ...
    @overload
    def __getitem__(self, at: slice) -> Shelf: ...
    def __getitem__(self, at: int | slice) -> Product | Shelf:
        if isinstance(at, slice):
            return Shelf(self._seed, self._numbers[at])
        return make_product(self._seed, int(self._numbers[at]))


def shelves(seed: int, products: int) -> dict[str, Shelf]:
    """Return the catalogue's products by category, in numerical order."""
    codes = np.fromiter(
        (CATEGORIES.index(category_of(seed, index)) for index in range(products)),
        dtype=np.int8, count=products,
    )  # fmt: skip
    return {name: Shelf(seed, np.flatnonzero(codes == i)) for i, name in enumerate(CATEGORIES)}


def write_sample(
    target: Target,
    products: int,
    looks: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    workers: int = 1,
) -> None:
    """Render a catalogue and store it under `target`; the same arguments give the same bytes.

    Keys: photos/{product_id}/{front|alt}.jpg (a third of the products have both), looks/look-00000.jpg,
    products.parquet (`PRODUCTS_SCHEMA`), truth.parquet (`TRUTH_SCHEMA`: one row per visible object, boxes in whole
    pixels, x1 and y1 exclusive) and thresholds.json, as `lookdex evaluate end-to-end --thresholds` wrote it for the
    shipped models and another rendered catalogue.

    progress: called with (done, total), counted in products and looks. workers: processes.

    Raises:
        ValueError: no products, or a negative number of looks.
    """
    if products < 1 or looks < 0:
        raise ValueError(f"need at least one product and no fewer than 0 looks, got {products} and {looks}")
    stock = shelves(seed, products)
    tasks: Iterator[_Task] = chain(
        (_Task(seed, index) for index in range(products)),
        (_Task(seed, number, _outfit(stock, seed, number)) for number in range(looks)),
    )
    with tempfile.TemporaryDirectory(prefix="lookdex-sample-") as folder:
        truth = _Table(Path(folder, "truth.parquet"), TRUTH_SCHEMA)
        listing = _Table(Path(folder, "products.parquet"), PRODUCTS_SCHEMA)
        with truth, listing:
            for done, (task, shots) in enumerate(_rendered(tasks, workers), start=1):
                if not task.outfit:
                    product = make_product(seed, task.number)
                    listing.add({name: getattr(product, name) for name in PRODUCTS_SCHEMA.names})
                for shot in shots:
                    target.put(shot.key, shot.jpeg)
                    for row in shot.truth:
                        truth.add(row)
                if progress is not None:
                    progress(done, products + looks)
        target.put("products.parquet", listing.path.read_bytes())
        target.put("truth.parquet", truth.path.read_bytes())
        target.put("thresholds.json", resources.files(__package__).joinpath("thresholds.json").read_bytes())


@dataclass(frozen=True)
class _Task:
    """Photos of one product, or, with an outfit, one look."""

    seed: int
    number: int
    outfit: tuple[Product, ...] = ()


@dataclass(frozen=True)
class _Shot:
    key: str
    jpeg: bytes
    truth: tuple[dict[str, Any], ...]


class _Table:
    """A Parquet file written in chunks of rows."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")

    def __enter__(self) -> _Table:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows.clear()


def _outfit(stock: dict[str, Shelf], seed: int, number: int) -> tuple[Product, ...]:
    rng = np.random.default_rng(np.random.SeedSequence((seed, number, 4)))
    chosen = pick_outfit(stock, rng)
    if not chosen:  # a tiny catalogue may have nothing wearable
        chosen = [make_product(seed, 0)]
    return tuple(chosen)


def _rendered(tasks: Iterator[_Task], workers: int) -> Iterator[tuple[_Task, list[_Shot]]]:
    """Render in order; with worker processes, a bounded number of tasks ahead."""
    if workers <= 1:
        for task in tasks:
            yield task, _render(task)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        while batch := list(islice(tasks, 64 * workers)):
            yield from zip(batch, pool.map(_render, batch, chunksize=8), strict=True)


def _render(task: _Task) -> list[_Shot]:
    if task.outfit:
        photo = render_look(task.outfit, task.seed + task.number)
        return [_shot(f"looks/look-{task.number:05d}.jpg", "look", photo, 88)]
    product = make_product(task.seed, task.number)
    rng = np.random.default_rng(np.random.SeedSequence((task.seed, task.number, 5)))
    names = ("front", "alt") if rng.random() < _SECOND_VIEW else ("front",)
    return [
        _shot(f"photos/{product.product_id}/{name}.jpg", "product", render_product(product, task.seed, view), 90)
        for view, name in enumerate(names)
    ]  # fmt: skip


def _shot(key: str, kind: str, photo: Photo, quality: int) -> _Shot:
    buffer = io.BytesIO()
    photo.image.save(buffer, "JPEG", quality=quality)
    width, height = photo.image.size
    rows = []
    for thing in photo.objects:
        x0, y0, x1, y1 = thing.box
        rows.append(
            {
                "image_key": key, "kind": kind, "category": thing.category,
                "product_id": thing.product_id, "x0": x0, "y0": y0, "x1": x1, "y1": y1,
                "width": width, "height": height,
            }
        )  # fmt: skip
    return _Shot(key, buffer.getvalue(), tuple(rows))
