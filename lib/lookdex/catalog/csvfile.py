"""A CSV file as shops export it, as columns of text: the separator, the header and the records.

The separator is whichever of four yields a header with the id columns: exact where sniffers guess (DuckDB's
`sniff_csv` gets 6 of 56 two-line files wrong, such as semicolons around titles with commas in them). Python's csv
module splits the records: in strict mode it reports where a quote goes wrong, where pyarrow takes all that follows for
one long value.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from lookdex.errors import ConfigError
from lookdex.wording import count_of

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_SEP_LINE = re.compile(r'\s*"?sep=(.)"?[^\S\r\n]*(\r\n|\r|\n|\Z)', re.IGNORECASE)  # written for Excel
_BATCH = 16_384  # rows
_LONGEST = 2**31 - 1  # characters of a value; the module's own limit is 131,072


@dataclass(frozen=True, slots=True)
class Columns:
    """table: every column as text; an empty field, quoted or not, is null. separator: a key of SEPARATORS."""

    table: pa.Table
    separator: str


def read_csv(text: str, uri: str, ids: Sequence[str], separator: str = "", flag: str = "") -> Columns:
    """The columns of a CSV file with a header that names the columns `ids`, in any case.

    separator: a key of SEPARATORS; '' detects it. flag: the option that sets it, for error messages.

    Raises ConfigError when the header lacks one of `ids`, when a record does not have as many fields as the header,
    or when a quote is unbalanced; the message gives the line.
    """
    if line := _SEP_LINE.match(text):
        text = text[line.end() :]
        named = next((name for name, sign in SEPARATORS.items() if sign == line[1]), "")
        if not named and not separator:
            raise ConfigError(
                f"{uri} names the separator {line[1]!r} in its first line; lookdex reads these: "
                f"{', '.join(SEPARATORS)}"
            )
        separator = separator or named
    skipped = line[0].count("\n") if line else 0
    with _any_length():
        separator, header = _header(text, uri, ids, separator, flag)
        table = _table(_records(text, uri, separator, skipped), header, uri, separator)
    unnamed = [
        at
        for at, name in enumerate(table.column_names)
        if not name and table.column(at).null_count == table.num_rows
    ]  # from separators at line ends
    kept = [at for at in range(table.num_columns) if at not in unnamed]
    return Columns(table.select(kept), separator)


def _header(text: str, uri: str, ids: Sequence[str], separator: str, flag: str) -> tuple[str, list[str]]:
    """The separator's name, and the column names, stripped."""
    found: dict[str, list[str]] = {}
    for name in [separator] if separator else SEPARATORS:
        try:
            first = next(_fields(text, name), None)
        except csv.Error:
            continue
        if first is not None:
            found[name] = [field.strip() for field in first[1]]
    for name, header in found.items():
        if {word.lower() for word in ids} <= {field.lower() for field in header}:
            return name, header
    if not found:
        raise ConfigError(
            f"{uri} has no header: its first line must name the columns, {', '.join(ids)} among them"
        )
    name, header = max(found.items(), key=lambda pair: len(pair[1]))
    missing = next(word for word in ids if word.lower() not in {field.lower() for field in header})
    split = f"split by {name}; {flag} sets another separator" if flag else f"split by {name}"
    shown = ", ".join(field[:40] for field in header[:20])
    raise ConfigError(f"{uri} has no column {missing!r}; its columns: {shown} ({split})")


def _fields(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the number of its first line, from 1; empty lines are skipped."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=SEPARATORS[separator], strict=True)
    begins = 1
    for fields in reader:
        if fields:
            yield begins, fields
        begins = reader.line_num + 1


def _records(text: str, uri: str, separator: str, skipped: int) -> Iterator[list[str]]:
    """The records, all of one length. skipped: lines before the text."""
    width, begins, fields = 0, 0, [""]
    try:
        for begins, fields in _fields(text, separator):
            width = width or len(fields)
            if len(fields) != width:
                raise ConfigError(
                    f"{uri}: line {begins + skipped} has {count_of(len(fields), 'field')} where the header names "
                    f"{count_of(width, 'column')}: {SEPARATORS[separator].join(fields)[:80]!r}. Put values that "
                    f"contain the separator ({separator}) in double quotes"
                )
            yield fields
    except csv.Error as error:
        after = f" after line {begins + skipped}" if begins else ""
        why = "a double quote is never closed" if "unexpected end" in str(error) else str(error)
        raise ConfigError(
            f"{uri} cannot be read{after}: {why}. Within a quoted value, write each double quote twice"
        ) from error


def _table(records: Iterator[list[str]], header: list[str], uri: str, separator: str) -> pa.Table:
    next(records)
    batches = []
    while rows := list(islice(records, _BATCH)):
        columns = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
        batches.append(pa.RecordBatch.from_arrays(columns, [str(at) for at in range(len(header))]))
    schema = pa.schema([(str(at), pa.string()) for at in range(len(header))])
    table = pa.Table.from_batches(batches, schema)
    empty = pa.scalar(None, pa.string())
    return pa.table([pc.if_else(pc.equal(column, ""), empty, column) for column in table.columns], header)


@contextmanager
def _any_length() -> Iterator[None]:
    """Let the csv module read values of any length; the limit is global to the process."""
    before = csv.field_size_limit(_LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)
