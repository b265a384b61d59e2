"""The night's changes to the table `items`: which rows go, stay or are rewritten, and the commit that does it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import lance
import numpy as np
import pyarrow as pa
from lance.fragment import FragmentMetadata, LanceFragment

from lookdex.catalog import runs, tables
from lookdex.catalog.schemas import items_schema
from lookdex.records import PlanSummary, Release, ShardReport, StoredFile
from lookdex.release import commits, row_changes
from lookdex.release.fragments import FragmentResult, FragmentTask, row_ids, write_parquet
from lookdex.storage import Store

TASK_BYTES = 256_000_000  # of shard files in one task


@dataclass(frozen=True)
class ItemsChange:
    """What the night does to `items`.

    base: the live table; None when a new table is written (first night, or another schema or vector space). deleted,
    carried: row ids (uint64) of the live version; carried rows are written again. refreshed: carried rows whose product
    columns change. shards: the files to add. rows: of `items` afterwards.
    """

    schema: pa.Schema
    base: lance.LanceDataset | None
    deleted: np.ndarray
    carried: np.ndarray
    refreshed: int
    shards: tuple[StoredFile, ...]
    rows: int


def compute_items_change(
    catalog: Store,
    live: Release | None,
    replace_all: bool,
    dim: int,
    replaced: pa.Table,
    products: pa.Table | None,
    reports: Mapping[str, ShardReport],
) -> ItemsChange:
    """Decide which live rows go, which are rewritten and which shard files are added.

    replace_all: no live row stays. replaced: image_key of the photos whose live rows go.
    """
    shards = tuple(report.objects for _, report in sorted(reports.items()) if report.objects.rows)
    added = sum(shard.rows for shard in shards)
    none = np.empty(0, np.uint64)
    base = tables.open_items(catalog, live) if live else None
    schema = target_schema(dim, products, base.schema if base is not None else None)
    if base is None or replace_all:
        return ItemsChange(schema, None, none, none, 0, shards, added)

    def scan(columns: list[str], fragments: list[LanceFragment] | None = None) -> pa.RecordBatchReader:
        return base.scanner(columns=columns, with_row_id=True, fragments=fragments).to_reader()

    gone = row_changes.find_rows(replaced, scan(["image_key"]))
    if not schema.equals(base.schema):
        everything = np.sort(
            base.to_table(columns=[], with_row_id=True)["_rowid"].to_numpy().astype(np.uint64)
        )
        carried = np.setdiff1d(everything, gone, assume_unique=True)
        return ItemsChange(schema, None, none, carried, len(carried), shards, added + len(carried))
    stale = (
        row_changes.find_stale_rows(products, scan(products.column_names)) if products is not None else none
    )
    stale = np.setdiff1d(stale, gone, assume_unique=True)
    small = row_changes.find_small_fragments({f.fragment_id: f.count_rows() for f in base.get_fragments()})
    merged = none
    if small:
        fragments = [fragment for fragment in base.get_fragments() if fragment.fragment_id in small]
        merged = scan([], fragments).read_all()["_rowid"].to_numpy().astype(np.uint64)
    carried = np.setdiff1d(np.union1d(stale, merged), gone, assume_unique=True)
    total = base.count_rows() - len(gone) + added
    return ItemsChange(schema, base, np.union1d(gone, carried), carried, len(stale), shards, total)


def target_schema(dim: int, products: pa.Table | None, live_schema: pa.Schema | None) -> pa.Schema:
    """The schema of `items` tonight. The product columns are those of the products file, else the live ones."""
    if products is not None:
        columns = [field for field in products.schema if field.name != "product_id"]
        return items_schema(dim, pa.schema(columns))
    own = items_schema(dim)
    kept = [field for field in live_schema if field.name not in own.names] if live_schema else []
    return items_schema(dim, pa.schema(kept))


def fragment_tasks(
    catalog: Store, plan: PlanSummary, live: Release | None, change: ItemsChange, dim: int
) -> list[FragmentTask]:
    """Tasks that write about one full fragment each."""
    folder = f"{runs.run_folder(plan.run_id)}/build-{plan.live}"
    products = plan.products
    extra = [field for field in change.schema if field.name not in items_schema(dim).names]
    if products is None and change.base is None and extra:
        # A task for a new table takes its schema from the products: an empty file keeps the product columns.
        empty = pa.schema([("product_id", pa.string()), *extra]).empty_table()
        products = write_parquet(catalog, f"{folder}/products.parquet", empty)
    template = FragmentTask(
        catalog=catalog.uri,
        dim=dim,
        version=live.items_version if live and change.base is not None else None,
        products=products,
    )
    tasks = [replace(template, shards=group) for group in group_shards(change.shards)]
    if len(change.carried) and live is not None:
        carried = write_parquet(catalog, f"{folder}/carried.parquet", row_ids(change.carried))
        for start in range(0, len(change.carried), row_changes.FULL_FRAGMENT):
            stop = min(start + row_changes.FULL_FRAGMENT, len(change.carried))
            tasks.append(
                replace(template, carried=carried, carried_from=live.items_version, start=start, stop=stop)
            )
    return tasks


def group_shards(shards: Sequence[StoredFile]) -> Iterator[tuple[StoredFile, ...]]:
    """Shard files in order, in groups of FULL_FRAGMENT rows or TASK_BYTES."""
    group: list[StoredFile] = []
    for shard in shards:
        group.append(shard)
        if (
            sum(s.rows for s in group) >= row_changes.FULL_FRAGMENT
            or sum(s.bytes for s in group) >= TASK_BYTES
        ):
            yield tuple(group)
            group = []
    if group:
        yield tuple(group)


def commit_items(
    catalog: Store,
    plan: PlanSummary,
    live: Release | None,
    change: ItemsChange,
    results: Sequence[FragmentResult],
) -> int:
    """Delete and append in one commit. Returns the version: the live one when nothing changes."""
    fragments = [
        FragmentMetadata.from_json(text)
        for result in sorted(results, key=lambda r: r.fragments)
        for text in result.fragments
    ]
    if live is None or change.base is None:
        schema = tables.add_format(change.schema, tables.ITEMS)
        return commits.overwrite(catalog, tables.ITEMS, schema, fragments, plan.run_id)
    if not fragments and not len(change.deleted):
        return live.items_version
    base = commits.start_from(catalog, tables.ITEMS, live.items_version, plan.run_id)
    return commits.update(catalog, tables.ITEMS, base, change.deleted, fragments, plan.run_id)
