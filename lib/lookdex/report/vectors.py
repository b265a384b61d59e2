"""Exact nearest-neighbour search for many queries in one pass over a table, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import lance

BATCH_ROWS = 4096
QUERIES = 1024  # queries per matrix product; 20,000 at once took 2.8 GB


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest rows of each query."""

    rows: np.ndarray
    """int64 (queries, k), Lance row ids, nearest first."""
    cosines: np.ndarray
    """float32, same shape, -inf beyond the number of rows."""


def batches(table: lance.LanceDataset, where: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield row ids (n,) and vectors (n, dim) float32 of the matching rows."""
    scanner = table.scanner(
        columns=["vector"], filter=where, with_row_id=True, batch_size=BATCH_ROWS, batch_readahead=2
    )
    for batch in scanner.to_batches():
        if batch.num_rows:
            vectors = batch["vector"]
            flat = vectors.flatten().to_numpy(zero_copy_only=False)
            yield batch["_rowid"].to_numpy(), flat.reshape(batch.num_rows, -1)


def nearest(
    found: Iterable[tuple[np.ndarray, np.ndarray]], queries: np.ndarray, k: int, block: int = QUERIES
) -> Nearest:
    """Find the k nearest rows for each query (n, dim); all vectors have unit length.

    Holds one batch, its products with `block` queries, and the best k so far.
    """
    count = len(queries)
    best = Nearest(np.full((count, k), -1, np.int64), np.full((count, k), -np.inf, np.float32))
    for ids, vectors in found:
        for start in range(0, count, block):
            part = slice(start, start + block)
            _improve(best.rows[part], best.cosines[part], ids, queries[part] @ vectors.T)
    return best


def _improve(rows: np.ndarray, cosines: np.ndarray, ids: np.ndarray, products: np.ndarray) -> None:
    """Merge closer rows into `rows` and `cosines` (queries, k).

    Args:
        ids: (n,).
        products: (queries, n).
    """
    k = rows.shape[1]
    better = np.flatnonzero((products > cosines[:, -1:]).any(axis=1))
    if not len(better):
        return
    all_cosines = np.hstack([cosines[better], products[better]])
    all_rows = np.hstack([rows[better], np.broadcast_to(ids.astype(np.int64), (len(better), len(ids)))])
    best = np.argpartition(-all_cosines, k - 1, axis=1)[:, :k]
    kept_cosines = np.take_along_axis(all_cosines, best, axis=1)
    kept_rows = np.take_along_axis(all_rows, best, axis=1)
    order = np.lexsort((kept_rows, -kept_cosines), axis=1)
    cosines[better] = np.take_along_axis(kept_cosines, order, axis=1)
    rows[better] = np.take_along_axis(kept_rows, order, axis=1)
