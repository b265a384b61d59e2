"""Compare columns of whole numbers and decimals without losing digits.

Lance refuses to compare such a column with 49.99 or with a number beyond 64 bits, and in float64 two neighbours of 17
digits are equal. So a number is written in the column's type. One that the type cannot hold equals no value of the
column: it lies between two of them, or beyond all.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_FLOOR, Context, Decimal

import pyarrow as pa

from lookdex.search.retrieval.filters.syntax import Operator

_WIDEST = 38  # digits of a decimal
_ENOUGH = Context(prec=2 * _WIDEST + 4, Emax=MAX_EMAX, Emin=MIN_EMIN)


@dataclass(frozen=True, slots=True)
class Bound:
    """An equivalent comparison in the column's type: `column op sql`."""

    op: Operator
    sql: str


def exact(number: Decimal, kind: pa.DataType) -> str | None:
    """SQL of the number in the type (whole numbers, decimals); None if the type cannot hold it."""
    if not _lowest(kind) <= number <= _highest(kind):
        return None
    floor = _floor(number, kind)
    return _sql(floor, kind) if floor == number else None


def bound(op: Operator, number: Decimal, kind: pa.DataType) -> Bound | bool:
    """`column op number` in the column's type (whole numbers, decimals); True or False if all values or none match."""
    if (sql := exact(number, kind)) is not None:
        return Bound(op, sql)
    if op in (Operator.EQUAL, Operator.UNEQUAL):
        return op is Operator.UNEQUAL
    below = op in (Operator.LESS, Operator.AT_MOST)
    if not _lowest(kind) <= number <= _highest(kind):
        return below == (number > 0)
    return Bound(Operator.AT_MOST if below else Operator.MORE, _sql(_floor(number, kind), kind))


def common_type(one: pa.DataType, other: pa.DataType) -> str:
    """The SQL type to compare columns of two types of numbers in; "" if they need no cast."""
    if one == other or (pa.types.is_integer(one) and pa.types.is_integer(other)):
        return ""
    if pa.types.is_floating(one) or pa.types.is_floating(other):
        return "DOUBLE"
    places = max(_scale(one), _scale(other))
    whole = max(_whole_digits(one), _whole_digits(other))
    return f"DECIMAL({_WIDEST}, {places})" if places + whole <= _WIDEST else "DOUBLE"


def _sql(number: Decimal, kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"CAST('{number:f}' AS DECIMAL({kind.precision}, {kind.scale}))"
    # Lance parses -2^63 as the negative of a number that does not fit into 64 bits.
    return f"CAST('{int(number)}' AS BIGINT)" if number == -(2**63) else f"{int(number)}"


def _floor(number: Decimal, kind: pa.DataType) -> Decimal:
    """The largest value of the type that is at most the number. The number is in the type's range."""
    return number.quantize(Decimal(1).scaleb(-_scale(kind), _ENOUGH), ROUND_FLOOR, _ENOUGH)


def _highest(kind: pa.DataType) -> Decimal:
    if pa.types.is_decimal(kind):
        return Decimal(10**kind.precision - 1).scaleb(-kind.scale, _ENOUGH)
    bits = kind.bit_width - 1 if pa.types.is_signed_integer(kind) else min(kind.bit_width, 63)
    return Decimal(2**bits - 1)


def _lowest(kind: pa.DataType) -> Decimal:
    if pa.types.is_decimal(kind):
        return _highest(kind).copy_negate()
    return Decimal(-(2 ** (kind.bit_width - 1)) if pa.types.is_signed_integer(kind) else 0)


def _scale(kind: pa.DataType) -> int:
    return int(kind.scale) if pa.types.is_decimal(kind) else 0


def _whole_digits(kind: pa.DataType) -> int:
    return int(kind.precision - kind.scale) if pa.types.is_decimal(kind) else 19
