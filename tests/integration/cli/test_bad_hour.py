"""A source that fails, a night that goes on under its id, and photos that break a model: with fakes, without Spark."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from click.testing import Result

from lookdex.catalog import promotion_log, runs, tables
from lookdex.errors import ShardsMissing, Unavailable
from lookdex.index import job
from lookdex.index.analyse import Tools
from lookdex.index.job import IndexOptions
from lookdex.pipeline import spark
from lookdex.records import Reason, Release, Shard, Status
from lookdex.storage import Store, open_store
from tests import fakes
from tests.support import photos
from tests.support.nights import item_table
from tests.support.shards import index_shard
from tests.support.verbs import FAKES, run

PATTERN = ("--pattern", "{product_id}/{name}.png")


@dataclass
class Weather:
    """A source of which some keys answer 503. got: reads that were answered, by key; asked: all of them."""

    down: Callable[[str], bool] = lambda key: False
    got: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Source:
    def __init__(self, inner: Store, weather: Weather) -> None:
        self._inner, self._weather = inner, weather

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def get_limited(
        self, key: str, max_bytes: int, etag: str | None = None, size: int | None = None
    ) -> bytes:
        with self._weather.lock:
            self._weather.asked += 1
            down = self._weather.down(key)
            self._weather.got[key] += not down
        if down:
            raise Unavailable(f"{key}: the store answered 503 (slow down) after retries; try again later")
        return self._inner.get_limited(key, max_bytes, etag, size)


@pytest.fixture
def weather(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weather:
    """That of the photos below tmp_path/photos. Tasks run in this process."""
    made, open_plainly = Weather(), job.store_at

    def store_at(uri: str, *more: object) -> Store:
        store = open_plainly(uri, *more)
        return Source(store, made) if uri.endswith("/photos") else store  # type: ignore[return-value]

    monkeypatch.setattr(job, "store_at", store_at)
    monkeypatch.setattr(spark, "session", lambda *_, **__: None)
    return made


@dataclass(frozen=True)
class Shop:
    """The night's verbs, as the DAG's tasks call them."""

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
        """build, audit, promote → what is live."""
        for verb in ("build", "audit", "promote"):
            done = self.stage(verb, run_id)
            assert done.exit_code == 0, done.output
        return promotion_log.live_release(open_store(self.catalog))[1]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    photos.fill(open_store(tmp_path / "photos"), 200)
    return Shop(tmp_path, str(tmp_path / "catalog"))


def keys_of(count: int) -> set[str]:
    return {f"p{number:05d}/a.png" for number in range(count)}


@pytest.fixture
def clean(shop: Shop, weather: Weather) -> Release:
    """A night without trouble, in a catalogue of its own."""
    calm = replace(shop, catalog=f"{shop.folder}/clean")
    assert calm.plan().exit_code == 0
    assert calm.stage("index").exit_code == 0
    release = calm.rest()
    weather.got.clear()
    return release


def same_rows(shop: Shop, release: Release, clean: Release) -> bool:
    """All of both tables, but for the clock."""
    ours, theirs = open_store(shop.catalog), open_store(f"{shop.folder}/clean")
    clock = ["first_seen", "indexed_at"]
    ledgers = [
        tables.ledger(store, made).drop(clock).sort_by("image_key")
        for store, made in ((ours, release), (theirs, clean))
    ]
    return item_table(ours, release).equals(item_table(theirs, clean)) and ledgers[0].equals(ledgers[1])


# ── an outage ────────────────────────────────────────────────────────────────────────────────────────────────


def test_after_an_outage_the_same_run_fetches_what_failed_and_ends_as_a_clean_night(
    shop: Shop, weather: Weather, clean: Release
) -> None:
    """30 % of the GETs of the first half answer 503: the night stops, says why, and goes on."""
    bad = {key for number, key in enumerate(sorted(keys_of(100))) if number % 10 in (1, 4, 7)}
    weather.down = bad.__contains__
    assert shop.plan().exit_code == 0
    stopped = shop.stage("index")
    assert stopped.exit_code == 1
    said = r"2\d of \d+ photos seen so far \(200 are planned\) were rejected or failed \(2\d unavailable\)"
    assert re.search(said + r"\. One of them is p000\d\d/a\.png: the store answered 503", stopped.output)
    assert "same run id" in stopped.output
    assert shop.stage("index").exit_code == 1  # cleared too early
    refused = shop.stage("build")
    assert refused.exit_code == 1
    had = set(+weather.got)
    assert 0 < len(had) < 200

    weather.down, weather.asked = (lambda key: False), 0
    done = shop.stage("index")
    assert done.exit_code == 0, done.output
    assert "200 photos (200 indexed)" in done.output
    assert weather.asked == 200 - len(had)
    assert weather.got == dict.fromkeys(keys_of(200), 1), "each photo was fetched once"
    assert same_rows(shop, shop.rest(), clean)


def test_failures_within_the_budget_are_published_and_retried_by_any_later_index(
    shop: Shop, weather: Weather
) -> None:
    bad = {f"p{number:05d}/a.png" for number in (3, 4, 60, 199)}
    weather.down = bad.__contains__
    assert shop.plan().exit_code == 0
    first = shop.stage("index")
    assert first.exit_code == 0, first.output
    assert "4 failed" in first.output
    assert re.search(r"unavailable, such as p00\d+/a.png: the store answered 503", first.output)
    assert shop.stage("build").exit_code == 0
    assert shop.stage("audit").exit_code == 0
    catalog = open_store(shop.catalog)
    reports = {item.key for item in catalog.list("runs/night/reports/")}
    asked = weather.asked
    assert shop.stage("index").exit_code == 0  # still down: nothing changes
    assert weather.asked == asked + 4
    assert {item.key for item in catalog.list("runs/night/reports/")} == reports

    for healed in ({"p00060/a.png"}, bad):  # one, then all of them
        weather.down = lambda key, healed=healed: key in bad - healed
        assert shop.stage("index").exit_code == 0
        left = len(bad - healed)
        assert shop.stage("build").exit_code == 0
        asked = weather.asked
        assert shop.stage("index").exit_code == 0
        assert weather.asked == asked + left
    assert weather.got == dict.fromkeys(keys_of(200), 1)
    assert shop.rest().images == {"indexed": 200}


def test_what_fails_once_is_mended_by_the_same_run(shop: Shop, weather: Weather) -> None:
    weather.down = lambda key: key.endswith("7/a.png") and not weather.got[key] and weather.asked <= 200
    assert shop.plan().exit_code == 0
    done = shop.stage("index")
    assert done.exit_code == 0, done.output
    assert "200 photos (200 indexed)" in done.output
    assert weather.asked == 220


def test_a_source_that_is_down_is_not_asked_for_long(shop: Shop, weather: Weather) -> None:
    """One shard of 200 photos stops by itself, and leaves what it has."""
    weather.down = lambda key: key > "p00039"
    assert shop.plan(size=200).exit_code == 0
    stopped = shop.stage("index")
    assert stopped.exit_code == 1
    assert weather.asked < 130
    got = sum(weather.got.values())
    weather.down, weather.asked = (lambda key: False), 0
    done = shop.stage("index")
    assert done.exit_code == 0, done.output
    assert weather.asked == 200 - got


def test_a_large_loss_that_is_meant_is_published(shop: Shop, weather: Weather) -> None:
    weather.down = lambda key: key > "p00100"
    assert shop.plan().exit_code == 0
    meant = shop.stage("index", "night", "--allow-mass-change")
    assert meant.exit_code == 0, meant.output
    assert "100 failed" in meant.output
    built = shop.stage("build", "night", "--allow-mass-change")
    assert built.exit_code == 0, built.output
    assert shop.stage("audit").exit_code == 0


def test_a_few_photos_are_not_judged(tmp_path: Path, weather: Weather) -> None:
    few = Shop(tmp_path, str(tmp_path / "catalog"))
    photos.fill(open_store(tmp_path / "photos"), 5)
    weather.down = lambda key: key > "p00001"
    assert few.plan().exit_code == 0
    assert few.stage("index").exit_code == 0


def test_of_two_retries_at_once_one_stands_and_no_orphans_stay(tmp_path: Path, weather: Weather) -> None:
    source, catalog = open_store(tmp_path / "photos"), open_store(tmp_path / "catalog")
    photos.fill(source, 12)
    weather.down = lambda key: key in ("p00002/a.png", "p00005/a.png")
    tools = Tools(
        Source(source, weather), catalog, fakes.detector(), fakes.embedder(), fakes.recipe(), "night"
    )  # type: ignore[arg-type]
    shard = Shard("shard-1", photos.refs_of(source))
    first = index_shard(shard, tools)
    assert (first.to_retry, first.round, first.gets) == (2, 0, 10)
    assert index_shard(shard, tools, round=1) == first  # nothing changed: it leaves nothing
    weather.down = lambda key: False
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: index_shard(shard, tools, round=1), range(4)))
    assert len({report.worker for report in reports}) == 1
    second = reports[0]
    assert reports == [second] * 4
    assert (second.round, second.counts[Status.INDEXED], second.reasons) == (1, 12, {})
    assert index_shard(shard, tools, round=2) == second  # there is nothing left
    assert runs.load_reports(catalog, "night", ["shard-1"]) == {"shard-1": second}
    assert photos.images_of(catalog, [second])["image_key"].to_pylist() == sorted(r.key for r in shard.refs)
    named = {file.key for report in (first, second) for file in (report.objects, report.images)}
    assert {o.key for o in catalog.list("runs/night/objects/")} | {
        o.key for o in catalog.list("runs/night/images/")
    } == named


# ── photos that break a model ────────────────────────────────────────────────────────────────────────────────

POISONED = ("--detector", "python:tests.fakes:poisoned_detector", *FAKES[2:])


def test_a_photo_that_breaks_a_model_is_named_once_and_left_alone_until_it_changes(
    shop: Shop, weather: Weather
) -> None:
    ill = replace(shop, models=POISONED)
    source = open_store(shop.folder / "photos")
    source.put("p00123/a.png", photos.poisoned())
    assert ill.plan().exit_code == 0
    done = ill.stage("index")
    assert done.exit_code == 0, done.output
    assert "200 photos (199 indexed, 1 failed)" in done.output
    why = "detector python:tests.fakes:detector: ArithmeticError: a photo too odd, on p00123/a.png"
    assert f"breaks a model: {why}" in done.output
    asked = weather.asked
    assert ill.stage("index").exit_code == 0
    assert weather.asked == asked
    release = ill.rest()
    assert release.images == {"indexed": 199, "failed": 1}

    assert "planned  0 photos" in ill.plan("second").output
    assert "1 retry" not in ill.plan("third", "--full").output
    source.put("p00123/a.png", photos.numbered(123))
    assert "planned  1 photo " in ill.plan("fourth").output
    assert ill.stage("index", "fourth").exit_code == 0
    assert ill.rest("fourth").images == {"indexed": 200}

    source.put("p00123/a.png", photos.poisoned())  # and back: its old rows were of another photo
    assert ill.plan("fifth").exit_code == 0
    assert ill.stage("index", "fifth").exit_code == 0
    release = ill.rest("fifth")
    opened = tables.open_tables(open_store(shop.catalog), release)
    assert opened.items.count_rows("image_key = 'p00123/a.png'") == 0
    assert "planned  0 photos" in ill.plan("sixth").output


def test_a_model_that_fails_on_everything_is_no_photos_fault(tmp_path: Path) -> None:
    source, catalog = open_store(tmp_path / "photos"), open_store(tmp_path / "catalog")
    photos.fill(source, 12)
    summary = photos.plan(source, catalog, recipe=fakes.recipe(detector=POISONED[1]))
    for device in ("broken", "broken"):  # and the next try does not blame them either
        with pytest.raises(ShardsMissing, match=r"shard-0000: .*a photo too odd.*a plain picture"):
            spark.index_run(None, catalog, summary, IndexOptions(device=device))
    assert list(catalog.list("runs/night/reports/")) == []
    assert len(spark.index_run(None, catalog, summary)) == 2


def test_many_photos_that_break_a_model_are_the_models_fault(tmp_path: Path) -> None:
    source, catalog = open_store(tmp_path / "photos"), open_store(tmp_path / "catalog")
    photos.fill(source, 14)
    for number in range(2, 9):
        source.put(f"p{number:05d}/a.png", photos.poisoned())
    summary = photos.plan(source, catalog, shard_images=14, recipe=fakes.recipe(detector=POISONED[1]))
    with pytest.raises(ShardsMissing, match=r"6 photos of one shard broke a model.*p00007/a.png"):
        spark.index_run(None, catalog, summary)


def test_in_a_large_shard_more_photos_may_break_a_model(tmp_path: Path) -> None:
    source, catalog = open_store(tmp_path / "photos"), open_store(tmp_path / "catalog")
    photos.fill(source, 140)
    for number in range(2, 9):
        source.put(f"p{number:05d}/a.png", photos.poisoned())
    summary = photos.plan(source, catalog, shard_images=140, recipe=fakes.recipe(detector=POISONED[1]))
    (report,) = spark.index_run(None, catalog, summary)
    assert report.counts == {"indexed": 133, "no_object": 0, "rejected": 0, "failed": 7}


def test_a_photo_to_which_a_model_answers_nonsense_breaks_it(tmp_path: Path) -> None:
    """Such a row could not be written, or the audit would refuse the night for it, every night."""
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
    for key, words in zip(
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
        assert re.search(words, broken[key]), (key, broken[key])


def test_a_device_that_a_worker_lacks_is_wrong_usage_and_said_once(shop: Shop, weather: Weather) -> None:
    assert replace(shop, models=POISONED).plan().exit_code == 0
    missing = shop.stage("index", "night", "--device", "absent")
    assert missing.exit_code == 2
    assert missing.output.count("there is no device absent here") == 1
    assert weather.asked == 0


def test_faults_of_the_store_are_not_blamed_on_photos(tmp_path: Path, weather: Weather) -> None:
    """Photo by photo, too, a photo that the source does not give has failed for that reason."""
    source, catalog = open_store(tmp_path / "photos"), open_store(tmp_path / "catalog")
    photos.fill(source, 6)
    source.put("p00001/a.png", photos.poisoned())
    summary = photos.plan(source, catalog, recipe=fakes.recipe(detector=POISONED[1]))
    source.delete("p00004/a.png")
    (report,) = spark.index_run(None, catalog, summary)
    assert report.reasons == {Reason.BREAKS_MODEL: 1, Reason.GONE: 1}
    assert [e.key for e in report.examples if e.reason is Reason.BREAKS_MODEL] == ["p00001/a.png"]
    assert report.gets > 0
