"""Count the values of columns in distinct products. Pure: the rows come as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookdex.search.answer.facets import MAX_BUCKETS, MAX_VALUES, Bucket, Facet, FacetKind, Facets, Value
from lookdex.search.retrieval.product_columns import is_ranged

COLUMNS = ("category", "price")  # counted where none are configured


def count_columns(rows: pa.Table, columns: Sequence[str]) -> Facets:
    """Count columns of rows, or fields of their records (record.field). Rows without a product are not counted.

    Args:
        rows: with `product_id` and these columns.
    """
    rows = rows.filter(pc.is_valid(rows["product_id"]))
    ids = _combine(rows["product_id"]).dictionary_encode()
    owners, products = ids.indices.to_numpy().astype(np.int64), len(ids.dictionary)
    return Facets(
        products, tuple(_count_facet(name, _column(rows, name), owners, products) for name in columns)
    )


def _column(rows: pa.Table, name: str) -> pa.Array:
    if name in rows.column_names:
        return _combine(rows[name])
    record, _, field = name.partition(".")
    return pc.struct_field(_combine(rows[record]), field)


def _combine(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return found if isinstance(found, pa.Array) else pa.concat_arrays(found.chunks)


def _count_facet(name: str, column: pa.Array, owners: np.ndarray, products: int) -> Facet:
    if is_ranged(column.type):
        return _count_range(name, column, owners, products)
    if pa.types.is_list(column.type):
        owners, column = owners[pc.list_parent_indices(column).to_numpy()], pc.list_flatten(column)
    present = pc.is_valid(column)
    if pa.types.is_string(column.type):
        present = pc.and_kleene(present, pc.not_equal(column, ""))
    present = pc.fill_null(present, False)
    return _count_values(
        name, column.filter(present), owners[present.to_numpy(zero_copy_only=False)], products
    )


def _count_values(name: str, column: pa.Array, owners: np.ndarray, products: int) -> Facet:
    """column: without nulls. owners: each value's product, as a number below `products`."""
    if pa.types.is_floating(column.type):
        column = pc.add(column, pa.scalar(0, column.type))  # -0.0 becomes 0.0, so that they are one value
    coded = column.dictionary_encode()
    pairs = np.unique(coded.indices.to_numpy().astype(np.int64) * products + owners)
    values, owners = np.divmod(pairs, max(1, products))
    counts = np.bincount(values, minlength=len(coded.dictionary))
    order = _most_frequent(coded.dictionary, counts)
    unlisted = np.ones(len(counts), bool)
    unlisted[order] = False
    return Facet(
        name,
        FacetKind.VALUES,
        missing=products - len(np.unique(owners)),
        values=tuple(
            Value(value, int(count))
            for value, count in zip(coded.dictionary.take(order).to_pylist(), counts[order], strict=True)
        ),
        others=len(np.unique(owners[unlisted[values]])),
    )


def _most_frequent(values: pa.Array, counts: np.ndarray) -> np.ndarray:
    """The positions of the most frequent values; of equally frequent ones the lesser first."""
    by_value = np.argsort(pc.rank(values, tiebreaker="first").to_numpy(), kind="stable")
    return by_value[np.argsort(-counts[by_value], kind="stable")][:MAX_VALUES]


def _count_range(name: str, column: pa.Array, owners: np.ndarray, products: int) -> Facet:
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, None)
    present = pc.is_valid(column).to_numpy(zero_copy_only=False)
    owners, first = np.unique(owners[present], return_index=True)  # all rows of a product have the same value
    column = column.filter(pa.array(present)).take(pa.array(first))
    column = column.take(pc.sort_indices(column))
    ends = _bucket_ends(pc.rank(column, tiebreaker="max").to_numpy())
    buckets = tuple(
        Bucket(_to_plain(column[start]), _to_plain(column[end - 1]), end - start)
        for start, end in zip([0, *ends], ends, strict=False)
    )
    return Facet(
        name,
        FacetKind.RANGE,
        missing=products - len(owners),
        least=buckets[0].least if buckets else None,
        most=buckets[-1].most if buckets else None,
        buckets=buckets,
    )


def _bucket_ends(last: np.ndarray) -> list[int]:
    """The ends of the buckets of sorted values. last: for each value, how many are no greater."""
    cuts = np.arange(1, MAX_BUCKETS + 1) * len(last) // MAX_BUCKETS
    return sorted({int(last[cut - 1]) for cut in cuts if cut})


def _to_plain(value: pa.Scalar) -> Any:
    """Floats of 32 bits with their shortest digits: 45.3 instead of 45.29999923706055."""
    plain = value.as_py()
    return float(str(np.float32(plain))) if pa.types.is_float32(value.type) else plain
