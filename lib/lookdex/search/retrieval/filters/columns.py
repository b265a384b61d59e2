"""The columns that a filter can use, described for people who write filters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from lookdex.catalog.column_types import describe_type as in_words
from lookdex.search.retrieval.filters.kinds import ValueKind, kind_of
from lookdex.search.retrieval.filters.parser import RESERVED

_ORDER = ("=", "<>", "<", "<=", ">", ">=", "in", "between", "is null")
_OPERATORS: dict[ValueKind, tuple[str, ...]] = {
    ValueKind.NUMBER: _ORDER,
    ValueKind.DATE: _ORDER,
    ValueKind.DATE_TIME: _ORDER,
    ValueKind.INSTANT: _ORDER,
    ValueKind.TEXT: (*_ORDER, "like", "ilike"),
    ValueKind.TRUTH: ("=", "<>", "in", "is true", "is false", "is null"),
    ValueKind.LIST: ("in", "length", "is null"),
}
_VALUES: dict[ValueKind, str] = {
    ValueKind.NUMBER: "50",
    ValueKind.TEXT: "'red'",
    ValueKind.TRUTH: "true",
    ValueKind.DATE: "'2026-11-22'",
    ValueKind.DATE_TIME: "'2026-11-22 09:30:00'",
    ValueKind.INSTANT: "'2026-11-22 09:30:00Z'",
}
_SIGNS = {ValueKind.NUMBER: "<", ValueKind.DATE: ">=", ValueKind.DATE_TIME: ">=", ValueKind.INSTANT: ">="}
_PLAIN = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class FilterColumn:
    """A column, or a field of a record, that a filter can use."""

    name: str
    """Of a field with dots: attrs.material."""
    type: str
    """In words: “text”, “list of numbers” …"""
    operators: tuple[str, ...]
    example: str
    """A filter."""


def filter_columns(schema: pa.Schema) -> tuple[FilterColumn, ...]:
    """The columns of a schema, each followed by the fields of its records."""
    return tuple(one for field in schema for one in _columns((field.name,), field.type))


def _columns(path: tuple[str, ...], kind: pa.DataType) -> Iterator[FilterColumn]:
    name = ".".join(map(_quote_name, path))
    own = kind_of(kind)
    operators, example = _OPERATORS.get(own, ("is null",)), f"{name} is not null"
    if own in _VALUES:
        example = f"{name} {_SIGNS.get(own, '=')} {_VALUES[own]}"
    elif own is ValueKind.LIST and kind_of(kind.value_type) in _VALUES:
        example = f"{_VALUES[kind_of(kind.value_type)]} in {name}"
    elif own is ValueKind.LIST:
        operators, example = ("length", "is null"), f"length({name}) > 0"
    yield FilterColumn(".".join(path), in_words(kind), operators, example)
    if own is ValueKind.RECORD:
        for field in kind.fields:
            yield from _columns((*path, field.name), field.type)


def _quote_name(name: str) -> str:
    """Quote the name if a filter has to."""
    return name if _PLAIN.fullmatch(name) and name.lower() not in RESERVED else f'"{name}"'
