"""Read JSON lines, or one list of objects, as a table, without changing any value."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa

from lookdex.errors import ConfigError

_DEEPEST = 20  # levels of nested lists and objects
_NEEDED = "Write one object in each line, or one list of objects"


def json_lines(text: str, uri: str) -> pa.Table:
    """Read one row per line, or per object of the list, and one column per key, in order of first use.

    Raises ConfigError with the line for invalid JSON, values that are not objects, repeated keys and too deep nesting,
    and with the column for values of several types.
    """
    rows: list[Any] = []
    number = 0
    try:
        if text.lstrip().startswith("["):
            rows = _DECODER.decode(text)
        else:
            for line in io.StringIO(text):
                number += 1
                if line.strip():
                    rows.append(_DECODER.decode(line))
    except (ValueError, RecursionError) as error:
        where = f"line {number}" if number else "the list"
        why = f"more than {_DEEPEST} nested lists or objects" if isinstance(error, RecursionError) else error
        raise ConfigError(f"{uri}: {where} is not JSON: {why}. {_NEEDED}") from error
    odd = next((at for at, row in enumerate(rows) if not isinstance(row, dict)), None)
    if odd is not None:
        raise ConfigError(
            f'{uri}: row {odd + 1} is not an object such as {{"product_id": "7"}}: {str(rows[odd])[:40]}'
        )
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [_column([row.get(name) for row in rows], name, uri) for name in names]
    return pa.table(columns, names) if names else pa.table({})


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is not a number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it has the key {twice!r} twice")
    return made


def _exact(text: str) -> float | Decimal:
    """The number; as a Decimal if a float would lose digits."""
    number = float(text)
    return number if len(text) <= 16 or Decimal(repr(number)) == Decimal(text) else Decimal(text)


_DECODER = json.JSONDecoder(parse_constant=_no_number, parse_float=_exact, object_pairs_hook=_object)


def _column(values: list[Any], name: str, uri: str) -> pa.Array:
    """Convert a column to Arrow.

    Whole numbers beyond 64 bits, and numbers that a float would round, become decimals. Whole numbers mixed with floats
    stay exact or are refused.
    """
    kinds = {type(value) for value in values if value is not None}
    if (
        kinds & {dict, list}
        and (deep := next((one for one in values if _depth(one) > _DEEPEST), None)) is not None
    ):
        raise ConfigError(
            f"{uri}: the column {name!r} has more than {_DEEPEST} nested lists or objects: {str(deep)[:40]}"
        )
    try:
        if kinds <= {int, float, Decimal} and Decimal in kinds:
            values = [Decimal(repr(one)) if isinstance(one, float) else one for one in values]
            return pa.array([Decimal(one) if isinstance(one, int) else one for one in values])
        if kinds == {int, float}:
            inexact = next((one for one in values if isinstance(one, int) and int(float(one)) != one), None)
            if inexact is not None:
                raise ConfigError(
                    f"{uri}: the column {name!r} holds {inexact}, which a floating-point number cannot represent, "
                    "beside floating-point numbers; write it as text"
                )
            return pa.array([None if one is None else float(one) for one in values], pa.float64())
        if kinds == {int} and any(one is not None and not -(2**63) <= one < 2**63 for one in values):
            digits = max(len(str(abs(one))) for one in values if one is not None)
            return pa.array(values, pa.decimal128(digits, 0))
        return pa.array(values)
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{uri}: the column {name!r} holds {error.object[:40]!r}, with half of a surrogate pair: write both "
            "escapes, or the character itself"
        ) from error
    except (pa.ArrowException, OverflowError, ValueError) as error:
        kinds_named = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise ConfigError(
            f"{uri}: the column {name!r} cannot be read (its values are {kinds_named}): {error}. Write all of them as "
            "one type"
        ) from error


def _depth(value: Any) -> int:
    """The depth of nested lists and objects."""
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return depth
