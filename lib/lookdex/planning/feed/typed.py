"""Convert text columns to numbers, dates and so on, if every value of a column fits without loss.

| type         | if every value, without surrounding spaces, is                                           |
| ------------ | ---------------------------------------------------------------------------------------- |
| boolean      | true or false, in whatever case                                                          |
| whole number | a plain whole number of fewer than 12 digits: longer ones are EANs and other codes       |
| number       | a plain decimal number; one of more digits than a float64 keeps makes it a decimal       |
| date         | a day as 2026-03-01; 01/02/2026 is ambiguous and stays text                              |
| date-time    | a day and a time, as 2026-03-01 09:00 or 2026-03-01T09:00:00.5, all with or without zone |
| text         | a clock time, written out: 10:30 becomes 10:30:00                                        |
| text         | anything else, unchanged                                                                 |

A plain number has no leading zeros, no sign but a minus, no exponent and no spaces: 00012, +8210, 12E5 and 1e10 are
codes and keep their column text. If the separator is not a comma, 1,5 is one and a half, provided that some value shows
that the comma is not a thousands separator: by more or fewer than three digits after it, or by a 0 or four digits
before it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from lookdex.catalog.column_types import DATE_TIME, INSTANT, MOST_DIGITS, UnfitError

# The types that a setting may give a column.
TYPES = ("text", "number", "date", "datetime", "boolean")

_HEAD = 1_000
_FLAG = r"(?i)^(true|false)$"
_WHOLE = r"^-?(0|[1-9][0-9]{0,10})$"
_CODE = r"^-?[0-9]{12,}$"
_PLAIN = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
_COMMA = r"^-?(0|[1-9][0-9]*)(,[0-9]+)?$"
_NO_THOUSANDS = r"^-?(0,.*|[0-9]{4,},.*|[0-9]+,([0-9]{1,2}|[0-9]{4,}))$"
_ANY_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?$"
_SECONDS = r"[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
_DATE_TIME = f"{_DATE[:-1]}{_SECONDS}$"
_INSTANT = f"{_DATE[:-1]}{_SECONDS}(Z|[+-][0-9]{{2}}:?[0-9]{{2}})$"


def infer_type(text: pa.Array, comma: bool = False) -> pa.Array:
    """Convert strings to the type that all of them fit, else return them unchanged. comma: 1,5 may be a number."""
    values = pc.utf8_trim_whitespace(text)
    given = values.drop_null()
    if not len(given):
        return text
    if _all(given, _FLAG):
        return _flags(values)
    if _all(given, _WHOLE):
        return values.cast(pa.int64())
    if comma and _all(given, _COMMA) and _any(given, _NO_THOUSANDS):
        values = pc.replace_substring(values, ",", ".")
        given = values.drop_null()
    if _all(given, _PLAIN) and not _any(given, _CODE):
        number = _number(values)
        return text if number is None else number
    for pattern, kind in ((_DATE, pa.date32()), (_DATE_TIME, DATE_TIME), (_INSTANT, INSTANT)):
        if _all(given, pattern):
            try:
                return _in_range(values.cast(kind))
            except pa.ArrowInvalid:  # such as the 30th of February
                return text
    return _clock(values) if _all(given, _CLOCK) else text


def as_type(text: pa.Array, wish: str, comma: bool = False) -> pa.Array:
    """Convert strings to one of TYPES leniently: 1e3 and 00012 are numbers too, and with `comma` also 1,5.

    Raises Unfit with the first value that does not have the type.
    """
    if wish == "text":
        return text
    values = pc.utf8_trim_whitespace(text)
    if comma and wish == "number":
        values = pc.if_else(
            pc.match_substring_regex(values, r"^[+-]?[0-9]*,[0-9]+$"),
            pc.replace_substring(values, ",", "."),
            values,
        )
    patterns = {
        "number": (_ANY_NUMBER,),
        "date": (_DATE,),
        "datetime": (_DATE_TIME, _INSTANT),
        "boolean": (_FLAG,),
    }
    given = values.drop_null()
    pattern = next((one for one in patterns[wish] if _all(given, one)), patterns[wish][0])
    if not _all(given, pattern):
        odd = given.filter(pc.invert(pc.match_substring_regex(given, pattern)))[0].as_py()
        raise UnfitError(
            f"holds a value that is not a {wish}", "correct it, or let the column be text", repr(odd)
        )
    if wish == "boolean":
        return _flags(values)
    try:
        if wish == "number":
            number = _number(values)
            if number is None:
                raise UnfitError(
                    f"holds a number of more than {MOST_DIGITS} digits", "let the column be text"
                )
            return number
        kinds = {_DATE: pa.date32(), _DATE_TIME: DATE_TIME, _INSTANT: INSTANT}
        return _in_range(values.cast(kinds[pattern]))
    except pa.ArrowInvalid as error:
        raise UnfitError(
            f"holds a value that is not a {wish} ({error})", "correct it, or let it be text"
        ) from error


def _all(values: pa.Array, pattern: str) -> bool:
    # For most columns the first few values rule the type out.
    return all(
        pc.all(pc.match_substring_regex(part, pattern), min_count=0).as_py()
        for part in (values[:_HEAD], values[_HEAD:])
    )


def _any(values: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(values, pattern), min_count=0).as_py())


def _flags(values: pa.Array) -> pa.Array:
    return pc.equal(pc.ascii_lower(values), "true")


def _number(values: pa.Array) -> pa.Array | None:
    """int64 if all are whole, else float64 if no digit is lost, else decimal128; None if none fits."""
    if _all(values.drop_null(), r"^[+-]?[0-9]{1,18}$"):
        return pc.replace_substring_regex(values, r"^\+", "").cast(pa.int64())
    floats = pc.replace_substring_regex(values, r"^\+", "").cast(pa.float64())
    # A float64 keeps 15 digits; longer values are checked one by one.
    long = pc.match_substring_regex(values, r"^[+-]?0*\.?0*[1-9]([0-9.]{15,})|[eE]")
    kept: Callable[[str, float], bool] = lambda written, number: Decimal(written) == Decimal(repr(number))  # noqa: E731
    if all(
        map(kept, values.filter(long).drop_null().to_pylist(), floats.filter(long).drop_null().to_pylist())
    ):
        return floats
    exact = [None if one is None else Decimal(one) for one in values.to_pylist()]
    places = max(max(0, -int(one.as_tuple().exponent)) for one in exact if one is not None)
    whole = max(max(0, one.adjusted() + 1) for one in exact if one is not None)
    if places + whole > MOST_DIGITS:
        return None
    return pa.array(exact, pa.decimal128(max(1, places + whole), places))


def _in_range(values: pa.Array) -> pa.Array:
    """Raise ArrowInvalid outside the years 1 to 9999: Arrow reads 9999-12-31T23:00-09:00, but Python does not."""
    years = pc.year(values)
    if pc.any(pc.or_(pc.less(years, 1), pc.greater(years, 9999))).as_py():
        raise pa.ArrowInvalid("it is not in the years 1 to 9999")
    return values


def _clock(values: pa.Array) -> pa.Array:
    """Format clock times as Python's `time.isoformat`: 10:30 → 10:30:00, 10:30:00.5 → 10:30:00.500000."""
    parts = pc.replace_substring_regex(values, r"^(.{5})$", r"\1:00")
    fraction = pc.match_substring(parts, ".")
    padded = pc.utf8_rpad(parts, width=15, padding="0")
    return pc.replace_substring_regex(pc.if_else(fraction, padded, parts), r"\.0+$", "")
