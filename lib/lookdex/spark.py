"""Spark as an engine: a session, a function over payloads one task each, and the index stage on top of both.

The only module that imports pyspark. Images and tensors never cross the JVM: a task gets one short text and returns
one. Everything goes through the DataFrame API (`mapInArrow`), so that it also runs over Spark Connect. Any task may
run twice (retries, speculation); what is mapped here must bear that.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lookdex import codec, runs
from lookdex.errors import ConfigError, ShardsMissing, StorageError, TaskFailed
from lookdex.index.job import IndexOptions, IndexTask, run_task
from lookdex.records import PlanSummary, ShardReport, Status
from lookdex.storage import Store

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)

ATTEMPTS = 4  # of a task in local mode; a cluster has its own spark.task.maxFailures
POLL_SECONDS = 2.0
# Photos so far, of them rejected, of them failed.
OnProgress = Callable[[int, int, int], object]

# The JVM's own words: errors only. Spark reads this before it knows of any log level; the gateway's own entry keeps
# it from announcing (and setting) another one, as it does in interactive shells.
_LOG4J = """\
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = spark %p %c{1}: %m%n%ex{short}
logger.gateway.name = org.apache.spark.api.python.PythonGatewayServer
logger.gateway.level = error
"""


def session(master: str | None = None, app: str = "lookdex", **settings: str) -> SparkSession:
    """A Spark session: the one given by spark-submit or Spark Connect, else a local one with quiet, sane defaults.

    master: as Spark's; None takes what spark-submit was given, else local with one task per core and 4 attempts.
    settings: further Spark settings with `_` for `.`; they win over the defaults here.

    Raises:
        ConfigError: no Java that Spark can use.
    """
    from pyspark.errors import PySparkRuntimeError
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName(app)
    if not _submitted():
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        master = master or f"local[{len(os.sched_getaffinity(0))},{ATTEMPTS}]"
        for name, value in _local_settings(master).items():
            builder = builder.config(name, value)
    if master:
        builder = builder.master(master)
    for name, value in settings.items():
        builder = builder.config(name.replace("_", "."), value)
    try:
        with _without_notices(), _interrupted_afterwards():
            made = builder.getOrCreate()
        logging.getLogger().addFilter(_not_py4j)
        return made
    except PySparkRuntimeError as error:
        if error.getCondition() != "JAVA_GATEWAY_EXITED":
            raise
        raise ConfigError(
            f"Spark did not start (JAVA_HOME: {os.environ.get('JAVA_HOME', 'not set')}): install a full Java 17 or 21 "
            "(on Debian and Ubuntu: openjdk-17-jre-headless) and set JAVA_HOME to it. What it said is above"
        ) from error


def runs_here(master: str | None = None) -> bool:
    """Will `session(master)` run its tasks on this machine? False where what submitted this process decides."""
    return not _submitted() and (master or "local").startswith("local")


def _submitted() -> bool:
    """By spark-submit, or over Spark Connect."""
    return "PYSPARK_GATEWAY_PORT" in os.environ or "SPARK_REMOTE" in os.environ


def _not_py4j(record: logging.LogRecord) -> bool:
    """py4j writes every call that was cut off into the root log, by the page, and raises it as well."""
    return "py4j" not in record.pathname


@contextlib.contextmanager
def _without_notices() -> Iterator[None]:
    """pyspark 4.3 warns of pandas 3 whenever it is imported; only Arrow is used here. Lance warns of any fork; the one
    here is followed by exec of the JVM."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")
        warnings.filterwarnings("ignore", message="lance is not fork-safe")
        yield


@contextlib.contextmanager
def _interrupted_afterwards() -> Iterator[None]:
    """Ctrl-C waits while Spark starts: a JVM that starts for nobody stays for good (pyspark 4.3)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        # Not pyspark's, which calls the JVM from within a call to the JVM: that ends in pages of traceback.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


def _local_settings(master: str) -> dict[str, str]:
    """For a driver that this process starts itself."""
    words = Path(tempfile.gettempdir()) / f"lookdex-log4j2-{os.getuid()}.properties"
    words.write_text(_LOG4J)
    given = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.catalogImplementation": "in-memory",  # no Derby and no metastore_db in the working directory
        "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir()) / "lookdex-warehouse"),
        # The JVM only hands out tasks: the quick compiler and one collector thread leave the cores to the models.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC "
        f"-Dlog4j2.configurationFile={words.as_uri()}",
        # Two workers with one thread each beat two with two; glibc's arenas grow with the threads that fetch.
        "spark.executorEnv.OMP_NUM_THREADS": "1",
        "spark.executorEnv.MALLOC_ARENA_MAX": "2",
    }
    if master.startswith("local"):
        # Both, or Spark looks up the machine's name, which may not resolve, and warns.
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        given |= {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            # What this process can import, its workers can, however it came to be importable here.
            "spark.executorEnv.PYTHONPATH": os.pathsep.join(p for p in sys.path if p and Path(p).exists()),
        }
    return given


def map_json(
    spark: SparkSession | None, payloads: Sequence[str], function: Callable[[str], str], what: str = "tasks"
) -> list[str]:
    """`function` over the payloads, one Spark task each, results in order; without a session, here and one by one.

    function: importable by the workers (a module's own function), safe to run twice.

    Raises:
        TaskFailed: a task failed as often as Spark lets it; the others may have been done.
    """
    if not payloads:
        return []
    if spark is None:
        return [function(payload) for payload in payloads]
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException

    texts = list(payloads)

    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow

        for batch in batches:
            for number in batch.column("id").to_pylist():
                result = function(texts[number])
                yield pyarrow.RecordBatch.from_pydict({"id": [number], "result": [result]})

    # A range of n in n partitions has one row in each, which no shuffle may undo.
    numbers = spark.range(0, len(texts), 1, len(texts))
    try:
        with _without_notices():
            mapped = numbers.mapInArrow(apply, "id long, result string")
        rows = mapped.collect()
    except PySparkException as error:
        raise TaskFailed(f"{what}: a Spark task failed for good: {_cause(error)}") from error
    except KeyboardInterrupt:
        with contextlib.suppress(Exception):
            spark.interruptAll()
        raise
    except Py4JError as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # and pyspark's own clearing up failed after it
            raise error.__context__ from None
        raise
    found = {row["id"]: row["result"] for row in rows}
    return [found[number] for number in range(len(texts))]


def _cause(error: Exception) -> str:
    """The line of a worker's traceback that names its exception, else the first line of Spark's words."""
    lines = str(error).splitlines() or [type(error).__name__]
    inside = [
        i for i, line in enumerate(lines) if line.lstrip().startswith("Traceback (most recent call last)")
    ]
    if inside:
        for line in lines[inside[-1] + 1 :]:
            if line.strip() and not line.startswith((" ", "\t")):
                return line.strip()
    return lines[0]


def index_run(
    spark: SparkSession | Callable[[], SparkSession] | None,
    catalog: Store,
    plan: PlanSummary,
    options: IndexOptions | None = None,
    on_progress: OnProgress | None = None,
) -> list[ShardReport]:
    """Index the plan's shards that have no report yet; returns the reports of all shards, in the plan's order.

    spark: a session, or what makes one (called only when there is something to do), or None for this process.

    Raises:
        ShardsMissing: shards failed for good. Those that are done stay done: run the stage again.
    """
    shard_ids = runs.shard_ids(runs.load_plan_table(catalog, plan))
    done = runs.load_reports(catalog, plan.run_id, shard_ids)
    missing = [shard_id for shard_id in shard_ids if shard_id not in done]
    engine = (
        spark() if missing and callable(spark) else spark
    )  # before progress is told: the JVM has words of its own
    with _Watch(catalog, plan, shard_ids, done, on_progress):
        if missing:
            options = options or IndexOptions()
            texts = [
                codec.to_json(IndexTask(catalog.uri, plan, shard_id, options)).decode()
                for shard_id in missing
            ]
            try:
                results = map_json(engine, texts, index_payload, what=f"index {plan.run_id}")
            except TaskFailed as error:
                left = len(missing) - len(runs.done_shards(catalog, plan.run_id).intersection(missing))
                raise ShardsMissing(
                    f"run {plan.run_id}: {left} of {len(shard_ids)} shards could not be indexed. {error}. "
                    "Finished shards are kept: when the cause is gone, run the same stage again"
                ) from error
            for text in results:
                report = codec.from_json(ShardReport, text.encode(), "a task's report")
                done[report.shard_id] = report
    return [done[shard_id] for shard_id in shard_ids]


def index_payload(text: str) -> str:
    """What a worker runs: an `IndexTask` as JSON → its `ShardReport` as JSON."""
    task = codec.from_json(IndexTask, text.encode(), "a task")
    options = replace(task.options, device=task_device(task.options.device))
    return codec.to_json(run_task(replace(task, options=options))).decode()


def task_device(device: str) -> str:
    """In a Spark task: 'cuda' as the GPU that Spark gave to this task, where it gave one; others as they are."""
    address = _gpu_address() if device == "cuda" else None
    return device if address is None else f"cuda:{address}"


def _gpu_address() -> str | None:
    """The GPU that Spark gave to this task (spark.task.resource.gpu.amount), if it gave one."""
    from pyspark import TaskContext

    context = TaskContext.get()
    gpu = context.resources().get("gpu") if context else None
    return gpu.addresses[0] if gpu and gpu.addresses else None


class _Watch:
    """Counts the reports as they come in, in a thread of the driver: Spark itself tells nothing of a running stage."""

    def __init__(
        self,
        catalog: Store,
        plan: PlanSummary,
        shard_ids: Sequence[str],
        done: dict[str, ShardReport],
        on_progress: OnProgress | None,
    ):
        self._catalog, self._plan, self._shard_ids = catalog, plan, shard_ids
        self._reports = dict(done)
        self._call = on_progress
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="lookdex-progress", daemon=True)

    def __enter__(self) -> None:
        if self._call:
            self._tell()
            self._thread.start()

    def __exit__(self, *error: object) -> None:
        if self._call:
            self._stop.set()
            self._thread.join()
            self._look()

    def _poll(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            self._look()

    def _look(self) -> None:
        left = [shard_id for shard_id in self._shard_ids if shard_id not in self._reports]
        if not left:
            return
        try:
            new = runs.load_reports(self._catalog, self._plan.run_id, left)
        except StorageError as error:  # only the line stands still
            log.debug("progress: %s", error)
            return
        if new:
            self._reports |= new
            self._tell()

    def _tell(self) -> None:
        reports = self._reports.values()
        counts = [
            sum(sum(r.counts.values()) for r in reports),
            sum(r.counts.get(Status.REJECTED, 0) for r in reports),
            sum(r.counts.get(Status.FAILED, 0) for r in reports),
        ]
        assert self._call is not None
        self._call(*counts)
