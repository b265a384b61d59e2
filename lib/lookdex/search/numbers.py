"""Compares a column of whole numbers or decimals with numbers, so that Lance loses no digit of either.

Lance refuses to compare such a column with 49.99 or with a number beyond 64 bits, and as float64 two neighbours of
17 digits are one number. So the numbers are written in the column's own type, else both sides as wide decimals, and
only where even these are too narrow as float64.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import pyarrow as pa

_NUMBER = re.compile(r"\(?(-?)((?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\)?")
_WIDEST = 38  # digits of a decimal


def number_of(sql: str) -> Decimal | None:
    """The number that stands there, alone or with a minus; None for anything else."""
    found = _NUMBER.fullmatch(sql)
    try:
        return Decimal(found[1] + found[2]) if found else None
    except InvalidOperation:  # an exponent of more than 18 digits
        return None


def compare(column: str, kind: pa.DataType, numbers: Sequence[Decimal]) -> tuple[str, list[str]]:
    """SQL of the column (SQL, of a type of whole numbers or decimals) and of each number, to be compared."""
    own = [_as_own(number, kind) for number in numbers]
    if None not in own:
        return column, [sql for sql in own if sql is not None]
    places = max(max(_places(number) for number in numbers), 0 if pa.types.is_integer(kind) else kind.scale)
    whole = max(max(_whole(number) for number in numbers), _whole_digits(kind))
    if places + whole <= _WIDEST:
        wide = f"DECIMAL({_WIDEST}, {places})"
        return f"CAST({column} AS {wide})", [_cast(number, wide) for number in numbers]
    return f"CAST({column} AS DOUBLE)", [f"{number:E}" for number in numbers]


def _as_own(number: Decimal, kind: pa.DataType) -> str | None:
    """The number in the type itself, None where it has no place for it."""
    if pa.types.is_decimal(kind):
        if _places(number) > kind.scale or _whole(number) > kind.precision - kind.scale:
            return None
        return _cast(number, f"DECIMAL({kind.precision}, {kind.scale})")
    signed = pa.types.is_signed_integer(kind)
    bits = kind.bit_width - 1 if signed else min(kind.bit_width, 63)
    if _places(number) or not (-(2**bits) if signed else 0) <= number < 2**bits:
        return None
    # Lance reads -2^63 as the minus of a number that does not fit into 64 bits.
    return _cast(number, "BIGINT") if number == -(2**63) else f"{int(number)}"


def _cast(number: Decimal, kind: str) -> str:
    return f"CAST('{number:f}' AS {kind})"


def _places(number: Decimal) -> int:
    """Digits after the point, without zeros at its end."""
    _, digits, exponent = number.as_tuple()
    zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    return max(0, -int(exponent) - zeros)


def _whole(number: Decimal) -> int:
    """Digits before the point."""
    return max(0, number.adjusted() + 1) if number else 0


def _whole_digits(kind: pa.DataType) -> int:
    return 20 if pa.types.is_integer(kind) else int(kind.precision - kind.scale)
