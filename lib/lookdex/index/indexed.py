"""Totals over the shards of a run, and the check for a mass change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from lookdex.errors import MassChange
from lookdex.index import loss_limit
from lookdex.records import NO_LOSS, Change, Example, PlanSummary, Reason, ShardReport, Status


@dataclass(frozen=True, slots=True)
class Indexed:
    """Totals over the shards of a run. counts: Status → photos. reasons: Reason → photos."""

    images: int
    items: int
    counts: dict[str, int]
    reasons: dict[str, int]
    bytes_fetched: int
    gets: int
    peak_rss_bytes: int
    examples: tuple[Example, ...] = ()  # one of each reason, and every photo that breaks a model


def add_up(reports: Iterable[ShardReport]) -> Indexed:
    """Add up the reports of all shards of a run."""
    counts: Counter[str] = Counter({status.value: 0 for status in Status})
    reasons: Counter[str] = Counter()
    examples: list[Example] = []
    items = fetched = gets = peak = 0
    for report in reports:
        counts.update(report.counts)
        reasons.update(report.reasons)
        items += report.items
        fetched += report.bytes_fetched
        gets += report.gets
        peak = max(peak, report.peak_rss_bytes)
        shown = {example.reason for example in examples} - {Reason.BREAKS_MODEL}
        examples += [example for example in report.examples if example.reason not in shown]
    total = sum(counts.values())
    return Indexed(total, items, dict(counts), dict(reasons), fetched, gets, peak, tuple(examples))


def max_lost(summary: PlanSummary, max_share: float) -> int | None:
    """How many photos may be lost before the night stops; None: any number. Retried photos may fail again on top."""
    most = loss_limit.max_lost(summary.planned, max_share)
    return None if most is None else most + summary.changes.get(Change.RETRY, 0)


def check_rejected(indexed: Indexed, max_share: float, allow: bool, retried: int = 0) -> None:
    """Raise MassChange when more than `max_share` of the photos were rejected or failed.

    Reasons of NO_LOSS do not count, nor do `retried` photos, which had failed or been rejected before.
    """
    bad = indexed.counts.get(Status.REJECTED, 0) + indexed.counts.get(Status.FAILED, 0)
    lost = bad - retried - sum(indexed.reasons.get(reason, 0) for reason in NO_LOSS)
    most = loss_limit.max_lost(indexed.images, max_share)
    if allow or most is None or lost <= most:
        return
    summary = loss_limit.describe_losses(
        bad, indexed.images, indexed.images, indexed.reasons, indexed.examples
    )
    raise MassChange(
        f"{summary}. A night may lose at most {max_share:.0%}, so nothing was built. Check the source, then run "
        "`lookdex index` again with the same run id: it retries what failed. If this is intended, pass "
        "--allow-mass-change"
    )
