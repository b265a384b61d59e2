"""One release, opened for reading: its table at its version, and how to ask it for the nearest rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookdex.catalog import tables
from lookdex.catalog.column_types import held
from lookdex.catalog.lance_errors import names_file
from lookdex.catalog.sql import listed, quoted
from lookdex.errors import BadQuery, CorruptData, LookdexError, StorageError
from lookdex.records import Release, Role, Scope
from lookdex.search.answer.facets import Facets
from lookdex.search.retrieval.facets import COLUMNS, facets_of
from lookdex.search.retrieval.filters import compile_filter, named_columns
from lookdex.search.retrieval.filters.cost import widths_of
from lookdex.search.retrieval.grouping import Hit
from lookdex.search.retrieval.product_columns import (
    Order,
    countable,
    counted_columns,
    named,
    order_of,
    sortable,
)
from lookdex.search.retrieval.rows import CATEGORY, Rows, sold_as
from lookdex.search.retrieval.table import READ_SECONDS, ReadTable
from lookdex.search.retrieval.verified import VERIFY_BYTES, Verified
from lookdex.search.retrieval.watch import UNWATCHED, StoreWatch
from lookdex.storage import Store

COUNTS_KEPT = 64  # filters whose facets are kept
FILTERABLE = ("product_id", "label", "colour", "score", "image_key")  # beside the product columns
_SAMPLES, _SAMPLED = 4, 250  # of so many rows each, which tell how large the values of a column are


@dataclass(frozen=True)
class OpenRelease:
    """A release and its `items` table. Safe among threads; every read sees the release's version.

    record: as the catalogue keeps it. has_main: False where no object of the release is its photo's product, so that all objects answer. facet_columns:
    what is counted where a question names no columns.
    """

    record: Release
    items: ReadTable
    has_main: bool
    rows: Rows = field(repr=False)
    facet_columns: tuple[str, ...] = COLUMNS

    @cached_property
    def filterable(self) -> pa.Schema:
        """The columns that a `where` may name."""
        names = dict.fromkeys((*self.record.product_columns, *FILTERABLE))
        return pa.schema([self.items.schema.field(name) for name in names])

    def compiled(self, where: str | None) -> str | None:
        """The caller's filter as SQL. Raises BadQuery when it is no predicate on their columns, or too expensive."""
        if where is None:
            return None
        return compile_filter(where, self.filterable, rows=self.record.items, widths=self.widths)

    @cached_property
    def widths(self) -> dict[str, float]:
        """How large the values of the filterable columns are, by a sample: see `compile_filter`."""
        starts = {part * self.record.items // _SAMPLES for part in range(_SAMPLES)}
        return widths_of(
            pa.concat_tables(
                self.items.to_table(columns=self.filterable.names, limit=_SAMPLED, offset=start)
                for start in sorted(starts)
            )
        )

    def rows_of(self, scope: Scope, role: Role | None = None) -> str:
        """The SQL of the rows of a scope (and a role) that may answer."""
        sql = f"scope = '{scope}'"
        return sql if role is None or not self.has_main else f"{sql} AND role = '{role}'"

    def within(self, category: str) -> str:
        """The SQL of the rows that are of a category: their product is, or the detector saw it in the photo."""
        sold = [raw for raw, known in self._categories.items() if known == category]
        seen = f"label = {quoted(category)}"
        return f"({seen} OR {CATEGORY} IN ({listed(sold)}))" if sold else seen

    def hold(self) -> None:
        """Read into memory what questions need of all rows, so that none of them has to wait for that."""
        self.rows.hold()
        _ = self.widths, self._categories, self.facets

    @property
    def held(self) -> bool:
        return "facets" in self.__dict__  # the last of them

    @property
    def sortable(self) -> tuple[str, ...]:
        """The columns that an answer can be sorted by."""
        return sortable(self.items.schema, self.record.product_columns)

    def order(self, sort: str | None) -> Order | None:
        """How an answer is sorted; None: by score. Raises BadQuery for a column that it cannot be sorted by."""
        return order_of(sort, self.sortable)

    @cached_property
    def facets(self) -> Facets:
        """What filters can offer of the products that may answer: the shop's columns, category and price."""
        return self._counted(None, self._known((*self.facet_columns, *COLUMNS)))

    def facet_names(self, wanted: bool | Sequence[str]) -> tuple[str, ...] | None:
        """The columns that a question wants counted (True: the shop's); None for none.

        Raises BadQuery for a column that cannot be counted.
        """
        if isinstance(wanted, bool):
            return self.facet_columns if wanted else None
        return counted_columns(wanted, self._countable)

    def counted(self, where: str | None, columns: tuple[str, ...]) -> Facets:
        """The products that a filter leaves, counted by `facet_names`; kept for the next one with the same filter.

        A product counts if an object of it passes. where: of `compiled`. Raises BadQuery for a filter whose types do
        not compare.
        """
        return self._counted(where, columns)

    @property
    def _countable(self) -> tuple[str, ...]:
        return countable(self.items.schema, self.record.product_columns)

    def _known(self, columns: Sequence[str]) -> tuple[str, ...]:
        return _those_there(columns, self._countable)

    @cached_property
    def _counted(self) -> Callable[[str | None, tuple[str, ...]], Facets]:
        return lru_cache(COUNTS_KEPT)(self._count)

    def _count(self, where: str | None, columns: tuple[str, ...]) -> Facets:
        rows = self.rows_of(Scope.OBJECT, Role.MAIN)
        if where is not None:
            rows += f" AND {where}"
        names = self.items.schema.names
        read = dict.fromkeys(
            ["product_id", *(name if name in names else name.partition(".")[0] for name in columns)]
        )
        try:
            table = self.items.to_table(columns=list(read), filter=rows, patient=where is None)
        except (CorruptData, StorageError) as error:
            raise filter_error(error, rows, self.items.schema) from error
        return facets_of(table, columns)

    @cached_property
    def _categories(self) -> dict[str, str | None]:
        """What each value of the shop's own category column stands for."""
        if not self.rows.has_category:
            return {}
        rows = self.rows_of(Scope.OBJECT, Role.MAIN)
        column = self.items.to_table(columns=[CATEGORY], filter=rows, patient=True)[CATEGORY]
        return {raw: sold_as(raw) for raw in pc.unique(column).drop_null().to_pylist()}

    def nearest(
        self, vectors: np.ndarray, limit: int, rows: str, *, enough: int | None = None
    ) -> list[list[Hit]]:
        """For each of the vectors (n, dim) its `limit` nearest rows (fewer: there are no more), nearest first.

        rows: an SQL predicate. enough: so many distinct products suffice. Then only as much of the index is read as the
        release was tuned for, and all of it where that gives fewer; None: all of it, as is right for rows that are
        picked by what they look like.
        """
        found = self._nearest(vectors, limit, rows, bounded=enough is not None)
        if enough is not None and self.record.index.kind != "exact":
            short = [n for n, hits in enumerate(found) if len(hits) < limit and _products(hits) < enough]
            if short:
                again = self._nearest(vectors[short], limit, rows, bounded=False)
                for n, hits in zip(short, again, strict=True):
                    found[n] = hits
        return found

    def _nearest(self, vectors: np.ndarray, limit: int, rows: str, *, bounded: bool) -> list[list[Hit]]:
        # All vectors in one read: the rows are filtered once, and an exact scan passes over them once
        # (3 vectors, 19,000 rows: 18 ms of CPU time against 50).
        query: dict[str, Any] = {"column": "vector", "q": vectors, "k": limit}
        index = self.record.index
        if index.kind == "exact":
            query |= {"metric": "cosine", "use_index": False}
        else:
            # With a minimum alone Lance reads every partition where there is a filter (200,000 rows: 12 ms a vector,
            # 2 with the maximum). Nothing is refined here: `limit` is several times what is wanted, and the wanted
            # are scored exactly afterwards.
            query["minimum_nprobes"] = max(1, index.nprobes)
            if bounded:
                query["maximum_nprobes"] = max(1, index.nprobes)
        try:
            found = self.items.to_table(
                columns=[*self.rows.hit_columns, "_distance"],
                nearest=query,
                filter=rows,
                prefilter=True,
                with_row_id=True,
            )
        except (CorruptData, StorageError) as error:
            raise filter_error(error, rows, self.items.schema) from error
        lanes: list[list[Hit]] = [[] for _ in vectors]
        for lane, hit in zip(found["query_index"].to_pylist(), self.rows.hits(found), strict=True):
            lanes[lane].append(hit)
        return [sorted(lane, key=lambda hit: (hit.distance, hit.row)) for lane in lanes]

    def crops(self, item_ids: Iterable[str]) -> dict[str, bytes]:
        """The stored crop (JPEG) of each of these items that the release has."""
        wanted = listed(item_ids)
        if not wanted:
            return {}
        table = self.items.to_table(columns=["item_id", "crop"], filter=f"item_id IN ({wanted})")
        return dict(zip(table["item_id"].to_pylist(), table["crop"].to_pylist(), strict=True))


def open_release(
    store: Store,
    release: Release,
    *,
    verify_bytes: int | None = VERIFY_BYTES,
    read_seconds: float | None = READ_SECONDS,
    watch: StoreWatch = UNWATCHED,
    facets: Sequence[str] | None = None,
) -> OpenRelease:
    """Open the release's `items` at its version, once its files are verified (see `verified`).

    facets: the columns to count where a question names none; None: category and price, where there are such. Raises
    BadQuery for one that the release does not have.
    Raises ReleaseNotFound when that version is gone, CorruptData when it is damaged, Unavailable.
    """

    def verify() -> Verified:
        verified = Verified(store, release, verify_bytes)
        verified.look_first()
        return verified

    verified = watch.read(verify)
    dataset = watch.read(lambda: tables.open_items(store, release))
    name = f"release {release.release_id}: {tables.name_of(store, tables.ITEMS, release.items_version)}"
    items = ReadTable(dataset, name, verified, read_seconds, watch)
    main = f"scope = '{Scope.OBJECT}' AND role = '{Role.MAIN}'"
    has_main = items.to_table(columns=["item_id"], filter=main, limit=1).num_rows > 0
    rows = Rows(items, release.product_columns)
    return OpenRelease(release, items, has_main, rows, _facet_columns(release, items.schema, facets))


def _facet_columns(release: Release, schema: pa.Schema, wanted: Sequence[str] | None) -> tuple[str, ...]:
    known = countable(schema, release.product_columns)
    if wanted is None:
        return _those_there(COLUMNS, known)
    try:
        return counted_columns(wanted, known)
    except BadQuery as error:
        raise BadQuery(f"facets, in release {release.release_id}: {error}") from error


def _those_there(columns: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    found = (named(name, known) for name in columns)
    return tuple(dict.fromkeys(name for name in found if name is not None))


def _products(hits: Sequence[Hit]) -> int:
    return len({hit.group for hit in hits})


def filter_error(error: LookdexError, sql: str, schema: pa.Schema) -> LookdexError:
    """Lance's complaint about a predicate as ours, should `filters` have let one through; anything else as it is.

    error: as the table raises it. sql: what was asked, of `compile_filter` or with it in it. schema: of the table.
    """
    text = _first_line(error.__cause__ or error)
    if names_file(text):  # a damaged file is not the predicate's fault
        return error
    if "Invalid user input" not in text and "Cast error" not in text:
        return error
    named = [name for name in named_columns(sql) if name in schema.names]
    kinds = "; ".join(f"{name} holds {held(schema.field(name).type)}" for name in named)
    if not kinds:
        return BadQuery("the filter cannot be applied: it names no column, or compares what does not compare")
    return BadQuery(
        f"the filter cannot be applied: {kinds}. Compare each column with values of its own type: a number, 'text', "
        "true, date '2026-11-22', timestamp '2026-11-22 09:30:00'"
    )


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
