"""Write tonight's outcomes into the table `images`. The rows are small, so the driver writes them itself."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookdex.catalog import runs, tables
from lookdex.catalog.schemas import IMAGES_SCHEMA
from lookdex.errors import CorruptData
from lookdex.records import Change, PlanSummary, Release, ShardReport, StoredFile
from lookdex.release import commits, row_changes
from lookdex.release.fragments import digest_files, read_parquet, write_rows
from lookdex.storage import Store

READERS = 8


def read_outcomes(catalog: Store, plan_table: pa.Table, reports: Mapping[str, ShardReport]) -> pa.Table:
    """Read the `images` rows of the plan's shards, with digests verified: one for each planned photo."""
    files = [reports[shard].images for shard in runs.shard_ids(plan_table)]
    with ThreadPoolExecutor(READERS) as pool:
        parts = pool.map(lambda file: read_parquet(catalog, file).select(IMAGES_SCHEMA.names), files)
        outcomes = pa.concat_tables(
            [part.cast(IMAGES_SCHEMA) for part in parts] or [IMAGES_SCHEMA.empty_table()]
        )
    row_changes.check_outcomes(plan_table, outcomes)
    return outcomes


def commit_images(
    catalog: Store,
    plan: PlanSummary,
    plan_table: pa.Table,
    before: Release | None,
    old: pa.Table | None,
    outcomes: pa.Table,
    keep_failed: bool,
    unsold: pa.Table,
) -> tuple[int, tuple[StoredFile, ...]]:
    """Commit tonight's outcomes. Returns the ledger's version and its new data files.

    keep_failed, unsold: as in `row_changes.ledger_rows`.
    """
    ledger = row_changes.build_ledger_rows(outcomes, old, keep_failed, unsold)
    if before is None:
        return write_whole(catalog, plan, tables.add_format(IMAGES_SCHEMA, tables.IMAGES), ledger)
    if not plan_table.num_rows:
        return before.images_version, ()
    base = tables.open_table(catalog, tables.IMAGES, before.images_version)
    if missing_columns(base.schema) or any(not field.nullable for field in unknown_columns(base.schema)):
        return extend(catalog, plan, plan_table, base, ledger)
    planned = plan_table.select(["image_key"])
    ids = base.scanner(columns=["image_key"], with_row_id=True).to_reader()
    deleted = row_changes.find_rows(planned, ids)
    if small := row_changes.find_small_fragments(
        {f.fragment_id: f.count_rows() for f in base.get_fragments()}
    ):
        kept = base.scanner(
            fragments=[f for f in base.get_fragments() if f.fragment_id in small], with_row_id=True
        ).to_table()
        kept = kept.filter(pc.invert(pc.is_in(kept["image_key"], planned["image_key"].combine_chunks())))
        deleted = np.union1d(deleted, kept["_rowid"].to_numpy().astype(np.uint64))
        ledger = pa.concat_tables([tables.conform(ledger, base.schema), tables.conform(kept, base.schema)])
    # Columns of the table that this version does not know are null in the new rows.
    ledger = tables.conform(ledger, base.schema)
    fragments = write_rows(catalog, tables.IMAGES, base, ledger.to_reader()) if ledger.num_rows else []
    started = commits.start_from(catalog, tables.IMAGES, before.images_version, plan.run_id)
    version = commits.update(catalog, tables.IMAGES, started, deleted, fragments, plan.run_id)
    expected = base.count_rows() - len(deleted) + ledger.num_rows
    counted = tables.open_table(catalog, tables.IMAGES, version).count_rows()
    added, gone = (
        pc.sum(pc.equal(plan_table["change"], change)).as_py() for change in (Change.NEW, Change.DELETED)
    )
    if counted != expected or counted != base.count_rows() + added - gone:
        raise CorruptData(
            f"{tables.IMAGES} has {counted} rows, but {base.count_rows()} live, {added} new and {gone} deleted photos "
            "give another number. Nothing was published; start the night again under a new run id."
        )
    return version, tuple(digest_files(catalog, tables.IMAGES, fragments))


def missing_columns(schema: pa.Schema) -> list[str]:
    """The columns of the ledger that a table does not have, or has with another type."""
    return [
        field.name
        for field in IMAGES_SCHEMA
        if field.name not in schema.names or schema.field(field.name).type != field.type
    ]


def unknown_columns(schema: pa.Schema) -> list[pa.Field]:
    """The columns of a table that this version of lookdex does not know."""
    return [field for field in schema if field.name not in IMAGES_SCHEMA.names]


def extend(
    catalog: Store, plan: PlanSummary, plan_table: pa.Table, base: lance.LanceDataset, ledger: pa.Table
) -> tuple[int, tuple[StoredFile, ...]]:
    """Write the whole ledger with added columns.

    Columns that an older lookdex did not write are null in its rows. Columns that this one does not know are kept and
    become nullable.
    """
    more = [field.with_nullable(True) for field in unknown_columns(base.schema)]
    schema = tables.add_format(pa.schema([*IMAGES_SCHEMA, *more]), tables.IMAGES)
    rest = base.to_table()
    rest = rest.filter(pc.invert(pc.is_in(rest["image_key"], plan_table["image_key"].combine_chunks())))
    both = pa.concat_tables([tables.conform(rest, schema), tables.conform(ledger, schema)])
    return write_whole(catalog, plan, schema, both)


def write_whole(
    catalog: Store, plan: PlanSummary, schema: pa.Schema, ledger: pa.Table
) -> tuple[int, tuple[StoredFile, ...]]:
    """Commit a version of the ledger that shares no row with earlier ones."""
    ledger = ledger.replace_schema_metadata(schema.metadata)
    fragments = write_rows(catalog, tables.IMAGES, None, ledger.to_reader())
    version = commits.overwrite(catalog, tables.IMAGES, schema, fragments, plan.run_id)
    return version, tuple(digest_files(catalog, tables.IMAGES, fragments))
