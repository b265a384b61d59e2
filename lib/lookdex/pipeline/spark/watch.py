"""The driver's view of a running job, read from reports and failures in the catalogue: Spark reports no progress."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lookdex import errors
from lookdex.catalog import runs
from lookdex.errors import ConfigError, LookdexError, MassChange, ShardsMissing
from lookdex.index import loss_limit
from lookdex.index.task import IndexOptions
from lookdex.records import NO_LOSS, PlanSummary, Reason, ShardFailure, ShardReport, Status
from lookdex.storage import Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
# (photos, rejected, failed) so far.
OnProgress = Callable[[int, int, int], object]


@dataclass(frozen=True, slots=True)
class IndexRun:
    """What one call of `index_run` indexes, and how."""

    catalog: Store
    plan: PlanSummary
    options: IndexOptions
    on_progress: OnProgress | None


class Watch:
    """Polls for reports, shows progress, and stops the job when too many photos are lost.

    job: the id under which its tasks report failures. awaited: the shards of the job; failures of their earlier rounds
    do not count until the shard is done. reports: the reports that exist when the job begins.
    """

    def __init__(
        self, run: IndexRun, job: str, awaited: Sequence[str], reports: Mapping[str, ShardReport]
    ) -> None:
        self._run, self._job = run, job
        self._reports = dict(reports)
        self._rounds = {shard: reports[shard].round if shard in reports else -1 for shard in awaited}
        self._stop = threading.Event()
        self._error: LookdexError | None = None

    @contextlib.contextmanager
    def running(self, engine: SparkSession | None) -> Iterator[None]:
        """Poll in a thread until the block ends."""

        def poll_until_stopped() -> None:
            while not self._stop.wait(POLL_SECONDS):
                self.poll()
                if self._error is not None and engine is not None:
                    # Repeated at the next poll, in case the job has only just begun.
                    with contextlib.suppress(Exception):
                        engine.interruptAll()

        thread = threading.Thread(target=poll_until_stopped, name="lookdex-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def poll(self) -> None:
        """Read new reports and failures once."""
        left = [shard for shard in self._rounds if not self._is_done(shard)]
        try:
            new = runs.load_reports(self._run.catalog, self._run.plan.run_id, left, known=self._reports)
            failure = runs.load_failure(self._run.catalog, self._run.plan.run_id, self._job)
        except LookdexError as error:
            # Only the progress stalls: the stage itself reports errors of the store.
            log.debug("progress: %s", error)
            return
        if any(self._reports.get(shard) is not report for shard, report in new.items()):
            self._reports |= new
            self._show_progress()
            self._judge([shard for shard in left if not self._is_done(shard)])
        if failure is not None and self._error is None:
            self._error = self.error_of(failure)

    def done(self, reports: Mapping[str, ShardReport]) -> None:
        """Record the final reports of the job. Raises MassChange."""
        self._reports |= reports
        self._show_progress()
        self._judge(())
        self.check()

    def check(self) -> None:
        """Raise the error that stopped the job, if there is one."""
        if self._error is not None:
            raise self._error

    def error_of(self, failure: ShardFailure) -> LookdexError:
        """The error of the stage for a shard's permanent failure."""
        cause = f"shard {failure.shard_id}: {failure.message}"
        kind = getattr(errors, failure.kind, LookdexError)
        if issubclass(kind, ConfigError):
            error: LookdexError = kind(f"run {self._run.plan.run_id}: {cause}")
            return error
        left = sum(not self._is_done(shard) for shard in self._rounds)
        return shards_missing(self._run.plan, left, cause)

    def _is_done(self, shard: str) -> bool:
        return shard in self._reports and self._reports[shard].round > self._rounds[shard]

    def _show_progress(self) -> None:
        if self._run.on_progress:
            self._run.on_progress(*totals(self._reports.values()))

    def _judge(self, pending: Collection[str]) -> None:
        """Set the error if too many photos are lost. Pending shards do not count: their failures are being retried."""
        most = self._run.options.max_lost
        if most is None or self._error is not None:
            return
        judged = [report for shard, report in self._reports.items() if shard not in pending]
        reasons: Counter[str] = Counter()
        for report in judged:
            reasons.update(report.reasons)
        untried = reasons.pop(Reason.NOT_TRIED, 0)
        seen = totals(judged)[0] - untried
        lost = sum(n for reason, n in reasons.items() if reason not in NO_LOSS)
        if untried or (seen >= loss_limit.MIN_JUDGED and lost > most):
            examples = [example for report in judged for example in report.examples]
            planned = self._run.plan.planned
            summary = loss_limit.describe_losses(lost, seen, planned, reasons, examples)
            self._error = MassChange(
                f"run {self._run.plan.run_id} was stopped: {summary}. A night of {planned:,} photos may lose "
                f"{most:,}, and stops early when the source no longer answers. Check the source, then run the "
                "same stage again with the same run id: it fetches only what is missing. If this is intended, pass "
                "--allow-mass-change"
            )


def totals(reports: Iterable[ShardReport]) -> tuple[int, int, int]:
    """(photos, rejected, failed) over the reports."""
    counts: Counter[str] = Counter()
    for report in reports:
        counts.update(report.counts)
    return sum(counts.values()), counts[Status.REJECTED], counts[Status.FAILED]


def shards_missing(plan: PlanSummary, left: int, cause: str) -> ShardsMissing:
    return ShardsMissing(
        f"run {plan.run_id}: {left} of {plan.shards} shards could not be indexed. {cause}. "
        "Finished shards are kept: when the cause is gone, run the same stage again"
    )
