"""Build a candidate release: the live rows, less those of changed and gone photos, plus tonight's.

Nothing here is live. `build_release` may be called again at any point of a night: it starts from the live version
each time, so rows are never doubled, and an intact candidate is returned as it is.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from lance.fragment import FragmentMetadata

from lookdex.catalog import integrity, promotion_log, runs, tables
from lookdex.catalog.json_codec import sealed
from lookdex.catalog.lance_errors import reading
from lookdex.catalog.schemas import items_schema
from lookdex.errors import (
    CorruptData,
    EmptyBuild,
    MassChange,
    PromotionConflict,
    ReleaseNotFound,
    ShardsMissing,
)
from lookdex.records import PlanSummary, Release, ShardReport, StoredFile, digest_of
from lookdex.release import ann, commits, files, ledger, leftovers, rows
from lookdex.release.candidates import candidate_key, free_id, load_candidate
from lookdex.release.fragments import FragmentResult, FragmentTask, read_parquet, row_ids, write_parquet
from lookdex.storage import Store

log = logging.getLogger(__name__)

TASK_BYTES = 256_000_000  # of shard files in one task

RunFragments = Callable[[list[FragmentTask]], Iterable[FragmentResult]]


@dataclass(frozen=True, slots=True)
class BuildReport:
    """`runs/<run>/build-<live>.json`: what the build did, for people.

    rewritten: live items written anew, for new product columns or to merge small fragments. vanished: new or
    rewritten items whose product is not in the products file (none, unless the night keeps them).
    """

    run_id: str
    added: int
    deleted: int
    rewritten: int
    refreshed: int
    vanished: int
    new_space: bool
    seconds: float


@dataclass(frozen=True)
class Work:
    """What the night does to `items`. deleted and carried: row ids of the live version, uint64."""

    schema: pa.Schema
    base: (
        lance.LanceDataset | None
    )  # None: the table is written from nothing (first night, another shape of rows)
    deleted: np.ndarray
    carried: np.ndarray
    refreshed: int
    shards: tuple[StoredFile, ...]
    rows: int  # of `items` afterwards


def build_release(
    catalog: Store,
    plan: PlanSummary,
    plan_table: pa.Table,
    reports: Mapping[str, ShardReport],
    run_fragments: RunFragments,
) -> Release:
    """The candidate of a night, stored as `runs/<run>/candidate-<live>.json`, ready for the audit.

    plan_table: PLAN_SCHEMA. reports: by shard id, all of the plan's. The product columns are those that the plan
    stored; without them, the existing ones stay as they are. run_fragments: runs `write_fragment` over the tasks,
    anywhere, in any order.

    When the night changes nothing, the live release itself is returned. Raises ShardsMissing, CorruptData (a shard
    file, the products, fragments of another schema, or counts that do not add up), EmptyBuild, ForeignTransaction,
    MassChange (a new vector space without all images), PromotionConflict (something else is live than the plan was
    made for).
    """
    start = datetime.now(UTC)
    before = live_for(catalog, plan)
    if before is not None and plan.empty:
        return before
    check_shards(plan, plan_table, reports)
    built_from = inputs(plan, reports)
    if (candidate := stored_candidate(catalog, plan, before, built_from)) is not None:
        return candidate
    for key in (tables.ITEMS, tables.IMAGES):
        leftovers.clear_newest(catalog, key)
    if before is not None:
        integrity.require(catalog, before, integrity.of_ledger)
    stock = read_parquet(catalog, plan.products) if plan.products is not None else None
    outcomes = ledger.read_outcomes(catalog, plan_table, reports)
    old = tables.ledger(catalog, before) if before else None
    dim = vector_size(catalog, reports, before)
    new_space = before is None or differs(before, plan, dim)
    if before is not None and new_space:
        check_all_planned(plan_table, old, before, plan)

    sold = stock["product_id"] if stock is not None and not plan.keep_unlisted else None
    unsold = rows.unsold_failures(outcomes, old, sold)
    keys = rows.replaced_keys(plan_table, outcomes, unsold)
    # When no row stays, none is read: so a night of all photos repairs a damaged table.
    replace_all = new_space or replaces_all(keys, old)
    if before is not None:
        integrity.require(catalog, before, integrity.is_manifest if replace_all else integrity.of_items)
    work = items_work(catalog, before, replace_all, dim, keys, stock, reports)
    if before is not None and len(work.carried):
        read = files.data_files_of(
            tables.open_table(catalog, tables.ITEMS, before.items_version), work.carried
        )
        integrity.require(catalog, before, lambda file: file.key in read)
    if work.rows == 0:
        raise EmptyBuild(
            f"the run {plan.run_id} leaves no item in {catalog.uri}: {plan.changes}. Nothing was built; "
            "look at the reasons in the plan's images (`lookdex index` printed them), then run the night again."
        )
    results = list(run_fragments(tasks_of(catalog, plan, before, work, dim)))
    items_version = commit_items(catalog, plan, before, work, results)
    images_version, images_files = ledger.commit_images(
        catalog, plan, plan_table, before, old, outcomes, keep_failed=not new_space, unsold=unsold
    )

    items = tables.open_table(catalog, tables.ITEMS, items_version)
    fresh = sum(result.rows for result in results)
    if before is not None and items_version == before.items_version:
        index = before.index
    else:
        index = ann.update_index(items, before.index if before else None, fresh)
    commits.check_chain(
        catalog, tables.ITEMS, before.items_version if before else None, items.version, plan.run_id
    )
    commits.check_chain(
        catalog, tables.IMAGES, before.images_version if before else None, images_version, plan.run_id
    )
    if items.count_rows() != work.rows:
        raise CorruptData(
            f"{tables.ITEMS} has {items.count_rows()} rows at version {items.version} where {work.rows} were "
            "written. Nothing was published; start the night again under a new run id."
        )
    statuses = tables.open_table(catalog, tables.IMAGES, images_version).to_table(columns=["status"])
    counted = pc.value_counts(statuses["status"]).to_pylist()
    release = Release(
        release_id=free_id(catalog, plan),
        parent=plan.release_id,
        created_at=datetime.now(UTC),
        source=plan.source,
        items_version=items.version,
        images_version=images_version,
        recipe=plan.recipe,
        dim=dim,
        items=work.rows,
        images={entry["values"]: entry["counts"] for entry in counted},
        index=index,
        product_columns=tuple(work.schema.names[len(items_schema(dim)) :]),
        products_digest=plan.products_digest,
        thresholds=plan.thresholds,
        source_access=plan.source_access,
        run_id=plan.run_id,
        built_from=built_from,
        products=plan.products,
        keep_unlisted=plan.keep_unlisted,
    )
    new_files = integrity.DataFiles(tuple(file for result in results for file in result.files), images_files)
    files.save_files(catalog, release, before, new_files)
    report = BuildReport(
        run_id=plan.run_id,
        added=fresh - len(work.carried),
        deleted=len(work.deleted) - len(work.carried) if work.base is not None else 0,
        rewritten=len(work.carried),
        refreshed=work.refreshed,
        vanished=sum(result.vanished for result in results),
        new_space=new_space,
        seconds=(datetime.now(UTC) - start).total_seconds(),
    )
    catalog.put(f"{runs.run_folder(plan.run_id)}/build-{plan.live}.json", sealed(report))
    log.info("built %s: %s", release.release_id, report)
    catalog.put(candidate_key(plan), sealed(release))
    return release


def inputs(plan: PlanSummary, reports: Mapping[str, ShardReport]) -> str:
    """A digest of all that a candidate is built from: the plan and its shards' files."""
    return digest_of([asdict(plan), runs.reports_digest(reports)])


def stored_candidate(
    catalog: Store, plan: PlanSummary, before: Release | None, built_from: str
) -> Release | None:
    """The stored candidate, if it was built from the same inputs, can be read with its digests, and both of its table
    versions are its own; else None, and it must be built again."""
    try:
        candidate = load_candidate(catalog, plan)
        if candidate.built_from != built_from:
            return None
        recorded = integrity.load_files(catalog, candidate)
        if recorded is None:
            return None
        # The audit reads the data files too; these decide what Lance does when it opens the tables.
        small = (file for file in recorded if not file.rows)
        if damaged := integrity.changed(catalog, small):
            log.warning("%s: %s. The candidate is built again.", damaged[0].key, damaged[0].why)
            return None
        opened = tables.open_tables(catalog, candidate)
        live_version = before.items_version if before else None
        with reading(tables.name_of(catalog, tables.ITEMS, candidate.items_version)):
            commits.check_chain(catalog, tables.ITEMS, live_version, candidate.items_version, plan.run_id)
    except ReleaseNotFound:
        return None
    except CorruptData as error:
        log.warning("%s The candidate is built again.", error)
        return None
    intact = opened.items.count_rows() == candidate.items
    return candidate if intact and opened.images.count_rows() == sum(candidate.images.values()) else None


def live_for(catalog: Store, plan: PlanSummary) -> Release | None:
    """The release that the plan was compared with. Raises PromotionConflict when another one is live."""
    current = promotion_log.live_release(catalog)
    number, release = (current[0].since, current[1]) if current else (0, None)
    if number != plan.live:
        raise PromotionConflict(
            f"the plan of the run {plan.run_id} was made for entry {plan.live} of the promotion log and entry "
            f"{number} is live in {catalog.uri}. Plan the night again (`lookdex plan`); finished shards are kept."
        )
    return release


def check_shards(plan: PlanSummary, plan_table: pa.Table, reports: Mapping[str, ShardReport]) -> None:
    missing = [shard for shard in runs.shard_ids(plan_table) if shard not in reports]
    if missing:
        raise ShardsMissing(
            f"{len(missing)} of the {plan.shards} shards of the run {plan.run_id} have no report yet, first "
            f"{missing[0]}. Finish them with `lookdex index --run-id {plan.run_id}`, then build again."
        )


def vector_size(catalog: Store, reports: Mapping[str, ShardReport], before: Release | None) -> int:
    """Dimensions of tonight's vectors, from a shard's schema; the live ones when nothing was indexed."""
    files = sorted((report.objects for report in reports.values()), key=lambda file: (-file.rows, file.key))
    if not files:
        return before.dim if before else 0
    schema = pq.read_schema(io.BytesIO(runs.read_stored(catalog, files[0])))
    return int(schema.field("vector").type.list_size)


def differs(before: Release, plan: PlanSummary, dim: int) -> bool:
    """Whether tonight's vectors may not stand in one table with the live ones."""
    return before.dim != dim or before.recipe.embedder_digest != plan.recipe.embedder_digest


def check_all_planned(plan_table: pa.Table, old: pa.Table, before: Release, plan: PlanSummary) -> None:
    left = (
        pc.sum(pc.invert(pc.is_in(old["image_key"], plan_table["image_key"].combine_chunks()))).as_py() or 0
    )
    if left:
        raise MassChange(
            f"the embedder {plan.recipe.embedder} is not the one of the live release ({before.recipe.embedder}), "
            f"so all {old.num_rows} photos must be indexed again, and the plan leaves out {left}. "
            "Plan the night without --limit."
        )


def replaces_all(keys: pa.Table, old: pa.Table | None) -> bool:
    """Are the items of every photo of the live ledger replaced (among `keys`)?"""
    return old is not None and bool(
        pc.all(pc.is_in(old["image_key"], keys["image_key"].combine_chunks())).as_py()
    )


def items_work(
    catalog: Store,
    before: Release | None,
    replace_all: bool,
    dim: int,
    keys: pa.Table,
    stock: pa.Table | None,
    reports: Mapping[str, ShardReport],
) -> Work:
    """Which live rows go, which are rewritten, which shard files are added. replace_all: no live row stays."""
    shards = tuple(report.objects for _, report in sorted(reports.items()) if report.objects.rows)
    added = sum(shard.rows for shard in shards)
    nothing = np.empty(0, np.uint64)
    base = tables.open_items(catalog, before) if before else None
    schema = wanted_schema(dim, stock, base.schema if base is not None else None)
    if base is None or replace_all:
        return Work(schema, None, nothing, nothing, 0, shards, added)

    def scan(columns: list[str], **options: object) -> pa.RecordBatchReader:
        return base.scanner(columns=columns, with_row_id=True, **options).to_reader()

    gone = rows.rows_of(keys, scan(["image_key"]))
    if not schema.equals(base.schema):
        everything = np.sort(
            base.to_table(columns=[], with_row_id=True)["_rowid"].to_numpy().astype(np.uint64)
        )
        carried = np.setdiff1d(everything, gone, assume_unique=True)
        return Work(schema, None, nothing, carried, len(carried), shards, added + len(carried))
    stale = rows.stale_rows(stock, scan(stock.column_names)) if stock is not None else nothing
    stale = np.setdiff1d(stale, gone, assume_unique=True)
    small = rows.small_fragments({f.fragment_id: f.count_rows() for f in base.get_fragments()})
    merged = nothing
    if small:
        held = [base.get_fragment(number) for number in small]
        merged = scan([], fragments=held).read_all()["_rowid"].to_numpy().astype(np.uint64)
    carried = np.setdiff1d(np.union1d(stale, merged), gone, assume_unique=True)
    total = base.count_rows() - len(gone) + added
    return Work(schema, base, np.union1d(gone, carried), carried, len(stale), shards, total)


def wanted_schema(dim: int, stock: pa.Table | None, live_schema: pa.Schema | None) -> pa.Schema:
    """The columns of `items` tonight: those of the products file, or without one, those that are there."""
    if stock is not None:
        return items_schema(dim, pa.schema([field for field in stock.schema if field.name != "product_id"]))
    plain = items_schema(dim)
    extra = (
        [live_schema.field(name) for name in live_schema.names if name not in plain.names]
        if live_schema
        else []
    )
    return items_schema(dim, pa.schema(extra))


def tasks_of(
    catalog: Store, plan: PlanSummary, before: Release | None, work: Work, dim: int
) -> list[FragmentTask]:
    """Tasks of about a full fragment each."""
    folder = f"{runs.run_folder(plan.run_id)}/build-{plan.live}"
    file = plan.products
    extra = [field for field in work.schema if field.name not in items_schema(dim).names]
    if file is None and work.base is None and extra:
        # The columns that stay, all null: a task of a new table takes its schema from the products.
        nothing = pa.schema([("product_id", pa.string()), *extra]).empty_table()
        file = write_parquet(catalog, f"{folder}/products.parquet", nothing)
    plain = FragmentTask(
        catalog=catalog.uri,
        dim=dim,
        version=before.items_version if before and work.base is not None else None,
        products=file,
    )
    tasks = [replace(plain, shards=group) for group in grouped(work.shards)]
    if len(work.carried) and before is not None:
        listed = write_parquet(catalog, f"{folder}/carried.parquet", row_ids(work.carried))
        for start in range(0, len(work.carried), rows.FULL_FRAGMENT):
            stop = min(start + rows.FULL_FRAGMENT, len(work.carried))
            tasks.append(
                replace(plain, carried=listed, carried_from=before.items_version, start=start, stop=stop)
            )
    return tasks


def grouped(shards: Sequence[StoredFile]) -> Iterator[tuple[StoredFile, ...]]:
    """Shard files in order, in groups of FULL_FRAGMENT rows or TASK_BYTES."""
    group: list[StoredFile] = []
    for shard in shards:
        group.append(shard)
        if sum(s.rows for s in group) >= rows.FULL_FRAGMENT or sum(s.bytes for s in group) >= TASK_BYTES:
            yield tuple(group)
            group = []
    if group:
        yield tuple(group)


def commit_items(
    catalog: Store, plan: PlanSummary, before: Release | None, work: Work, results: Sequence[FragmentResult]
) -> int:
    """Deletes and appends in one commit. Returns the version (the live one when nothing changes)."""
    fragments = [
        FragmentMetadata.from_json(text)
        for result in sorted(results, key=lambda r: r.fragments)
        for text in result.fragments
    ]
    if before is None or work.base is None:
        schema = tables.with_format(work.schema, tables.ITEMS)
        return commits.overwrite(catalog, tables.ITEMS, schema, fragments, plan.run_id)
    if not fragments and not len(work.deleted):
        return before.items_version
    base = commits.start_from(catalog, tables.ITEMS, before.items_version, plan.run_id)
    return commits.update(catalog, tables.ITEMS, base, work.deleted, fragments, plan.run_id)
