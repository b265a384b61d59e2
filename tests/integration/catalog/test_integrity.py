"""Damaged files are found before they are published or answered from, and the message names the remedy."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from lance.commit import CommitConflictError

from lookdex.catalog import integrity, promotion_log, runs, tables
from lookdex.cli import main
from lookdex.config import NightSettings
from lookdex.errors import (
    AccessDenied,
    AuditFailed,
    CorruptData,
    ForeignTransaction,
    LookdexError,
    Unavailable,
)
from lookdex.pipeline.night import Night
from lookdex.pipeline.promote import promote_night
from lookdex.records import Release, StoredFile
from lookdex.release import ann, promote, retention
from lookdex.release.audit import audit_release
from lookdex.release.candidates import load_candidate
from lookdex.report import make_report
from lookdex.search.catalog import Catalog
from lookdex.search.retrieval.verified import Verified
from lookdex.storage import Store, open_store
from lookdex.storage.folder import TEMPORARY
from tests import fakes
from tests.support import nights
from tests.support.catalogs import live, opened

TABLES = (tables.ITEMS, tables.IMAGES)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two nights published and a third built: with an index, deleted rows and products."""
    folder = tmp_path_factory.mktemp("built") / "catalog"
    store = open_store(str(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ann, "EXACT_BELOW", 40)
        patch.setattr(ann, "PARTITION_ROWS", 32)
        night(store, "n1", source(1))
        night(store, "n2", source(2))
        nights.build(store, indexed(store, "n3", source(3)))
    return folder


@pytest.fixture
def store(built: Path, tmp_path: Path) -> Store:
    shutil.copytree(built, tmp_path / "catalog")
    return open_store(str(tmp_path / "catalog"))


def source(number: int) -> list[nights.Photo]:
    """The photos of a night: each night, two are removed, two are added, and every tenth changes."""
    photos = nights.photos(40 + 2 * number)[2 * number :]
    return [replace(photo, etag=str(number)) if n % 10 == 0 else photo for n, photo in enumerate(photos)]


def products() -> pa.Table:
    return pa.table({"product_id": [f"p{n:04d}" for n in range(60)], "price": [float(n) for n in range(60)]})


def indexed(
    store: Store, run_id: str, photos: list[nights.Photo], stock: pa.Table | None = None
) -> nights.Night:
    stock = products() if stock is None else stock
    return nights.index_night(store, run_id, photos, recipe=fakes.recipe(), shard_images=25, products=stock)


def night(store: Store, run_id: str, photos: list[nights.Photo]) -> Release:
    return nights.publish(store, run_id, photos, recipe=fakes.recipe(), shard_images=25, products=products())


def candidate(store: Store) -> Release:
    return load_candidate(store, runs.load_plan(store, "n3"))


def files_of(store: Store, release: Release) -> integrity.DataFiles:
    files = integrity.load_files(store, release)
    assert files is not None
    return files


def ask(catalog: Catalog, where: str | None = None) -> list[str]:
    vector = np.random.default_rng(1).standard_normal(nights.DIM)
    return [match.item_id for match in catalog.search_vector(vector, where=where).objects[0].matches]


def flip(store: Store, key: str) -> None:
    data = bytearray(store.get(key))
    data[len(data) // 2] ^= 4
    store.put(key, bytes(data))


def file_of(store: Store, release: Release, folder: str, table: str = tables.ITEMS) -> str:
    """A file of the release in that folder of the table, if possible one that its parent does not have."""
    assert release.parent is not None
    parent = promotion_log.load_release(store, release.parent)
    inherited = {f.key for f in integrity.load_files(store, parent) or ()}
    keys = [f.key for f in files_of(store, release) if f.key.startswith(f"{table}/{folder}/")]
    return next((key for key in keys if key not in inherited), keys[0])


def tags(store: Store, key: str) -> dict[str, int]:
    return {name: tag["version"] for name, tag in tables.open_table(store, key).tags.list().items()}


# ── a candidate ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("folder", ["data", "_deletions", "_indices", "_transactions", "_versions"])
def test_audit_finds_a_flipped_bit_in_any_file(store: Store, folder: str) -> None:
    key = file_of(store, candidate(store), folder)
    flip(store, key)
    with pytest.raises(AuditFailed, match="files have the bytes that were written: 1 offending") as caught:
        audit_release(store, candidate(store))
    assert caught.value.offenders["files have the bytes that were written"][0]["file"] == key


def test_audit_finds_a_missing_file(store: Store) -> None:
    store.delete(file_of(store, candidate(store), "_indices"))
    with pytest.raises(AuditFailed, match="it is missing"):
        audit_release(store, candidate(store))


def test_audit_finds_damage_in_files_of_older_nights(store: Store) -> None:
    shared = {f.key for f in files_of(store, candidate(store)).items}
    key = next(f.key for f in files_of(store, live(store)).items if f.key in shared)
    flip(store, key)
    with pytest.raises(AuditFailed, match=r"The live release uses it\. Restore the file") as caught:
        audit_release(store, candidate(store))
    assert "`lookdex reindex --full`" in str(caught.value)


def test_candidate_with_a_damaged_record_is_built_again(store: Store) -> None:
    good = candidate(store)
    plan = runs.load_plan(store, "n3")
    for name in ("candidate", "files"):
        key = f"runs/n3/candidate-{plan.live}.json" if name == "candidate" else integrity.files_key(good)
        flip(store, key)
        with pytest.raises(CorruptData, match=key):
            audit_release(store, candidate(store))
        again = nights.build(store, indexed(store, "n3", source(3)))
        assert again.items_version > good.items_version
        assert again.items == good.items
        good = again
    assert audit_release(store, again).release_id == "n3"


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("run_id", ["n3", "n4"])
def test_damaged_manifest_of_a_candidate_does_not_stop_the_next_build(
    store: Store, table: str, run_id: str
) -> None:
    """It belongs to the table's newest version, which Lance reads before any commit."""
    key = min(listed.key for listed in store.list(f"{table}/_versions/") if "manifest" in listed.key)
    store.put(key, store.get(key)[:200])
    again = nights.build(store, indexed(store, run_id, source(3)))
    assert again.items == candidate(store).items
    assert audit_release(store, again).release_id == run_id


def test_damaged_manifest_of_a_release_is_not_removed(store: Store) -> None:
    third = audit_release(store, candidate(store))
    key = file_of(store, third, "_versions")
    store.put(key, b"damaged")
    with pytest.raises(CorruptData, match=f"{key}.*from a backup"):
        nights.build(store, indexed(store, "n4", source(4)))
    assert store.get(key) == b"damaged"


@pytest.mark.parametrize("folder", ["data", "_deletions", "_indices"])
def test_build_refuses_damaged_files_of_the_live_release(store: Store, folder: str) -> None:
    """Rows that are rewritten, here for a changed price, would get a new digest and hide the damage."""
    key = min(f.key for f in files_of(store, live(store)).items if f"/{folder}/" in f.key)
    flip(store, key)
    raised = products().set_column(1, "price", pa.array([n + 0.5 for n in range(60)]))
    with pytest.raises(CorruptData, match=f"{key}, of release n2, is damaged.*It was not used"):
        nights.build(store, indexed(store, "n4", source(4), raised))


# ── a live release ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("folder", ["data", "_deletions", "_indices", "_versions"])
def test_damaged_live_release_is_refused_and_can_be_rolled_back(store: Store, folder: str) -> None:
    """A damaged release is not opened. A reader with an older one open keeps answering from it."""
    promote.promote(store, audit_release(store, candidate(store)).release_id)
    third = live(store)
    expected = ask(opened(store, release="n2"))
    following = opened(store, release=None)
    key = file_of(store, third, folder)
    flip(store, key)
    with pytest.raises(CorruptData, match=f"release n3 is damaged.*{key}.*`lookdex rollback --to n2`"):
        opened(store)
    assert following.behind is None
    promote.rollback(store, to="n2")
    assert ask(opened(store)) == expected
    assert ask(following) == expected
    if folder == "_versions":
        store.delete(key)  # as the message says
    promote.resume(store)
    assert live(store).release_id == "n2"
    night(store, "n4", source(4))
    assert ask(opened(store))


def test_full_reindex_repairs_a_damaged_table(store: Store) -> None:
    """Every row is written again; the damaged files are not read."""
    old = {f.key for f in files_of(store, live(store)).items}
    data = [key for key in sorted(old) if "/data/" in key]
    for key in data:
        store.put(key, store.get(key)[:100])
    with pytest.raises(CorruptData, match="reindex --full"):
        opened(store)
    everything = [replace(photo, etag="again") for photo in source(2)]
    full = night(store, "n4", everything)
    assert not old & {f.key for f in files_of(store, full).items}
    assert ask(opened(store))


def test_background_check_finds_damage_in_a_large_release(store: Store) -> None:
    key = file_of(store, live(store), "data")
    flip(store, key)
    catalog = opened(store, verify_bytes=0)
    assert catalog.damage is None
    catalog.load()
    deadline = time.monotonic() + 20
    while catalog.damage is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert key in (catalog.damage or "")
    with pytest.raises(CorruptData, match="No query is answered from it"):
        ask(catalog)
    promote.rollback(store, to="n1")
    assert ask(catalog)


def test_background_check_continues_after_an_outage(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    release = live(store)
    flip(store, file_of(store, release, "data"))
    failed, back = threading.Event(), threading.Event()
    check, failures = (
        integrity.check,
        iter([Unavailable("out"), AccessDenied("no"), Unavailable("still out")]),
    )

    def broken(catalog: Store, file: StoredFile) -> integrity.Damage | None:
        if not back.is_set() and (error := next(failures, None)) is not None:
            raise error
        failed.set()
        assert back.wait(20)
        return check(catalog, file)

    verified = Verified(store, release, verify_bytes=0)
    monkeypatch.setattr(integrity, "check", broken)
    monkeypatch.setattr("lookdex.search.retrieval.verified.RETRY_SECONDS", 0.0)
    verified.check_rest()
    assert failed.wait(20)
    assert verified.damage is None
    verified.check_rest()  # a thread is already checking
    assert [thread.name for thread in threading.enumerate()].count("verify") == 1
    assert [line for line in caplog.messages if "not verified yet" in line] == [
        f"release {release.release_id} is not verified yet: out"
    ]
    back.set()
    for thread in threading.enumerate():
        if thread.name == "verify":
            thread.join(20)
    assert "is damaged" in (verified.damage or "")


@pytest.mark.parametrize("where", [None, "price < 1000"])
def test_damage_in_an_open_catalogue_is_not_reported_as_a_bad_query(store: Store, where: str | None) -> None:
    catalog = opened(store)
    for listed in store.list(f"{tables.ITEMS}/_indices/"):
        store.put(listed.key, b"")
    for listed in store.list(f"{tables.ITEMS}/data/"):
        store.put(listed.key, store.get(listed.key)[:50])
    with pytest.raises(LookdexError) as caught:
        ask(catalog, where)
    assert type(caught.value).__name__ in ("CorruptData", "NotFound", "StorageError")


def test_report_refuses_a_damaged_file(store: Store) -> None:
    flip(store, file_of(store, live(store), "_deletions", tables.IMAGES))
    with pytest.raises(CorruptData, match="of release n2, is damaged"):
        make_report(store.uri)


def test_rollback_works_with_a_damaged_log_entry(store: Store) -> None:
    flip(store, "live/00000002.json")
    with pytest.raises(CorruptData, match=r"00000002\.json.*`lookdex rollback --to RELEASE`"):
        opened(store)
    done = CliRunner().invoke(main.main, ["releases", "--catalog", store.uri])
    assert done.exit_code == 0
    assert "n1" in done.output
    assert "n2" in done.output
    assert promote.rollback(store, to="n2").entry.n == 3
    assert ask(opened(store))


# ── tags and side files ──────────────────────────────────────────────────────────────────────────────────────


def test_promoting_again_updates_tags_missed_by_a_crash(store: Store) -> None:
    third = audit_release(store, candidate(store))
    # The log without the tags, as after a crash between the two.
    promotion_log.append(store, release_id="n3", action="promote", expected=promotion_log.current(store))
    assert tags(store, tables.ITEMS)["live"] != third.items_version
    done = CliRunner().invoke(main.main, ["promote", "--catalog", store.uri, "--run-id", "n3"])
    assert (done.exit_code, "live already" in done.output) == (0, True)
    assert tags(store, tables.ITEMS)["live"] == third.items_version
    assert tags(store, tables.IMAGES)["live"] == third.images_version


@pytest.mark.parametrize("command", ["releases", "index", "build", "resume"])
def test_other_commands_repair_the_tags(store: Store, command: str) -> None:
    release = live(store)
    tables.open_table(store, tables.ITEMS).tags.update("live", 1)
    run = [] if command in ("releases", "resume") else ["--run-id", "n2"]
    CliRunner().invoke(main.main, [command, "--catalog", store.uri, *run])
    assert tags(store, tables.ITEMS)["live"] == release.items_version


@pytest.mark.parametrize("content", [b"", b'{"version": ', b"\x00\xff", b'{"version": "seven"}'])
def test_damaged_tags_are_rewritten(store: Store, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    expected = {key: tags(store, key) for key in TABLES}
    for key in TABLES:
        for name in expected[key]:
            store.put(f"{key}/_refs/tags/{name}.json", content)
    promote.follow(store)
    assert {key: tags(store, key) for key in TABLES} == expected
    assert "is rewritten" in caplog.text


def test_tags_that_cannot_be_written_are_a_warning(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("Access Denied")

    monkeypatch.setattr("lookdex.release.tags.point", refuse)
    done = CliRunner().invoke(main.main, ["releases", "--catalog", store.uri])
    assert done.exit_code == 0
    assert "could not be updated" in caplog.text


def oldest_manifest(store: Store) -> str:
    return max(listed.key for listed in store.list(f"{tables.ITEMS}/_versions/") if "manifest" in listed.key)


@pytest.mark.parametrize(
    "damaged",
    [
        lambda store: "runs/abandoned/plan-0.json",
        lambda store: f"{tables.ITEMS}/_refs/tags/campaign.json",
        oldest_manifest,
        lambda store: "releases/n1.json",
        lambda store: "live/00000001.json",
    ],
    ids=["a plan", "somebody's tag", "an old manifest", "an old release", "an old entry"],
)
def test_damaged_side_file_does_not_stop_a_promotion(
    store: Store, damaged: Callable[[Store], str], caplog: pytest.LogCaptureFixture
) -> None:
    key = damaged(store)
    store.put(key, b"\x80\x00 damaged")
    audit_release(store, candidate(store))
    night = Night(store, "n3", NightSettings())
    assert promote_night(night).release_id == "n3"
    retention.clean_up(store, keep_releases=1, grace=timedelta(0), apply=True)
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert any(key in record.getMessage() or Path(key).name in record.getMessage() for record in warned)
    assert ask(opened(store))
    assert "n3" in {release.release_id for release in promotion_log.list_releases(store)}


def test_runs_without_a_plan_and_unfinished_files_are_removed_after_the_grace_period(store: Store) -> None:
    folder = Path(store.uri)
    store.put("runs/never-planned/objects/a.parquet", b"x")
    unfinished = folder / "runs" / "n2" / f"{TEMPORARY}12ab"
    unfinished.write_bytes(b"half")
    retention.clean_up(store, apply=True)
    assert unfinished.exists()
    week_ago = (datetime.now(UTC) - timedelta(days=7)).timestamp()
    for path in (unfinished, folder / "runs/never-planned/objects/a.parquet"):
        os.utime(path, (week_ago, week_ago))
    assert retention.clean_up(store, apply=True).runs == ("never-planned",)
    assert not unfinished.exists()
    assert not store.exists("runs/never-planned/objects/a.parquet")


# ── commits ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "error", [CommitConflictError("conflict"), OSError("error sending request: timeout")]
)
def test_commit_whose_response_was_lost_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    store = open_store(str(tmp_path / "catalog"))
    nights.publish(store, "n1", nights.photos(3))
    commit = lance.LanceDataset.commit

    def lossy(*args: Any, **options: Any) -> None:
        commit(*args, **options)
        raise error

    monkeypatch.setattr(lance.LanceDataset, "commit", lossy)
    release = nights.publish(store, "n2", nights.photos(4))
    assert release.items == 8
    assert live(store).release_id == "n2"


def test_commit_conflict_with_another_writer_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(str(tmp_path / "catalog"))
    nights.publish(store, "n1", nights.photos(3))

    def refused(*args: object, **options: object) -> None:
        raise CommitConflictError("conflict")

    monkeypatch.setattr(lance.LanceDataset, "commit", refused)
    with pytest.raises(ForeignTransaction, match="another builder wrote"):
        nights.publish(store, "n2", nights.photos(4))
