"""Normalise product ids for comparison: trimmed, in Unicode's composed form (NFC).

macOS writes 가방 in keys as five letters, a spreadsheet as two syllables: both are the same id.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from lookdex.errors import ConfigError
from lookdex.runtime.wording import pluralize

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class CaseOnly:
    """Product ids of photos that differ from the file's only in case. examples: (id of a photo, id of the file)."""

    count: int = 0
    examples: tuple[tuple[str, str], ...] = ()


def clean(ids: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Normalise strings as ids. Nulls stay null."""
    return pc.utf8_normalize(pc.utf8_trim_whitespace(ids), form="NFC")


def clean_column(table: pa.Table, column: str, uri: str) -> pa.Table:
    """Normalise a column of ids (strings). Raises ConfigError when one is missing, empty or unprintable."""
    values = clean(table[column])
    empty = pc.equal(pc.fill_null(values, ""), "")
    if count := pc.sum(empty).as_py():
        first = pc.index(empty, True).as_py() + 1
        raise ConfigError(
            f"{uri}: {pluralize(count, 'row')} without a {column}, first row {first:,} of {len(values):,} (not "
            "counting the header); fill it in, or remove these rows"
        )
    odd = values.filter(pc.match_substring_regex(values, r"\p{Cc}"))
    if len(odd):
        raise ConfigError(f"{uri}: the {column} {odd[0].as_py()!r} has a control character; remove it")
    return table.set_column(table.column_names.index(column), column, values)


def shown(ids: pa.Array | pa.ChunkedArray | list[str], most: int = EXAMPLES) -> str:
    """The first few ids, quoted so that whitespace is visible."""
    return ", ".join(map(repr, ids[:most] if isinstance(ids, list) else ids.slice(0, most).to_pylist()))


def case_only(photos: pa.Array, file: pa.Array) -> CaseOnly:
    """Ids of photos that match ids of the file only in lower case. Both arrays: unique ids."""
    with duckdb.connect() as database:
        database.register("photos", pa.table({"id": photos}))
        database.register("file", pa.table({"id": file}))
        found = database.sql(
            "select photos.id, min(file.id) from photos join file on lower(photos.id) = lower(file.id) "
            "where photos.id not in (select id from file) group by 1 order by 1"
        ).fetchall()
    return CaseOnly(len(found), tuple(found[:EXAMPLES]))
