"""Read the shop's tables (products, mapping): CSV, JSON lines, Parquet, or a folder of Parquet files.

The format is given by the suffix, or by the first bytes if they are unambiguous; gzip is recognised by its first bytes.
The result is a table with types of `column_types`, and what was detected about the file.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from lookdex.catalog.column_types import Unfit, example_of, fit, kind_of
from lookdex.errors import ConfigError, NotAFile, NotFound
from lookdex.planning.feed.csvfile import read_csv
from lookdex.planning.feed.encodings import decode
from lookdex.planning.feed.jsonlines import json_lines
from lookdex.planning.feed.typed import TYPES, as_type, typed
from lookdex.runtime.wording import pluralize
from lookdex.storage import Store, open_store

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
_MARKERS = ("/", "_$folder$")  # suffixes of keys that represent folders
_TABLES = {"_delta_log": "Delta", ".hoodie": "Hudi"}
_NOTHING = "__HIVE_DEFAULT_PARTITION__"  # the folder in which Spark writes rows without a value


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read a file. Empty values are detected.

    separator: a key of `csvfile.SEPARATORS`. types: column → one of `typed.TYPES`. flags: whether messages may name
    command-line options, which exist for the products file only.
    """

    encoding: str = ""
    separator: str = ""
    types: Mapping[str, str] = field(default_factory=dict)
    flags: bool = False

    @classmethod
    def of(cls, encoding: str, separator: str, types: Iterable[str]) -> Reading:
        """Create from the settings. types: `column=type`. Raises ConfigError for an unknown type."""
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
    """What was detected about a file.

    encoding, separator: '' if the format has none. guess: a line of text that shows whether a guessed encoding is
    right; '' if it was not guessed. gzip: whether the file is compressed.
    """

    format: str
    rows: int
    encoding: str = ""
    separator: str = ""
    guess: str = ""
    gzip: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A column that the tables cannot hold, and the reason as a sentence."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file as a table.

    table: the columns that the tables can hold, of types of `column_types`, with names that differ in more than case.
    """

    table: pa.Table
    refused: tuple[Refused, ...]
    found: Found


def read_file(uri: str, ids: Sequence[str], reading: Reading) -> DataFile:
    """Read a file or a folder of Parquet files, local or s3://. ids: id columns that must exist, in any case.

    Raises ConfigError when it does not exist, cannot be read, lacks one of `ids`, or repeats a column name.
    """
    parent, _, name = uri.rstrip("/").rpartition("/")
    store = open_store(parent or ("/" if uri.startswith("/") else "."))
    try:
        data = store.get(name)
    except (NotFound, NotAFile) as error:
        parts = [one.key for one in store.list(f"{name}/")]
        if not parts:
            what = "does not exist" if isinstance(error, NotFound) else "is a folder without files"
            raise ConfigError(f"{uri} {what}") from error
        raw, found, partitions = _folder(store, name, parts, uri)
        return _finish(raw, found, uri, ids, reading, text=partitions)
    packed = data.startswith(b"\x1f\x8b")
    if packed:
        data = _unpacked(data, uri)
    suffixes = [one.lower() for one in PurePosixPath(name).suffixes if one.lower() not in (".gz", ".gzip")]
    kind = _kind(suffixes[-1] if suffixes else "", data, uri)
    if kind == "Parquet":
        table = _parquet(data, uri)
        return _finish(table, Found(kind, table.num_rows, gzip=packed), uri, ids, reading)
    flag = "--products-encoding" if reading.flags else ""
    decoded = decode(data, uri, ids[0], reading.encoding, flag)
    del data
    if kind == "JSON lines":
        table = json_lines(decoded.text, uri)
        found = Found(kind, table.num_rows, decoded.encoding, guess=decoded.guess, gzip=packed)
        return _finish(table, found, uri, ids, reading)
    flag = "--products-separator" if reading.flags else ""
    columns = read_csv(decoded.text, uri, ids, reading.separator, flag)
    found = Found(
        kind, columns.table.num_rows, decoded.encoding, columns.separator, decoded.guess, gzip=packed
    )
    return _finish(columns.table, found, uri, ids, reading, text=columns.table.column_names)


def _kind(suffix: str, data: bytes, uri: str) -> str:
    """The format: “CSV”, “JSON lines” or “Parquet”."""
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
        raise ConfigError(f"{uri} cannot be decompressed: {error}. Is the file complete?") from error


def _parquet(data: bytes, uri: str) -> pa.Table:
    try:
        # Older timestamps of Spark: as nanoseconds they would overflow outside the years 1677 to 2262.
        return pq.ParquetFile(io.BytesIO(data), coerce_int96_timestamp_unit="us").read()
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{uri} cannot be read as Parquet: {error}") from error


def _folder(store: Store, name: str, keys: list[str], uri: str) -> tuple[pa.Table, Found, list[str]]:
    """The rows of all Parquet files below the folder, and the partition columns, from folders named `column=value`."""
    for folder, what in _TABLES.items():
        if any(key.startswith(f"{name}/{folder}/") for key in keys):
            raise ConfigError(
                f"{uri} is a {what} table, and only its log knows which files belong to it: export its rows to a plain "
                "folder of Parquet files"
            )
    shown = [
        key
        for key in keys
        if not any(part.startswith(("_", ".")) for part in key.split("/")[name.count("/") + 1 :])
    ]
    parts = [key for key in shown if PurePosixPath(key).suffix.lower() in _PARQUET]
    others = [
        key.removeprefix(f"{name}/") for key in shown if key not in parts and not key.endswith(_MARKERS)
    ]
    if not parts:
        such = ", ".join(others[:3] or [key.removeprefix(f"{name}/") for key in keys[:3]])
        raise ConfigError(f"{uri} is a folder without Parquet files, but with {such}; {_NEEDED}")
    if others:
        raise ConfigError(
            f"{uri} has other files beside its Parquet files, such as {', '.join(others[:3])}, which would not be "
            "read: move them out of the folder, or begin their names with an underscore"
        )
    tables = []
    partitions: dict[str, None] = {}
    for key in parts:
        table = _parquet(store.get(key), f"{uri}: {key}")
        for folder in key.removeprefix(f"{name}/").split("/")[:-1]:
            column, sign, value = folder.partition("=")
            if not sign:
                continue
            if column.lower() in {one.lower() for one in table.column_names}:
                raise ConfigError(
                    f"{uri}: {key} has a column {column!r}, but is also in the folder {folder!r}"
                )
            text = None if value == _NOTHING else unquote(value)
            table = table.append_column(column, pa.array([text] * table.num_rows, pa.string()))
            partitions[column] = None
        tables.append(table)
    table = _joined(tables, parts, uri)
    found = Found(f"folder of {pluralize(len(parts), 'Parquet file')}", table.num_rows)
    return table, found, list(partitions)


def _joined(tables: list[pa.Table], parts: list[str], uri: str) -> pa.Table:
    """Join tables. A column that a table lacks is null there; its types in all tables must be of one family."""
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
                    "same type in all files"
                )
    try:
        return pa.concat_tables(map(_settled, tables), promote_options="permissive")
    except pa.ArrowException as error:
        raise ConfigError(f"{uri}: its files cannot be joined into one table: {error}") from error


def _settled(table: pa.Table) -> pa.Table:
    """Convert the columns with `column_types.fit`, so that units, zones and encodings do not prevent a join.

    Columns that do not fit stay as they are; `_finish` refuses them.
    """
    columns = []
    for chunks in table.columns:
        values = _one_array(chunks)
        with suppress(Unfit):
            values = values if pa.types.is_null(values.type) else fit(values)
        columns.append(values)
    return pa.table(columns, table.column_names)


def _family(kind: pa.DataType) -> str:
    """The family of a type: types of one family can be joined without loss."""
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


def _finish(
    raw: pa.Table, found: Found, uri: str, ids: Sequence[str], reading: Reading, text: Sequence[str] = ()
) -> DataFile:
    """Convert the raw columns to the types of the tables. text: text columns whose types are detected from values."""
    names = [_own_case(name, ids) for name in raw.column_names]
    folded = [name.lower() for name in names]
    if twice := sorted({name for name in names if folded.count(name.lower()) > 1}):
        raise ConfigError(
            f"{uri} has two columns named {', '.join(map(repr, twice))} (case is ignored); rename one of them"
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
    if odd := [name for name in ids if wishes.get(name, "text") != "text"]:
        raise ConfigError(f"--products-types {odd[0]}={wishes[odd[0]]}: the column {odd[0]!r} is always text")
    comma = found.separator not in ("", "comma")
    columns: dict[str, pa.Array] = {}
    refused = []
    for name, written, chunks in zip(names, raw.column_names, raw.columns, strict=True):
        values = _one_array(chunks)
        try:
            if name in ids:
                columns[name] = fit(_id_text(values))
            elif name.lower() in wishes:
                columns[name] = fit(_as_wished(values, wishes[name.lower()], comma))
            else:
                columns[name] = fit(typed(values, comma) if written in text else values)
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
        if pa.types.is_floating(fitted.type):  # such as EANs in a column with empty values
            with suppress(pa.ArrowInvalid):
                return fitted.cast(pa.int64()).cast(pa.string())
        return fitted.cast(pa.string())
    expected = {"number": "number", "date": "date", "datetime": "date-time", "boolean": "true or false"}.get(
        wish
    )
    if kind_of(fitted.type) != expected:
        raise Unfit(f"holds {kind_of(fitted.type)}, not {wish}", "leave it out of --products-types")
    return fitted


def _id_text(values: pa.Array) -> pa.Array:
    """Ids as text. Only strings, whole numbers and UUIDs are allowed, because they have a single spelling."""
    fitted = fit(values)
    kind = fitted.type
    if pa.types.is_string(kind) and not pa.types.is_time(values.type):
        return fitted
    if pa.types.is_int64(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
        return fitted.cast(pa.string())
    raise Unfit(
        f"holds {values.type}, but ids are text or whole numbers", "write it as text", example_of(values)
    )
