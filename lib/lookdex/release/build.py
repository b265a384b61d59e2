"""Build a candidate release: the live rows, minus those of changed and removed photos, plus tonight's.

Nothing here is live. `build_release` may be called again at any point of a night: it starts from the live version each
time, so rows are never duplicated, and returns an intact candidate as it is.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import lance
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lookdex.catalog import integrity, promotion_log, runs, tables
from lookdex.catalog.json_codec import to_sealed_json
from lookdex.catalog.lance_errors import convert_errors
from lookdex.catalog.schemas import items_schema
from lookdex.errors import (
    CorruptData,
    EmptyBuild,
    MassChange,
    PromotionConflict,
    ReleaseNotFound,
    ShardsMissing,
)
from lookdex.records import IndexParameters, PlanSummary, Release, ShardReport, hash_json
from lookdex.release import ann, commits, files, ledger, leftovers, row_changes
from lookdex.release.candidates import candidate_key, free_id, load_candidate
from lookdex.release.fragments import FragmentResult, FragmentTask, read_parquet
from lookdex.release.items import ItemsChange, commit_items, compute_items_change, fragment_tasks
from lookdex.storage import Store

log = logging.getLogger(__name__)

RunFragments = Callable[[list[FragmentTask]], Iterable[FragmentResult]]


@dataclass(frozen=True, slots=True)
class BuildReport:
    """`runs/<run>/build-<live>.json`: what the build did, for people.

    rewritten: live items written again, for new product columns or to merge small fragments. vanished: new or
    rewritten items whose product is not in the products file (none, unless the settings keep them).
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
class Inputs:
    """What a build reads.

    live: the live release; ledger: its ledger. Both are None on a first night. outcomes: tonight's rows of `images`.
    products: the product columns as the plan stored them. new_space: tonight's vectors do not belong in one table with
    the live ones.
    """

    plan: PlanSummary
    plan_table: pa.Table
    reports: Mapping[str, ShardReport]
    digest: str
    live: Release | None
    ledger: pa.Table | None
    outcomes: pa.Table
    products: pa.Table | None
    dim: int
    new_space: bool


@dataclass(frozen=True)
class Changes:
    """What a build does. unsold: image_key of failed photos whose live rows may not stay."""

    items: ItemsChange
    unsold: pa.Table


def build_release(
    catalog: Store,
    plan: PlanSummary,
    plan_table: pa.Table,
    reports: Mapping[str, ShardReport],
    run_fragments: RunFragments,
) -> Release:
    """Build the candidate of a night and store it as `runs/<run>/candidate-<live>.json`, ready for the audit.

    Returns the live release itself when the night changes nothing. The product columns are those that the plan stored;
    without them, the existing ones stay as they are.

    plan_table: PLAN_SCHEMA. reports: by shard id, for all shards of the plan. run_fragments: runs `write_fragment` over
    the tasks, anywhere, in any order.

    Raises:
        ShardsMissing: some shards have no report.
        CorruptData: a damaged shard file or products file, fragments of another schema, or counts that do not add up.
        EmptyBuild: no item would be left.
        ForeignTransaction: another program wrote to a table.
        MassChange: a new vector space needs all photos, and the plan does not have them.
        PromotionConflict: another release is live than the plan was made for.
    """
    start = datetime.now(UTC)
    live = load_live(catalog, plan)
    if live is not None and plan.empty:
        return live
    check_shards(plan, plan_table, reports)
    digest = input_digest(plan, reports)
    if (candidate := load_stored_candidate(catalog, plan, live, digest)) is not None:
        return candidate
    inputs = gather(catalog, plan, plan_table, reports, live, digest)
    check_all_planned(inputs)
    changes = compare(catalog, inputs)
    guard(catalog, inputs, changes)
    return store(catalog, inputs, changes, run_fragments, start)


def gather(
    catalog: Store,
    plan: PlanSummary,
    plan_table: pa.Table,
    reports: Mapping[str, ShardReport],
    live: Release | None,
    digest: str,
) -> Inputs:
    """Read the inputs, with their digests verified. Removes damaged leftovers of earlier nights first."""
    for key in (tables.ITEMS, tables.IMAGES):
        leftovers.clear_newest(catalog, key)
    if live is not None:
        integrity.require(catalog, live, integrity.is_ledger_file)
    products = read_parquet(catalog, plan.products) if plan.products is not None else None
    outcomes = ledger.read_outcomes(catalog, plan_table, reports)
    live_ledger = tables.read_ledger(catalog, live) if live else None
    dim = vector_size(catalog, reports, live)
    new_space = live is None or not same_space(live, plan, dim)
    return Inputs(plan, plan_table, reports, digest, live, live_ledger, outcomes, products, dim, new_space)


def compare(catalog: Store, inputs: Inputs) -> Changes:
    """Compare tonight's outcomes with the live rows. Verifies the files of the live `items` before reading them."""
    live, products = inputs.live, inputs.products
    sold = products["product_id"] if products is not None and not inputs.plan.keep_unlisted else None
    unsold = row_changes.find_unsold_failures(inputs.outcomes, inputs.ledger, sold)
    replaced = row_changes.find_replaced_keys(inputs.plan_table, inputs.outcomes, unsold)
    # When no live row stays, none is read, so a night of all photos repairs a damaged table.
    replace_all = inputs.new_space or replaces_all(replaced, inputs.ledger)
    if live is not None:
        integrity.require(
            catalog, live, integrity.is_manifest if replace_all else integrity.is_other_items_file
        )
    change = compute_items_change(catalog, live, replace_all, inputs.dim, replaced, products, inputs.reports)
    return Changes(change, unsold)


def guard(catalog: Store, inputs: Inputs, changes: Changes) -> None:
    """Raise CorruptData when a file with rows to rewrite is damaged, EmptyBuild when no row would be left."""
    plan, live, change = inputs.plan, inputs.live, changes.items
    if live is not None and len(change.carried):
        table = tables.open_table(catalog, tables.ITEMS, live.items_version)
        needed = files.find_data_files(table, change.carried)
        integrity.require(catalog, live, lambda file: file.key in needed)
    if change.rows == 0:
        raise EmptyBuild(
            f"the run {plan.run_id} leaves no item in {catalog.uri}: {plan.changes}. Nothing was built; "
            "look at the reasons that `lookdex index` printed, then run the night again."
        )


def store(
    catalog: Store, inputs: Inputs, changes: Changes, run_fragments: RunFragments, start: datetime
) -> Release:
    """Write and commit both tables, index the items, and store the candidate with its digests and its report."""
    plan, live, change = inputs.plan, inputs.live, changes.items
    results = list(run_fragments(fragment_tasks(catalog, plan, live, change, inputs.dim)))
    items_version = commit_items(catalog, plan, live, change, results)
    images_version, images_files = ledger.commit_images(
        catalog,
        plan,
        inputs.plan_table,
        live,
        inputs.ledger,
        inputs.outcomes,
        keep_failed=not inputs.new_space,
        unsold=changes.unsold,
    )
    written = sum(result.rows for result in results)
    items, index = index_items(catalog, live, items_version, written)
    check_tables(catalog, inputs, changes, items, images_version)
    release = new_candidate(catalog, inputs, changes, items, images_version, index)
    new_files = integrity.DataFiles(tuple(file for result in results for file in result.files), images_files)
    files.save_files(catalog, release, live, new_files)
    report = BuildReport(
        run_id=plan.run_id,
        added=written - len(change.carried),
        deleted=len(change.deleted) - len(change.carried) if change.base is not None else 0,
        rewritten=len(change.carried),
        refreshed=change.refreshed,
        vanished=sum(result.vanished for result in results),
        new_space=inputs.new_space,
        seconds=(datetime.now(UTC) - start).total_seconds(),
    )
    catalog.put(f"{runs.run_folder(plan.run_id)}/build-{plan.live}.json", to_sealed_json(report))
    log.info("built %s: %s", release.release_id, report)
    catalog.put(candidate_key(plan), to_sealed_json(release))
    return release


def index_items(
    catalog: Store, live: Release | None, version: int, written: int
) -> tuple[lance.LanceDataset, IndexParameters]:
    """The table with its indexes up to date, and how to search it. written: rows that were added tonight."""
    items = tables.open_table(catalog, tables.ITEMS, version)
    if live is not None and version == live.items_version:
        return items, live.index
    return items, ann.update_index(items, live.index if live else None, written)


def check_tables(
    catalog: Store, inputs: Inputs, changes: Changes, items: lance.LanceDataset, images_version: int
) -> None:
    """Raise ForeignTransaction when another program wrote to a table, CorruptData when rows are missing."""
    live, run_id = inputs.live, inputs.plan.run_id
    commits.check_chain(catalog, tables.ITEMS, live.items_version if live else None, items.version, run_id)
    commits.check_chain(catalog, tables.IMAGES, live.images_version if live else None, images_version, run_id)
    if items.count_rows() != changes.items.rows:
        raise CorruptData(
            f"{tables.ITEMS} has {items.count_rows()} rows at version {items.version}, but {changes.items.rows} were "
            "written. Nothing was published; start the night again under a new run id."
        )


def new_candidate(
    catalog: Store,
    inputs: Inputs,
    changes: Changes,
    items: lance.LanceDataset,
    images_version: int,
    index: IndexParameters,
) -> Release:
    """The record of the candidate."""
    plan = inputs.plan
    statuses = tables.open_table(catalog, tables.IMAGES, images_version).to_table(columns=["status"])
    counted = pc.value_counts(statuses["status"]).to_pylist()
    return Release(
        release_id=free_id(catalog, plan),
        parent=plan.release_id,
        created_at=datetime.now(UTC),
        source=plan.source,
        items_version=items.version,
        images_version=images_version,
        recipe=plan.recipe,
        dim=inputs.dim,
        items=changes.items.rows,
        images={entry["values"]: entry["counts"] for entry in counted},
        index=index,
        product_columns=tuple(changes.items.schema.names[len(items_schema(inputs.dim)) :]),
        products_digest=plan.products_digest,
        thresholds=plan.thresholds,
        source_access=plan.source_access,
        run_id=plan.run_id,
        built_from=inputs.digest,
        products=plan.products,
        keep_unlisted=plan.keep_unlisted,
    )


def input_digest(plan: PlanSummary, reports: Mapping[str, ShardReport]) -> str:
    """A digest of all that a candidate is built from: the plan and the files of its shards."""
    return hash_json([asdict(plan), runs.reports_digest(reports)])


def load_stored_candidate(
    catalog: Store, plan: PlanSummary, live: Release | None, built_from: str
) -> Release | None:
    """The stored candidate if it is intact and was built from the same inputs; else None: it must be built again."""
    try:
        candidate = load_candidate(catalog, plan)
        if candidate.built_from != built_from:
            return None
        recorded = integrity.load_files(catalog, candidate)
        if recorded is None:
            return None
        # The audit reads the data files too. The small files decide what Lance does when it opens the tables.
        small = (file for file in recorded if not file.rows)
        if damaged := integrity.find_damage(catalog, small):
            log.warning("%s: %s. The candidate is built again.", damaged[0].key, damaged[0].why)
            return None
        candidate_tables = tables.open_tables(catalog, candidate)
        live_version = live.items_version if live else None
        with convert_errors(tables.table_name(catalog, tables.ITEMS, candidate.items_version)):
            commits.check_chain(catalog, tables.ITEMS, live_version, candidate.items_version, plan.run_id)
    except ReleaseNotFound:
        return None
    except CorruptData as error:
        log.warning("%s The candidate is built again.", error)
        return None
    counts = candidate_tables.items.count_rows(), candidate_tables.images.count_rows()
    return candidate if counts == (candidate.items, sum(candidate.images.values())) else None


def load_live(catalog: Store, plan: PlanSummary) -> Release | None:
    """The live release that the plan was compared with. Raises PromotionConflict when another one is live."""
    current = promotion_log.live_release(catalog)
    number, release = (current[0].since, current[1]) if current else (0, None)
    if number != plan.live:
        raise PromotionConflict(
            f"the plan of the run {plan.run_id} was made for entry {plan.live} of the promotion log, but entry "
            f"{number} is live in {catalog.uri}. Plan the night again (`lookdex plan`); finished shards are kept."
        )
    return release


def check_shards(plan: PlanSummary, plan_table: pa.Table, reports: Mapping[str, ShardReport]) -> None:
    """Raise ShardsMissing unless every shard of the plan has a report."""
    missing = [shard for shard in runs.shard_ids(plan_table) if shard not in reports]
    if missing:
        raise ShardsMissing(
            f"{len(missing)} of the {plan.shards} shards of the run {plan.run_id} have no report yet, first "
            f"{missing[0]}. Finish them with `lookdex index --run-id {plan.run_id}`, then build again."
        )


def vector_size(catalog: Store, reports: Mapping[str, ShardReport], live: Release | None) -> int:
    """Dimensions of tonight's vectors, from the schema of a shard; those of the live ones when nothing was indexed."""
    shards = sorted((report.objects for report in reports.values()), key=lambda file: (-file.rows, file.key))
    if not shards:
        return live.dim if live else 0
    schema = pq.read_schema(io.BytesIO(runs.read_stored(catalog, shards[0])))
    return int(schema.field("vector").type.list_size)


def same_space(live: Release, plan: PlanSummary, dim: int) -> bool:
    """Whether tonight's vectors can be compared with the live ones."""
    return live.dim == dim and live.recipe.embedder_digest == plan.recipe.embedder_digest


def check_all_planned(inputs: Inputs) -> None:
    """Raise MassChange when the vector space is new and the plan does not cover every live photo."""
    plan, live, known = inputs.plan, inputs.live, inputs.ledger
    if live is None or known is None or not inputs.new_space:
        return
    planned = inputs.plan_table["image_key"].combine_chunks()
    left_out = pc.sum(pc.invert(pc.is_in(known["image_key"], planned))).as_py() or 0
    if left_out:
        raise MassChange(
            f"the embedder {plan.recipe.embedder} is not that of the live release ({live.recipe.embedder}), so all "
            f"{known.num_rows} photos must be indexed again, but the plan leaves out {left_out}. "
            "Plan the night without --limit."
        )


def replaces_all(replaced: pa.Table, known: pa.Table | None) -> bool:
    """Whether `replaced` names every photo of the live ledger, so that no live row stays."""
    return known is not None and bool(
        pc.all(pc.is_in(known["image_key"], replaced["image_key"].combine_chunks())).as_py()
    )
