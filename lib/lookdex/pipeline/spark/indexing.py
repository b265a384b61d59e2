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
from lookdex.index.job import IndexOptions, IndexTask, store_at
from lookdex.index.run import run_task
from lookdex.pipeline.spark.tasks import map_json
from lookdex.pipeline.spark.watch import OnProgress, Watch, shards_missing, totals
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
        MassChange: more photos were rejected or failed than `options.most_lost`.
        ConfigError: a worker lacks a model or a device.
    """
    shard_ids = runs.shard_ids(runs.load_plan_table(catalog, plan))
    run = _Run(spark, catalog, plan, shard_ids, options or IndexOptions(), on_progress)
    missing = [shard_id for shard_id in shard_ids if shard_id not in run.reports]
    run.index([*run.with_failures(shard_ids), *missing])
    run.index(run.with_failures(missing))
    return [run.reports[shard_id] for shard_id in shard_ids]


class _Run:
    """State of one call of `index_run`: the reports so far, and the Spark session once it is needed."""

    def __init__(
        self,
        spark: SparkSession | Callable[[], SparkSession] | None,
        catalog: Store,
        plan: PlanSummary,
        shard_ids: Sequence[str],
        options: IndexOptions,
        on_progress: OnProgress | None,
    ) -> None:
        self._engine, self._catalog, self._plan, self._options = spark, catalog, plan, options
        self._shard_ids, self._on_progress = shard_ids, on_progress
        self.reports = runs.load_reports(catalog, plan.run_id, shard_ids)
        if on_progress:
            on_progress(*totals(self.reports.values()))

    def with_failures(self, shard_ids: Sequence[str]) -> list[str]:
        """Those of the shards that have photos to retry."""
        return [s for s in shard_ids if s in self.reports and self.reports[s].to_retry]

    def index(self, shard_ids: Sequence[str]) -> None:
        """Run one more round of these shards."""
        begun = runs.attempts(self._catalog, self._plan.run_id) if shard_ids else set()
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
                begun = runs.attempts(self._catalog, self._plan.run_id)
                suspects = {s for s in left if (s, self._round(s)) in begun}
                if failed in careful or not suspects - careful:
                    raise shards_missing(self._plan, len(left), error.cause) from None
                log.warning("%s; retrying, photo by photo where a worker died", error)

    def _map(self, shard_ids: Sequence[str], careful: set[str]) -> None:
        job = secrets.token_hex(4)
        tasks = [
            IndexTask(self._catalog.uri, self._plan, s, self._options, self._round(s), s in careful, job)
            for s in shard_ids
        ]
        if callable(self._engine):
            self._engine = self._engine()  # before the progress line: the JVM prints to stderr
        engine = self._engine
        watch = Watch(
            self._catalog,
            self._plan,
            job,
            self.reports,
            shard_ids,
            self._options.most_lost,
            self._on_progress,
        )

        def run_locally(text: str) -> str:
            result = index_payload(text)
            watch.poll()
            watch.check()
            return result

        texts = [json_codec.to_json(task).decode() for task in tasks]
        what = f"index {self._plan.run_id}"
        with watch.running(engine):
            try:
                results = map_json(
                    engine, texts, index_payload if engine is not None else run_locally, what=what
                )
            except TaskFailed as error:
                watch.check()
                number = error.number
                if number is not None and number < len(shard_ids):
                    shard = f"shard {shard_ids[number]}"
                    message = error.cause if shard in error.cause else f"{shard}: {error.cause}"
                    raise TaskFailed(message, number, message) from None
                raise
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
        found = runs.load_reports(self._catalog, self._plan.run_id, shard_ids, known=self.reports)
        self.reports |= found
        return {shard_id for shard_id, report in found.items() if report.round >= rounds[shard_id]}


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
        runs.save_failure(store_at(task.catalog), task.plan.run_id, task.job, failure)
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
