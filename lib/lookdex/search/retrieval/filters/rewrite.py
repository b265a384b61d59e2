"""A filter in a form that is cheap to plan and to apply, and that holds for the same rows.

NOT stands only before single tests (Lance plans 20 nested ones in 9 ms, 40 in more than 20 s), and equalities of one
column become one IN: 1,000 of them then cost a row about what three do. Both rules hold for nulls, too.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from lookdex.errors import BadQuery
from lookdex.search.retrieval.filters.syntax import (
    LITERALS,
    All,
    AnyOf,
    Arithmetic,
    Call,
    Column,
    Compare,
    Constant,
    Contains,
    In,
    Is,
    Like,
    Negative,
    Not,
    Sign,
    Some,
    Value,
)


def rewritten(value: Value, inverted: bool = False) -> Value:
    """The predicate, or with `inverted` what holds where it does not.

    Raises BadQuery: ANY stands elsewhere than beside =.
    """
    match value:
        case Not(part):
            return rewritten(part, not inverted)
        case All(parts) | Some(parts):
            return _joined(isinstance(value, All) != inverted, [rewritten(part, inverted) for part in parts])
        case Compare(left, sign, right):
            return _compared(left, sign, right, inverted)
        case Contains(values, part):
            return _among(_inside(values), part, value.inverted != inverted)
        case In() | Like() | Is():
            return replace(value, value=_inside(value.value), inverted=value.inverted != inverted)
        case Constant(truth):
            return Constant(truth if truth is None else truth != inverted)
        case _:
            return Not(_inside(value)) if inverted else _inside(value)


def _compared(left: Value, sign: Sign, right: Value, inverted: bool) -> Value:
    """The test, with a literal, or ANY, on its right."""
    if isinstance(left, AnyOf) or (isinstance(left, LITERALS) and not isinstance(right, AnyOf)):
        left, sign, right = right, sign.mirrored, left
    if isinstance(right, AnyOf):
        if sign is not Sign.EQUAL:
            raise BadQuery("the filter compares with any(…): it may only follow =, such as  'M' = any(sizes)")
        return _among(_inside(right.values), left, inverted)
    return Compare(_inside(left), sign.opposite if inverted else sign, _inside(right))


def _among(values: Value, value: Value, inverted: bool) -> Value:
    """A list has a value."""
    if not isinstance(values, Column) or not pa.types.is_list(values.type):
        name = ", ".join(column.name for column in columns_of(values)) or "a value"
        raise BadQuery(
            f"the filter looks for something in {name}, which is not a list: write  'M' in sizes  with a column of "
            "lists, or in ('M', 'L') with parentheses"
        )
    if not isinstance(value, LITERALS):
        raise BadQuery(
            "the filter looks in a list for something that is not a value: write text or a number there"
        )
    return In(values, (value,), inverted)


def _inside(value: Value) -> Value:
    """What is compared, whose own parts may be predicates in parentheses."""
    match value:
        case Negative(part):
            return Negative(_inside(part))
        case Arithmetic(first, rest):
            return Arithmetic(_inside(first), tuple((sign, _inside(part)) for sign, part in rest))
        case Call(function, argument):
            return Call(function, _inside(argument))
        case AnyOf():
            raise BadQuery("the filter uses any(…) without =: write  'M' = any(sizes)  or  'M' in sizes")
        case Compare() | In() | Contains() | Like() | Is() | Not() | All() | Some():
            test = rewritten(value)
            if isinstance(test, All | Some):  # DataFusion takes `a and not a` for false where a is null
                raise BadQuery(
                    "the filter compares several tests (joined by and, or, between) as if they were one value: "
                    "compare each by itself"
                )
            return test
        case _:
            return value


def _joined(every: bool, parts: list[Value]) -> Value:
    """AND (or OR) of the parts, without one of its kind inside it, and with the equalities of a column put together."""
    kind = All if every else Some
    flat = [own for part in parts for own in (part.parts if isinstance(part, kind) else (part,))]
    together: dict[Value, list[tuple[int, In]]] = {}
    for n, part in enumerate(flat):
        if (found := _equality(part, inverted=every)) is not None:
            together.setdefault(found.value, []).append((n, found))
    kept: dict[int, Value] = dict(enumerate(flat))
    for value, tests in together.items():
        if len(tests) > 1:
            among = dict.fromkeys(literal for _, test in tests for literal in test.among)
            for n, _ in tests[1:]:
                del kept[n]
            kept[tests[0][0]] = In(value, tuple(among), every)
    return next(iter(kept.values())) if len(kept) == 1 else kind(tuple(kept.values()))


def _equality(part: Value, inverted: bool) -> In | None:
    """The test as [NOT] IN, where it is one."""
    match part:
        case In(inverted=own) if own == inverted:
            return part
        case Compare(left, sign, right) if sign is (Sign.UNEQUAL if inverted else Sign.EQUAL):
            listed = isinstance(left, Column) and pa.types.is_list(left.type)  # is no value: refused later
            if isinstance(right, LITERALS) and not isinstance(left, LITERALS) and not listed:
                return In(left, (right,), inverted)
    return None


def columns_of(value: Value) -> tuple[Column, ...]:
    """The columns that it names, each once."""
    found: dict[tuple[str, ...], Column] = {}

    def look(value: Value) -> None:
        match value:
            case Column(path):
                found.setdefault(path, value)
            case Arithmetic(first, rest):
                look(first)
                for _, part in rest:
                    look(part)
            case Call(_, part) | Negative(part) | AnyOf(part) | Not(part):
                look(part)
            case In(part) | Like(part) | Is(part):
                look(part)
            case Contains(values, part):
                look(values)
                look(part)
            case Compare(left, _, right):
                look(left)
                look(right)
            case All(parts) | Some(parts):
                for part in parts:
                    look(part)

    look(value)
    return tuple(found.values())
