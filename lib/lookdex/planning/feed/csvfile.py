"""Read a shop's CSV file as columns of text: separator, header and records.

The separator is the one of four that gives a header with the id columns. This is exact, where sniffers guess: DuckDB's
`sniff_csv` gets 6 of 56 two-line files wrong, such as semicolons around titles with commas. Records are split by
Python's csv module, which in strict mode reports an unbalanced quote; pyarrow would take the rest of the file for one
long value.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from lookdex.errors import ConfigError
from lookdex.runtime.wording import pluralize

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_SEP_LINE = re.compile(r'\s*"?sep=(.)"?[^\S\r\n]*(\r\n|\r|\n|\Z)', re.IGNORECASE)  # written by Excel
_PADDED = re.compile(r'^ +"')
_BATCH = 16_384  # rows
_LONGEST = 2**31 - 1  # characters of a value; the csv module's default limit is 131,072


@dataclass(frozen=True, slots=True)
class Columns:
    """table: every column as text; an empty field, quoted or not, is null. separator: a key of SEPARATORS."""

    table: pa.Table
    separator: str


def read_csv(text: str, uri: str, ids: Sequence[str], separator: str = "", flag: str = "") -> Columns:
    """Read a CSV file whose header names the columns `ids`, in any case.

    separator: a key of SEPARATORS; '' detects it. flag: the option that sets it, for error messages.

    Raises ConfigError when the header lacks one of `ids`, a record has another number of fields than the header, or a
    quote is unbalanced; the message gives the line.
    """
    if line := _SEP_LINE.match(text):
        text = text[line.end() :]
        named = next((name for name, sign in SEPARATORS.items() if sign == line[1]), "")
        if not named and not separator:
            raise ConfigError(
                f"{uri} names the separator {line[1]!r} in its first line; supported separators: "
                f"{', '.join(SEPARATORS)}"
            )
        separator = separator or named
    skipped = line[0].count("\n") if line else 0
    with _any_length():
        separator, header, padded = _header(text, uri, ids, separator, flag)
        read = partial(_table, text, header, uri, separator, skipped)
        table = read(padded=True) if padded else _plain_or_padded(read)
    unnamed = [
        at
        for at, name in enumerate(table.column_names)
        if not name and table.column(at).null_count == table.num_rows
    ]  # of separators at the ends of lines
    kept = [at for at in range(table.num_columns) if at not in unnamed]
    return Columns(table.select(kept), separator)


def _header(
    text: str, uri: str, ids: Sequence[str], separator: str, flag: str
) -> tuple[str, list[str], bool]:
    """The separator's name, the stripped column names, and whether spaces precede quotes in the header."""
    found: dict[str, list[str]] = {}
    wrong: dict[str, str] = {}
    for padded in (False, True):
        for name in [separator] if separator else SEPARATORS:
            try:
                first = next(_fields(text, name, padded), None)
            except csv.Error as error:
                wrong[name] = str(error)
                continue
            if first is None:
                continue
            header = [field.strip() for field in first[1]]
            quoted = any(map(_PADDED.match, first[1]))
            if {word.lower() for word in ids} <= {field.lower() for field in header} and not quoted:
                return name, header, padded
            found.setdefault(name, header)
    if not found and wrong:
        first_line = text.lstrip().partition("\n")[0]
        name = max(wrong, key=lambda one: first_line.count(SEPARATORS[one]))
        raise ConfigError(
            f"{uri}: the header cannot be read: {_why(wrong[name])}: {first_line[:80]!r}. A closing double quote must "
            "be followed by the separator"
        )
    if not found:
        raise ConfigError(
            f"{uri} has no header: the first line must name the columns, including {', '.join(ids)}"
        )
    name, header = max(found.items(), key=lambda pair: len(pair[1]))
    missing = next((word for word in ids if word.lower() not in {field.lower() for field in header}), ids[0])
    split = f"split by {name}; {flag} sets another separator" if flag else f"split by {name}"
    shown = ", ".join(field[:40] for field in header[:20])
    raise ConfigError(f"{uri} has no column {missing!r}; its columns: {shown} ({split})")


def _plain_or_padded(read: Callable[..., pa.Table]) -> pa.Table:
    """The table, when spaces may precede a quoted value (1, "a, b") or belong to a value (1, a)."""
    try:
        plain = read(padded=False)
    except ConfigError:
        try:
            return read(padded=True)
        except ConfigError:
            pass
        raise
    if not any(_starts_padded(column) for column in plain.columns):
        return plain
    try:
        padded = read(padded=True)
    except ConfigError:
        return plain
    same = padded.num_rows == plain.num_rows and all(
        column.equals(other)
        for column, other in zip(plain.columns, padded.columns, strict=True)
        if _starts_padded(column)
    )
    return plain if same else padded


def _starts_padded(column: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.match_substring_regex(column, _PADDED.pattern), min_count=0).as_py())


def _fields(text: str, separator: str, padded: bool) -> Iterator[tuple[int, list[str]]]:
    """The records with the line number in which each begins, from 1. Records without any value are skipped."""
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=SEPARATORS[separator],
        strict=True,
        skipinitialspace=padded,
    )
    begins = 1
    for fields in reader:
        if any(map(str.strip, fields)):
            yield begins, fields
        begins = reader.line_num + 1


def _records(
    text: str, header: list[str], uri: str, separator: str, skipped: int, padded: bool
) -> Iterator[list[str]]:
    """The records, each with as many fields as the header. skipped: lines before the text."""
    width, begins, fields = len(header), 0, [""]
    named = max((at + 1 for at, name in enumerate(header) if name), default=width)
    try:
        for begins, fields in _fields(text, separator, padded):
            if len(fields) != width:
                # Trailing separators in only the header or only the rows do not add columns.
                if len(fields) > width and not any(fields[width:]):
                    fields = fields[:width]
                elif named <= len(fields) < width:
                    fields = [*fields, *[""] * (width - len(fields))]
                else:
                    raise ConfigError(
                        f"{uri}: line {begins + skipped} has {pluralize(len(fields), 'field')}, but the header names "
                        f"{pluralize(width, 'column')}: {SEPARATORS[separator].join(fields)[:80]!r}. Put values that "
                        f"contain the separator ({separator}) in double quotes"
                    )
            yield fields
    except csv.Error as error:
        after = f" after line {begins + skipped}" if begins else ""
        raise ConfigError(
            f"{uri} cannot be read{after}: {_why(str(error))}. Within a quoted value, double each double quote"
        ) from error


def _why(error: str) -> str:
    return "a double quote is never closed" if "unexpected end" in error else error


def _table(text: str, header: list[str], uri: str, separator: str, skipped: int, padded: bool) -> pa.Table:
    records = _records(text, header, uri, separator, skipped, padded)
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
    """Let the csv module read values of any length. The limit is global to the process."""
    before = csv.field_size_limit(_LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)
