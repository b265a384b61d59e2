"""Errors of filters that compare values of different types."""

from __future__ import annotations

from typing import NoReturn

from lookdex.catalog.column_types import describe as describe_values
from lookdex.catalog.column_types import describe_type as in_words
from lookdex.errors import BadQuery
from lookdex.search.retrieval.filters.kinds import ValueKind, kind_of
from lookdex.search.retrieval.filters.rewrite import find_columns
from lookdex.search.retrieval.filters.syntax import Column, Value

_VALUES = (
    "Compare each column with values of its own type: a number, 'text', true, a date '2026-11-22', a date-time "
    "'2026-11-22 09:30:00'"
)


def describe(value: Value) -> str:
    """Name the columns in a value, for messages."""
    columns = find_columns(value)
    return ", ".join(column.name for column in columns) if columns else "a value"


def refuse_compound(value: Value) -> NoReturn:
    """Refuse to compare a list, a record or another column that is not a plain value."""
    assert isinstance(value, Column)
    name, kind = value.name, kind_of(value.type)
    if kind is ValueKind.LIST:
        remedy = f"write  'M' in {name},  or  {name} in ('M', 'L')  for one of several"
    elif kind is ValueKind.RECORD:
        remedy = f"compare one of its fields, such as {name}.{value.type.field(0).name}"
    else:
        remedy = "only is null and is not null apply to it"
    raise BadQuery(f"the filter compares {name}, a {in_words(value.type)}: {remedy}")


def refuse_types(value: Value) -> NoReturn:
    """Refuse to compare values of different types."""
    columns = find_columns(value)
    kinds = "; ".join(f"{column.name} holds {describe_values(column.type)}" for column in columns)
    if not kinds:
        raise BadQuery(
            "the filter cannot be applied: it has no column, or compares values of different types"
        )
    raise BadQuery(f"the filter cannot be applied: {kinds}. {_VALUES}")
