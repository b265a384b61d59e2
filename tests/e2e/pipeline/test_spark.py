"""The index stage on local Spark with the fakes: repeatable rows, resumed runs, clear errors."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pyspark.sql import SparkSession

from lookdex.catalog import runs
from lookdex.errors import MassChange, ShardsMissing, TaskFailed
from lookdex.index.task import IndexOptions
from lookdex.pipeline import spark
from lookdex.pipeline.spark import jvm
from lookdex.records import Status
from lookdex.storage import Store, open_store
from tests import fakes
from tests.support.photos import fill, images_of, items_of, plan


@pytest.fixture(scope="module")
def session() -> Iterator[SparkSession]:
    with spark.session(spark_task_maxFailures="2") as session:
        yield session


@pytest.fixture
def source(tmp_path: Path) -> Store:
    store = open_store(tmp_path / "source")
    fill(store, 30)
    store.put("p00007/broken.jpg", b"\xff\xd8\xff and no more")
    return store


def describe(text: str) -> str:
    """The text, and the worker's process id, environment and Python."""
    return f"{text} {os.getpid()} {os.environ.get('OMP_NUM_THREADS')} {sys.executable}"


def fail_on_b(text: str) -> str:
    if text == "b":
        raise LookupError("b is the one that fails")
    return text


def test_map_json_keeps_the_order_and_runs_each_payload_as_a_task(session: SparkSession) -> None:
    texts = [f"payload {n}" for n in range(9)]
    results = spark.map_json(session, texts, describe)
    assert [r.rsplit(" ", 3)[0] for r in results] == texts
    pids = {r.rsplit(" ", 3)[1] for r in results}
    assert str(os.getpid()) not in pids
    assert len(pids) <= len(os.sched_getaffinity(0))  # workers are reused
    assert {r.rsplit(" ", 2)[1] for r in results} == {"1"}
    assert {r.rsplit(" ", 1)[1] for r in results} == {sys.executable}
    assert spark.map_json(session, [], describe) == []
    assert [r.rsplit(" ", 3)[0] for r in spark.map_json(None, texts, describe)] == texts


def test_task_failure_names_its_cause(session: SparkSession) -> None:
    with pytest.raises(TaskFailed, match=r"try: .*LookupError: b is the one that fails"):
        spark.map_json(session, ["a", "b"], fail_on_b, what="try")


def test_two_runs_give_the_same_rows_and_progress_is_reported(
    session: SparkSession, tmp_path: Path, source: Store
) -> None:
    tables = []
    for name in ("first", "second"):
        catalog = open_store(tmp_path / name)
        summary = plan(source, catalog)
        counts: list[tuple[int, ...]] = []
        options = IndexOptions(batch=4)
        reports = spark.index_run(session, catalog, summary, options, lambda *c: counts.append(c))  # noqa: B023
        assert [report.shard_id for report in reports] == [f"shard-{n:04d}" for n in range(4)]
        assert sum(sum(r.counts.values()) for r in reports) == 31
        tables.append((items_of(catalog, reports), images_of(catalog, reports)))
    (items, images), (items_again, images_again) = tables
    assert items.equals(items_again)
    clock = ["first_seen", "indexed_at"]
    assert images.drop(clock).equals(images_again.drop(clock))
    assert images["status"].to_pylist().count(Status.REJECTED) == 1
    assert counts[0] == (0, 0, 0)
    assert counts[-1] == (31, 1, 0)
    assert all(a[0] <= b[0] for a, b in itertools.pairwise(counts))


def test_run_without_spark_gives_the_same_rows(session: SparkSession, tmp_path: Path, source: Store) -> None:
    items = []
    for name, engine in (("spark", session), ("here", None)):
        catalog = open_store(tmp_path / name)
        items.append(items_of(catalog, spark.index_run(engine, catalog, plan(source, catalog))))
    assert items[0].equals(items[1])


def test_finished_shards_are_not_repeated_and_no_session_is_started(tmp_path: Path, source: Store) -> None:
    catalog = open_store(tmp_path / "catalog")
    summary = plan(source, catalog)
    reports = spark.index_run(None, catalog, summary)
    before = {o.key: o.etag for o in catalog.list()}

    def never() -> SparkSession:
        raise AssertionError("a session was started although nothing is left to do")

    counts: list[tuple[int, ...]] = []
    assert spark.index_run(never, catalog, summary, None, lambda *c: counts.append(c)) == reports
    assert counts == [(31, 1, 0)]
    assert {o.key: o.etag for o in catalog.list()} == before


def test_failed_shard_is_named_and_finished_ones_are_kept(
    session: SparkSession, tmp_path: Path, source: Store
) -> None:
    catalog = open_store(tmp_path / "catalog")
    broken = fakes.recipe(detector="python:tests.fakes:fragile_detector")
    summary = plan(source, catalog, recipe=broken)
    poisoned = catalog.uri + "/poison"
    Path(poisoned).mkdir(parents=True)
    with pytest.raises(
        ShardsMissing, match=r"of 4 shards could not be indexed. shard shard-000\d: .*poisoned.*again"
    ):
        spark.index_run(session, catalog, summary, IndexOptions(device=f"poison:{poisoned}"))
    done = runs.done_shards(catalog, "night")
    Path(poisoned).rmdir()
    reports = spark.index_run(session, catalog, summary, IndexOptions(device=f"poison:{poisoned}"))
    assert len(reports) == 4
    assert done < {report.shard_id for report in reports}


def test_run_that_loses_too_many_photos_is_cancelled(
    session: SparkSession, tmp_path: Path, source: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver adds up the photos lost by each shard, and cancels the job."""
    monkeypatch.setattr("lookdex.pipeline.spark.watch.POLL_SECONDS", 0.1)
    monkeypatch.setattr("lookdex.index.loss_limit.MIN_JUDGED", 4)
    catalog = open_store(tmp_path / "catalog")
    for number in range(6):
        source.put(f"p{number:05d}/a.png", b"\x89PNG and no more")
    slow = fakes.recipe(detector="python:tests.fakes:slow_detector")
    summary = plan(source, catalog, shard_images=2, recipe=slow)
    options = IndexOptions(device="slow", max_lost=3)
    with pytest.raises(
        MassChange, match=r"was stopped: [456] of \d+ photos seen so far \(31 are planned\)"
    ) as stopped:
        spark.index_run(session, catalog, summary, options)
    assert "Java" not in str(stopped.value)
    done = runs.done_shards(catalog, "night")
    assert len(done) < 16
    reports = spark.index_run(session, catalog, summary, IndexOptions())
    assert len(reports) == 16
    assert done <= {report.shard_id for report in reports}


NIGHT = """
import sys
from lookdex.catalog import runs
from lookdex.pipeline import spark
from lookdex.index.task import IndexOptions
from lookdex.storage import open_store
catalog = open_store(sys.argv[1])
summary = runs.load_plan(catalog, "night")
with spark.session(app="killed") as session:
    print(len(spark.index_run(session, catalog, summary, IndexOptions(device="slow"))))
"""


def test_killed_run_is_resumed(tmp_path: Path, source: Store) -> None:
    """The driver is killed when some shards are done. Its JVM and workers end, and the next run does the rest."""
    catalog = open_store(tmp_path / "catalog")
    summary = plan(
        source,
        catalog,
        shard_images=2,
        recipe=fakes.recipe(detector="python:tests.fakes:slow_detector"),
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
    processes = psutil.Process(driver.pid).children(recursive=True)
    assert any("java" in process.name() for process in processes)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    assert psutil.wait_procs(processes, timeout=60)[1] == []
    done = runs.load_reports(catalog, "night", [f"shard-{n:04d}" for n in range(16)])
    assert 2 <= len(done) < 16
    reports = spark.index_run(None, catalog, summary)
    assert len(reports) == 16
    assert all(report in reports for report in done.values())
    ledger = images_of(catalog, reports)
    assert ledger.num_rows == len(set(ledger["image_key"].to_pylist())) == 31


# A user id without a passwd entry and a home, as in containers that run under an arbitrary id.
NAMELESS_USER = (
    "unshare",
    "--user",
    "--map-user=45678",
    "--map-group=45678",
    "env",
    "-u",
    "HOME",
    "-u",
    "USER",
    "-u",
    "LOGNAME",
)


def test_local_session_leaves_no_files_behind_for_any_user(tmp_path: Path) -> None:
    allowed = (
        shutil.which(NAMELESS_USER[0])
        and not subprocess.run([*NAMELESS_USER, "true"], capture_output=True).returncode
    )
    prefix = NAMELESS_USER if allowed else ()
    code = (
        "from lookdex.pipeline import spark\n"
        "with spark.session() as session:\n"
        "    print(spark.map_json(session, ['a', 'b'], str.upper))\n"
    )
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = subprocess.run(
        [*prefix, sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=180,
        env={**os.environ, "TMPDIR": str(temporary)},
    )  # fmt: skip
    assert done.stdout == "['A', 'B']\n", done.stderr
    assert done.stderr == ""
    assert list(tmp_path.rglob("*")) == [temporary]


def test_folder_of_a_killed_session_is_removed_and_that_of_a_running_one_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "import sys; from lookdex.pipeline.spark.jvm import _Folder; folder = _Folder(); "
        "print(folder.path, flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    with other:
        assert other.stdout
        path = Path(other.stdout.readline().strip())
        jvm._Folder().remove()
        assert path.is_dir()
        other.kill()
    jvm._Folder().remove()
    assert list(tmp_path.iterdir()) == []


NO_JAVA = "install a full Java 17 or 21"
JVM_ERRORS = {
    "/nowhere/bin/java: No such file or directory": f"no Java was found: {NO_JAVA}",
    "JAVA_HOME is not set": "no Java was found",
    "Error: LinkageError occurred\n\tjava.lang.UnsupportedClassVersionError: class file version 61.0": (
        f"too old: {NO_JAVA}"
    ),
    "java.lang.module.FindException: Module jdk.incubator.vector not found": f"lacks modules: {NO_JAVA}",
    "Error: Could not reserve enough space for 2097152KB object heap": "not enough memory",
    "java.io.IOException: No space left on device": "set TMPDIR",
    "IllegalArgumentException: basedir must be absolute: ?/.ivy2\n\tat org.apache.ivy.Checks(Checks.java:4)": (
        "the user id has no name"
    ),
    "Unrecognized VM option 'UseZGCC'\nError: no Java Virtual Machine.": "Its output: Unrecognized VM option",
    "": "It printed nothing",
}


@pytest.mark.parametrize(("output", "cause"), JVM_ERRORS.items())
def test_message_for_a_jvm_that_does_not_start(output: str, cause: str) -> None:
    message = jvm.explain_failed_start(output.splitlines())
    assert cause in message
    assert (NO_JAVA in message) == ("Java" in cause or "lacks" in cause)
    assert "\tat " not in message


def test_missing_java_error_names_the_remedy(tmp_path: Path) -> None:
    code = (
        "from lookdex import errors; from lookdex.pipeline import spark\n"
        "try: spark.session()\n"
        "except errors.ConfigError as error: print(error)\n"
    )
    environment = {**os.environ, "JAVA_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "install a full Java 17 or 21" in done.stdout
    assert str(tmp_path) in done.stdout
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
