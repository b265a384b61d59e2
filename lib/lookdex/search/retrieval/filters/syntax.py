"""The syntax tree of a filter: parsed by `parser`, rewritten by `rewrite`, compiled to SQL by `write`.

Its columns exist, and are spelt as in the table.
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
    """A column, or a field of a record in it. path: their names, outermost first."""

    path: tuple[str, ...]
    type: pa.DataType

    @property
    def name(self) -> str:
        """For messages."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Number:
    """written: the text in the filter, perhaps negated. value: None if a decimal cannot hold it."""

    written: str
    value: Decimal | None


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class TypedText:
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
    """`first`, then the operators and values of `rest`, from left to right."""

    first: Value
    rest: tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """function: one of `parser.FUNCTIONS`."""

    function: str
    argument: Value


@dataclass(frozen=True, slots=True)
class AnyOf:
    """ANY(list): any value in a list."""

    values: Value


Literal: TypeAlias = Number | Text | TypedText | Constant
LITERALS = (Number, Text, TypedText, Constant)


# ── tests ────────────────────────────────────────────────────────────────────────────────────────────────────


class Operator(Enum):
    """mirrored: with the sides exchanged. opposite: true where this one is false."""

    EQUAL = "="
    UNEQUAL = "<>"
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="

    @property
    def mirrored(self) -> Operator:
        return _MIRRORED.get(self, self)

    @property
    def opposite(self) -> Operator:
        return _OPPOSITE[self]


_MIRRORED = {
    Operator.LESS: Operator.MORE,
    Operator.MORE: Operator.LESS,
    Operator.AT_MOST: Operator.AT_LEAST,
    Operator.AT_LEAST: Operator.AT_MOST,
}
_OPPOSITE = {
    Operator.EQUAL: Operator.UNEQUAL,
    Operator.UNEQUAL: Operator.EQUAL,
    Operator.LESS: Operator.AT_LEAST,
    Operator.AT_LEAST: Operator.LESS,
    Operator.MORE: Operator.AT_MOST,
    Operator.AT_MOST: Operator.MORE,
}


@dataclass(frozen=True, slots=True)
class Compare:
    left: Value
    op: Operator
    right: Value


@dataclass(frozen=True, slots=True)
class In:
    """The value is one of the literals, or a list contains one of them."""

    value: Value
    choices: tuple[Literal, ...]
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class Contains:
    """A list contains the value."""

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
class And:
    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Value, ...]


Value: TypeAlias = (
    Column | Number | Text | TypedText | Constant | Negative | Arithmetic | Call | AnyOf
    | Compare | In | Contains | Like | Is | Not | And | Or
)  # fmt: skip
