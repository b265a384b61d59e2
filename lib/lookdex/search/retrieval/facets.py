"""What filters can offer: the values of columns, counted in distinct products. Pure: the rows come as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookdex.search.answer.facets import BUCKETS, MOST_VALUES, Bucket, Facet, FacetKind, Facets, Value
from lookdex.search.retrieval.product_columns import is_ranged

COLUMNS = ("category", "price")  # counted where the shop chose no others


def facets_of(rows: pa.Table, columns: Sequence[str]) -> Facets:
    """The facets of rows that have `product_id` and the columns, or the records that hold them (record.field).

    Rows of no product are not counted.
    """
    rows = rows.filter(pc.is_valid(rows["product_id"]))
    ids = _whole(rows["product_id"]).dictionary_encode()
    owners, products = ids.indices.to_numpy().astype(np.int64), len(ids.dictionary)
    return Facets(products, tuple(_facet(name, _column(rows, name), owners, products) for name in columns))


def _column(rows: pa.Table, name: str) -> pa.Array:
    if name in rows.column_names:
        return _whole(rows[name])
    record, _, field = name.partition(".")
    return pc.struct_field(_whole(rows[record]), field)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return found if isinstance(found, pa.Array) else pa.concat_arrays(found.chunks)


def _facet(name: str, column: pa.Array, owners: np.ndarray, products: int) -> Facet:
    if is_ranged(column.type):
        return _range(name, column, owners, products)
    if pa.types.is_list(column.type):
        owners, column = owners[pc.list_parent_indices(column).to_numpy()], pc.list_flatten(column)
    there = pc.is_valid(column)
    if pa.types.is_string(column.type):
        there = pc.and_kleene(there, pc.not_equal(column, ""))
    there = pc.fill_null(there, False)
    return _values(name, column.filter(there), owners[there.to_numpy(zero_copy_only=False)], products)


def _values(name: str, column: pa.Array, owners: np.ndarray, products: int) -> Facet:
    """column: without nulls. owners: the product of each value, as a number below `products`."""
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
    """The places of the most frequent values, of equal ones the lesser value first."""
    by_value = np.argsort(pc.rank(values, tiebreaker="first").to_numpy(), kind="stable")
    return by_value[np.argsort(-counts[by_value], kind="stable")][:MOST_VALUES]


def _range(name: str, column: pa.Array, owners: np.ndarray, products: int) -> Facet:
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, None)
    there = pc.is_valid(column).to_numpy(zero_copy_only=False)
    owners, first = np.unique(owners[there], return_index=True)  # a product's rows have one value
    column = column.filter(pa.array(there)).take(pa.array(first))
    column = column.take(pc.sort_indices(column))
    ends = _ends(pc.rank(column, tiebreaker="max").to_numpy())
    buckets = tuple(
        Bucket(_told(column[start]), _told(column[end - 1]), end - start)
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


def _ends(last: np.ndarray) -> list[int]:
    """Where the buckets of sorted values end. last: for each value, how many are no greater."""
    cuts = np.arange(1, BUCKETS + 1) * len(last) // BUCKETS
    return sorted({int(last[cut - 1]) for cut in cuts if cut})


def _told(value: pa.Scalar) -> Any:
    """Numbers of 32 bits as they were written: 45.3, and not 45.29999923706055."""
    told = value.as_py()
    return float(str(np.float32(told))) if pa.types.is_float32(value.type) else told
