"""The supported types of product columns, conversion to them, and their plain names.

| in the tables               | in a products file                                                       |
| --------------------------- | ------------------------------------------------------------------------ |
| string                      | any text, UUIDs, JSON text, clock times (10:30:00), a column of nulls    |
| int64                       | whole numbers of any width; uint64 beyond int64 becomes decimal128(20,0) |
| float64, float32            | any floating-point number, NaN and infinity excepted                     |
| decimal128(p ≤ 38, s)       | decimals of any width whose digits fit                                   |
| bool                        |                                                                          |
| date32                      | dates of the years 1 to 9999                                             |
| timestamp[us]               | date-times without a zone, of whole microseconds, of these years         |
| timestamp[us, UTC]          | the same with a zone: the instant stays, the zone becomes UTC            |
| list<…>, struct<…>          | lists and structs of all these (float32 becomes float64 within)          |

Values of these types are unchanged in Parquet, Lance, DuckDB, pandas, filters and the JSON of answers. Times of day are
not supported, because DuckDB cannot read a Lance table with such a column; durations, bytes and maps have no JSON form.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc

DATE_TIME = pa.timestamp("us")
INSTANT = pa.timestamp("us", "UTC")
MOST_DIGITS = 38  # of a decimal128
# 0001-01-01 and 9999-12-31 in days since 1970: the range of Python and ISO 8601.
_DAYS = (-719_162, 2_932_896)
_MICROSECONDS = (_DAYS[0] * 86_400_000_000, (_DAYS[1] + 1) * 86_400_000_000 - 1)
_MIDNIGHT = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_REMEDIES: dict[Callable[[pa.DataType], bool], str] = {
    pa.types.is_duration: "write it as a number, such as minutes",
    pa.types.is_binary: "write it as text",
    pa.types.is_large_binary: "write it as text",
    pa.types.is_binary_view: "write it as text",
    pa.types.is_fixed_size_binary: "write it as text",
    pa.types.is_map: "write one column per key, or a list of key and value",
}


class UnfitError(ValueError):
    """A column that the tables cannot hold.

    why: a phrase that continues “the column X”. remedy: what to write instead. example: one value.
    """

    def __init__(self, why: str, remedy: str, example: str = "") -> None:
        super().__init__(why)
        self.why, self.remedy, self.example = why, remedy, example


def fits(kind: pa.DataType) -> bool:
    """Whether the type is supported."""
    if pa.types.is_list(kind):
        return not pa.types.is_float32(kind.value_type) and fits(kind.value_type)
    if pa.types.is_struct(kind):
        return kind.num_fields > 0 and all(
            not pa.types.is_float32(field.type) and fits(field.type) for field in kind.fields
        )
    if pa.types.is_decimal128(kind):
        return bool(0 <= kind.scale <= kind.precision)
    plain = (pa.string(), pa.int64(), pa.float64(), pa.float32(), pa.bool_(), pa.date32(), DATE_TIME, INSTANT)
    return kind in plain


def fit(values: pa.Array, nested: bool = False) -> pa.Array:
    """Convert values to a supported type, without changing any.

    Raises Unfit when there is none, or when the conversion or a reader would lose a value.
    """
    kind = values.type
    try:
        if (plain := _decode(values)) is not None:
            return fit(plain, nested)
        if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            return _lists(values)
        if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
            return _lists(values)
        if pa.types.is_struct(kind):
            return _structs(values)
        for belongs, convert in _CONVERSIONS:
            if belongs(kind):
                fitted = convert(values)
                return fitted.cast(pa.float64()) if nested and pa.types.is_float32(fitted.type) else fitted
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OverflowError) as error:
        raise UnfitError(
            f"holds {kind}, with a value that the tables cannot hold unchanged ({_line(error)})",
            "write values of fewer digits, or text",
            find_example(values),
        ) from error
    remedy = next((words for belongs, words in _REMEDIES.items() if belongs(kind)), "write it as text")
    raise UnfitError(f"holds {kind}, a type that the tables do not support", remedy, find_example(values))


def find_example(values: pa.Array) -> str:
    """The first non-null value, shortened; '' when there is none."""
    at = next((at for at in range(len(values)) if values[at].is_valid), None)
    if at is None:
        return ""
    try:
        value = values[at].as_py()
        text = repr(value) if isinstance(value, str | bytes | list | dict) else str(value)
    except (ValueError, OverflowError, ImportError):  # beyond the range of Python's types
        text = str(values[at : at + 1].cast(pa.string())[0])
    return text if len(text) <= 40 else f"{text[:39]}…"


def _decode(values: pa.Array) -> pa.Array | None:
    """The values without a dictionary, run-end or extension encoding; None when they have none."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return values.dictionary_decode()
    if pa.types.is_run_end_encoded(kind):
        return pc.run_end_decode(values)
    if isinstance(kind, pa.UuidType):
        return pa.array(
            [None if raw is None else str(uuid.UUID(bytes=raw)) for raw in values.storage.to_pylist()],
            pa.string(),
        )
    if isinstance(kind, pa.JsonType):
        return values.storage
    if isinstance(kind, pa.Bool8Type):
        return pc.not_equal(values.storage, pa.scalar(0, pa.int8()))
    return None


def _text(values: pa.Array) -> pa.Array:
    text = values.cast(pa.string())
    try:
        text.validate(full=True)
    except pa.ArrowInvalid as error:
        raise UnfitError("holds text that is not UTF-8", "write it as UTF-8") from error
    if pc.any(nul := pc.match_substring(text, "\0")).as_py():
        raise UnfitError("holds text with a NUL character", "remove it", find_example(text.filter(nul)))
    return text


def _whole(values: pa.Array) -> pa.Array:
    most = pc.max(values).as_py() if pa.types.is_uint64(values.type) else 0
    return values.cast(pa.decimal128(20, 0) if (most or 0) > 2**63 - 1 else pa.int64())


def _number(values: pa.Array) -> pa.Array:
    odd = pc.invert(pc.is_finite(values))
    if pc.any(odd).as_py():
        raise UnfitError(
            f"holds {pc.sum(odd).as_py():,} of NaN or infinity, which JSON cannot represent",
            "leave these values empty",
            find_example(values.filter(odd)),
        )
    return values if pa.types.is_float32(values.type) else values.cast(pa.float64())


def _decimal(values: pa.Array) -> pa.Array:
    precision, scale = values.type.precision, values.type.scale
    if scale < 0:
        precision, scale = precision - scale, 0
    scale = min(scale, MOST_DIGITS)  # further places must be zeros
    return values.cast(pa.decimal128(max(1, min(max(precision, scale), MOST_DIGITS)), scale))


def _date(values: pa.Array) -> pa.Array:
    days = values.cast(pa.date32())
    _check_range(values, days.cast(pa.int32()), _DAYS, "dates that are not in the years 1 to 9999")
    return days


def _date_time(values: pa.Array) -> pa.Array:
    moments = values.cast(DATE_TIME if values.type.tz is None else INSTANT)
    words = "date-times that are not in the years 1 to 9999"
    _check_range(values, moments.cast(pa.int64()), _MICROSECONDS, words)
    return moments


def _clock(values: pa.Array) -> pa.Array:
    """Text such as 10:30:00. A fraction of a second has six digits, or nine if needed."""
    unit = values.type.unit
    counted = values.cast(pa.int32() if pa.types.is_time32(values.type) else pa.int64())
    _check_range(values, counted, (0, _MIDNIGHT[unit] - 1), "times of day beyond 24 hours")
    with suppress(pa.ArrowInvalid):  # nanoseconds that are not whole microseconds keep nine digits
        values = values if unit == "s" else values.cast(pa.time64("us"))
    return pc.replace_substring_regex(values.cast(pa.string()), r"\.0+$", "")


def _check_range(values: pa.Array, counted: pa.Array, limits: tuple[int, int], words: str) -> None:
    beyond = pc.or_(pc.less(counted, limits[0]), pc.greater(counted, limits[1]))
    if pc.any(beyond).as_py():
        raise UnfitError(f"holds {words}", "leave these values empty", find_example(values.filter(beyond)))


_CONVERSIONS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array]], ...] = (
    (pa.types.is_null, lambda values: pa.nulls(len(values), pa.string())),
    (pa.types.is_string, _text),
    (pa.types.is_large_string, _text),
    (pa.types.is_string_view, _text),
    (pa.types.is_boolean, lambda values: values),
    (pa.types.is_integer, _whole),
    (pa.types.is_floating, _number),
    (pa.types.is_decimal, _decimal),
    (pa.types.is_date, _date),
    (pa.types.is_timestamp, _date_time),
    (pa.types.is_time, _clock),
)


def _lists(values: pa.Array) -> pa.Array:
    """A list array of the converted items. Casts of list views give broken arrays (pyarrow 26)."""
    items = fit(values.flatten(), nested=True)
    lengths = pc.fill_null(pc.list_value_length(values), 0).cast(pa.int64())
    ends = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(lengths)]).cast(pa.int32())
    return pa.ListArray.from_arrays(ends, items, pa.list_(items.type), mask=pc.is_null(values))


def _structs(values: pa.Array) -> pa.Array:
    names = [field.name for field in values.type.fields]
    if not names:
        raise UnfitError("holds structs without fields", "write null instead")
    folded = [name.lower() for name in names]
    odd = [name for name in names if not name or not set('."`').isdisjoint(name)]
    odd += [name for name in names if folded.count(name.lower()) > 1]
    if odd:
        raise UnfitError(
            f"holds structs with a field named {odd[0]!r}", "give each field a unique, plain name"
        )
    columns = [fit(column, nested=True) for column in values.flatten()]
    fields = [pa.field(name, column.type) for name, column in zip(names, columns, strict=True)]
    return pa.StructArray.from_arrays(columns, fields=fields, mask=pc.is_null(values))


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


# ── in words ─────────────────────────────────────────────────────────────────────────────────────────────────

_IS: dict[str, tuple[Callable[[pa.DataType], bool], ...]] = {
    "text": (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    "number": (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal),
    "true or false": (pa.types.is_boolean,),
    "date": (pa.types.is_date,),
    "date-time": (pa.types.is_timestamp,),
    "empty": (pa.types.is_null,),
}


_MANY = {"number": "numbers", "date": "dates", "date-time": "date-times", "empty": "nothing"}


def describe_type(kind: pa.DataType) -> str:
    """“text”, “number”, “date”, “list of text” …; Arrow's name for a type without a plain one."""
    if pa.types.is_dictionary(kind):
        return describe_type(kind.value_type)
    if pa.types.is_list(kind):
        return f"list of {describe(kind.value_type)}"
    if pa.types.is_struct(kind):
        return (
            f"record of {', '.join(f'{field.name} ({describe_type(field.type)})' for field in kind.fields)}"
        )
    return next((word for word, fits in _IS.items() if any(fit(kind) for fit in fits)), str(kind))


def describe(kind: pa.DataType) -> str:
    """What a column of the type holds, for messages: “text”, “numbers”, “dates” …"""
    word = describe_type(kind)
    if pa.types.is_list(kind) or pa.types.is_struct(kind):
        one, _, of = word.partition(" ")
        return f"{one}s {of}"
    return _MANY.get(word, word)
