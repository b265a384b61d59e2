"""What filters can offer: the values of columns, counted in distinct products. Pure: the rows come as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookdex.search.retrieval.product_columns import is_ranged

COLUMNS = ("category", "price")  # counted where the shop chose no others
MOST_VALUES = 200  # a column with more is no list to choose from: the most frequent ones are listed
BUCKETS = 8


class FacetKind(StrEnum):
    """How a column is told."""

    VALUES = "values"  # text, true or false, and the elements of lists: value by value
    RANGE = "range"  # numbers and dates: from the least to the most


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a column, and how many products have it."""

    value: Any
    products: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many products have a value from `least` to `most`, both included."""

    least: Any
    most: Any
    products: int


@dataclass(frozen=True, slots=True)
class Facet:
    """A column, counted in distinct products. missing: those without a value.

    values: the most frequent first, at most MOST_VALUES; others: products that have a value that is not among them. Of
    a list each element counts. least, most, buckets: of a range, the buckets of about as many products each, in order;
    a value is in one bucket only.
    """

    column: str
    kind: FacetKind
    missing: int
    values: tuple[Value, ...] = ()
    others: int = 0
    least: Any = None
    most: Any = None
    buckets: tuple[Bucket, ...] = ()


@dataclass(frozen=True, slots=True)
class Category:
    """A value of the shop's own category column, and how many products have it."""

    name: str
    products: int


@dataclass(frozen=True, slots=True)
class PriceRange:
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Facets:
    """products: distinct ones. columns: in the order in which they were asked for."""

    products: int
    columns: tuple[Facet, ...]

    def of(self, column: str) -> Facet | None:
        return next((facet for facet in self.columns if facet.column == column), None)

    @property
    def categories(self) -> tuple[Category, ...]:
        """The values of the column `category`, most products first; () without such a column of text."""
        facet = self.of("category")
        return () if facet is None else tuple(Category(one.value, one.products) for one in facet.values
                                              if isinstance(one.value, str))  # fmt: skip

    @property
    def price(self) -> PriceRange | None:
        """Of the column `price`, where it holds numbers."""
        facet = self.of("price")
        if facet is None or facet.least is None or isinstance(facet.least, date):
            return None
        return PriceRange(float(facet.least), float(facet.most))


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
