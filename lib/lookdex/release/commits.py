"""Lance transactions of a build. Each carries the run's id, and none may follow another writer's.

A build starts from the live version (Restore, or Overwrite when the schema changes), then deletes and adds rows in one
commit. Both can be repeated: they start from the live version again, so a retried build gives the same rows. Index
commits (CreateIndex) cannot carry properties, but they change no row.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import lance
import numpy as np
import pyarrow as pa
from lance import LanceOperation, Transaction
from lance.commit import CommitConflictError
from lance.file import LanceFileReader
from lance.fragment import FragmentMetadata

from lookdex.catalog import tables
from lookdex.catalog.lance_errors import convert_errors
from lookdex.errors import CorruptData, ForeignTransaction, StorageError
from lookdex.storage import Store

RUN = "lookdex_run"  # transaction property: the run's id
COMMIT = "lookdex_commit"  # transaction property: a nonce that identifies one commit
READERS = 8


def start_from(catalog: Store, key: str, version: int, run_id: str) -> lance.LanceDataset:
    """Make `version` the newest version of the table (by a Restore, unless it is) and return it."""
    newest = tables.open_table(catalog, key)
    if newest.version == version:
        return newest
    # A Restore succeeds whatever was committed in between; `check_chain` verifies what follows it.
    return commit(catalog, key, LanceOperation.Restore(version), newest.version, run_id)


def overwrite(
    catalog: Store, key: str, schema: pa.Schema, fragments: Sequence[FragmentMetadata], run_id: str
) -> int:
    """Commit a new table, or a version that shares no row with earlier ones. Returns the version.

    Raises CorruptData when a fragment was written with another schema.
    """
    check_schema(catalog, key, schema, fragments)
    newest = tables.open_newest(catalog, key)
    read = newest.version if newest else 0
    return commit(catalog, key, LanceOperation.Overwrite(schema, fragments), read, run_id).version


def update(
    catalog: Store,
    key: str,
    base: lance.LanceDataset,
    deleted: np.ndarray,
    added: Sequence[FragmentMetadata],
    run_id: str,
) -> int:
    """Delete rows by id (uint64, Lance's `_rowid`) and add fragments in one commit. Returns the version.

    Deletes by address instead of `dataset.delete(… IN …)`: of 200,000 rows, 100,000 keys are found in 0.24 s and
    deleted in 0.06 s (infra/bench_release.py). A predicate takes 1.3 s for 10,000, and would be a separate commit.

    Raises ForeignTransaction when another writer committed since `base`, CorruptData when a fragment was written with
    another schema than the table's.
    """
    check_schema(catalog, key, base.schema, added)
    changed, removed = [], []
    owners = deleted >> np.uint64(32)
    for fragment in base.get_fragments():
        rows = deleted[owners == fragment.fragment_id] & np.uint64(0xFFFFFFFF)
        if len(rows):
            left = fragment.delete_rows(rows.tolist())
            changed.append(left) if left is not None else removed.append(fragment.fragment_id)
    operation = LanceOperation.Update(
        removed_fragment_ids=removed, updated_fragments=changed, new_fragments=list(added)
    )
    return commit(catalog, key, operation, base.version, run_id).version


def check_schema(catalog: Store, key: str, schema: pa.Schema, fragments: Sequence[FragmentMetadata]) -> None:
    """Raise CorruptData unless every fragment has the columns and types of `schema`, in its order.

    Lance does not check this: it would read the fragment's bytes as the types that the table declares.
    """

    def written(fragment: FragmentMetadata) -> pa.Schema:
        folder = f"{catalog.lance_uri(key)}/data"
        parts = [LanceFileReader(f"{folder}/{file.path}", catalog.lance_options) for file in fragment.files]
        return pa.schema([field for part in parts for field in part.metadata().schema])

    with ThreadPoolExecutor(READERS) as pool:
        for fragment, found in zip(fragments, pool.map(written, fragments), strict=True):
            if wrong := difference(schema, found):
                raise CorruptData(
                    f"{catalog.uri}: {key}/data/{fragment.files[0].path} does not have the columns of the table: "
                    f"{wrong}. Nothing was published; run `lookdex build` again. If it fails the same way, start the "
                    "night again under a new run id."
                )


def difference(schema: pa.Schema, found: pa.Schema) -> str:
    """The first difference between two schemas, in words; '' when there is none."""
    if found.names != schema.names:
        missing = [name for name in schema.names if name not in found.names]
        more = [name for name in found.names if name not in schema.names]
        if missing:
            return f"{missing[0]} ({schema.field(missing[0]).type}) is missing"
        return (
            f"{more[0]} ({found.field(more[0]).type}) is unexpected" if more else "they are in another order"
        )
    for ours, theirs in zip(schema, found, strict=True):
        if ours.type != theirs.type:
            return f"{ours.name} is {ours.type} in the table and {theirs.type} in the file"
    return ""


def commit(
    catalog: Store, key: str, operation: LanceOperation.BaseOperation, read: int, run_id: str
) -> lance.LanceDataset:
    """Commit one transaction on top of version `read`.

    When the store's answer is lost, the table tells whether the commit arrived. Raises ForeignTransaction when another
    writer committed in between, CorruptData, Unavailable.
    """
    nonce = uuid.uuid4().hex
    try:
        with convert_errors(tables.table_name(catalog, key)):
            try:
                done = lance.LanceDataset.commit(
                    catalog.lance_uri(key),
                    Transaction(read, operation, transaction_properties={RUN: run_id, COMMIT: nonce}),
                    storage_options=catalog.lance_options,
                    max_retries=0,
                )
            except CommitConflictError as error:
                raise foreign(key, run_id, f"version {read} is no longer its newest") from error
    except (ForeignTransaction, StorageError):
        # If only the answer of the first attempt was lost, the retry conflicts with it.
        arrived = tables.open_newest(catalog, key)
        if arrived is None or arrived.version <= read or not is_commit(arrived, nonce):
            raise
        done = arrived
    # max_retries=0 still rebases over an Append. Only consecutive versions prove that nobody else committed.
    if done.version != read + 1 and not isinstance(operation, LanceOperation.Restore):
        raise foreign(key, run_id, f"versions between {read} and {done.version} are not of this run")
    return done


def is_commit(table: lance.LanceDataset, nonce: str) -> bool:
    """Whether the commit with this nonce wrote the table's version."""
    with convert_errors(table.uri):
        transaction = table.read_transaction(table.version)
    return transaction is not None and (transaction.transaction_properties or {}).get(COMMIT) == nonce


def check_chain(catalog: Store, key: str, live_version: int | None, version: int, run_id: str) -> None:
    """Raise ForeignTransaction when a transaction between the live version and `version` is not of this run."""
    table = tables.open_table(catalog, key, version)
    step = version
    while step != live_version:
        transaction = table.read_transaction(step)
        if transaction is None:
            raise foreign(key, run_id, f"version {step} has no transaction")
        if not isinstance(transaction.operation, LanceOperation.CreateIndex):
            owner = (transaction.transaction_properties or {}).get(RUN)
            if owner != run_id:
                raise foreign(key, run_id, f"version {step} was written by {owner or 'another program'}")
            if isinstance(transaction.operation, LanceOperation.Overwrite):
                return
            if isinstance(transaction.operation, LanceOperation.Restore):
                if transaction.operation.version == live_version:
                    return
                raise foreign(
                    key, run_id, f"version {step} does not start from the live version {live_version}"
                )
        step -= 1


def foreign(key: str, run_id: str, what: str) -> ForeignTransaction:
    return ForeignTransaction(
        f"another builder wrote to {key} during the run {run_id}: {what}. Nothing was published. "
        "Find the other writer (one catalogue has one nightly job), then build again."
    )
