"""The promotion log: exactly one of several promoters wins, even if responses are lost."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lookdex.catalog import promotion_log
from lookdex.catalog.json_codec import from_json, to_json
from lookdex.errors import (
    CorruptData,
    NewerFormat,
    PromotionConflict,
    ReleaseNotFound,
    StorageError,
    Unavailable,
)
from lookdex.records import CheckResult, IndexParameters, LiveEntry, Recipe, Release
from lookdex.storage import Store, open_store

ROUNDS = 50
RECIPE = Recipe("d", "1", "e", "2", 0.3, 0.6, 20, 0.1, 256, 1_000, 1_000)
RELEASE = Release(
    release_id="r1",
    parent=None,
    created_at=datetime(2026, 11, 22, 2, 15, tzinfo=UTC),
    source="s3://shop/photos",
    items_version=3,
    images_version=2,
    recipe=RECIPE,
    dim=256,
    items=10,
    images={"indexed": 4},
    index=IndexParameters("exact"),
    product_columns=("title", "price"),
    audit=(CheckResult("unit", True),),
)


def test_empty_log_has_nothing_live(store: Store) -> None:
    assert promotion_log.current(store) is None
    assert promotion_log.read_log(store) == []
    assert promotion_log.live_release(store) is None
    assert promotion_log.list_releases(store) == []


def test_entries_are_numbered_and_appended(store: Store) -> None:
    first = promotion_log.append(store, release_id="r1", action="promote", expected=None)
    second = promotion_log.append(store, release_id="r2", action="promote", expected=first, note="a — “note”")
    third = promotion_log.append(store, release_id="r1", action="rollback", expected=second, hold=True)
    assert [entry.n for entry in (first, second, third)] == [1, 2, 3]
    assert promotion_log.read_log(store) == [first, second, third]
    assert promotion_log.current(store) == third
    assert third.hold
    assert [listed.key for listed in store.list("live/")] == [f"live/0000000{n}.json" for n in (1, 2, 3)]


def test_requests_for_reading_and_appending(store: Store) -> None:
    entry = promotion_log.append(store, release_id="r1", action="promote", expected=None)
    before = store.requests
    assert promotion_log.current(store) == entry
    assert store.requests - before == 2
    before = store.requests
    promotion_log.append(store, release_id="r2", action="promote", expected=entry)
    assert store.requests - before == 1


def test_stale_promoter_gets_the_entry_that_was_first(store: Store) -> None:
    first = promotion_log.append(store, release_id="r1", action="promote", expected=None)
    promotion_log.append(store, release_id="r2", action="promote", expected=first)
    with pytest.raises(PromotionConflict, match=r"r2 took entry 2 .* before promote of r3"):
        promotion_log.append(store, release_id="r3", action="promote", expected=first)
    with pytest.raises(PromotionConflict, match="r1 took entry 1"):
        promotion_log.append(store, release_id="r3", action="promote", expected=None)
    assert [entry.release_id for entry in promotion_log.read_log(store)] == ["r1", "r2"]


def test_other_files_in_the_log_folder_are_ignored(store: Store) -> None:
    for key in ("live/.probe-1", "live/00000009.json.bak", "live/old/00000009.json", "live/9.json"):
        store.put(key, b"{}")
    assert promotion_log.current(store) is None
    assert promotion_log.append(store, release_id="r1", action="promote", expected=None).n == 1


def promote_rounds(uri: str, name: str, barrier: threading.Barrier) -> list[str]:
    """Race for each entry. Returns this promoter's outcome of each round."""
    store = open_store(uri)
    outcomes = []
    for _ in range(ROUNDS):
        expected = promotion_log.current(store)
        barrier.wait(60)
        try:
            promotion_log.append(store, release_id=name, action="promote", expected=expected)
            outcomes.append("won")
        except PromotionConflict:
            outcomes.append("lost")
        barrier.wait(60)
    return outcomes


def test_one_of_two_processes_wins_every_entry(root_uri: str) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        barrier = manager.Barrier(2)
        with context.Pool(2) as pool:
            tasks = [pool.apply_async(promote_rounds, (root_uri, name, barrier)) for name in ("a", "b")]
            a, b = (task.get(240) for task in tasks)
    assert len(a) == ROUNDS
    assert all({left, right} == {"won", "lost"} for left, right in zip(a, b, strict=True))
    log = promotion_log.read_log(open_store(root_uri))
    assert [entry.n for entry in log] == list(range(1, ROUNDS + 1))
    assert [entry.release_id for entry in log] == ["a" if outcome == "won" else "b" for outcome in a]


def test_one_of_eight_threads_wins(root_uri: str) -> None:
    def promote(name: str) -> bool:
        try:
            promotion_log.append(open_store(root_uri), release_id=name, action="promote", expected=None)
            return True
        except PromotionConflict:
            return False

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(promote, "abcdefgh"))
    assert won.count(True) == 1
    (entry,) = promotion_log.read_log(open_store(root_uri))
    assert entry.release_id == "abcdefgh"[won.index(True)]


def lose_response(patch: pytest.MonkeyPatch, store: Store, *, retried: bool, arrives: bool = True) -> None:
    """Let the next put lose its response. arrives: the data is written; retried: the request is sent again."""
    put_if_absent = store.put_if_absent

    def lossy(key: str, data: bytes) -> bool:
        if arrives:
            put_if_absent(key, data)
        if retried:
            return put_if_absent(key, data)
        raise Unavailable(f"{key}: no answer")

    patch.setattr(store, "put_if_absent", lossy)


@pytest.mark.parametrize("retried", [True, False])
def test_append_whose_response_was_lost_is_a_win(
    store: Store, retried: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_response(monkeypatch, store, retried=retried)
    entry = promotion_log.append(store, release_id="r1", action="promote", expected=None)
    assert promotion_log.read_log(store) == [entry]


def test_append_after_another_promoter_with_a_lost_response_is_not_a_win(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    promotion_log.append(store, release_id="r1", action="promote", expected=None)
    lose_response(monkeypatch, store, retried=False)
    with pytest.raises(Unavailable):
        promotion_log.append(store, release_id="r2", action="promote", expected=None)
    assert [entry.release_id for entry in promotion_log.read_log(store)] == ["r1"]


def test_append_that_never_arrived_is_unavailable(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_response(monkeypatch, store, retried=False, arrives=False)
    with pytest.raises(Unavailable):
        promotion_log.append(store, release_id="r1", action="promote", expected=None)
    assert promotion_log.current(store) is None


def test_releases_are_stored_once(store: Store) -> None:
    assert promotion_log.save_release(store, RELEASE) == RELEASE
    assert promotion_log.load_release(store, "r1") == RELEASE
    again = replace(RELEASE, created_at=datetime(2027, 1, 1, tzinfo=UTC))
    assert promotion_log.save_release(store, again) == RELEASE
    with pytest.raises(StorageError, match="start a new run"):
        promotion_log.save_release(store, replace(RELEASE, items_version=9))
    assert promotion_log.load_release(store, "r1") == RELEASE


def test_releases_are_listed_oldest_first(store: Store) -> None:
    older = replace(RELEASE, release_id="z", created_at=datetime(2025, 1, 1, tzinfo=UTC))
    promotion_log.save_release(store, RELEASE)
    promotion_log.save_release(store, older)
    assert promotion_log.list_releases(store) == [older, RELEASE]
    entry = promotion_log.append(store, release_id="z", action="promote", expected=None)
    assert promotion_log.live_release(store) == (entry, older)


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders")
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_entry_or_release_that_is_not_a_file_is_damage(tmp_path: Path, make: Callable[[Path], None]) -> None:
    store = open_store(tmp_path)
    promotion_log.save_release(store, RELEASE)
    promotion_log.append(store, release_id="r1", action="promote", expected=None)
    make(tmp_path / "live/00000002.json")
    with pytest.raises(CorruptData, match=r"00000002.json is damaged: .* not a file.*lookdex rollback"):
        promotion_log.current(store)
    (tmp_path / "releases/r1.json").unlink()
    make(tmp_path / "releases/r1.json")
    with pytest.raises(CorruptData, match=r"r1.json is damaged: .*make another release live"):
        promotion_log.load_release(store, "r1")


def test_missing_newer_and_damaged_releases_are_reported(store: Store) -> None:
    with pytest.raises(ReleaseNotFound, match="no release r1"):
        promotion_log.load_release(store, "r1")
    store.put("releases/new.json", to_json(replace(RELEASE, release_id="new", format=2)))
    with pytest.raises(NewerFormat, match=r"newer lookdex \(format 2; this one reads up to 1"):
        promotion_log.load_release(store, "new")
    store.put("releases/cut.json", to_json(RELEASE)[:100])
    with pytest.raises(CorruptData, match=r"releases/cut\.json"):
        promotion_log.load_release(store, "cut")


def test_json_errors_name_the_field_and_unknown_fields_are_ignored() -> None:
    entry = LiveEntry(1, "r", "nonce", datetime(2026, 1, 1, tzinfo=UTC), "promote")
    data = to_json(entry)
    assert from_json(LiveEntry, data) == entry
    assert from_json(LiveEntry, data.replace(b'"n": 1', b'"n": 1, "added": [2]')) == entry
    with pytest.raises(CorruptData, match="release_id"):
        from_json(LiveEntry, data.replace(b'"release_id"', b'"renamed"'), "live/1.json")
    with pytest.raises(CorruptData, match=r"live/1\.json .*at"):
        from_json(LiveEntry, data.replace(b"2026-01-01", b"yesterday"), "live/1.json")
