"""Outages of the source, resumed runs, and photos that break a model: with fakes, without Spark."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import Result

from lookdex.catalog import runs, tables
from lookdex.errors import ShardsMissing, Unavailable
from lookdex.index import task
from lookdex.index.analyse import Tools
from lookdex.index.task import IndexOptions
from lookdex.pipeline import spark
from lookdex.records import Reason, Release, Shard, Status
from lookdex.storage import Store, open_store
from tests import fakes
from tests.support import photos
from tests.support.catalogs import live
from tests.support.nights import item_table
from tests.support.shards import index_shard
from tests.support.verbs import FAKES, run

PATTERN = ("--pattern", "{product_id}/{name}.png")


@dataclass
class Outage:
    """Which keys of the source answer 503. reads: successful ones, by key; attempts: all reads."""

    down: Callable[[str], bool] = lambda key: False
    reads: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class FailingSource:
    """A store of which some keys answer 503."""

    def __init__(self, inner: Store, outage: Outage) -> None:
        self._inner, self._outage = inner, outage

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def get_limited(
        self, key: str, max_bytes: int, etag: str | None = None, size: int | None = None
    ) -> bytes:
        with self._outage.lock:
            self._outage.attempts += 1
            down = self._outage.down(key)
            self._outage.reads[key] += not down
        if down:
            raise Unavailable(f"{key}: the store answered 503 (slow down) after retries; try again later")
        return self._inner.get_limited(key, max_bytes, etag, size)


@pytest.fixture
def outage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outage:
    """Outages of tmp_path/photos; there is none until `down` is set. Tasks run in this process."""
    outage, open_normally = Outage(), task.open_cached_store

    def store_at(uri: str, *more: Any) -> Store:
        store = open_normally(uri, *more)
        # FailingSource forwards all but one method.
        return cast(Store, FailingSource(store, outage)) if uri.endswith("/photos") else store

    monkeypatch.setattr(task, "store_at", store_at)
    monkeypatch.setattr(spark, "session", lambda *_, **__: None)
    return outage


@dataclass(frozen=True)
class Shop:
    """Runs the verbs of a night, as the tasks of the DAG do."""

    folder: Path
    catalog: str
    models: tuple[str, ...] = FAKES

    def plan(self, run_id: str = "night", *more: str, size: int = 25) -> Result:
        return run(
            "plan", "--source", f"{self.folder}/photos", "--catalog", self.catalog, "--run-id", run_id, *PATTERN,
            *self.models, "--shard-images", str(size), *more,
        )  # fmt: skip

    def stage(self, verb: str, run_id: str = "night", *more: str) -> Result:
        return run(verb, "--catalog", self.catalog, "--run-id", run_id, *more)

    def rest(self, run_id: str = "night") -> Release:
        """Build, audit and promote. Returns the live release."""
        for verb in ("build", "audit", "promote"):
            done = self.stage(verb, run_id)
            assert done.exit_code == 0, done.output
        return live(open_store(self.catalog))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    photos.fill(open_store(tmp_path / "photos"), 200)
    return Shop(tmp_path, str(tmp_path / "catalog"))


def keys_of(count: int) -> set[str]:
    return {f"p{number:05d}/a.png" for number in range(count)}


@pytest.fixture
def clean(shop: Shop, outage: Outage) -> Release:
    """A run without failures, in another catalogue."""
    calm = replace(shop, catalog=f"{shop.folder}/clean")
    assert calm.plan().exit_code == 0
    assert calm.stage("index").exit_code == 0
    release = calm.rest()
    outage.reads.clear()
    return release


def same_rows(shop: Shop, release: Release, clean: Release) -> bool:
    """Whether both tables are equal, apart from times."""
    ours, theirs = open_store(shop.catalog), open_store(f"{shop.folder}/clean")
    clock = ["first_seen", "indexed_at"]
    ledgers = [
        tables.read_ledger(store, published).drop(clock).sort_by("image_key")
        for store, published in ((ours, release), (theirs, clean))
    ]
    items_equal: bool = item_table(ours, release).equals(item_table(theirs, clean))
    return items_equal and bool(ledgers[0].equals(ledgers[1]))


# ── an outage ────────────────────────────────────────────────────────────────────────────────────────────────


def test_run_resumed_after_an_outage_fetches_only_missing_photos(
    shop: Shop, outage: Outage, clean: Release
) -> None:
    """30% of the GETs of the first half answer 503: the run stops with the reason, and is resumed."""
    bad = {key for number, key in enumerate(sorted(keys_of(100))) if number % 10 in (1, 4, 7)}
    outage.down = bad.__contains__
    assert shop.plan().exit_code == 0
    stopped = shop.stage("index")
    assert stopped.exit_code == 1
    message = r"2\d of \d+ photos seen so far \(200 are planned\) were rejected or failed \(2\d unavailable\)"
    assert re.search(message + r"\. One of them is p000\d\d/a\.png: the store answered 503", stopped.output)
    assert "same run id" in stopped.output
    assert shop.stage("index").exit_code == 1  # the outage is not over
    refused = shop.stage("build")
    assert refused.exit_code == 1
    fetched = set(+outage.reads)
    assert 0 < len(fetched) < 200

    outage.down, outage.attempts = (lambda key: False), 0
    done = shop.stage("index")
    assert done.exit_code == 0, done.output
    assert "200 photos (200 indexed)" in done.output
    assert outage.attempts == 200 - len(fetched)
    assert outage.reads == dict.fromkeys(keys_of(200), 1), "each photo was fetched once"
    assert same_rows(shop, shop.rest(), clean)


def test_few_failures_are_published_and_retried_by_later_index_runs(shop: Shop, outage: Outage) -> None:
    bad = {f"p{number:05d}/a.png" for number in (3, 4, 60, 199)}
    outage.down = bad.__contains__
    assert shop.plan().exit_code == 0
    first = shop.stage("index")
    assert first.exit_code == 0, first.output
    assert "4 failed" in first.output
    assert re.search(r"unavailable, such as p00\d+/a.png: the store answered 503", first.output)
    assert shop.stage("build").exit_code == 0
    assert shop.stage("audit").exit_code == 0
    catalog = open_store(shop.catalog)
    reports = {item.key for item in catalog.list("runs/night/reports/")}
    attempts = outage.attempts
    assert shop.stage("index").exit_code == 0  # still down: nothing changes
    assert outage.attempts == attempts + 4
    assert {item.key for item in catalog.list("runs/night/reports/")} == reports

    for healed in ({"p00060/a.png"}, bad):  # one, then all of them
        outage.down = (bad - healed).__contains__
        assert shop.stage("index").exit_code == 0
        left = len(bad - healed)
        assert shop.stage("build").exit_code == 0
        attempts = outage.attempts
        assert shop.stage("index").exit_code == 0
        assert outage.attempts == attempts + left
    assert outage.reads == dict.fromkeys(keys_of(200), 1)
    assert shop.rest().images == {"indexed": 200}


def test_photos_that_fail_once_are_retried_in_the_same_run(shop: Shop, outage: Outage) -> None:
    outage.down = lambda key: key.endswith("7/a.png") and not outage.reads[key] and outage.attempts <= 200
    assert shop.plan().exit_code == 0
    done = shop.stage("index")
    assert done.exit_code == 0, done.output
    assert "200 photos (200 indexed)" in done.output
    assert outage.attempts == 220


def test_run_stops_early_while_the_source_is_down(shop: Shop, outage: Outage) -> None:
    """A shard of 200 photos stops early and keeps what it has fetched."""
    outage.down = lambda key: key > "p00039"
    assert shop.plan(size=200).exit_code == 0
    stopped = shop.stage("index")
    assert stopped.exit_code == 1
    assert outage.attempts < 130
    fetched = sum(outage.reads.values())
    outage.down, outage.attempts = (lambda key: False), 0
    done = shop.stage("index")
    assert done.exit_code == 0, done.output
    assert outage.attempts == 200 - fetched


def test_large_loss_is_published_if_allowed(shop: Shop, outage: Outage) -> None:
    outage.down = lambda key: key > "p00100"
    assert shop.plan().exit_code == 0
    allowed = shop.stage("index", "night", "--allow-mass-change")
    assert allowed.exit_code == 0, allowed.output
    assert "100 failed" in allowed.output
    built = shop.stage("build", "night", "--allow-mass-change")
    assert built.exit_code == 0, built.output
    assert shop.stage("audit").exit_code == 0


def test_failures_among_few_photos_do_not_stop_the_run(tmp_path: Path, outage: Outage) -> None:
    few = Shop(tmp_path, str(tmp_path / "catalog"))
    photos.fill(open_store(tmp_path / "photos"), 5)
    outage.down = lambda key: key > "p00001"
    assert few.plan().exit_code == 0
    assert few.stage("index").exit_code == 0


def test_concurrent_retries_keep_one_result_and_no_orphan_files(tmp_path: Path, outage: Outage) -> None:
    source, catalog = open_store(tmp_path / "photos"), open_store(tmp_path / "catalog")
    photos.fill(source, 12)
    outage.down = lambda key: key in ("p00002/a.png", "p00005/a.png")
    tools = Tools(
        cast(Store, FailingSource(source, outage)),
        catalog,
        fakes.detector(),
        fakes.embedder(),
        fakes.recipe(),
        "night",
    )
    shard = Shard("shard-1", photos.refs_of(source))
    first = index_shard(shard, tools)
    assert (first.to_retry, first.round, first.gets) == (2, 0, 10)
    assert index_shard(shard, tools, round=1) == first  # nothing changed, so nothing is written
    outage.down = lambda key: False
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: index_shard(shard, tools, round=1), range(4)))
    assert len({report.worker for report in reports}) == 1
    second = reports[0]
    assert reports == [second] * 4
    assert (second.round, second.counts[Status.INDEXED], second.reasons) == (1, 12, {})
    assert index_shard(shard, tools, round=2) == second  # nothing is left to retry
    assert runs.load_reports(catalog, "night", ["shard-1"]) == {"shard-1": second}
    assert photos.images_of(catalog, [second])["image_key"].to_pylist() == sorted(r.key for r in shard.refs)
    referenced = {file.key for report in (first, second) for file in (report.objects, report.images)}
    assert {o.key for o in catalog.list("runs/night/objects/")} | {
        o.key for o in catalog.list("runs/night/images/")
    } == referenced


# ── photos that break a model ────────────────────────────────────────────────────────────────────────────────

POISONED = ("--detector", "python:tests.fakes:poisoned_detector", *FAKES[2:])


def test_photo_that_breaks_a_model_is_skipped_until_it_changes(shop: Shop, outage: Outage) -> None:
    poisoned = replace(shop, models=POISONED)
    source = open_store(shop.folder / "photos")
    source.put("p00123/a.png", photos.poisoned())
    assert poisoned.plan().exit_code == 0
    done = poisoned.stage("index")
    assert done.exit_code == 0, done.output
    assert "200 photos (199 indexed, 1 failed)" in done.output
    why = "detector python:tests.fakes:detector: ArithmeticError: a photo too odd, on p00123/a.png"
    assert f"breaks a model: {why}" in done.output
    attempts = outage.attempts
    assert poisoned.stage("index").exit_code == 0
    assert outage.attempts == attempts
    release = poisoned.rest()
    assert release.images == {"indexed": 199, "failed": 1}

    assert "planned  0 photos" in poisoned.plan("second").output
    assert "1 retry" not in poisoned.plan("third", "--full").output
    source.put("p00123/a.png", photos.numbered(123))
    assert "planned  1 photo " in poisoned.plan("fourth").output
    assert poisoned.stage("index", "fourth").exit_code == 0
    assert poisoned.rest("fourth").images == {"indexed": 200}

    source.put("p00123/a.png", photos.poisoned())  # poisoned again: its old rows belong to another picture
    assert poisoned.plan("fifth").exit_code == 0
    assert poisoned.stage("index", "fifth").exit_code == 0
    release = poisoned.rest("fifth")
    opened = tables.open_tables(open_store(shop.catalog), release)
    assert opened.items.count_rows("image_key = 'p00123/a.png'") == 0
    assert "planned  0 photos" in poisoned.plan("sixth").output


def test_model_that_fails_on_all_photos_fails_the_shard(tmp_path: Path) -> None:
    source, catalog = open_store(tmp_path / "photos"), open_store(tmp_path / "catalog")
    photos.fill(source, 12)
    summary = photos.plan(source, catalog, recipe=fakes.recipe(detector=POISONED[1]))
    for device in ("broken", "broken"):  # the retry does not blame the photos either
        with pytest.raises(ShardsMissing, match=r"shard-0000: .*a photo too odd.*a plain picture"):
            spark.index_run(None, catalog, summary, IndexOptions(device=device))
    assert list(catalog.list("runs/night/reports/")) == []
    assert len(spark.index_run(None, catalog, summary)) == 2


def test_many_photos_that_break_a_model_fail_the_shard(tmp_path: Path) -> None:
    source, catalog = open_store(tmp_path / "photos"), open_store(tmp_path / "catalog")
    photos.fill(source, 14)
    for number in range(2, 9):
        source.put(f"p{number:05d}/a.png", photos.poisoned())
    summary = photos.plan(source, catalog, shard_images=14, recipe=fakes.recipe(detector=POISONED[1]))
    with pytest.raises(ShardsMissing, match=r"6 photos of one shard broke a model.*p00007/a.png"):
        spark.index_run(None, catalog, summary)


def test_more_photos_may_break_a_model_in_a_large_shard(tmp_path: Path) -> None:
    source, catalog = open_store(tmp_path / "photos"), open_store(tmp_path / "catalog")
    photos.fill(source, 140)
    for number in range(2, 9):
        source.put(f"p{number:05d}/a.png", photos.poisoned())
    summary = photos.plan(source, catalog, shard_images=140, recipe=fakes.recipe(detector=POISONED[1]))
    (report,) = spark.index_run(None, catalog, summary)
    assert report.counts == {"indexed": 133, "no_object": 0, "rejected": 0, "failed": 7}


def test_invalid_model_output_counts_as_breaking_the_model(tmp_path: Path) -> None:
    """Its row could not be written, or the audit would refuse every run because of it."""
    source, catalog = open_store(tmp_path / "photos"), open_store(tmp_path / "catalog")
    photos.fill(source, 12)
    for number in range(len(fakes.WRONG)):
        source.put(f"p{number:05d}/a.png", photos.poisoned((*fakes.ODD, number)))
    source.put("p00011/a.png", photos.poisoned())
    odd = fakes.recipe(detector="python:tests.fakes:odd_detector", embedder="python:tests.fakes:odd_embedder")
    summary = photos.plan(source, catalog, shard_images=8, recipe=odd)
    reports = spark.index_run(None, catalog, summary)
    broken = {e.key: e.error for r in reports for e in r.examples if e.reason is Reason.BREAKS_MODEL}
    assert sum(report.counts[Status.INDEXED] for report in reports) == 6
    for key, message in zip(
        sorted(broken),
        (
            r"'top' has the box \(10, 10, 700, 60\), outside the photo of 120 × 160 pixels, on p00000/a.png",
            r"'top' has the box \(10, 10, 10, 60\), outside the photo",
            r"'top' has the box \(10.5, 10, 20, 60\), which is not in whole pixels",
            r"'top' has the score nan, which is not between 0 and 1",
            r"an object has the label ''",
            r"returned a vector of length 0 instead of 1, on p00011/a.png",
        ),
        strict=True,
    ):
        assert re.search(message, broken[key]), (key, broken[key])


def test_missing_device_on_a_worker_is_reported_once(shop: Shop, outage: Outage) -> None:
    assert replace(shop, models=POISONED).plan().exit_code == 0
    missing = shop.stage("index", "night", "--device", "absent")
    assert missing.exit_code == 2
    assert missing.output.count("there is no device absent here") == 1
    assert outage.attempts == 0


def test_store_failures_are_not_blamed_on_the_model(tmp_path: Path, outage: Outage) -> None:
    """When photos are indexed one by one, one that the source does not return fails for that reason."""
    source, catalog = open_store(tmp_path / "photos"), open_store(tmp_path / "catalog")
    photos.fill(source, 6)
    source.put("p00001/a.png", photos.poisoned())
    summary = photos.plan(source, catalog, recipe=fakes.recipe(detector=POISONED[1]))
    source.delete("p00004/a.png")
    (report,) = spark.index_run(None, catalog, summary)
    assert report.reasons == {Reason.BREAKS_MODEL: 1, Reason.GONE: 1}
    assert [e.key for e in report.examples if e.reason is Reason.BREAKS_MODEL] == ["p00001/a.png"]
    assert report.gets > 0
