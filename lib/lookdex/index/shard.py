"""Index one shard of photos into two Parquet files and a report. Independent of Spark; safe to run twice.

Photos are streamed, so memory does not grow with the shard: a pool fetches and decodes ahead (`fetch.py`), the models
process batches (`analyse.py`), and rows are written in row groups. The report marks the shard as done; it is written
last and only if absent. Another round of a shard retries what failed and keeps the other rows.
"""

from __future__ import annotations

import hashlib
import os
import resource
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lookdex.catalog import runs
from lookdex.errors import LookdexError
from lookdex.index.analyse import Analysis
from lookdex.index.fetch import Bad, Cost
from lookdex.index.shard_writer import Outcome, ShardWriter
from lookdex.index.supply import Supply
from lookdex.records import Example, ImageRef, Reason, Recipe, Shard, ShardReport, Status, StoredFile
from lookdex.runtime.stopwatch import Stopwatch
from lookdex.storage import Store


@dataclass(frozen=True, slots=True)
class ShardOptions:
    """How to index a shard.

    round: 0, or the number of the retry. max_lost: photos of the whole night that may be lost before a shard stops
    early; None: any number.
    """

    catalog: Store
    recipe: Recipe
    run_id: str
    round: int = 0
    max_lost: int | None = None


def finish_shard(shard: Shard, options: ShardOptions, analysis: Analysis) -> ShardReport:
    """Index the shard's photos and store its rows. Returns the valid report: this one, or an earlier one.

    Every photo gets one row in the images file; bad files and storage errors are rows with a reason. A retry fetches
    only what failed; if nothing changes, the earlier report stays valid.

    Raises StorageError when the catalogue cannot be written, and errors of the analysis.
    """
    before = runs.load_report(options.catalog, options.run_id, shard.shard_id)
    if before is not None and (before.round >= options.round or not before.to_retry):
        return before
    with tempfile.TemporaryDirectory(prefix="lookdex-", dir=scratch_folder()) as folder:
        report = _round(shard, options, analysis, before, Path(folder))
    if report is None:
        assert before is not None
        return before
    stored = runs.save_report(options.catalog, options.run_id, report)
    kept = {stored.objects.key, stored.images.key}
    for file in (report.objects, report.images):
        if file.key not in kept:  # another attempt was faster: remove the files that no report uses
            options.catalog.delete(file.key)
    return stored


def scratch_folder() -> str | None:
    """Spark's folder for local files, which is removed with the executor; None: the system's default."""
    folders = os.environ.get("SPARK_LOCAL_DIRS", "").split(",")
    return next((folder for folder in folders if os.access(folder, os.W_OK)), None)


@dataclass
class _Tally:
    """Counts of a shard's outcomes."""

    statuses: Counter[str] = field(default_factory=lambda: Counter({status.value: 0 for status in Status}))
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)
    bytes: int = 0

    def add(self, outcome: Outcome) -> None:
        self.statuses[outcome.status.value] += 1
        self.bytes += outcome.cost.bytes
        if isinstance(outcome, Bad):
            self.reasons[outcome.reason.value] += 1
            self.show(Example(outcome.ref.key, outcome.reason, outcome.error))

    def show(self, example: Example) -> None:
        """Keep one example of each reason, and every photo that breaks a model."""
        known = any(shown.reason is example.reason for shown in self.examples)
        if not known or example.reason is Reason.BREAKS_MODEL:
            self.examples.append(example)


class _Earlier:
    """The previous round: the rows that are kept, and the photos to retry."""

    def __init__(self, catalog: Store, report: ShardReport) -> None:
        self.report = report
        self.items = pq.ParquetFile(pa.BufferReader(runs.read_stored(catalog, report.objects)))
        images = pq.read_table(pa.BufferReader(runs.read_stored(catalog, report.images)))
        breaks = pc.fill_null(pc.equal(images["reason"], Reason.BREAKS_MODEL.value), False)
        again = pc.and_not(pc.equal(images["status"], Status.FAILED.value), breaks)
        self.rows = images.filter(pc.invert(again))
        tried = images.filter(again)
        self.reasons: Mapping[str, Reason] = {
            key: Reason(reason)
            for key, reason in zip(tried["image_key"].to_pylist(), tried["reason"].to_pylist(), strict=True)
        }

    def count(self, tally: _Tally) -> None:
        tally.statuses.update(self.rows["status"].to_pylist())
        tally.reasons.update(reason for reason in self.rows["reason"].to_pylist() if reason)
        for example in self.report.examples:
            if example.key not in self.reasons:
                tally.show(example)


def _round(
    shard: Shard, options: ShardOptions, analysis: Analysis, before: ShardReport | None, folder: Path
) -> ShardReport | None:
    """Run one round and store its files. Returns its report, or None when a retry changed nothing."""
    watch, tally = Stopwatch(), _Tally()
    earlier = _Earlier(options.catalog, before) if before is not None else None
    refs = shard.refs if earlier is None else tuple(r for r in shard.refs if r.key in earlier.reasons)
    supply = Supply(refs, options.max_lost)
    changed = earlier is None
    writer = ShardWriter(folder, analysis.dim, options.recipe, options.run_id, datetime.now(UTC))
    with closing(writer), closing(analysis.outcomes(supply, watch)) as outcomes:
        if earlier is not None:
            writer.copy(earlier.items, earlier.rows)
            earlier.count(tally)
        for outcome in outcomes:
            tally.add(outcome)
            writer.add(outcome)
            changed = changed or not (
                isinstance(outcome, Bad)
                and earlier is not None
                and earlier.reasons.get(outcome.ref.key) is outcome.reason
            )
        for ref in supply.rest:
            untried = _skip(ref, earlier)
            tally.add(untried)
            writer.add(untried)
    if sum(tally.statuses.values()) != len(shard.refs):
        raise LookdexError(
            f"shard {shard.shard_id}: {len(shard.refs)} photos gave {sum(tally.statuses.values())} outcomes; this is a "
            "bug of lookdex, please report it"
        )
    if not changed:
        return None
    objects_file = _store(options, shard, "objects", writer.items_path, writer.items)
    images_file = _store(options, shard, "images", writer.images_path, len(shard.refs))
    watch.lap("write")
    seconds = watch.stop()
    return ShardReport(
        shard_id=shard.shard_id,
        objects=objects_file,
        images=images_file,
        counts=dict(tally.statuses),
        reasons=dict(sorted(tally.reasons.items())),
        items=writer.items,
        bytes_fetched=tally.bytes + (before.bytes_fetched if before else 0),
        gets=analysis.gets + (before.gets if before else 0),
        seconds=dict(Counter(seconds) + Counter(before.seconds)) if before else seconds,
        peak_rss_bytes=max(peak_rss_bytes(), before.peak_rss_bytes if before else 0),
        worker=f"{socket.gethostname()}:{os.getpid()}",
        round=before.round + 1 if before else 0,
        examples=tuple(tally.examples),
    )


def _skip(ref: ImageRef, earlier: _Earlier | None) -> Bad:
    """The outcome of a photo that was not tried; it keeps the reason of an earlier round."""
    reason = Reason.NOT_TRIED if earlier is None else earlier.reasons[ref.key]
    return Bad(ref, Status.FAILED, reason, Cost(), error="the night was stopped before its turn came")


def _store(options: ShardOptions, shard: Shard, kind: str, path: Path, rows: int) -> StoredFile:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    key = f"{runs.run_folder(options.run_id)}/{kind}/{shard.shard_id}-{sha256[:16]}.parquet"
    options.catalog.put_file(key, path)
    return StoredFile(key, sha256, rows, path.stat().st_size)


def peak_rss_bytes() -> int:
    """Peak resident memory of this process, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
