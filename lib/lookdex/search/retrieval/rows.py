"""The rows of a release: read from its table or, once loaded, from memory.

Memory holds everything small (ids, labels, boxes, colours, palettes, product columns: about 200 bytes a row), and the
vectors if they take no more than `HELD_VECTORS`: reading those of one answer from the table takes 5 ms of CPU time
(200,000 rows). Crops stay in the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookdex.catalog.schemas import PALETTE
from lookdex.catalog.sql import quote
from lookdex.records import Box, Swatch
from lookdex.search.retrieval.grouping import Hit
from lookdex.taxonomy.categories import normalise

if TYPE_CHECKING:
    from lookdex.search.retrieval.table import ReadTable

CATEGORY = "category"  # the product column with the shop's own category, where it has one
_SMALL = ("item_id", "product_id", "image_key", "label", "colour", "x0", "y0", "x1", "y1")
_HIT = ("product_id", "image_key", "label", "colour")
HELD_VECTORS = 256 << 20  # bytes: 262,144 rows of 256 numbers
_PALETTE = "palette"  # missing in releases of older versions of lookdex
_REPEATED = ("product_id", "image_key", "label", "colour", CATEGORY)  # strings kept once in memory


@dataclass(frozen=True, slots=True)
class ItemRow:
    """A row of `items` without its vector and crop. columns: the product columns."""

    item_id: str
    product_id: str | None
    image_key: str
    label: str | None
    colour: str | None
    box: Box
    palette: tuple[Swatch, ...]
    columns: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Held:
    """All rows in memory. ids: ascending. table: their columns, in this order.

    hits: the columns of a `Hit` again, as numpy arrays of objects, from which values are taken ten times as fast (8
    bytes a value: the strings are shared).
    """

    ids: np.ndarray
    table: pa.Table
    hits: dict[str, np.ndarray]

    def positions(self, ids: Sequence[int]) -> np.ndarray:
        return np.searchsorted(self.ids, np.asarray(ids, self.ids.dtype))


@dataclass(slots=True)
class Rows:
    """The rows of `items` by Lance's row id in its version. Thread-safe."""

    items: ReadTable
    product_columns: tuple[str, ...]
    has_palettes: bool = field(init=False)
    has_category: bool = field(init=False)
    _narrow: frozenset[str] = field(init=False)  # the product columns of 32-bit numbers
    _held: _Held | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        schema = self.items.schema
        self.has_palettes = _PALETTE in schema.names and schema.field(_PALETTE).type == PALETTE
        self._narrow = frozenset(
            name for name in self.product_columns if pa.types.is_float32(schema.field(name).type)
        )
        self.has_category = CATEGORY in self.product_columns and pa.types.is_string(
            schema.field(CATEGORY).type
        )

    @property
    def held(self) -> bool:
        return self._held is not None

    def hold(self) -> None:
        """Load everything small into memory. After that an answer reads from the table only crops, and vectors if these
        are too large to hold."""
        if self._held is None:
            size = 4 * self.items.schema.field("vector").type.list_size * self.items.count_rows()
            columns = [*self._columns, *(["vector"] if size <= HELD_VECTORS else [])]
            table = self.items.to_table(columns=columns, with_row_id=True, patient=True)
            for name in set(_REPEATED) & set(table.column_names):
                if pa.types.is_string(table.schema.field(name).type):
                    at = table.column_names.index(name)
                    table = table.set_column(at, name, table[name].dictionary_encode())
            table = table.unify_dictionaries().combine_chunks()
            ids = table["_rowid"].to_numpy()
            order = np.argsort(ids, kind="stable")
            table = table.drop_columns(["_rowid"])
            if (np.diff(ids.astype(np.int64)) < 0).any():
                table, ids = table.take(pa.array(order)), ids[order]
            self._held = _Held(ids, table, {name: _to_objects(table[name]) for name in self._hit_columns})

    @property
    def _columns(self) -> list[str]:
        """The columns of an `ItemRow`."""
        palette = (_PALETTE,) if self.has_palettes else ()
        return list(dict.fromkeys((*_SMALL, *self.product_columns, *palette)))

    @property
    def hit_columns(self) -> list[str]:
        """The columns that `hits` needs from the table: none once they are held."""
        return [] if self.held else self._hit_columns

    @property
    def _hit_columns(self) -> list[str]:
        return [*_HIT, *((CATEGORY,) if self.has_category else ())]

    def hits(self, found: pa.Table) -> list[Hit]:
        """The hits of a nearest-neighbour read of `_rowid`, `_distance` and `hit_columns`."""
        ids, distances = found["_rowid"].to_pylist(), found["_distance"].to_pylist()
        if self._held is None:
            values = {name: found[name].to_pylist() for name in self._hit_columns}
        else:
            positions = self._held.positions(ids)
            values = {name: own[positions].tolist() for name, own in self._held.hits.items()}
        products, keys, labels, colours = (values[name] for name in _HIT)
        categories = values[CATEGORY] if self.has_category else [None] * len(ids)
        return [
            Hit(i, product, key, distance, label, to_category(category), colour)
            for i, product, key, distance, label, category, colour in zip(
                ids, products, keys, distances, labels, categories, colours, strict=True
            )
        ]

    def rows(self, ids: Sequence[int]) -> dict[int, ItemRow]:
        """The rows by id."""
        if not ids:
            return {}
        if self._held is not None:
            table, order = self._take(ids, self._columns), list(ids)
        else:
            table = self._read(ids, self._columns)
            order = table["_rowid"].to_pylist()
        return dict(zip(order, map(self._row, table.to_pylist()), strict=True))

    def vectors(self, ids: Sequence[int]) -> dict[int, np.ndarray]:
        """The vectors by row id, (dim,) float32 of unit length."""
        if not ids:
            return {}
        if self._held is not None and "vector" in self._held.table.column_names:
            table, order = self._take(ids, ["vector"]), list(ids)
        else:
            table = self._read(ids, ["vector"])
            order = table["_rowid"].to_pylist()
        flat = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return dict(zip(order, flat.reshape(table.num_rows, -1), strict=True))

    def scores(self, ids: Sequence[int]) -> dict[int, float]:
        """The detector's scores by row id."""
        if not ids:
            return {}
        table = self._read(ids, ["score"])
        return dict(zip(table["_rowid"].to_pylist(), table["score"].to_pylist(), strict=True))

    def crops(self, ids: Sequence[int]) -> dict[int, bytes]:
        """The crops (JPEG) by row id."""
        if not ids:
            return {}
        table = self._read(ids, ["crop"])
        return dict(zip(table["_rowid"].to_pylist(), table["crop"].to_pylist(), strict=True))

    def ids(self, where: str, limit: int | None = None) -> list[int]:
        """The ids of the rows that fulfil an SQL predicate."""
        table = self.items.to_table(columns=[], filter=where, limit=limit, with_row_id=True)
        found: list[int] = table["_rowid"].to_pylist()
        return found

    def filter_ids(self, ids: Sequence[int], where: str) -> list[int]:
        """Keep the ids whose rows fulfil an SQL predicate."""
        return self.ids(f"_rowid IN ({','.join(map(str, ids))}) AND {where}") if ids else []

    def mentions(self, pattern: str) -> bool:
        """Whether a text column of any product matches a regular expression, ignoring case. False for ''."""
        schema = self.items.schema
        named = [name for name in self.product_columns if pa.types.is_string(schema.field(name).type)]
        if not pattern or not named:
            return False
        if self._held is None:
            matches = " OR ".join(f"regexp_like(`{name}`, {quote(pattern)}, 'i')" for name in named)
            return bool(self.ids(matches, limit=1))
        return any(_any_match(self._held.table[name], pattern) for name in named)

    def _read(self, ids: Sequence[int], columns: list[str]) -> pa.Table:
        return self.items.to_table(
            columns=columns, filter=f"_rowid IN ({','.join(map(str, ids))})", with_row_id=True
        )

    def _take(self, ids: Sequence[int], columns: list[str]) -> pa.Table:
        assert self._held is not None
        return self._held.table.select(columns).take(pa.array(self._held.positions(ids)))

    def _row(self, values: dict[str, Any]) -> ItemRow:
        return ItemRow(
            item_id=values["item_id"],
            product_id=values["product_id"],
            image_key=values["image_key"],
            label=values["label"],
            colour=values["colour"],
            box=Box(values["x0"], values["y0"], values["x1"], values["y1"]),
            palette=tuple(
                Swatch(**{part: round(value, 4) for part, value in swatch.items()})  # stored in 32 bits
                for swatch in values.get(_PALETTE) or ()
            ),
            columns={
                name: _shorten(values[name])
                if name in self._narrow and values[name] is not None
                else values[name]
                for name in self.product_columns
            },
        )


def _shorten(value: float) -> float:
    """A 32-bit number with its shortest digits: 45.3 instead of 45.29999923706055."""
    return float(str(np.float32(value)))


def _to_objects(texts: pa.ChunkedArray) -> np.ndarray:
    """The strings as Python objects, equal ones shared."""
    texts = texts.combine_chunks()
    if not pa.types.is_dictionary(texts.type):
        texts = texts.dictionary_encode()
    values = np.array([*texts.dictionary.to_pylist(), None], object)
    named: np.ndarray = values[texts.indices.fill_null(len(values) - 1).to_numpy()]
    return named


def _any_match(texts: pa.ChunkedArray, pattern: str) -> bool:
    chunks = (c.dictionary if pa.types.is_dictionary(c.type) else c for c in texts.chunks)
    return any(pc.any(pc.match_substring_regex(c, pattern, ignore_case=True)).as_py() for c in chunks)


@lru_cache(maxsize=4096)
def to_category(category: str | None) -> str | None:
    """Return the category that a shop's word stands for; None if it stands for none."""
    return None if category is None else normalise(category)
