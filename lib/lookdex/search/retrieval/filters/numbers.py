"""Compares columns of whole numbers and of decimals so that no digit of either side is lost.

Lance refuses to compare such a column with 49.99 or with a number beyond 64 bits, and as float64 two neighbours of
17 digits are one number. So a number is written in the column's own type. One that has no place there equals none of
the column's values and lies between two of them, or beyond all.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_FLOOR, Context, Decimal

import pyarrow as pa

from lookdex.search.retrieval.filters.syntax import Sign

_WIDEST = 38  # digits of a decimal
_ENOUGH = Context(prec=2 * _WIDEST + 4, Emax=MAX_EMAX, Emin=MIN_EMIN)


@dataclass(frozen=True, slots=True)
class Bound:
    """A test of a column that holds for the same rows: `column sign sql`."""

    sign: Sign
    sql: str


def own(number: Decimal, kind: pa.DataType) -> str | None:
    """SQL of the number in the type (whole numbers, decimals); None where the type has no place for it."""
    if not _lowest(kind) <= number <= _highest(kind):
        return None
    floor = _floor(number, kind)
    return _written(floor, kind) if floor == number else None


def bound(sign: Sign, number: Decimal, kind: pa.DataType) -> Bound | bool:
    """What `column sign number` is, written in the column's own type; True or False: it holds for all values, or none.

    kind: of the column, whole numbers or decimals.
    """
    if (exact := own(number, kind)) is not None:
        return Bound(sign, exact)
    if sign in (Sign.EQUAL, Sign.UNEQUAL):
        return sign is Sign.UNEQUAL
    below = sign in (Sign.LESS, Sign.AT_MOST)
    if not _lowest(kind) <= number <= _highest(kind):
        return below == (number > 0)
    return Bound(Sign.AT_MOST if below else Sign.MORE, _written(_floor(number, kind), kind))


def together(one: pa.DataType, other: pa.DataType) -> str:
    """The SQL type in which columns of two types of numbers compare; "" where they do as they are."""
    if one == other or (pa.types.is_integer(one) and pa.types.is_integer(other)):
        return ""
    if pa.types.is_floating(one) or pa.types.is_floating(other):
        return "DOUBLE"
    places = max(_scale(one), _scale(other))
    whole = max(_whole_digits(one), _whole_digits(other))
    return f"DECIMAL({_WIDEST}, {places})" if places + whole <= _WIDEST else "DOUBLE"


def _written(number: Decimal, kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"CAST('{number:f}' AS DECIMAL({kind.precision}, {kind.scale}))"
    # Lance reads -2^63 as the minus of a number that does not fit into 64 bits.
    return f"CAST('{int(number)}' AS BIGINT)" if number == -(2**63) else f"{int(number)}"


def _floor(number: Decimal, kind: pa.DataType) -> Decimal:
    """The greatest value of the type that is not above the number, which lies in its range."""
    return number.quantize(Decimal(1).scaleb(-_scale(kind), _ENOUGH), ROUND_FLOOR, _ENOUGH)


def _highest(kind: pa.DataType) -> Decimal:
    if pa.types.is_decimal(kind):
        return (Decimal(10**kind.precision) - 1).scaleb(-kind.scale, _ENOUGH)
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
