"""Rows of a release as a pandas frame, for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from lookdex.errors import BadQuery, CorruptData, StorageError
from lookdex.records import Scope
from lookdex.records.ranges import Count
from lookdex.runtime.extras import extras
from lookdex.search.query.arguments import Arguments, texts
from lookdex.search.retrieval.filters import compile_filter
from lookdex.search.retrieval.open_release import OpenRelease, to_filter_error

if TYPE_CHECKING:
    import pandas as pd

HEAVY = ("vector", "crop")  # kilobytes a row: read only where they are named
_ARGUMENTS = Arguments(where=str | None, limit=Count | None, scope=Scope | None)
_SCOPE = Arguments(scope=Scope)
_NO_VALUES = (*HEAVY, "palette")  # columns that no predicate can compare


def to_frame(
    release: OpenRelease,
    where: str | None = None,
    columns: Sequence[str] | None = None,
    *,
    scope: Scope | str | None = Scope.OBJECT,
    limit: int | None = None,
) -> pd.DataFrame:
    """See `Catalog.to_pandas`."""
    with extras():
        import pandas  # noqa: F401  (raises MissingExtra here; pyarrow would import it later)
    given = _ARGUMENTS.read(where=where, limit=limit, scope=scope)
    where, limit, scope = given["where"], given["limit"], given["scope"]
    known = list(release.items.schema.names)
    wanted = (
        [name for name in known if name not in HEAVY]
        if columns is None
        else list(dict.fromkeys(texts("columns", columns)))
    )
    if unknown := [name for name in wanted if name not in known]:
        raise BadQuery(f"there is no column {', '.join(map(repr, unknown))}; columns: {', '.join(known)}")
    rows = [f"scope = '{scope}'"] if scope is not None else []
    if where is not None:
        schema = release.items.schema
        rows.append(compile_filter(where, pa.schema([f for f in schema if f.name not in _NO_VALUES])))
    sql = " AND ".join(rows)
    try:
        table = release.items.to_table(columns=wanted, filter=sql or None, limit=limit, patient=True)
    except (CorruptData, StorageError) as error:
        raise to_filter_error(error, sql, release.items.schema) from error
    frame = _pandas(table)
    frame.attrs |= {
        "release_id": release.record.release_id,
        "released_at": release.record.created_at.isoformat(),
    }
    return frame


def _pandas(table: pa.Table) -> pd.DataFrame:
    """The table as a frame without loss: integers with nulls as Int64, nested values as Python objects.

    By default pyarrow turns integers with nulls into floats, which changes those beyond 2^53.
    """
    import pandas as pd

    whole = {pa.int64(): pd.Int64Dtype()}
    gaps = [field.name for field in table.schema if field.type in whole and table[field.name].null_count]
    nested = [
        field.name
        for field in table.schema
        if pa.types.is_nested(field.type) and field.name not in _NO_VALUES
    ]
    frame = table.drop_columns(nested).to_pandas()
    for name in gaps:
        frame[name] = table[name].to_pandas(types_mapper=whole.get)
    for name in nested:
        frame.insert(table.column_names.index(name), name, pd.Series(table[name].to_pylist(), dtype=object))
    return frame


def read_scope(scope: Scope | str) -> Scope:
    """Read a scope from its name. Raises BadQuery."""
    found: Scope = _SCOPE.read(scope=scope)["scope"]
    return found
