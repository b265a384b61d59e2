"""The parts of a filter, as records: what the parser makes of the text, and what is rewritten and then written as SQL.

Every column in them is one that exists, spelt as the table spells it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TypeAlias

import pyarrow as pa

# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Column:
    """A column, or a field of a record in it. path: its names, outermost first."""

    path: tuple[str, ...]
    type: pa.DataType

    @property
    def name(self) -> str:
        """For messages."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Number:
    """written: as it stands in the filter, or with a minus before it. value: None where no decimal can hold it."""

    written: str
    value: Decimal | None


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Typed:
    """DATE '2026-11-22' or TIMESTAMP '2026-11-22 09:30:00'. kind: "date" or "timestamp"."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Constant:
    """TRUE, FALSE, or (None) NULL."""

    value: bool | None


@dataclass(frozen=True, slots=True)
class Negative:
    value: Value


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """first, then each of `rest` (a sign and a value) in turn."""

    first: Value
    rest: tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """function: one of `parser.FUNCTIONS`."""

    function: str
    argument: Value


@dataclass(frozen=True, slots=True)
class AnyOf:
    """ANY(list): some value in a list."""

    values: Value


Literal: TypeAlias = Number | Text | Typed | Constant
LITERALS = (Number, Text, Typed, Constant)


# ── tests ────────────────────────────────────────────────────────────────────────────────────────────────────


class Sign(Enum):
    """mirrored: with the sides exchanged. opposite: holds where this one does not."""

    EQUAL = "="
    UNEQUAL = "<>"
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="

    @property
    def mirrored(self) -> Sign:
        return _MIRRORED.get(self, self)

    @property
    def opposite(self) -> Sign:
        return _OPPOSITE[self]


_MIRRORED = {
    Sign.LESS: Sign.MORE,
    Sign.MORE: Sign.LESS,
    Sign.AT_MOST: Sign.AT_LEAST,
    Sign.AT_LEAST: Sign.AT_MOST,
}
_OPPOSITE = {
    Sign.EQUAL: Sign.UNEQUAL,
    Sign.UNEQUAL: Sign.EQUAL,
    Sign.LESS: Sign.AT_LEAST,
    Sign.AT_LEAST: Sign.LESS,
    Sign.MORE: Sign.AT_MOST,
    Sign.AT_MOST: Sign.MORE,
}


@dataclass(frozen=True, slots=True)
class Compare:
    left: Value
    sign: Sign
    right: Value


@dataclass(frozen=True, slots=True)
class In:
    """The value is one of the literals; a list has one of them."""

    value: Value
    among: tuple[Literal, ...]
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class Contains:
    """A list has the value."""

    values: Value
    value: Value
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class Like:
    value: Value
    pattern: str
    any_case: bool
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class Is:
    """IS [NOT] NULL, TRUE, FALSE. what: None, True, False."""

    value: Value
    what: bool | None
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class Not:
    part: Value


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Some:
    parts: tuple[Value, ...]


Value: TypeAlias = (
    Column | Number | Text | Typed | Constant | Negative | Arithmetic | Call | AnyOf
    | Compare | In | Contains | Like | Is | Not | All | Some
)  # fmt: skip
