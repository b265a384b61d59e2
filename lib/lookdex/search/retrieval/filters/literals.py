"""Literals of a filter as SQL, in the type of the column that they are compared with."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pyarrow as pa

from lookdex.catalog.sql import quote
from lookdex.errors import BadQuery
from lookdex.runtime.wording import shorten
from lookdex.search.retrieval.filters import moments, numbers
from lookdex.search.retrieval.filters.kinds import ValueKind, is_exact, kind_of
from lookdex.search.retrieval.filters.syntax import Constant, Literal, Number, Text, TypedText

NULL = "CAST(NULL AS BOOLEAN)"
_MAX_FLOAT32 = float(np.finfo(np.float32).max)


class MismatchError(Exception):
    """The literal cannot be compared with the type."""


def to_sql(literal: Literal, kind: pa.DataType, name: str) -> str | None:
    """Write the literal in the type; None if no value of the type equals it. Not for NULL: that is `NULL`.

    Args:
        name: of the column, for messages.

    Raises:
        MismatchError: the literal cannot be compared with the type.
        BadQuery: a text is not a date as the column needs it.
    """
    match kind_of(kind), literal:
        case ValueKind.NUMBER, Number(value=value):
            if is_exact(kind):
                return None if value is None else numbers.exact(value, kind)
            return number(literal, kind)
        case ValueKind.TEXT, Text(value):
            return quote(value)
        case ValueKind.TRUTH, Constant(bool(truth)):
            return "TRUE" if truth else "FALSE"
        case (ValueKind.DATE | ValueKind.DATE_TIME | ValueKind.INSTANT) as wanted, Text(written) | TypedText(
            _, written
        ):
            return _moment(literal, written, wanted, name)
    raise MismatchError


def number(literal: Number, kind: pa.DataType | None = None) -> str:
    """SQL of a floating-point number: of 32 bits if the type is, else of 64."""
    value = float(literal.written)
    if kind is not None and pa.types.is_float32(kind) and abs(value) <= _MAX_FLOAT32:
        return f"CAST({value!r} AS FLOAT)"
    return f"{value!r}" if np.isfinite(value) else f"{'-' if value < 0 else ''}1E400"


def _moment(literal: Literal, written: str, wanted: ValueKind, name: str) -> str:
    found = moments.read(written)
    shown = shorten(written, 40)
    if found is None or (
        isinstance(literal, TypedText) and literal.kind == "date" and isinstance(found, datetime)
    ):
        raise BadQuery(
            f"the filter compares {name}, which holds {wanted.value}, with “{shown}”: write a date as "
            "'2026-11-22', a date-time as '2026-11-22 09:30:00'"
        )
    if wanted is ValueKind.DATE:
        day = moments.as_date(found)
        if day is None:
            raise BadQuery(
                f"the filter compares {name}, which holds dates, with “{shown}”: leave out the time of day"
            )
        return f"CAST('{day.isoformat()}' AS DATE)"
    moment = moments.as_datetime(found)
    if wanted is ValueKind.DATE_TIME:
        if moment.tzinfo is not None:
            raise BadQuery(
                f"the filter compares {name}, which holds date-times without a time zone, with “{shown}”: leave out "
                "the zone"
            )
        return f"CAST('{_iso(moment)}' AS TIMESTAMP(6))"
    return f"arrow_cast('{_iso(moment.replace(tzinfo=None))}Z', 'Timestamp(Microsecond, Some(\"UTC\"))')"


def _iso(moment: date | datetime) -> str:
    assert isinstance(moment, datetime)
    return moment.isoformat(sep="T", timespec="microseconds")
