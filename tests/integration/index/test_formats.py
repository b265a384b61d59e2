"""Catalogues of older formats are read, extended and rolled back; those of newer formats ask for an upgrade."""

from __future__ import annotations

import importlib.util
import json
import tarfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import lance
import pyarrow as pa
import pytest

from lookdex.catalog import promotion_log, tables
from lookdex.catalog.integrity import load_files
from lookdex.catalog.json_codec import from_json, to_json, to_sealed_json
from lookdex.catalog.schemas import IMAGES_SCHEMA
from lookdex.errors import CorruptData, NewerFormat
from lookdex.records import LiveEntry, Release
from lookdex.release import ann
from lookdex.release.promote import rollback
from lookdex.release.retention import clean_up
from lookdex.storage import Store, open_store
from tests import fakes
from tests.support import nights
from tests.support.catalogs import live
from tests.support.paths import GOLDEN

PAST = sorted(GOLDEN.glob("catalog-*.tar.gz"))


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """The module that wrote the catalogues and searches them."""
    spec = importlib.util.spec_from_file_location("make_catalog", GOLDEN / "make_catalog.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def unpack(archive: Path, folder: Path) -> tuple[Store, dict[str, Any]]:
    """The catalogue in the archive, and its answers when it was written."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return open_store(str(folder / "catalog")), json.loads((folder / "answers.json").read_text())


def third_night(store: Store, maker: ModuleType) -> Release:
    """Publish a night with two new photos, one removed and one changed. The prices stay."""
    source = [*maker.source(2)[1:], *nights.photos(70)[64:66]]
    source[5] = nights.Photo(source[5].key, etag="3", product=source[5].product)
    stock = maker.products(2).select(["product_id", "title", "price"])
    return nights.publish(store, "night3", source, recipe=fakes.recipe(), products=stock, keep_unlisted=True)


def rewrite_ledger(store: Store, column: str | None) -> None:
    """Change the columns of the live ledger: add `column` (`retired_at` is required), or with None remove the last."""
    release = live(store)
    ledger = tables.open_table(store, tables.IMAGES, release.images_version).to_table()
    if column is None:
        ledger = ledger.drop_columns([IMAGES_SCHEMA.names[-1]])
    else:
        ledger = ledger.append_column(
            pa.field(column, pa.string(), nullable=column != "retired_at"),
            pa.array([f"of {key}" for key in ledger["image_key"].to_pylist()]),
        )
    written = lance.write_dataset(ledger, store.lance_uri(tables.IMAGES), mode="overwrite")
    data = json.loads(store.get(promotion_log.release_key(release.release_id)))
    data.pop("checksum", None)
    store.put(
        promotion_log.release_key(release.release_id),
        json.dumps({**data, "images_version": written.version}).encode(),
    )


@pytest.fixture
def small_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build an index for few rows."""
    monkeypatch.setattr(ann, "EXACT_BELOW", 40)
    monkeypatch.setattr(ann, "PARTITION_ROWS", 32)


@pytest.mark.parametrize("archive", PAST, ids=lambda path: path.name)
@pytest.mark.usefixtures("small_index")
def test_catalogue_of_an_older_format_is_extended(archive: Path, tmp_path: Path, maker: ModuleType) -> None:
    store, answers = unpack(archive, tmp_path)
    assert {name: maker.answers(store, name) for name in answers} == answers
    third = third_night(store, maker)
    assert live(store).release_id == "night3"
    assert third.index.kind == "IVF_SQ"
    assert third.parent == "night2"
    # Every file has a digest now, including those without one in the older format.
    recorded = load_files(store, third)
    assert recorded is not None
    assert recorded.format == 2
    assert {file.key.split("/")[2] for file in recorded.items} == {
        "data", "_deletions", "_indices", "_transactions", "_versions",
    }  # fmt: skip
    assert rollback(store).entry.release_id == "night2"
    assert maker.answers(store, "night2") == answers["night2"]
    assert "night3" in clean_up(store, apply=True).kept


@pytest.mark.parametrize(
    "column", ["note", "retired_at", None], ids=["extra column", "extra required column", "missing column"]
)
@pytest.mark.usefixtures("small_index")
def test_ledger_with_other_columns_is_read_and_extended(
    column: str | None, tmp_path: Path, maker: ModuleType
) -> None:
    store, answers = unpack(PAST[-1], tmp_path)
    rewrite_ledger(store, column)
    before = tables.read_ledger(store, live(store))
    assert before.schema == IMAGES_SCHEMA
    assert before["indexed_at"].null_count == (0 if column else before.num_rows)
    release = third_night(store, maker)
    after = tables.open_table(store, tables.IMAGES, release.images_version).to_table()
    rows = {row["image_key"]: row for row in after.to_pylist()}
    assert set(IMAGES_SCHEMA.names) <= set(after.column_names)
    assert rows["p0065/a.jpg"]["indexed_at"] is not None
    if column:
        assert rows["p0030/a.jpg"][column] == "of p0030/a.jpg"
        assert rows["p0065/a.jpg"][column] is None
    else:
        assert rows["p0030/a.jpg"]["indexed_at"] is None
    assert tables.read_ledger(store, release).num_rows == len(rows) == sum(release.images.values())
    assert maker.answers(store, "night2") == answers["night2"]
    # A further night builds on it.
    nights.publish(store, "night4", nights.photos(66)[20:], recipe=fakes.recipe())
    assert live(store).release_id == "night4"


def test_stored_records_have_a_format_and_a_checksum() -> None:
    entry = live_entry()
    data = to_sealed_json(entry)
    content = json.loads(data)
    assert content["format"] == 1
    assert from_json(LiveEntry, data) == entry
    # Reformatted; and without a checksum, as older versions wrote it.
    assert from_json(LiveEntry, json.dumps(content).encode()) == entry
    assert from_json(LiveEntry, to_json(entry)) == entry


def test_flipped_bit_in_a_record_is_detected() -> None:
    entry = live_entry()
    data = to_sealed_json(entry)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with suppress(CorruptData, NewerFormat):
            assert from_json(LiveEntry, bytes(flipped)) == entry


def test_record_of_a_newer_format_asks_for_an_upgrade() -> None:
    later = {**json.loads(to_json(live_entry())), "format": 2, "release_id": ["other", "type"]}
    with pytest.raises(NewerFormat, match=r"live/1\.json was written by a newer lookdex.*Upgrade"):
        from_json(LiveEntry, json.dumps(later).encode(), "live/1.json")


def test_table_of_a_newer_format_asks_for_an_upgrade(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    first = nights.publish(store, "n1", nights.photos(2))
    opened = tables.open_tables(store, first)
    assert [tables.read_format(table.schema) for table in opened] == [1, 1]
    assert all(table.schema.metadata == {b"lookdex.format": b"1"} for table in opened)
    later = opened.items.to_table().replace_schema_metadata({"lookdex.format": "2"})
    lance.write_dataset(later, store.lance_uri(tables.ITEMS), mode="overwrite")
    with pytest.raises(NewerFormat, match=r"items\.lance was written by a newer lookdex"):
        tables.open_table(store, tables.ITEMS)


def live_entry() -> LiveEntry:
    return LiveEntry(1, "night1", "nonce", datetime(2026, 1, 1, tzinfo=UTC), "promote", note="für später")
