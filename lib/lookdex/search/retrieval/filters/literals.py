"""Values that a filter writes, as SQL of the type of what they are compared with."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pyarrow as pa

from lookdex.catalog.sql import quoted
from lookdex.errors import BadQuery
from lookdex.runtime.wording import shortened
from lookdex.search.retrieval.filters import moments, numbers
from lookdex.search.retrieval.filters.kinds import Kind, is_exact, kind_of
from lookdex.search.retrieval.filters.syntax import Constant, Literal, Number, Text, Typed

NULL = "CAST(NULL AS BOOLEAN)"


class Mismatch(Exception):
    """The literal is not of the kind of the type."""


def sql_of(literal: Literal, kind: pa.DataType, name: str) -> str | None:
    """The literal in the type, so that both are equal in SQL where they are; None where no value of the type equals it.

    name: of the column, for messages. Not for NULL, whose SQL is `NULL`.
    Raises Mismatch; BadQuery for text that is no date, or not one of the column's kind.
    """
    match kind_of(kind), literal:
        case Kind.NUMBER, Number(value=value):
            if is_exact(kind):
                return None if value is None else numbers.own(value, kind)
            return number(literal, kind)
        case Kind.TEXT, Text(value):
            return quoted(value)
        case Kind.TRUTH, Constant(bool(truth)):
            return "TRUE" if truth else "FALSE"
        case (Kind.DATE | Kind.DATE_TIME | Kind.INSTANT) as wanted, Text(written) | Typed(_, written):
            return _moment(literal, written, wanted, name)
    raise Mismatch


def number(literal: Number, kind: pa.DataType | None = None) -> str:
    """A floating-point number: of 64 bits, or of the 32 of the type."""
    value = float(literal.written)
    if kind is not None and pa.types.is_float32(kind) and abs(value) <= np.finfo(np.float32).max:
        return f"CAST({value!r} AS FLOAT)"
    return f"{value!r}" if np.isfinite(value) else f"{'-' if value < 0 else ''}1E400"


def _moment(literal: Literal, written: str, wanted: Kind, name: str) -> str:
    found = moments.read(written)
    shown = shortened(written, 40)
    if found is None or (
        isinstance(literal, Typed) and literal.kind == "date" and isinstance(found, datetime)
    ):
        raise BadQuery(
            f"the filter compares {name}, which holds {wanted.value}, with “{shown}”: write a date as "
            "'2026-11-22', a date-time as '2026-11-22 09:30:00'"
        )
    if wanted is Kind.DATE:
        day = moments.as_date(found)
        if day is None:
            raise BadQuery(
                f"the filter compares {name}, which holds dates, with “{shown}”: leave out the time of day"
            )
        return f"CAST('{day.isoformat()}' AS DATE)"
    moment = moments.as_datetime(found)
    if wanted is Kind.DATE_TIME:
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
