"""The index stage on Spark: run the missing shards, retry failures, and stop early when too much is lost."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lookdex import errors
from lookdex.catalog import json_codec, runs
from lookdex.errors import LookdexError, StorageError, TaskFailed
from lookdex.index.run import run_task
from lookdex.index.task import IndexOptions, IndexTask, open_cached_store
from lookdex.pipeline.spark.tasks import map_json
from lookdex.pipeline.spark.watch import IndexRun, OnProgress, Watch, shards_missing, totals
from lookdex.records import PlanSummary, ShardFailure, ShardReport
from lookdex.storage import Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The result of a task: a report, or a failure that an immediate retry would not fix."""

    report: ShardReport | None = None
    failure: ShardFailure | None = None


def index_run(
    spark: SparkSession | Callable[[], SparkSession] | None,
    catalog: Store,
    plan: PlanSummary,
    options: IndexOptions | None = None,
    on_progress: OnProgress | None = None,
) -> list[ShardReport]:
    """Index the shards that have no report yet, and retry failed photos of the others.

    Photos that fail now are retried once at the end. Returns the reports of all shards, in the plan's order.

    spark: a session, a function that creates one (called only when there is work), or None to run in this process.

    Raises:
        ShardsMissing: shards failed for good. Finished shards are kept: run the stage again.
        MassChange: more photos were rejected or failed than `options.max_lost`.
        ConfigError: a worker lacks a model or a device.
    """
    shard_ids = runs.shard_ids(runs.load_plan_table(catalog, plan))
    indexer = _Indexer(spark, IndexRun(catalog, plan, options or IndexOptions(), on_progress), shard_ids)
    missing = [shard_id for shard_id in shard_ids if shard_id not in indexer.reports]
    indexer.index([*indexer.with_failures(shard_ids), *missing])
    indexer.index(indexer.with_failures(missing))
    return [indexer.reports[shard_id] for shard_id in shard_ids]


class _Indexer:
    """Indexes shards in rounds. reports: those so far, by shard."""

    def __init__(
        self,
        spark: SparkSession | Callable[[], SparkSession] | None,
        run: IndexRun,
        shard_ids: Sequence[str],
    ) -> None:
        self._spark, self._run = spark, run
        self.reports = runs.load_reports(run.catalog, run.plan.run_id, shard_ids)
        if run.on_progress:
            run.on_progress(*totals(self.reports.values()))

    def with_failures(self, shard_ids: Sequence[str]) -> list[str]:
        """Those of the shards that have photos to retry."""
        return [s for s in shard_ids if s in self.reports and self.reports[s].to_retry]

    def index(self, shard_ids: Sequence[str]) -> None:
        """Run one more round of these shards."""
        begun = runs.attempts(self._run.catalog, self._run.plan.run_id) if shard_ids else set()
        careful: set[str] = set()
        left = list(shard_ids)
        while left:
            # Begun but never finished: the shard may have killed its worker.
            careful = careful | {s for s in left if (s, self._round(s)) in begun}
            try:
                self._map(left, careful)
                return
            except TaskFailed as error:
                failed = left[error.number] if error.number is not None else None
                done = self._finished_meanwhile(left)
                left = [s for s in left if s not in done]
                begun = runs.attempts(self._run.catalog, self._run.plan.run_id)
                suspects = {s for s in left if (s, self._round(s)) in begun}
                if failed in careful or not suspects - careful:
                    raise shards_missing(self._run.plan, len(left), error.cause) from None
                log.warning("%s; retrying, photo by photo where a worker died", error)

    def _map(self, shard_ids: Sequence[str], careful: set[str]) -> None:
        """Run one task for each shard, and record the reports. Raises TaskFailed with the shard's number."""
        if callable(self._spark):
            self._spark = self._spark()  # before the progress line: the JVM prints to stderr
        spark, run, job = self._spark, self._run, secrets.token_hex(4)
        watch = Watch(run, job, shard_ids, self.reports)

        def run_locally(text: str) -> str:
            result = index_payload(text)
            watch.poll()
            watch.check()
            return result

        tasks = (
            IndexTask(run.catalog.uri, run.plan, s, run.options, self._round(s), s in careful, job)
            for s in shard_ids
        )
        texts = [json_codec.to_json(task).decode() for task in tasks]
        function = run_locally if spark is None else index_payload
        with watch.running(spark):
            try:
                results = map_json(spark, texts, function, what=f"index {run.plan.run_id}")
            except TaskFailed as error:
                watch.check()
                raise _with_shard(error, shard_ids) from None
        for text in results:
            result = json_codec.from_json(TaskResult, text.encode(), "a task's result")
            if result.failure is not None:
                raise watch.error_of(result.failure)
            assert result.report is not None
            self.reports[result.report.shard_id] = result.report
        watch.done(self.reports)

    def _round(self, shard_id: str) -> int:
        report = self.reports.get(shard_id)
        return 0 if report is None else report.round + 1

    def _finished_meanwhile(self, shard_ids: Sequence[str]) -> set[str]:
        """The shards whose round is done by now; records their reports."""
        rounds = {shard_id: self._round(shard_id) for shard_id in shard_ids}
        found = runs.load_reports(self._run.catalog, self._run.plan.run_id, shard_ids, known=self.reports)
        self.reports |= found
        return {shard_id for shard_id, report in found.items() if report.round >= rounds[shard_id]}


def _with_shard(error: TaskFailed, shard_ids: Sequence[str]) -> TaskFailed:
    """The error with the shard of its task in the message."""
    number = error.number
    if number is None or number >= len(shard_ids):
        return error
    shard = f"shard {shard_ids[number]}"
    message = error.cause if shard in error.cause else f"{shard}: {error.cause}"
    return TaskFailed(message, number, message)


def index_payload(text: str) -> str:
    """Run an `IndexTask` on a worker; returns a `TaskResult`. Both as JSON.

    A failure that an immediate retry would not fix is returned, so that the driver learns of it at once. Any other
    raises, and Spark retries the task with `careful` set, because the worker may have died without a trace.
    """
    task = json_codec.from_json(IndexTask, text.encode(), "a task")
    options = replace(task.options, device=task_device(task.options.device))
    try:
        report = run_task(replace(task, options=options, careful=task.careful or _attempt() > 0))
        return json_codec.to_json(TaskResult(report)).decode()
    except Exception as error:
        permanent = isinstance(error, LookdexError) and (
            not isinstance(error, StorageError) or isinstance(error, errors.AccessDenied)
        )
        if not permanent:
            raise TaskFailed(f"shard {task.shard_id}: {type(error).__name__}: {error}") from error
        failure = ShardFailure(task.shard_id, type(error).__name__, str(error))
        runs.save_failure(open_cached_store(task.catalog), task.plan.run_id, task.job, failure)
        return json_codec.to_json(TaskResult(failure=failure)).decode()


def _attempt() -> int:
    """How many times Spark has tried this task before; 0 outside Spark."""
    from pyspark import TaskContext

    context = TaskContext.get()
    return context.attemptNumber() if context else 0


def task_device(device: str) -> str:
    """The device for this task: 'cuda' becomes the GPU that Spark assigned, if any; other devices stay as they are."""
    address = _gpu_address() if device == "cuda" else None
    return device if address is None else f"cuda:{address}"


def _gpu_address() -> str | None:
    """The GPU that Spark assigned to this task (spark.task.resource.gpu.amount), if any."""
    from pyspark import TaskContext

    context = TaskContext.get()
    gpu = context.resources().get("gpu") if context else None
    return gpu.addresses[0] if gpu and gpu.addresses else None
