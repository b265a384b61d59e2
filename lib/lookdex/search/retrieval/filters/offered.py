"""What a filter may name, and how: for those who write one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from lookdex.catalog.column_types import kind_of as in_words
from lookdex.search.retrieval.filters.kinds import Kind, kind_of
from lookdex.search.retrieval.filters.parser import RESERVED

_ORDER = ("=", "<>", "<", "<=", ">", ">=", "in", "between", "is null")
_OPERATORS: dict[Kind, tuple[str, ...]] = {
    Kind.NUMBER: _ORDER,
    Kind.DATE: _ORDER,
    Kind.DATE_TIME: _ORDER,
    Kind.INSTANT: _ORDER,
    Kind.TEXT: (*_ORDER, "like", "ilike"),
    Kind.TRUTH: ("=", "<>", "in", "is true", "is false", "is null"),
    Kind.LIST: ("in", "length", "is null"),
}
_VALUES: dict[Kind, str] = {
    Kind.NUMBER: "50",
    Kind.TEXT: "'red'",
    Kind.TRUTH: "true",
    Kind.DATE: "'2026-11-22'",
    Kind.DATE_TIME: "'2026-11-22 09:30:00'",
    Kind.INSTANT: "'2026-11-22 09:30:00Z'",
}
_SIGNS = {Kind.NUMBER: "<", Kind.DATE: ">=", Kind.DATE_TIME: ">=", Kind.INSTANT: ">="}
_PLAIN = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class FilterColumn:
    """A column, or a field of a record in one, that a filter may name.

    name: with the fields' names after dots. type: in plain words: “text”, “list of numbers” … operators: what may be
    written beside it. example: a filter that names it.
    """

    name: str
    type: str
    operators: tuple[str, ...]
    example: str


def offered(schema: pa.Schema) -> tuple[FilterColumn, ...]:
    """The columns of a schema, each followed by the fields of its records."""
    return tuple(one for field in schema for one in _columns((field.name,), field.type))


def _columns(path: tuple[str, ...], kind: pa.DataType) -> Iterator[FilterColumn]:
    name = ".".join(map(_written, path))
    own = kind_of(kind)
    operators, example = _OPERATORS.get(own, ("is null",)), f"{name} is not null"
    if own in _VALUES:
        example = f"{name} {_SIGNS.get(own, '=')} {_VALUES[own]}"
    elif own is Kind.LIST and kind_of(kind.value_type) in _VALUES:
        example = f"{_VALUES[kind_of(kind.value_type)]} in {name}"
    elif own is Kind.LIST:
        operators, example = ("length", "is null"), f"length({name}) > 0"
    yield FilterColumn(".".join(path), in_words(kind), operators, example)
    if own is Kind.RECORD:
        for field in kind.fields:
            yield from _columns((*path, field.name), field.type)


def _written(name: str) -> str:
    """As a filter names it."""
    return name if _PLAIN.fullmatch(name) and name.lower() not in RESERVED else f'"{name}"'
