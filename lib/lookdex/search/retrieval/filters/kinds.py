"""What a value of a filter is, as far as comparing goes, and how that is called."""

from __future__ import annotations

from enum import Enum

import pyarrow as pa


class Kind(Enum):
    """Values of one kind compare. The value: how a type error calls what a column of it holds."""

    NUMBER = "numbers"
    TEXT = "text"
    TRUTH = "true or false"
    DATE = "dates"
    DATE_TIME = "date-times"
    INSTANT = "date-times of a time zone"
    LIST = "lists"
    RECORD = "records"
    NULL = "nothing"
    OTHER = "values that no filter compares"


def kind_of(kind: pa.DataType) -> Kind:
    """The kind of a column's values."""
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return Kind.NUMBER
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return Kind.TEXT
    if pa.types.is_boolean(kind):
        return Kind.TRUTH
    if pa.types.is_date(kind):
        return Kind.DATE
    if pa.types.is_timestamp(kind):
        return Kind.DATE_TIME if kind.tz is None else Kind.INSTANT
    if pa.types.is_list(kind):
        return Kind.LIST
    return Kind.RECORD if pa.types.is_struct(kind) else Kind.OTHER


def is_exact(kind: pa.DataType) -> bool:
    """Whole numbers and decimals, of which no digit may be lost."""
    return bool(pa.types.is_integer(kind) or pa.types.is_decimal(kind))
