"""Lance transactions of a build: each carries the run's id, and none goes on top of somebody else's.

A build starts from the live version (Restore, or Overwrite when the rows have another shape), then makes one
commit that deletes and adds. Both may be repeated: they start from the live version again, so a retried build
gives the same rows. Only index commits (CreateIndex) cannot carry properties; they change no row.
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
from lookdex.catalog.lance_errors import reading
from lookdex.errors import CorruptData, ForeignTransaction, StorageError
from lookdex.storage import Store

RUN = "lookdex_run"  # the transaction property
COMMIT = "lookdex_commit"  # another: identifies one commit
READERS = 8


def start_from(catalog: Store, key: str, version: int, run_id: str) -> lance.LanceDataset:
    """The table whose newest version has the content of `version`: restored, unless it is the newest already."""
    newest = tables.open_table(catalog, key)
    if newest.version == version:
        return newest
    # A Restore wins over whatever was committed in between; what matters is what follows it (see `check_chain`).
    return commit(catalog, key, LanceOperation.Restore(version), newest.version, run_id)


def overwrite(
    catalog: Store, key: str, schema: pa.Schema, fragments: Sequence[FragmentMetadata], run_id: str
) -> int:
    """A new table, or a new version that shares no row with the older ones. Returns the version.

    Raises CorruptData when a fragment was written with another schema.
    """
    check_schema(catalog, key, schema, fragments)
    newest = tables.newest(catalog, key)
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
    """One commit that deletes rows by their ids (uint64, as Lance's `_rowid`) and adds fragments.

    By address, and not `dataset.delete(… IN …)`: of 200,000 rows, 100,000 keys are found in 0.24 s and deleted in
    0.06 s (infra/bench_release.py); a predicate takes 1.3 s for 10,000, and would be a commit of its own.

    Returns the version. Raises ForeignTransaction when somebody committed since `base`, CorruptData when a fragment
    was written with another schema than the table's.
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
    """Raises CorruptData unless every fragment was written with the columns and types of `schema`, in its order.

    Lance does not check this: it reads the bytes of such a fragment as the types that the table declares.
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
                    f"{wrong}. Nothing was published; run `lookdex build` again, and if that ends the same way, "
                    "start the night again under a new run id."
                )


def difference(schema: pa.Schema, found: pa.Schema) -> str:
    """The first column in which `found` differs from `schema`, with both types; '' when none does."""
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
    """One transaction on top of version `read`.

    Raises ForeignTransaction when somebody else committed in between, CorruptData, Unavailable. When the store's answer
    is lost, what is in the table decides: the commit may have arrived.
    """
    nonce = uuid.uuid4().hex
    try:
        with reading(tables.name_of(catalog, key)):
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
        # The first attempt may have arrived and only its answer got lost: then a retry conflicts with it.
        arrived = tables.newest(catalog, key)
        if arrived is None or arrived.version <= read or not is_commit(arrived, nonce):
            raise
        done = arrived
    # max_retries=0 still rebases over an Append; that the version follows the one read is what proves we are alone.
    if done.version != read + 1 and not isinstance(operation, LanceOperation.Restore):
        raise foreign(key, run_id, f"versions between {read} and {done.version} are not ours")
    return done


def is_commit(table: lance.LanceDataset, nonce: str) -> bool:
    """Did the commit with this nonce write the table's version?"""
    with reading(table.uri):
        transaction = table.read_transaction(table.version)
    return transaction is not None and (transaction.transaction_properties or {}).get(COMMIT) == nonce


def check_chain(catalog: Store, key: str, live_version: int | None, version: int, run_id: str) -> None:
    """Raises ForeignTransaction when a transaction between the live version and `version` is not the run's."""
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
