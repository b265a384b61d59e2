"""Reads the shop's own tables (products, mapping): CSV, JSON lines, Parquet, or a folder of Parquet files.

The suffix gives the format, and so do the first bytes where they are unambiguous; gzip is recognised by its first
bytes. The result is a table with the types of `columns`, and what was detected about the file.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from lookdex.catalog.csvfile import read_csv
from lookdex.catalog.encodings import decode
from lookdex.catalog.typed import TYPES, as_type, typed
from lookdex.columns import Unfit, example_of, fit, kind_of
from lookdex.errors import ConfigError, NotFound
from lookdex.storage import Store, open_store
from lookdex.wording import count_of

_CSV = (".csv", ".tsv", ".txt")
_JSON = (".jsonl", ".ndjson", ".json")
_PARQUET = (".parquet", ".pq")
_NEEDED = (
    "lookdex reads CSV (.csv, .tsv, .txt) and JSON lines (.jsonl), either of them gzipped, a Parquet file, or a "
    "folder of Parquet files"
)
_MAGIC = {
    b"PK\x03\x04": "a zip archive or an Excel file: export it as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel file: export it as CSV",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: compress it with gzip, or not at all",
    b"BZh": "compressed with bzip2: compress it with gzip, or not at all",
    b"\xfd7zXZ": "compressed with xz: compress it with gzip, or not at all",
}
_NOTHING = "__HIVE_DEFAULT_PARTITION__"  # Spark's name for the value of rows without one


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a file, where that is not to be detected. separator: a key of `csvfile.SEPARATORS`. types: column →
    one of `typed.TYPES`. flags: whether messages may name the options (which exist for the products file only)."""

    encoding: str = ""
    separator: str = ""
    types: Mapping[str, str] = field(default_factory=dict)
    flags: bool = False

    @classmethod
    def of(cls, encoding: str, separator: str, types: Iterable[str]) -> Reading:
        """From the settings. types: `column=type`. Raises ConfigError for an unknown type."""
        chosen = {}
        for text in types:
            name, sign, kind = text.rpartition("=")
            if not sign or not name.strip() or kind.strip() not in TYPES:
                raise ConfigError(
                    f"--products-types {text}: give column=type, with a type of {', '.join(TYPES)}, e.g. ean=text"
                )
            chosen[name.strip()] = kind.strip()
        return cls(encoding, "" if separator == "auto" else separator, chosen, flags=True)


@dataclass(frozen=True, slots=True)
class Found:
    """What was detected about a file. encoding and separator: '' where the format has none. guess: a line of text that
    shows people whether a guessed encoding is right. gzip: whether it is compressed."""

    format: str
    rows: int
    encoding: str = ""
    separator: str = ""
    guess: str = ""
    gzip: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A column that the tables cannot hold, and why, as a sentence."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class DataFile:
    """table: the columns that can be held, each of a type of `columns`, with names that are unique in any case."""

    table: pa.Table
    refused: tuple[Refused, ...]
    found: Found


def read_file(uri: str, ids: Sequence[str], reading: Reading) -> DataFile:
    """A file or a folder of Parquet files, local or s3://. ids: id columns that must exist, in any case.

    Raises ConfigError when it does not exist, cannot be read, lacks one of `ids`, or repeats a column name.
    """
    parent, _, name = uri.rstrip("/").rpartition("/")
    store = open_store(parent or ("/" if uri.startswith("/") else "."))
    try:
        data = store.get(name)
    except NotFound as error:
        parts = [one.key for one in store.list(f"{name}/")]
        if not parts:
            raise ConfigError(f"{uri} does not exist") from error
        raw, found = _folder(store, name, parts, uri)
        return _finish(raw, found, uri, ids, reading, text=False)
    packed = data.startswith(b"\x1f\x8b")
    if packed:
        data = _unpacked(data, uri)
    suffixes = [one.lower() for one in PurePosixPath(name).suffixes if one.lower() not in (".gz", ".gzip")]
    kind = _kind(suffixes[-1] if suffixes else "", data, uri)
    if kind == "Parquet":
        table = _parquet(data, uri)
        return _finish(table, Found(kind, table.num_rows, gzip=packed), uri, ids, reading, text=False)
    flag = "--products-encoding" if reading.flags else ""
    decoded = decode(data, uri, ids[0], reading.encoding, flag)
    del data
    if kind == "JSON lines":
        table = _json_lines(decoded.text, uri)
        found = Found(kind, table.num_rows, decoded.encoding, guess=decoded.guess, gzip=packed)
        return _finish(table, found, uri, ids, reading, text=False)
    flag = "--products-separator" if reading.flags else ""
    columns = read_csv(decoded.text, uri, ids, reading.separator, flag)
    found = Found(
        kind, columns.table.num_rows, decoded.encoding, columns.separator, decoded.guess, gzip=packed
    )
    return _finish(columns.table, found, uri, ids, reading, text=True)


def _kind(suffix: str, data: bytes, uri: str) -> str:
    """“CSV”, “JSON lines” or “Parquet”."""
    if not data:
        raise ConfigError(f"{uri} is empty")
    if data.startswith(b"PAR1") and suffix not in _PARQUET:
        if suffix in (*_CSV, *_JSON):
            raise ConfigError(f"{uri} is a Parquet file, despite its name: rename it to .parquet")
        return "Parquet"
    if suffix in _PARQUET:
        return "Parquet"
    for magic, what in _MAGIC.items():
        if data.startswith(magic):
            raise ConfigError(f"{uri} is {what}; {_NEEDED}")
    if suffix in _JSON:
        return "JSON lines"
    if suffix in _CSV:
        return "CSV"
    if data.lstrip()[:1] in (b"{", b"["):
        return "JSON lines"
    return "CSV"  # `read_csv` checks that its first line names the ids


def _unpacked(data: bytes, uri: str) -> bytes:
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise ConfigError(f"{uri} cannot be unpacked: {error}. Is the file complete?") from error


def _parquet(data: bytes, uri: str) -> pa.Table:
    try:
        # Spark's older timestamps: read as nanoseconds they would wrap around outside the years 1677 to 2262.
        return pq.ParquetFile(io.BytesIO(data), coerce_int96_timestamp_unit="us").read()
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{uri} cannot be read as Parquet: {error}") from error


def _folder(store: Store, name: str, keys: list[str], uri: str) -> tuple[pa.Table, Found]:
    """The rows of all Parquet files below the folder; a folder named `column=value` adds a column to its rows."""
    shown = [key for key in keys if not any(part.startswith(("_", ".")) for part in key.split("/"))]
    parts = [key for key in shown if PurePosixPath(key).suffix.lower() in _PARQUET]
    if not parts:
        examples = ", ".join(key.removeprefix(f"{name}/") for key in keys[:3])
        raise ConfigError(f"{uri} is a folder without Parquet files (it has {examples}); {_NEEDED}")
    tables = []
    for key in parts:
        table = _parquet(store.get(key), f"{uri}: {key}")
        for folder in key.removeprefix(f"{name}/").split("/")[:-1]:
            column, sign, value = folder.partition("=")
            if not sign:
                continue
            if column.lower() in {one.lower() for one in table.column_names}:
                raise ConfigError(
                    f"{uri}: {key} has a column {column!r}, as does its folder {folder!r}; drop one"
                )
            given = None if value == _NOTHING else unquote(value)
            table = table.append_column(column, pa.array([given] * table.num_rows, pa.string()))
        tables.append(table)
    table = _joined(tables, parts, uri)
    partitions = {
        folder.partition("=")[0]
        for key in parts
        for folder in key.removeprefix(f"{name}/").split("/")[:-1]
        if "=" in folder
    }
    for column in partitions:  # the folders' names are text, as in a CSV
        at = table.column_names.index(column)
        table = table.set_column(at, column, typed(table.column(at).combine_chunks()))
    return table, Found(f"folder of {count_of(len(parts), 'Parquet file')}", table.num_rows)


def _joined(tables: list[pa.Table], parts: list[str], uri: str) -> pa.Table:
    """One table. A column that some files lack is null there; its types in different files must be of one family."""
    kinds: dict[str, tuple[str, str]] = {}
    for table, part in zip(tables, parts, strict=True):
        for entry in table.schema:
            kind = _family(entry.type)
            if kind == "empty":
                continue
            other, first = kinds.setdefault(entry.name, (kind, part))
            if kind != other:
                raise ConfigError(
                    f"{uri}: the column {entry.name!r} holds {other} in {first} and {kind} in {part}; write the "
                    "same type in all of them"
                )
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise ConfigError(f"{uri}: its files cannot be joined into one table: {error}") from error


def _family(kind: pa.DataType) -> str:
    """Types of one family can be joined without loss."""
    if pa.types.is_dictionary(kind):
        return _family(kind.value_type)
    if pa.types.is_integer(kind):
        return "whole numbers"
    if pa.types.is_decimal(kind):
        return f"decimals with {kind.scale} places"
    if pa.types.is_floating(kind):
        return "floating-point numbers"
    if pa.types.is_timestamp(kind):
        return "times with a zone" if kind.tz else "times without a zone"
    return kind_of(kind)


def _json_lines(text: str, uri: str) -> pa.Table:
    """One row per line, or per object of a single list; one column per key, in the order of first use."""
    rows: list[Any] = []
    number = 0
    try:
        if text.lstrip().startswith("["):
            rows = json.loads(text, parse_constant=_no_number, parse_float=_exact)
        else:
            for line in io.StringIO(text):
                number += 1
                if line.strip():
                    rows.append(json.loads(line, parse_constant=_no_number, parse_float=_exact))
    except ValueError as error:
        where = f"line {number}" if number else "the list"
        raise ConfigError(f"{uri}: {where} is not JSON: {error}") from error
    odd = next((at for at, row in enumerate(rows) if not isinstance(row, dict)), None)
    if odd is not None:
        raise ConfigError(
            f'{uri}: row {odd + 1} is not an object such as {{"product_id": "7"}}: {str(rows[odd])[:40]}'
        )
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [_json_column([row.get(name) for row in rows], name, uri) for name in names]
    return pa.table(columns, names) if names else pa.table({})


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is not a number")


def _exact(text: str) -> float | Decimal:
    """The number; as a Decimal where a float would lose digits."""
    number = float(text)
    return number if len(text) <= 16 or Decimal(repr(number)) == Decimal(text) else Decimal(text)


def _json_column(values: list[Any], name: str, uri: str) -> pa.Array:
    """Whole numbers beyond 64 bits become decimals; those beside fractions stay exact or are refused."""
    kinds = {type(value) for value in values if value is not None}
    try:
        if kinds == {int, float}:
            inexact = next((one for one in values if isinstance(one, int) and int(float(one)) != one), None)
            if inexact is not None:
                raise ConfigError(
                    f"{uri}: the column {name!r} holds fractions and {inexact}, which no float64 equals; "
                    "write it as text"
                )
            return pa.array([None if one is None else float(one) for one in values], pa.float64())
        if kinds == {int} and any(one is not None and not -(2**63) <= one < 2**63 for one in values):
            digits = max(len(str(abs(one))) for one in values if one is not None)
            return pa.array(values, pa.decimal128(digits, 0))
        return pa.array(values)
    except (pa.ArrowException, OverflowError, ValueError) as error:
        kinds_named = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise ConfigError(
            f"{uri}: the column {name!r} cannot be read (its values are {kinds_named}): {error}. Write them all as "
            "one type"
        ) from error


def _finish(
    raw: pa.Table, found: Found, uri: str, ids: Sequence[str], reading: Reading, text: bool
) -> DataFile:
    """Convert the raw columns to the tables' types. text: all are text, and their values show the types."""
    names = [_own_case(name, ids) for name in raw.column_names]
    folded = [name.lower() for name in names]
    if twice := sorted({name for name in names if folded.count(name.lower()) > 1}):
        raise ConfigError(
            f"{uri} has two columns for {', '.join(map(repr, twice))} (upper and lower case are one here); rename "
            "one of them"
        )
    for name in ids:
        if name not in names:
            raise ConfigError(f"{uri} has no column {name!r}; its columns: {', '.join(names) or 'none'}")
    if unknown := [name for name in reading.types if name.lower() not in folded]:
        raise ConfigError(
            f"--products-types names the column {unknown[0]!r}, which {uri} does not have; its columns: "
            f"{', '.join(names)}"
        )
    wishes = {name.lower(): wish for name, wish in reading.types.items()}
    comma = found.separator not in ("", "comma")
    columns: dict[str, pa.Array] = {}
    refused = []
    for name, chunks in zip(names, raw.columns, strict=True):
        values = _one_array(chunks)
        try:
            if name in ids:
                columns[name] = fit(_id_text(values))
            elif name.lower() in wishes:
                columns[name] = fit(_as_wished(values, wishes[name.lower()], comma))
            else:
                columns[name] = fit(typed(values, comma) if text else values)
        except Unfit as unfit:
            example = f", e.g. {unfit.example}" if unfit.example else ""
            why = f"the column {name!r} {unfit.why}{example}: {unfit.remedy}"
            if name in ids or name.lower() in wishes:
                raise ConfigError(f"{uri}: {why}") from unfit
            refused.append(Refused(name, why))
    return DataFile(pa.table(columns), tuple(refused), found)


def _own_case(name: str, ids: Sequence[str]) -> str:
    return next((own for own in ids if own == name.strip().lower()), name)


def _one_array(chunks: pa.ChunkedArray) -> pa.Array:
    if chunks.num_chunks == 1:
        return chunks.chunk(0)
    if pa.types.is_dictionary(chunks.type):
        chunks = chunks.unify_dictionaries()
    return pa.concat_arrays(chunks.chunks) if chunks.num_chunks else pa.array([], chunks.type)


def _as_wished(values: pa.Array, wish: str, comma: bool) -> pa.Array:
    fitted = fit(values)
    if pa.types.is_string(fitted.type):
        return as_type(fitted, wish, comma)
    if wish == "text" and not pa.types.is_nested(fitted.type):
        return fitted.cast(pa.string())
    is_so = {"number": "number", "date": "date", "datetime": "time", "boolean": "true or false"}.get(wish)
    if kind_of(fitted.type) != is_so:
        raise Unfit(f"holds {kind_of(fitted.type)}, and not {wish}", "leave it out of --products-types")
    return fitted


def _id_text(values: pa.Array) -> pa.Array:
    """Ids as text: strings, whole numbers and UUIDs have exactly one spelling; other types are refused."""
    fitted = fit(values)
    kind = fitted.type
    if pa.types.is_string(kind) and not pa.types.is_time(values.type):
        return fitted
    if pa.types.is_int64(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
        return fitted.cast(pa.string())
    raise Unfit(
        f"holds {values.type}, and ids are text or whole numbers", "write it as text", example_of(values)
    )
