"""The columns and fields of everything in a catalogue, as Markdown: `python -m lookdex.catalog.reference`.

A test compares docs/tables.md with it.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import fields
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pyarrow as pa
from typing_extensions import Doc

from lookdex.catalog.schemas import IMAGES_COLUMNS, PLAN_COLUMNS, Column, items_columns
from lookdex.records import CheckResult, IndexParameters, LiveEntry, Recipe, Release, StoredFile, Thresholds
from lookdex.records.thresholds import Threshold, Trust

_DIM = 256  # any number: the page says `dim`
_JSON = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "AwareDatetime": "time (ISO 8601)",
}
_RECORDS = (
    Release,
    LiveEntry,
    IndexParameters,
    CheckResult,
    StoredFile,
    Recipe,
    Thresholds,
    Threshold,
    Trust,
)
_TITLES = {
    Release: "A release: `releases/<release_id>.json`",
    LiveEntry: "An entry of the promotion log: `live/<n>.json`",
}
_NOTES = {
    Release: (
        "Never changes once it is written. Every stored record also has `format` and `checksum`, the SHA-256 of its "
        "content as canonical JSON. Records within a release are described below."
    ),
}


def arrow_type(kind: pa.DataType) -> str:
    """The name of an Arrow type, such as `list<string>`."""
    if pa.types.is_fixed_size_list(kind):
        return f"{arrow_type(kind.value_type)}[dim]"
    if pa.types.is_list(kind):
        return f"list<{arrow_type(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name}: {arrow_type(field.type)}' for field in kind.fields)}>"
    if pa.types.is_timestamp(kind):
        return f"timestamp[{kind.unit}, {kind.tz}]"
    return {"float": "float32", "double": "float64"}.get(str(kind), str(kind))


def json_type(annotation: Any) -> str:
    """The name of a field's JSON type."""
    kind = get_origin(annotation)
    arguments = get_args(annotation)
    if kind is Annotated:
        return json_type(arguments[0])
    if kind is types.UnionType or type(None) in arguments:
        return f"{json_type(next(a for a in arguments if a is not type(None)))}, or null"
    if kind is tuple:
        return f"list of {json_type(arguments[0])}"
    if kind is dict:
        return f"object: name → {json_type(arguments[1])}"
    name: str = annotation.__name__
    return _JSON.get(name, name)


def column_rows(columns: Iterable[Column]) -> list[str]:
    rows = ["| column | type | unit or values | |", "| --- | --- | --- | --- |"]
    return rows + [f"| {c.name} | `{arrow_type(c.type)}` | {c.unit} | {c.description} |" for c in columns]


def field_rows(record: type) -> list[str]:
    """The fields of a record. Raises KeyError for a field without a description."""
    hints = get_type_hints(record, include_extras=True)
    rows = ["| field | type | |", "| --- | --- | --- |"]
    for field in fields(record):
        annotation = hints[field.name]
        described = [m.documentation for m in getattr(annotation, "__metadata__", ()) if isinstance(m, Doc)]
        if not described:
            raise KeyError(f"{record.__name__}.{field.name} has no Doc")
        rows.append(f"| {field.name} | {json_type(annotation)} | {described[0]} |")
    return rows


def markdown() -> str:
    """The reference in docs/tables.md."""
    lines = [
        "### `tables/items.lance`",
        "",
        "One row per vector: the whole photo and each of its objects. `dim` is the size of the embedder's vectors.",
        "",
        *column_rows(items_columns(_DIM)),
        "| title, price, … | see below | | The columns of the products file, with their own types. |",
        "",
        "### `tables/images.lance`",
        "",
        "One row per photo, with its outcome.",
        "",
        *column_rows(IMAGES_COLUMNS),
        "",
        "### A plan: `runs/<run>/plan-<live>-<digest>.parquet`",
        "",
        "One row per photo to index or to delete, sorted by shard and key.",
        "",
        *column_rows(PLAN_COLUMNS),
        "",
        "### A shard: `runs/<run>/objects/…` and `runs/<run>/images/<shard>-<digest>.parquet`",
        "",
        "`objects` has the columns of `items` without the product columns; `images` has those of `images`.",
        "",
        "### The products of a night: `runs/<run>/products-<digest>.parquet`",
        "",
        "The columns of the products file that the night publishes, with the types that the tables have.",
        "",
        *column_rows([Column("product_id", pa.string(), "id", "The product. Unique.")]),
        "| title, price, … | see below | | The columns of the products file. |",
    ]
    for record in _RECORDS:
        lines += ["", f"### {_TITLES.get(record, record.__name__)}", ""]
        if record in _NOTES:
            lines += [_NOTES[record], ""]
        lines += field_rows(record)
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown())
