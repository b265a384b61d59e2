"""An open release: its table at its version, the filters and sorts it allows, and its nearest rows."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookdex.catalog import tables
from lookdex.catalog.column_types import describe
from lookdex.catalog.lance_errors import names_file
from lookdex.catalog.sql import quote, quote_list
from lookdex.errors import BadQuery, CorruptData, LookdexError, StorageError
from lookdex.records import Release, Role, Scope
from lookdex.runtime.daemons import DaemonPool
from lookdex.search.answer.facets import Facets
from lookdex.search.retrieval.facets import COLUMNS, count_columns
from lookdex.search.retrieval.filters import compile_filter, named_columns
from lookdex.search.retrieval.filters.cost import measure_widths
from lookdex.search.retrieval.grouping import Hit
from lookdex.search.retrieval.product_columns import (
    Order,
    check_countable,
    countable_columns,
    find_column,
    parse_sort,
    sortable,
)
from lookdex.search.retrieval.rows import CATEGORY, Rows, to_category
from lookdex.search.retrieval.table import READ_SECONDS, ReadTable
from lookdex.search.retrieval.verified import VERIFY_BYTES, Verified
from lookdex.search.retrieval.watch import StoreWatch
from lookdex.storage import Store

COUNTS_KEPT = 64  # filters whose facets are cached
FILTERABLE = ("product_id", "label", "colour", "score", "image_key")  # besides the product columns
_SAMPLES, _SAMPLE_ROWS = 4, 250  # samples, and rows of each, to estimate how large a column's values are
_THREADS = 8  # for the reads of one release that run in parallel


@dataclass(frozen=True)
class OpenRelease:
    """A release and its `items` table. Thread-safe; every read sees the release's version."""

    record: Release
    items: ReadTable
    has_main: bool
    """False if no object of the release is its photo's product; then all objects may match."""
    rows: Rows = field(repr=False)
    threads: DaemonPool = field(repr=False)
    """For reads in parallel; tasks there must not wait for each other."""
    facet_columns: tuple[str, ...] = COLUMNS
    """Counted if a question names none."""

    @cached_property
    def filterable(self) -> pa.Schema:
        """The columns that a `where` may name."""
        names = dict.fromkeys((*self.record.product_columns, *FILTERABLE))
        return pa.schema([self.items.schema.field(name) for name in names])

    def compile_where(self, where: str | None) -> str | None:
        """Compile a filter to SQL. Raises BadQuery if it is no predicate on these columns, or too expensive."""
        if where is None:
            return None
        return compile_filter(where, self.filterable, rows=self.record.items, widths=self.widths)

    @cached_property
    def widths(self) -> dict[str, float]:
        """The mean size of the filterable columns' values, from samples: see `compile_filter`."""
        starts = {part * self.record.items // _SAMPLES for part in range(_SAMPLES)}
        return measure_widths(
            pa.concat_tables(
                self.items.to_table(columns=self.filterable.names, limit=_SAMPLE_ROWS, offset=start)
                for start in sorted(starts)
            )
        )

    def rows_sql(self, scope: Scope, role: Role | None = None) -> str:
        """SQL of the rows of a scope (and a role) that may match."""
        sql = f"scope = '{scope}'"
        return sql if role is None or not self.has_main else f"{sql} AND role = '{role}'"

    def category_sql(self, category: str) -> str:
        """SQL of the rows of a category, by their product's category or by their label."""
        raws = [raw for raw, known in self._categories.items() if known == category]
        by_label = f"label = {quote(category)}"
        return f"({by_label} OR {CATEGORY} IN ({quote_list(raws)}))" if raws else by_label

    def hold(self) -> None:
        """Load into memory what questions need of all rows, so that none waits for it."""
        self.rows.hold()
        _ = self.widths, self._categories, self.facets

    @property
    def held(self) -> bool:
        return "facets" in self.__dict__  # the last that `hold` loads

    @property
    def sortable(self) -> tuple[str, ...]:
        """The columns that an answer can be sorted by."""
        return sortable(self.items.schema, self.record.product_columns)

    def parse_sort(self, sort: str | None) -> Order | None:
        """Parse a `sort`; None: by score. Raises BadQuery for a column that is not sortable."""
        return parse_sort(sort, self.sortable)

    @cached_property
    def facets(self) -> Facets:
        """The facets of all products: the configured columns, category and price."""
        return self._cached_count(None, self._existing((*self.facet_columns, *COLUMNS)))

    def check_facets(self, wanted: bool | Sequence[str]) -> tuple[str, ...] | None:
        """Check a question's `facets`: the columns to count (True: the configured ones); None for none.

        Raises BadQuery for a column that cannot be counted.
        """
        if isinstance(wanted, bool):
            return self.facet_columns if wanted else None
        return check_countable(wanted, self._countable)

    def count_facets(self, where: str | None, columns: tuple[str, ...]) -> Facets:
        """Count the facets of the products that pass a filter, cached by filter and columns.

        A product counts if one of its objects passes.

        Args:
            where: SQL from `compile_where`.
            columns: from `check_facets`.

        Raises:
            BadQuery: the filter compares values of different types.
        """
        return self._cached_count(where, columns)

    @property
    def _countable(self) -> tuple[str, ...]:
        return countable_columns(self.items.schema, self.record.product_columns)

    def _existing(self, columns: Sequence[str]) -> tuple[str, ...]:
        return _existing_columns(columns, self._countable)

    @cached_property
    def _cached_count(self) -> Callable[[str | None, tuple[str, ...]], Facets]:
        return lru_cache(COUNTS_KEPT)(self._count)

    def _count(self, where: str | None, columns: tuple[str, ...]) -> Facets:
        rows = self.rows_sql(Scope.OBJECT, Role.MAIN)
        if where is not None:
            rows += f" AND {where}"
        names = self.items.schema.names
        read = dict.fromkeys(
            ["product_id", *(name if name in names else name.partition(".")[0] for name in columns)]
        )
        try:
            table = self.items.to_table(columns=list(read), filter=rows, patient=where is None)
        except (CorruptData, StorageError) as error:
            raise to_filter_error(error, rows, self.items.schema) from error
        return count_columns(table, columns)

    @cached_property
    def _categories(self) -> dict[str, str | None]:
        """The category that each value of the shop's own column stands for."""
        if not self.rows.has_category:
            return {}
        rows = self.rows_sql(Scope.OBJECT, Role.MAIN)
        column = self.items.to_table(columns=[CATEGORY], filter=rows, patient=True)[CATEGORY]
        return {raw: to_category(raw) for raw in pc.unique(column).drop_null().to_pylist()}

    def nearest(
        self, vectors: np.ndarray, limit: int, rows: str, *, enough: int | None = None
    ) -> list[list[Hit]]:
        """Find for each of the vectors (n, dim) its `limit` nearest rows, nearest first, or fewer if there are no more.

        Args:
            rows: an SQL predicate.
            enough: the number of distinct products that suffice. Then only as many partitions of the index are read as
                the release was tuned for, and all if these hold fewer. None: read all, as rows picked by their look
                (category, colour) need.
        """
        found = self._nearest(vectors, limit, rows, bounded=enough is not None)
        if enough is not None and self.record.index.kind != "exact":
            short = [
                n for n, hits in enumerate(found) if len(hits) < limit and _count_products(hits) < enough
            ]
            if short:
                again = self._nearest(vectors[short], limit, rows, bounded=False)
                for n, hits in zip(short, again, strict=True):
                    found[n] = hits
        return found

    def _nearest(self, vectors: np.ndarray, limit: int, rows: str, *, bounded: bool) -> list[list[Hit]]:
        # All vectors in one read, which filters and scans the rows once (3 vectors, 19,000 rows: 18 ms of CPU time
        # instead of 50).
        query: dict[str, Any] = {"column": "vector", "q": vectors, "k": limit}
        index = self.record.index
        if index.kind == "exact":
            query |= {"metric": "cosine", "use_index": False}
        else:
            # With only a minimum, Lance reads every partition if there is a filter (200,000 rows: 12 ms a vector, 2 ms
            # with a maximum). No refine_factor: `limit` is several times k, and the best are scored exactly afterwards.
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
            raise to_filter_error(error, rows, self.items.schema) from error
        lanes: list[list[Hit]] = [[] for _ in vectors]
        for lane, hit in zip(found["query_index"].to_pylist(), self.rows.hits(found), strict=True):
            lanes[lane].append(hit)
        return [sorted(lane, key=lambda hit: (hit.distance, hit.row)) for lane in lanes]

    def crops(self, item_ids: Iterable[str]) -> dict[str, bytes]:
        """The stored crops (JPEG) by item id, of the items that the release has."""
        wanted = quote_list(item_ids)
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
    watch: StoreWatch | None = None,
    facets: Sequence[str] | None = None,
) -> OpenRelease:
    """Verify the release's files (see `verified`), then open its `items` at its version.

    Args:
        facets: the columns to count if a question names none; None: category and price, if they exist.

    Raises:
        ReleaseNotFound: the version is gone.
        CorruptData: it is damaged.
        Unavailable: the store does not answer.
        BadQuery: the release lacks a column of `facets`.
    """

    def verify() -> Verified:
        verified = Verified(store, release, verify_bytes)
        verified.check_first()
        return verified

    watch = watch or StoreWatch()
    verified = watch.read(verify)
    dataset = watch.read(lambda: tables.open_items(store, release))
    name = f"release {release.release_id}: {tables.table_name(store, tables.ITEMS, release.items_version)}"
    items = ReadTable(dataset, name, verified, read_seconds, watch)
    main = f"scope = '{Scope.OBJECT}' AND role = '{Role.MAIN}'"
    has_main = items.to_table(columns=["item_id"], filter=main, limit=1).num_rows > 0
    rows = Rows(items, release.product_columns)
    threads = DaemonPool("nearest", _THREADS)
    facet_columns = _facet_columns(release, items.schema, facets)
    opened = OpenRelease(release, items, has_main, rows, threads, facet_columns)
    weakref.finalize(opened, threads.shutdown).atexit = False
    return opened


def _facet_columns(release: Release, schema: pa.Schema, wanted: Sequence[str] | None) -> tuple[str, ...]:
    known = countable_columns(schema, release.product_columns)
    if wanted is None:
        return _existing_columns(COLUMNS, known)
    try:
        return check_countable(wanted, known)
    except BadQuery as error:
        raise BadQuery(f"facets, in release {release.release_id}: {error}") from error


def _existing_columns(columns: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    found = (find_column(name, known) for name in columns)
    return tuple(dict.fromkeys(name for name in found if name is not None))


def _count_products(hits: Sequence[Hit]) -> int:
    return len({hit.group for hit in hits})


def to_filter_error(error: LookdexError, sql: str, schema: pa.Schema) -> LookdexError:
    """Turn Lance's error about a predicate into BadQuery, in case `filters` let one through; return others unchanged.

    Args:
        error: as the table raises it.
        sql: the predicate, from `compile_filter` or containing it.
        schema: the table's.
    """
    text = _first_line(error.__cause__ or error)
    if names_file(text):  # a damaged file is not the predicate's fault
        return error
    if "Invalid user input" not in text and "Cast error" not in text:
        return error
    compared = [name for name in named_columns(sql) if name in schema.names]
    kinds = "; ".join(f"{name} holds {describe(schema.field(name).type)}" for name in compared)
    if not kinds:
        return BadQuery(
            "the filter cannot be applied: it has no column, or compares values of different types"
        )
    return BadQuery(
        f"the filter cannot be applied: {kinds}. Compare each column with values of its own type: a number, 'text', "
        "true, date '2026-11-22', timestamp '2026-11-22 09:30:00'"
    )


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
