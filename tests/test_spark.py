"""The index stage on real local Spark, with fakes: twice the same rows, resuming, failing clearly."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lookdex import runs, spark
from lookdex.errors import ShardsMissing, TaskFailed
from lookdex.index.job import IndexOptions
from lookdex.records import Status
from lookdex.storage import Store, open_store
from tests import fakes
from tests.photos import fill, images_of, items_of, plan


@pytest.fixture(scope="module")
def session() -> Iterator[object]:
    with spark.session(spark_task_maxFailures="2") as made:
        yield made


@pytest.fixture
def source(tmp_path: Path) -> Store:
    made = open_store(tmp_path / "source")
    fill(made, 30)
    made.put("p00007/broken.jpg", b"\xff\xd8\xff and no more")
    return made


def describe(text: str) -> str:
    """What a worker sees of itself."""
    return f"{text} {os.getpid()} {os.environ.get('OMP_NUM_THREADS')} {sys.executable}"


def fail_on_b(text: str) -> str:
    if text == "b":
        raise LookupError("b is the one that fails")
    return text


def test_map_json_keeps_the_order_and_gives_each_payload_a_task(session) -> None:
    texts = [f"payload {n}" for n in range(9)]
    results = spark.map_json(session, texts, describe)
    assert [r.rsplit(" ", 3)[0] for r in results] == texts
    pids = {r.rsplit(" ", 3)[1] for r in results}
    assert str(os.getpid()) not in pids
    assert len(pids) <= len(os.sched_getaffinity(0))  # workers are used again
    assert {r.rsplit(" ", 2)[1] for r in results} == {"1"}
    assert {r.rsplit(" ", 1)[1] for r in results} == {sys.executable}
    assert spark.map_json(session, [], describe) == []
    assert [r.rsplit(" ", 3)[0] for r in spark.map_json(None, texts, describe)] == texts


def test_a_task_that_fails_for_good_names_the_cause(session) -> None:
    with pytest.raises(TaskFailed, match=r"try: .*LookupError: b is the one that fails"):
        spark.map_json(session, ["a", "b"], fail_on_b, what="try")


def test_twice_the_same_rows_and_progress(session, tmp_path: Path, source: Store) -> None:
    tables = []
    for name in ("first", "second"):
        catalog = open_store(tmp_path / name)
        summary, told = plan(source, catalog), []
        options = IndexOptions(batch=4)
        reports = spark.index_run(session, catalog, summary, options, lambda *c: told.append(c))  # noqa: B023
        assert [report.shard_id for report in reports] == [f"shard-{n:04d}" for n in range(4)]
        assert sum(sum(r.counts.values()) for r in reports) == 31
        tables.append((items_of(catalog, reports), images_of(catalog, reports)))
    (items, images), (items_again, images_again) = tables
    assert items.equals(items_again)
    clock = ["first_seen", "indexed_at"]
    assert images.drop(clock).equals(images_again.drop(clock))
    assert images["status"].to_pylist().count(Status.REJECTED) == 1
    assert told[0] == (0, 0, 0)
    assert told[-1] == (31, 1, 0)
    assert all(a[0] <= b[0] for a, b in itertools.pairwise(told))


def test_a_run_without_spark_gives_the_same_rows(session, tmp_path: Path, source: Store) -> None:
    items = []
    for name, engine in (("spark", session), ("here", None)):
        catalog = open_store(tmp_path / name)
        items.append(items_of(catalog, spark.index_run(engine, catalog, plan(source, catalog))))
    assert items[0].equals(items[1])


def test_done_shards_are_not_done_again_and_no_session_is_made(tmp_path: Path, source: Store) -> None:
    catalog = open_store(tmp_path / "catalog")
    summary = plan(source, catalog)
    reports = spark.index_run(None, catalog, summary)
    before = {o.key: o.etag for o in catalog.list()}

    def never() -> None:
        raise AssertionError("a session for nothing")

    told: list[tuple[int, ...]] = []
    assert spark.index_run(never, catalog, summary, None, lambda *c: told.append(c)) == reports
    assert told == [(31, 1, 0)]
    assert {o.key: o.etag for o in catalog.list()} == before


def test_a_failed_shard_is_named_and_the_others_stay(session, tmp_path: Path, source: Store) -> None:
    catalog = open_store(tmp_path / "catalog")
    broken = fakes.recipe(detector="python:tests.fakes:fragile_detector")
    summary = plan(source, catalog, recipe=broken)
    poisoned = catalog.uri + "/poison"
    Path(poisoned).mkdir(parents=True)
    with pytest.raises(ShardsMissing, match=r"of 4 shards could not be indexed.*poisoned.*again"):
        spark.index_run(session, catalog, summary, IndexOptions(device=f"poison:{poisoned}"))
    done = runs.done_shards(catalog, "night")
    Path(poisoned).rmdir()
    reports = spark.index_run(session, catalog, summary, IndexOptions(device=f"poison:{poisoned}"))
    assert len(reports) == 4
    assert done < {report.shard_id for report in reports}


NIGHT = """
import sys
from lookdex import runs, spark
from lookdex.index.job import IndexOptions
from lookdex.storage import open_store
catalog = open_store(sys.argv[1])
summary = runs.load_plan(catalog, "night")
with spark.session(app="killed") as session:
    print(len(spark.index_run(session, catalog, summary, IndexOptions(device="slow"))))
"""


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, source: Store) -> None:
    """The driver is killed once some shards are done; its JVM and workers end by themselves, and the rest is done."""
    catalog = open_store(tmp_path / "catalog")
    summary = plan(
        source, catalog, shard_images=2, recipe=fakes.recipe(detector="python:tests.fakes:slow_detector")
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", NIGHT, catalog.uri],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while len(runs.done_shards(catalog, "night")) < 2:
        assert driver.poll() is None, driver.stderr.read() if driver.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.05)
    family = psutil.Process(driver.pid).children(recursive=True)
    assert any("java" in process.name() for process in family)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    assert psutil.wait_procs(family, timeout=60)[1] == []
    done = runs.load_reports(catalog, "night", [f"shard-{n:04d}" for n in range(16)])
    assert 2 <= len(done) < 16
    reports = spark.index_run(None, catalog, summary)
    assert len(reports) == 16
    assert all(report in reports for report in done.values())
    ledger = images_of(catalog, reports)
    assert ledger.num_rows == len(set(ledger["image_key"].to_pylist())) == 31


def test_a_local_session_leaves_no_litter(tmp_path: Path) -> None:
    code = (
        "from lookdex import spark\n"
        "with spark.session() as session:\n"
        "    print(spark.map_json(session, ['a', 'b'], str.upper))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=180
    )
    assert done.stdout == "['A', 'B']\n", done.stderr
    assert [line for line in done.stderr.splitlines() if "incubator" not in line] == []
    assert list(tmp_path.iterdir()) == []


def test_without_java_the_error_says_what_to_do(tmp_path: Path) -> None:
    code = (
        "from lookdex import spark, errors\n"
        "try: spark.session()\n"
        "except errors.ConfigError as error: print(error)\n"
    )
    environment = {**os.environ, "JAVA_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "install a full Java 17 or 21" in done.stdout
    assert str(tmp_path) in done.stdout
