"""Lance errors become lookdex errors, and a hanging read does not block other threads."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import pyarrow as pa
import pytest

from lookdex.catalog import tables
from lookdex.catalog.lance_errors import convert_errors
from lookdex.errors import (
    AccessDenied,
    BadQuery,
    CorruptData,
    LookdexError,
    NotFound,
    StorageError,
    TooSlow,
    Unavailable,
)
from lookdex.search.retrieval.open_release import to_filter_error
from lookdex.search.retrieval.table import MAX_STUCK, ReadTable
from lookdex.storage import open_store
from tests.support import nights


class PanicException(BaseException):
    """What a panic in Rust raises."""

    __module__ = "pyo3_runtime"


AT = "/home/runner/lance/rust/lance-io/src/local.rs:273:40"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError(f"LanceError(Arrow): EOF while parsing a string, {AT}"), CorruptData),
        (
            OSError(f"Encountered corrupt file t/_versions/1.manifest: magic number does not match, {AT}"),
            CorruptData,
        ),
        (PanicException("index out of bounds: the len is 3 but the index is 7"), CorruptData),
        (pa.ArrowInvalid(f"External error: Not found: t/data/1.lance, {AT}"), NotFound),
        (
            duckdb.InvalidInputException("reading the stream failed: Invalid: LanceError(IO): bad"),
            CorruptData,
        ),
        (OSError(f"Generic S3 error: error sending request for url, {AT}"), Unavailable),
        (OSError("Server returned non-2xx status code: 503 Service Unavailable"), Unavailable),
        (OSError("Client error with status 403 Forbidden: Access Denied"), AccessDenied),
        (OSError("No space left on device"), StorageError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
@pytest.mark.parametrize("lance_only", [False, True])
def test_lance_errors_are_converted(
    error: BaseException, expected: type[BaseException], lance_only: bool
) -> None:
    from_lance = isinstance(error, PanicException) or "rs:" in str(error) or "Lance" in str(error)
    if (
        lance_only and not from_lance
    ):  # around a whole stage, only errors that are evidently Lance's are converted
        expected = type(error)
    with (
        pytest.raises(expected) as caught,
        convert_errors("tables/items.lance, version 7,", lance_only=lance_only),
    ):
        raise error
    if isinstance(caught.value, LookdexError):
        assert "tables/items.lance, version 7," in str(caught.value)
        assert "local.rs" not in str(caught.value)
        assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), BadQuery("no"), TypeError("a bug")])
def test_other_errors_pass_unchanged(error: BaseException) -> None:
    with pytest.raises(type(error)), convert_errors("a table"):
        raise error


@pytest.mark.parametrize("name", ["_versions", "data", "_deletions"])
def test_damaged_tables_raise_corrupt_data(tmp_path: Path, name: str) -> None:
    store = open_store(str(tmp_path))
    nights.publish(store, "n1", nights.photos(6))
    release = nights.publish(store, "n2", nights.photos(7)[2:])
    for key in (tables.ITEMS, tables.IMAGES):
        for listed in store.list(f"{key}/{name}/"):
            store.put(listed.key, store.get(listed.key)[: listed.bytes // 2])
    with pytest.raises(CorruptData, match=r"images\.lance"):
        tables.read_ledger(store, release)
    # Only counts come from it, so a run that repairs the table can be planned.
    assert len(tables.read_described_products(store, replace(release, product_columns=("label",)))) == 0


# ── the time of a read ───────────────────────────────────────────────────────────────────────────────────────


class Endless:
    """A dataset whose reads last until `end` is set."""

    schema = pa.schema([("a", pa.int64())])

    def __init__(self) -> None:
        self.end = threading.Event()
        self.reads = 0

    def to_table(self, **_: object) -> pa.Table:
        self.reads += 1
        self.end.wait(30)
        return self.schema.empty_table()


UNDAMAGED: Any = SimpleNamespace(check=lambda: None)


def test_hanging_reads_time_out_and_are_bounded() -> None:
    dataset = Endless()
    table = ReadTable(cast(Any, dataset), "release n1: items", UNDAMAGED, seconds=0.05)
    for _ in range(MAX_STUCK):
        with pytest.raises(
            TooSlow, match=r"release n1: items: a read has not finished within 0\.05 s.*rollback"
        ):
            table.to_table()
    # No further read is started, so that threads do not pile up.
    with pytest.raises(TooSlow, match="4 reads have not finished"):
        table.to_table()
    assert dataset.reads == MAX_STUCK
    dataset.end.set()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            assert table.to_table().num_rows == 0
            return
        except TooSlow:
            time.sleep(0.01)
    pytest.fail("reads that ended still count")


def test_read_errors_reach_the_caller() -> None:
    def broken(**_: object) -> None:
        raise OSError(f"LanceError(IO): failed to decode page, {AT}")

    dataset = SimpleNamespace(schema=Endless.schema, to_table=broken)
    with pytest.raises(CorruptData, match="failed to decode page"):
        ReadTable(cast(Any, dataset), "items", UNDAMAGED, seconds=5).to_table()


def test_errors_from_files_are_not_reported_as_bad_queries() -> None:
    schema = pa.schema([("price", pa.float64())])

    def converted(text: str) -> LookdexError:
        error = CorruptData("…")
        error.__cause__ = ValueError(text)
        return to_filter_error(error, "(`price` > 5)", schema)

    assert isinstance(converted("Invalid user input: cannot compare"), BadQuery)
    assert isinstance(converted(f"Invalid user input: _indices/ab-12/index.idx: overflow, {AT}"), CorruptData)
    assert isinstance(converted("LanceError(Index): partition 7 not in range"), CorruptData)
