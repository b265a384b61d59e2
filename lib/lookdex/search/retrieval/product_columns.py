"""The columns of a release that answers can be sorted by, and those that facets can count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from lookdex.errors import BadQuery
from lookdex.runtime.wording import shorten

OWN = ("label", "colour")  # lookdex's own columns, counted besides the product columns


@dataclass(frozen=True, slots=True)
class Order:
    """A sort by a column. descending: highest value first."""

    column: str
    descending: bool


def sortable(schema: pa.Schema, product_columns: Sequence[str]) -> tuple[str, ...]:
    """The product columns whose values have an order: text, numbers, true or false, dates and date-times."""
    return tuple(
        name for name in product_columns if is_ranged(kind := schema.field(name).type) or is_word(kind)
    )


def countable_columns(schema: pa.Schema, product_columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that facets can count: the sortable ones, lists of such values, and such fields of records, named
    record.field."""
    names = []
    for name in (*product_columns, *OWN):
        kind = schema.field(name).type
        if pa.types.is_struct(kind):
            names += [f"{name}.{field.name}" for field in kind.fields if _is_countable(field.type)]
        elif _is_countable(kind):
            names.append(name)
    return tuple(dict.fromkeys(names))


def is_ranged(kind: pa.DataType) -> bool:
    """Numbers, dates and date-times: facets show their range."""
    types = pa.types
    number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    return bool(number or types.is_date(kind) or types.is_timestamp(kind))


def is_word(kind: pa.DataType) -> bool:
    """Text and booleans: facets list their values."""
    return bool(pa.types.is_string(kind) or pa.types.is_boolean(kind))


def _is_countable(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_list(kind) else kind
    return is_ranged(inner) or is_word(inner)


def parse_sort(sort: str | None, columns: Sequence[str]) -> Order | None:
    """Parse a `sort`. Raises BadQuery, which lists the sortable columns.

    Args:
        sort: a column, prefixed with a minus for highest first; None: by score.
        columns: the sortable ones.
    """
    if sort is None:
        return None
    name = find_column(sort.removeprefix("-"), columns)
    if name is None:
        raise BadQuery(
            f"the answer cannot be sorted by {shorten(sort.removeprefix('-'), 80)!r}; it can be sorted by: "
            f"{', '.join(('score', *columns))} (prefix a minus for highest first)"
        )
    return Order(name, sort.startswith("-"))


def check_countable(wanted: Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """Find the wanted ones among the countable columns. Raises BadQuery, which lists these."""
    found = [find_column(name, columns) for name in wanted]
    for name, known in zip(wanted, found, strict=True):
        if known is None:
            raise BadQuery(
                f"the column {shorten(name, 80)!r} cannot be counted; countable columns: {', '.join(columns)}"
            )
    return tuple(dict.fromkeys(name for name in found if name is not None))


def find_column(name: str, columns: Sequence[str]) -> str | None:
    """Find the column of that name, or the only one that matches it ignoring case; None if there is none."""
    if name in columns:
        return name
    alike = [column for column in columns if column.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else None
