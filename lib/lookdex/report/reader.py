"""Read a release for a report: its two tables at their versions, through DuckDB and Lance, in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from lookdex.catalog import integrity, promotion_log, tables
from lookdex.catalog.lance_errors import convert_errors
from lookdex.catalog.sql import quote_list
from lookdex.catalog.tables import Tables
from lookdex.records import Release
from lookdex.report.records import Limits
from lookdex.storage import Store, open_store

Row = dict[str, Any]  # of a table or a query, by column

_ID_BATCH = 500  # ids per read


@dataclass(frozen=True, slots=True)
class ReleaseReader:
    store: Store
    release: Release
    is_live: bool
    tables: Tables
    connection: duckdb.DuckDBPyConnection
    queries: Mapping[str, str]
    limits: Limits

    def query(self, name: str, pictures: int = 0) -> list[Row]:
        """Run a query of sql/report and return its rows; `pictures` is the number of examples per row."""
        sql = self.queries[name]
        parameters = {"pictures": pictures} if "$pictures" in sql else {}
        found = self.connection.execute(sql, parameters)
        columns = [column[0] for column in found.description]
        return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]

    def items(self, item_ids: Iterable[str], columns: Sequence[str]) -> dict[str, Row]:
        """Read columns of items, by item id. Unknown ids are left out."""
        wanted = sorted(set(item_ids))
        found: dict[str, Row] = {}
        names = list(dict.fromkeys(("item_id", *columns)))
        for start in range(0, len(wanted), _ID_BATCH):
            ids = quote_list(wanted[start : start + _ID_BATCH])
            table = self.tables.items.to_table(columns=names, filter=f"item_id IN ({ids})")
            found |= {row["item_id"]: row for row in table.to_pylist()}
        return found

    def rows_by_id(self, rows: Iterable[int], columns: Sequence[str]) -> dict[int, Row]:
        """Read columns of items, by Lance row id."""
        wanted = sorted(set(rows))
        found: dict[int, Row] = {}
        for start in range(0, len(wanted), _ID_BATCH):
            ids = ",".join(map(str, wanted[start : start + _ID_BATCH]))
            table = self.tables.items.to_table(
                columns=list(columns), filter=f"_rowid IN ({ids})", with_row_id=True
            )
            found |= {row["_rowid"]: row for row in table.to_pylist()}
        return found

    @property
    def product_columns(self) -> tuple[str, ...]:
        return self.release.product_columns


@contextmanager
def open_reader(uri: str, release_id: str | None, limits: Limits) -> Iterator[ReleaseReader]:
    """Open the live release of the catalogue at `uri`, or `release_id`.

    Raises ReleaseNotFound, and CorruptData while reading.
    """
    store = open_store(uri)
    if release_id is None:
        release = promotion_log.require_live_release(store)
    else:
        release = promotion_log.load_release(store, release_id)
    integrity.require(store, release, integrity.is_not_data_file)
    opened = tables.open_tables(store, release)
    live = promotion_log.current(store)
    is_live = live is not None and live.release_id == release.release_id
    queries = tables.sql_blocks(tables.sql_text("report/queries.sql"))
    with (
        convert_errors(f"release {release.release_id} in {store.uri}", lance_only=True),
        tempfile.TemporaryDirectory(prefix="lookdex-report-") as spill,
        tables.connect(opened) as connection,
    ):
        connection.execute("SET memory_limit = ?", [limits.memory])
        connection.execute("SET temp_directory = ?", [spill])
        connection.execute("SET preserve_insertion_order = false")
        yield ReleaseReader(store, release, is_live, opened, connection, queries, limits)
