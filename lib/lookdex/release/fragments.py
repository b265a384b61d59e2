"""Write Lance fragments in tasks: each reads some shard files, adds the product columns and writes fragments.

A task commits nothing. It returns the metadata of its fragments, which the driver commits together. A task that ran
twice leaves a file that no version uses. Each data file is read back and returned with its SHA-256, because Lance does
not notice changed bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from lance.fragment import FragmentMetadata, write_fragments

from lookdex.catalog import runs, tables
from lookdex.catalog.lance_errors import convert_errors
from lookdex.catalog.schemas import items_schema
from lookdex.errors import CorruptData
from lookdex.records import StoredFile
from lookdex.storage import Store, open_store

READ_ROWS = 4096  # rows of the live table read at once


@dataclass(frozen=True, slots=True)
class FragmentTask:
    """Rows of the next `items` table to write: those of `shards`, and rows [start, stop) of `carried`.

    version: of the table that the fragments will join; None for a new vector space or new columns. carried: Parquet
    file of row ids (uint64) in the live version `carried_from`; these rows are written again with tonight's product
    columns. products: Parquet file of product_id and the product columns; None keeps the columns as they are.
    """

    catalog: str
    dim: int
    version: int | None
    shards: tuple[StoredFile, ...] = ()
    carried: StoredFile | None = None
    carried_from: int = 0
    start: int = 0
    stop: int = 0
    products: StoredFile | None = None


@dataclass(frozen=True, slots=True)
class FragmentResult:
    """What a task wrote.

    fragments: Lance's JSON of each. files: the data files with their digests. vanished: rows whose product is not in
    the products file, so that their product columns are null.
    """

    fragments: tuple[str, ...]
    files: tuple[StoredFile, ...]
    rows: int
    vanished: int


def write_fragment(task: FragmentTask) -> FragmentResult:
    """Run one task. Raises CorruptData on a changed shard file.

    Memory does not grow with the task: it holds one shard file (or READ_ROWS live rows) and Lance's buffers.
    """
    catalog = open_store(task.catalog)
    products = read_parquet(catalog, task.products) if task.products else None
    joined = None
    if task.version is not None:
        joined = tables.open_table(catalog, tables.ITEMS, task.version)
    schema = joined.schema if joined is not None else task_schema(task.dim, products)
    names = schema.names[len(items_schema(task.dim)) :]
    vanished = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal vanished
        for rows, keep in source_rows(catalog, task):
            columns = product_values(rows, products, names, keep, schema)
            if products is not None:
                vanished += count_unknown(rows, products)
            table = pa.table(
                [*(rows[name] for name in items_schema(task.dim).names), *columns], schema=schema
            )
            yield from table.combine_chunks().to_batches()

    with convert_errors(
        tables.table_name(catalog, tables.ITEMS, task.carried_from or task.version), lance_only=True
    ):
        source = pa.RecordBatchReader.from_batches(schema, batches())
        written = write_rows(catalog, tables.ITEMS, joined, source)
    return FragmentResult(
        fragments=tuple(json.dumps(fragment.to_json()) for fragment in written),
        files=tuple(digest_files(catalog, tables.ITEMS, written)),
        rows=sum(fragment.physical_rows for fragment in written),
        vanished=vanished,
    )


def write_rows(
    catalog: Store, key: str, joined: lance.LanceDataset | None, rows: pa.RecordBatchReader
) -> list[FragmentMetadata]:
    """Write uncommitted fragments that will join a version of the table, or (None) replace its content."""
    if joined is not None:
        return write_fragments(
            rows, joined, schema=rows.schema, mode="append", storage_options=catalog.lance_options
        )
    mode = "create" if tables.open_newest(catalog, key) is None else "overwrite"
    return write_fragments(
        rows, catalog.lance_uri(key), schema=rows.schema, mode=mode, storage_options=catalog.lance_options
    )


def source_rows(catalog: Store, task: FragmentTask) -> Iterator[tuple[pa.Table, bool]]:
    """The task's rows, and whether they already have product columns, as rows of the live table do."""
    plain = items_schema(task.dim)
    for shard in task.shards:
        table = read_parquet(catalog, shard)
        try:
            table = table.select(plain.names).cast(plain)
        except (KeyError, pa.ArrowInvalid) as error:
            raise CorruptData(
                f"{shard.key} does not have items of {task.dim} dimensions: {error}. "
                "Remove the run and plan the night again."
            ) from error
        if table.num_rows:
            yield table, False
    if task.carried is None:
        return
    ids = read_parquet(catalog, task.carried)["row"].slice(task.start, task.stop - task.start).to_numpy()
    source = tables.open_table(catalog, tables.ITEMS, task.carried_from)
    for start in range(0, len(ids), READ_ROWS):
        chunk = ids[start : start + READ_ROWS]
        table = own_columns(source.to_table(filter=f"_rowid IN ({','.join(map(str, chunk))})"), plain)
        if table.num_rows != len(chunk):
            raise CorruptData(
                f"version {task.carried_from} of {tables.ITEMS} returned {table.num_rows} of {len(chunk)} rows; plan "
                "the night again."
            )
        yield table, True


def own_columns(rows: pa.Table, plain: pa.Schema) -> pa.Table:
    """`rows` with all columns of `plain`; columns that an older lookdex did not write are null."""
    for field in plain:
        at = rows.schema.get_field_index(field.name)
        if at >= 0 and rows.schema.field(at).type == field.type:
            continue
        if at >= 0:  # a product column, from before lookdex had a column of this name
            rows = rows.remove_column(at)
        rows = rows.append_column(field, pa.nulls(len(rows), field.type))
    return rows


def product_values(
    rows: pa.Table, products: pa.Table | None, names: list[str], keep: bool, schema: pa.Schema
) -> list[pa.ChunkedArray]:
    """The product columns `names` of each row, null where the product is not in the products file."""
    if products is None:
        kept = keep and all(name in rows.column_names for name in names)
        return [
            rows[n] if kept else pa.chunked_array([pa.nulls(len(rows), schema.field(n).type)]) for n in names
        ]
    found = pc.index_in(rows["product_id"], products["product_id"])
    return [products[name].take(found) for name in names]


def count_unknown(rows: pa.Table, products: pa.Table) -> int:
    """How many rows name a product that the products file does not list."""
    known = pc.is_in(rows["product_id"], products["product_id"].combine_chunks())
    return pc.sum(pc.and_(pc.is_valid(rows["product_id"]), pc.invert(known))).as_py() or 0


def task_schema(dim: int, products: pa.Table | None) -> pa.Schema:
    columns = (
        [field for field in products.schema if field.name != "product_id"] if products is not None else []
    )
    return items_schema(dim, pa.schema(columns))


def read_parquet(catalog: Store, file: StoredFile) -> pa.Table:
    """Read a Parquet file of the catalogue, with its digest verified. Raises CorruptData."""
    return pq.read_table(io.BytesIO(runs.read_stored(catalog, file)))


def write_parquet(catalog: Store, key: str, table: pa.Table) -> StoredFile:
    """Store a table as a Parquet file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    data = buffer.getvalue()
    catalog.put(key, data)
    return StoredFile(key, hashlib.sha256(data).hexdigest(), table.num_rows, len(data))


def digest_files(catalog: Store, table: str, fragments: list[FragmentMetadata]) -> Iterator[StoredFile]:
    """The data files of new fragments with their digests, read back from the store."""
    for fragment in fragments:
        for file in fragment.files:
            key = f"{table}/data/{file.path}"
            data = catalog.get(key)
            yield StoredFile(key, hashlib.sha256(data).hexdigest(), fragment.physical_rows, len(data))


def row_ids(rows: np.ndarray) -> pa.Table:
    """Row ids as a table with one column `row`, for `FragmentTask.carried`."""
    return pa.table({"row": pa.array(rows, pa.uint64())})
