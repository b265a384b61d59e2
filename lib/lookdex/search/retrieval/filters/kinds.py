"""Kinds of values in filters: what can be compared with what."""

from __future__ import annotations

from enum import Enum

import pyarrow as pa


class ValueKind(Enum):
    """Values of the same kind can be compared. The value of the enum is what messages call the values."""

    NUMBER = "numbers"
    TEXT = "text"
    TRUTH = "true or false"
    DATE = "dates"
    DATE_TIME = "date-times"
    INSTANT = "date-times of a time zone"
    LIST = "lists"
    RECORD = "records"
    OTHER = "values that filters cannot compare"


def kind_of(kind: pa.DataType) -> ValueKind:
    """The kind of a column's values."""
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return ValueKind.NUMBER
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return ValueKind.TEXT
    if pa.types.is_boolean(kind):
        return ValueKind.TRUTH
    if pa.types.is_date(kind):
        return ValueKind.DATE
    if pa.types.is_timestamp(kind):
        return ValueKind.DATE_TIME if kind.tz is None else ValueKind.INSTANT
    if pa.types.is_list(kind):
        return ValueKind.LIST
    return ValueKind.RECORD if pa.types.is_struct(kind) else ValueKind.OTHER


def is_exact(kind: pa.DataType) -> bool:
    """Whether all digits count: whole numbers and decimals."""
    return bool(pa.types.is_integer(kind) or pa.types.is_decimal(kind))
