"""The files of a run under `runs/<run>/`: the plan, the shards' reports, and data files with digests.

Each file is written once. Functions that put if absent return what is stored, so that a repeated task or a scheduler's
retry continues with what the first attempt wrote.
"""

from __future__ import annotations

import hashlib
import io
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lookdex.catalog import promotion_log
from lookdex.catalog.json_codec import from_json, to_sealed_json
from lookdex.catalog.schemas import PLAN_SCHEMA
from lookdex.errors import CorruptData, NotFound, PlanNotFound, StorageError
from lookdex.records import ImageRef, PlanSummary, Shard, ShardFailure, ShardReport, StoredFile, hash_json
from lookdex.storage import Store

ROW_GROUP = 8192  # rows; plans are sorted by shard, so a shard is in one or two groups
_READERS = 16
_PLAN = re.compile(r".*/plan-(\d+)\.json")


def new_run_id() -> str:
    """A run id for a night started by hand, such as '20261122T021500Z-9f3c'."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def run_slug(text: str) -> str:
    """Make a run id safe for paths, S3 keys and Lance tags; safe ids stay as they are.

    Airflow's 'scheduled__2026-11-22T00:00:00+00:00' becomes 'scheduled__2026-11-22T00-00-00-00-00-' and six hex digits
    of its digest, so that ids that differ only in replaced characters stay different.
    """
    if re.fullmatch(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,105}[A-Za-z0-9_])?", text):
        return text
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", text)[:100].strip("-") or "run"
    return f"{slug}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def run_folder(run_id: str) -> str:
    return f"runs/{run_slug(run_id)}"


def save_plan(
    store: Store, table: pa.Table, summary: PlanSummary, products: pa.Table | None = None
) -> PlanSummary:
    """Store a plan (table: PLAN_SCHEMA) with the product columns, and return the stored summary.

    Sets `plan`, `shards`, `format` and `products` of the summary. The Parquet files have their digests in their names,
    and the JSON is put if absent: of two planners of one run the first wins, and the second gets the first's summary.
    Only an outdated plan is replaced.
    """
    run_id = run_slug(summary.run_id)
    folder = run_folder(run_id)
    table = table.select(PLAN_SCHEMA.names).cast(PLAN_SCHEMA)
    summary = replace(
        summary,
        run_id=run_id,
        shards=len(shard_ids(table)),
        plan=_save_table(store, f"{folder}/plan-{summary.live}", table),
        products=None if products is None else _save_table(store, f"{folder}/products", products),
        format=PlanSummary.FORMAT,
    )
    key = _plan_key(run_id, summary.live)
    if store.put_if_absent(key, to_sealed_json(summary)):
        return summary
    stored = from_json(PlanSummary, store.get(key), f"{store.uri}/{key}")
    if not stored.outdated:
        return stored
    store.put(key, to_sealed_json(summary))
    return summary


def _save_table(store: Store, stem: str, table: pa.Table) -> StoredFile:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=ROW_GROUP, compression="zstd")
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    stored = StoredFile(f"{stem}-{digest[:12]}.parquet", digest, table.num_rows, len(data))
    store.put(stored.key, data)
    return stored


def find_plan(store: Store, run_id: str) -> PlanSummary | None:
    """The run's plan for the current live release, or None."""
    entry = promotion_log.current(store)
    key = _plan_key(run_id, entry.since if entry else 0)
    try:
        data = store.get(key)
    except NotFound:
        return None
    return from_json(PlanSummary, data, f"{store.uri}/{key}")


def load_plan(store: Store, run_id: str) -> PlanSummary:
    """The run's plan for the current live release. Raises PlanNotFound, which says whether another plan exists."""
    summary = find_plan(store, run_id)
    if summary and summary.outdated:
        raise PlanNotFound(
            f"{store.uri}: run {run_id} was planned by an earlier lookdex, which did not store all inputs of a "
            f"release. Plan it again: `lookdex plan --run-id {run_id}` with the settings of the night; finished shards "
            "are kept."
        )
    if summary:
        return summary
    folder = run_folder(run_id)
    if stale := plan_numbers(store, run_id):
        raise PlanNotFound(
            f"{store.uri}: another release went live since run {run_id} was planned "
            f"({', '.join(_plan_key(run_id, number) for number in stale)}). "
            "Plan it again: `lookdex plan` with the same run id; finished shards are kept."
        )
    raise PlanNotFound(f"{store.uri}: run {run_id} has no plan in {folder}/; start with `lookdex plan`")


def plan_numbers(store: Store, run_id: str) -> list[int]:
    """The entries of the promotion log that the run was planned on, ascending. 0: nothing was live."""
    found = (_PLAN.fullmatch(listed.key) for listed in store.list(f"{run_folder(run_id)}/plan-"))
    return sorted(int(match[1]) for match in found if match)


def load_plan_table(store: Store, summary: PlanSummary) -> pa.Table:
    """Read a plan's table: PLAN_SCHEMA, sorted by shard and key, deleted photos last. Raises CorruptData."""
    return pq.read_table(pa.BufferReader(read_stored(store, summary.plan)))


def shard_ids(table: pa.Table) -> list[str]:
    """The shards of a plan, sorted."""
    return sorted(pc.unique(table["shard_id"]).drop_null().to_pylist())


def read_shard(plan: bytes, summary: PlanSummary, shard_id: str) -> Shard:
    """One shard of a plan. plan: the plan's Parquet file, of which only the shard's row groups are decoded."""
    rows = pq.read_table(pa.BufferReader(plan), filters=[("shard_id", "=", shard_id)])
    if rows.num_rows == 0:
        raise PlanNotFound(f"run {summary.run_id} has no shard {shard_id} in {summary.plan.key}")
    refs = tuple(
        ImageRef(
            key=row["image_key"],
            etag=row["etag"],
            bytes=row["bytes"],
            product_ids=tuple(row["product_ids"] or ()),
            category=row["category"],
        )
        for row in rows.to_pylist()
    )
    return Shard(shard_id, refs)


def report_key(run_id: str, shard_id: str, round: int = 0) -> str:
    return f"{run_folder(run_id)}/reports/{shard_id}{f'.{round}' if round else ''}.json"


def save_report(store: Store, run_id: str, report: ShardReport) -> ShardReport:
    """Mark a shard's round as done. Returns the report that won: this one, or a faster duplicate's."""
    key = report_key(run_id, report.shard_id, report.round)
    if store.put_if_absent(key, to_sealed_json(report)):
        return report
    return from_json(ShardReport, store.get(key), f"{store.uri}/{key}")


def report_rounds(store: Store, run_id: str, shard_id: str = "") -> dict[str, int]:
    """The latest round of each shard with a report (or of `shard_id` only). Lists, but reads nothing."""
    folder = f"{run_folder(run_id)}/reports/"
    rounds: dict[str, int] = {}
    for page in store.pages(folder + shard_id):
        for listed in page:
            name, json, rest = listed.key.removeprefix(folder).partition(".json")
            shard, _, number = name.partition(".")
            if json and not rest and (not number or number.isdecimal()):
                rounds[shard] = max(rounds.get(shard, 0), int(number or 0))
    return rounds


def done_shards(store: Store, run_id: str) -> set[str]:
    """The shards that have a report. Lists, but reads nothing."""
    return set(report_rounds(store, run_id))


def load_report(store: Store, run_id: str, shard_id: str) -> ShardReport | None:
    """The latest report of one shard, or None."""
    return load_reports(store, run_id, [shard_id], within=shard_id).get(shard_id)


def load_reports(
    store: Store,
    run_id: str,
    shard_ids: Iterable[str],
    known: Mapping[str, ShardReport] | None = None,
    within: str = "",
) -> dict[str, ShardReport]:
    """The latest reports of these shards, by shard id, without the shards that have none.

    known: reports read before; they are read again only if there is a later round. within: list only reports of this
    shard.
    """
    wanted, known, rounds = set(shard_ids), known or {}, report_rounds(store, run_id, within)
    found = {shard_id: rounds[shard_id] for shard_id in sorted(wanted & rounds.keys())}

    def load(shard_id: str) -> ShardReport:
        read = known.get(shard_id)
        if read is not None and read.round == found[shard_id]:
            return read
        key = report_key(run_id, shard_id, found[shard_id])
        return from_json(ShardReport, store.get(key), f"{store.uri}/{key}")

    with ThreadPoolExecutor(_READERS) as pool:
        return dict(zip(found, pool.map(load, found), strict=True))


@contextmanager
def attempt(store: Store, run_id: str, shard_id: str, round: int) -> Iterator[None]:
    """Mark a shard's round as in progress, because a worker that dies cannot report it."""
    key = f"{run_folder(run_id)}/attempts/{shard_id}.{round}"
    store.put(key, b"")
    try:
        yield
    finally:
        with suppress(StorageError):  # do not hide the shard's outcome
            store.delete(key)


def attempts(store: Store, run_id: str) -> set[tuple[str, int]]:
    """(shard, round) of all rounds in progress, or whose worker died. Lists, but reads nothing."""
    folder = f"{run_folder(run_id)}/attempts/"
    names = (listed.key.removeprefix(folder) for page in store.pages(folder) for listed in page)
    return {(name.rpartition(".")[0], int(name.rpartition(".")[2])) for name in names}


def failure_key(run_id: str, job: str, shard_id: str) -> str:
    return f"{run_folder(run_id)}/failures/{job}/{shard_id}.json"


def save_failure(store: Store, run_id: str, job: str, failure: ShardFailure) -> None:
    """Report a failure to the driver, which polls for them; Spark would report it later."""
    store.put(failure_key(run_id, job, failure.shard_id), to_sealed_json(failure))


def load_failure(store: Store, run_id: str, job: str) -> ShardFailure | None:
    """The first failure of a job, or None."""
    for listed in store.list(f"{run_folder(run_id)}/failures/{job}/"):
        return from_json(ShardFailure, store.get(listed.key), f"{store.uri}/{listed.key}")
    return None


def reports_digest(reports: Mapping[str, ShardReport]) -> str:
    """16 hex digits that identify a set of shard files."""
    return hash_json([[r.objects.sha256, r.images.sha256] for _, r in sorted(reports.items())])


def read_stored(store: Store, file: StoredFile) -> bytes:
    """Read a file of the catalogue. Raises CorruptData when its digest does not match."""
    data = store.get(file.key)
    found = hashlib.sha256(data).hexdigest()
    if found != file.sha256:
        raise CorruptData(
            f"{store.uri}/{file.key} has SHA-256 {found[:12]}…, but was written with {file.sha256[:12]}…: its bytes "
            "changed since. Nothing is published from it; start a new run."
        )
    return data


def _plan_key(run_id: str, live_number: int) -> str:
    return f"{run_folder(run_id)}/plan-{live_number}.json"
