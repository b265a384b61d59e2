"""The types of columns in plain words."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

_IS: dict[str, tuple[Callable[[pa.DataType], bool], ...]] = {
    "text": (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    "number": (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal),
    "true or false": (pa.types.is_boolean,),
    "date": (pa.types.is_date,),
    "time": (pa.types.is_timestamp,),
    "empty": (pa.types.is_null,),
}


_MANY = {"number": "numbers", "date": "dates", "time": "times", "empty": "nothing"}


def kind_of(kind: pa.DataType) -> str:
    """“text”, “number”, “date” …; Arrow's name of a type that has no plainer one."""
    if pa.types.is_dictionary(kind):
        return kind_of(kind.value_type)
    return next((word for word, fits in _IS.items() if any(fit(kind) for fit in fits)), str(kind))


def held(kind: pa.DataType) -> str:
    """What a column of the type holds: “text”, “numbers”, “dates” …, in a sentence."""
    word = kind_of(kind)
    return _MANY.get(word, word)


def exact_digits(schema: pa.Schema) -> dict[str, int]:
    """Of the columns of whole numbers and of decimals: with so many digits any whole number is one of theirs."""
    integers = {8: 2, 16: 4, 32: 9, 64: 18}
    return {
        field.name: integers[field.type.bit_width]
        if pa.types.is_integer(field.type)
        else field.type.precision - field.type.scale
        for field in schema
        if pa.types.is_integer(field.type) or pa.types.is_decimal(field.type)
    }
