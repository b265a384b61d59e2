"""The files of a run are written once, found again, and checked against their digests."""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex.catalog import promotion_log, runs
from lookdex.catalog.schemas import PLAN_SCHEMA
from lookdex.errors import CorruptData, PlanNotFound
from lookdex.index import task
from lookdex.records import Change, ImageRef, PlanSummary, Recipe, ShardReport, StoredFile
from lookdex.storage import Store, open_store

RECIPE = Recipe("d", "1", "e", "2", 0.3, 0.6, 20, 0.1, 256, 1_000, 1_000)
NOTHING = StoredFile("", "", 0, 0)
SUMMARY = PlanSummary(
    run_id="night-1",
    live=0,
    release_id=None,
    source="s3://shop/photos",
    recipe=RECIPE,
    changes={Change.NEW: 3, Change.DELETED: 1, Change.UNCHANGED: 7},
    shards=0,
    created_at=datetime(2026, 11, 22, 2, 15, tzinfo=UTC),
    plan=NOTHING,
)
ROWS = [
    ("aa", "1.jpg", "e1", 5, ["p", "q"], "top", "new"),
    ("aa", "2 é.jpg", "e2", 6, [], None, "new"),
    ("bb", "3.jpg", "e3", 7, ["p"], None, "new"),
    (None, "0.jpg", "e0", 8, [], None, "deleted"),
]
TABLE = pa.table([list(column) for column in zip(*ROWS, strict=True)], schema=PLAN_SCHEMA)


def report(shard_id: str, worker: str = "host:1") -> ShardReport:
    file = StoredFile(f"runs/night-1/objects/{shard_id}.parquet", "0" * 64, 4, 100)
    return ShardReport(shard_id, file, file, {"indexed": 2}, {}, 4, 11, 2, {"total": 0.5}, 1 << 20, worker)


def test_plan_is_stored_and_loaded(store: Store) -> None:
    assert runs.find_plan(store, "night-1") is None
    saved = runs.save_plan(store, TABLE, SUMMARY)
    assert saved.shards == 2
    assert saved.plan.rows == 4
    assert runs.load_plan(store, "night-1") == saved
    assert runs.load_plan_table(store, saved).equals(TABLE)
    assert runs.shard_ids(TABLE) == ["aa", "bb"]


def test_shard_of_a_plan_is_read(store: Store) -> None:
    saved = runs.save_plan(store, TABLE, SUMMARY)
    plan = runs.read_stored(store, saved.plan)
    shard = runs.read_shard(plan, saved, "aa")
    assert shard.refs == (
        ImageRef("1.jpg", "e1", 5, ("p", "q"), "top"),
        ImageRef("2 é.jpg", "e2", 6, (), None),
    )
    with pytest.raises(PlanNotFound, match="no shard cc"):
        runs.read_shard(plan, saved, "cc")


def test_plan_is_fetched_once_per_process(tmp_path: Path) -> None:
    catalog = str(tmp_path)
    saved = runs.save_plan(open_store(catalog), TABLE.slice(0, 3), SUMMARY)
    assert task.read_plan(catalog, saved.plan) == runs.read_stored(open_store(catalog), saved.plan)
    before = task.open_cached_store(catalog).requests
    task.read_plan(catalog, saved.plan)
    assert task.open_cached_store(catalog).requests == before


def test_plan_is_not_overwritten(store: Store) -> None:
    saved = runs.save_plan(store, TABLE, SUMMARY)
    assert runs.save_plan(store, TABLE.slice(0, 1), SUMMARY) == saved
    assert runs.load_plan_table(store, runs.load_plan(store, "night-1")).equals(TABLE)


def test_plan_is_refused_after_another_release_went_live(store: Store) -> None:
    first = runs.save_plan(store, TABLE, SUMMARY)
    entry = promotion_log.append(store, release_id="other", action="promote", expected=None)
    with pytest.raises(PlanNotFound, match="another release went live"):
        runs.load_plan(store, "night-1")
    second = runs.save_plan(store, TABLE.slice(0, 1), replace(SUMMARY, live=entry.n, release_id="other"))
    assert runs.load_plan(store, "night-1") == second != first


def test_run_without_a_plan_names_the_command(store: Store) -> None:
    with pytest.raises(PlanNotFound, match="lookdex plan"):
        runs.load_plan(store, "night-1")


def test_first_report_of_a_shard_is_kept(store: Store) -> None:
    first = runs.save_report(store, "night-1", report("aa"))
    assert first == report("aa")
    assert runs.save_report(store, "night-1", report("aa", worker="host:2")) == first
    runs.save_report(store, "night-1", report("bb"))
    assert runs.done_shards(store, "night-1") == {"aa", "bb"}
    assert runs.load_reports(store, "night-1", ["aa", "cc"]) == {"aa": first}
    assert runs.load_reports(store, "night-2", ["aa"]) == {}


def test_concurrent_reports_of_a_shard_agree_on_one(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = set(pool.map(lambda i: runs.save_report(store, "n", report("aa", f"w:{i}")).worker, range(8)))
    assert len(won) == 1


def test_damaged_file_is_refused(store: Store) -> None:
    data = bytes(range(256)) * 10
    store.put("f", data)
    file = StoredFile("f", hashlib.sha256(data).hexdigest(), 1, len(data))
    assert runs.read_stored(store, file) == data
    store.put("f", data[:-1] + b"\x00")
    with pytest.raises(CorruptData, match="/f has SHA-256"):
        runs.read_stored(store, file)


def test_airflow_run_ids_become_valid_names() -> None:
    slug = runs.run_slug("scheduled__2026-11-22T00:00:00+00:00")
    assert slug.startswith("scheduled__2026-11-22T00-00-00-00-00-")
    assert slug != runs.run_slug("scheduled__2026-11-22T00:00:00-00:00")
    assert runs.run_slug("manual-1_A") == "manual-1_A"


@given(st.text(max_size=300) | st.text("ab-_:", min_size=90, max_size=120))
def test_slugs_are_valid_names_and_stable(text: str) -> None:
    slug = runs.run_slug(text)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,107}", slug)
    assert runs.run_slug(slug) == slug


@given(st.lists(st.text(max_size=120), unique=True, min_size=2, max_size=20))
def test_different_run_ids_have_different_slugs(texts: list[str]) -> None:
    assert len({runs.run_slug(text) for text in texts}) == len(texts)


def test_new_run_ids_differ() -> None:
    assert len({runs.new_run_id() for _ in range(20)}) > 15
    assert runs.run_slug(runs.new_run_id())[:2] == "20"
