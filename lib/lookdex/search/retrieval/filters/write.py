"""A filter as Lance SQL: every type is checked here, so that the table finds nothing to complain of.

Arithmetic is done in 64-bit floating point, where nothing overflows; a division by zero has no value (NULL).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lookdex.catalog.column_types import kind_of as in_words
from lookdex.catalog.sql import composed, quoted
from lookdex.errors import BadQuery
from lookdex.search.retrieval.filters import literals, numbers
from lookdex.search.retrieval.filters.cost import Bill, Work
from lookdex.search.retrieval.filters.kinds import Kind, is_exact, kind_of
from lookdex.search.retrieval.filters.literals import NULL, Mismatch
from lookdex.search.retrieval.filters.refusals import described, mismatch, no_value
from lookdex.search.retrieval.filters.rewrite import columns_of
from lookdex.search.retrieval.filters.syntax import (
    LITERALS,
    All,
    Arithmetic,
    Call,
    Column,
    Compare,
    Constant,
    In,
    Is,
    Like,
    Literal,
    Negative,
    Not,
    Number,
    Sign,
    Some,
    Text,
    Typed,
    Value,
)

_HOLDS: dict[Sign, Callable[[Any, Any], bool]] = {
    Sign.EQUAL: operator.eq,
    Sign.UNEQUAL: operator.ne,
    Sign.LESS: operator.lt,
    Sign.AT_MOST: operator.le,
    Sign.MORE: operator.gt,
    Sign.AT_LEAST: operator.ge,
}
_IDS = ("product_id",)  # the path of the column that holds composed text (NFC)


@dataclass(frozen=True, slots=True)
class Written:
    """SQL of a value. type: of a column's values; None for what is computed, which if a number has 64 floating bits."""

    sql: str
    kind: Kind
    type: pa.DataType | None = None


class Writer:
    """Writes one filter, and adds up in `bill` what its parts cost."""

    def __init__(self, widths: Mapping[str, float]) -> None:
        self.bill = Bill()
        self._widths = widths

    # ── tests ──

    def test(self, value: Value) -> str:
        """SQL that is true, false or null for a row. Raises BadQuery: it is no test, or types do not compare."""
        match value:
            case All(parts) | Some(parts):
                return f"({(' AND ' if isinstance(value, All) else ' OR ').join(map(self.test, parts))})"
            case Not(part):
                return f"(NOT {self.test(part)})"
            case Constant(None):
                return NULL
            case Constant(truth):
                return "TRUE" if truth else "FALSE"
            case Compare():
                return self._compared(value)
            case In():
                return self._among(value)
            case Like():
                return self._like(value)
            case Is():
                return self._is(value)
        if (found := self.value(value)).kind is Kind.TRUTH:
            return found.sql
        raise BadQuery(
            f"the filter is not a predicate: {described(value)} stands where something true or false is needed, such "
            "as price < 50"
        )

    def _compared(self, test: Compare) -> str:
        left, sign, right = test.left, test.sign, test.right
        if isinstance(left, LITERALS) and isinstance(right, LITERALS):
            return _constant(left, sign, right, test)
        found = self.value(left)
        if found.kind in (Kind.LIST, Kind.RECORD, Kind.OTHER):
            no_value(left)
        self.bill.add(Work.COMPARE)
        if isinstance(right, LITERALS):
            return self._with_literal(test, found, sign, right)
        other = self.value(right)
        if other.kind in (Kind.LIST, Kind.RECORD, Kind.OTHER):
            no_value(right)
        kinds = {found.kind, other.kind}
        ordered = sign not in (Sign.EQUAL, Sign.UNEQUAL)
        if kinds == {Kind.DATE, Kind.DATE_TIME}:
            sides = [
                f"CAST({side.sql} AS TIMESTAMP(6))" if side.kind is Kind.DATE else side.sql
                for side in (found, other)
            ]
            return f"({sides[0]} {sign.value} {sides[1]})"
        if len(kinds) > 1 or (ordered and found.kind is Kind.TRUTH):
            mismatch(test)
        one, two = found.sql, other.sql
        if found.kind is Kind.NUMBER:
            double = pa.float64()
            if wide := numbers.together(found.type or double, other.type or double):
                self.bill.add(Work.CONVERT)
                one, two = f"CAST({one} AS {wide})", f"CAST({two} AS {wide})"
        return f"({one} {sign.value} {two})"

    def _with_literal(self, test: Compare, found: Written, sign: Sign, literal: Literal) -> str:
        ordered = sign not in (Sign.EQUAL, Sign.UNEQUAL)
        if literal == Constant(None):
            return NULL
        if ordered and found.kind is Kind.TRUTH:
            mismatch(test)
        if ordered and found.type is not None and is_exact(found.type):
            if not isinstance(literal, Number):
                mismatch(test)
            if literal.value is None:
                return f"(CAST({found.sql} AS DOUBLE) {sign.value} {literals.number(literal)})"
            bound = numbers.bound(sign, literal.value, found.type)
            if isinstance(bound, bool):
                return _known(found.sql, bound)
            return f"({found.sql} {bound.sign.value} {bound.sql})"
        (sql,) = self._literals(test, test.left, found, (literal,))
        return _known(found.sql, sign is Sign.UNEQUAL) if sql is None else f"({found.sql} {sign.value} {sql})"

    def _among(self, test: In) -> str:
        if isinstance(test.value, LITERALS):
            return self.test(_each(test))
        found = self.value(test.value)
        if found.kind is Kind.LIST:
            return self._held(test, found)
        if found.kind in (Kind.RECORD, Kind.OTHER):
            no_value(test.value)
        among = [literal for literal in test.among if literal != Constant(None)]
        self.bill.add(Work.AMONG, literals=len(among))
        sql = [own for own in self._literals(test, test.value, found, among) if own is not None]
        if sql:
            one = f"{found.sql} {'<>' if test.inverted else '='} {sql[0]}"
            many = f"{found.sql} {'NOT ' if test.inverted else ''}IN ({', '.join(dict.fromkeys(sql))})"
            told = f"({one if len(sql) == 1 else many})"
        else:
            told = _known(found.sql, test.inverted)
        if len(among) == len(test.among):
            return told
        return f"({told} {'AND' if test.inverted else 'OR'} {NULL})"

    def _held(self, test: In, found: Written) -> str:
        """A list has one of the values. Nulls in it are no values; a list that is null makes the test null."""
        assert found.type is not None
        kind = found.type.value_type
        if kind_of(kind) in (Kind.LIST, Kind.RECORD, Kind.OTHER):
            raise BadQuery(
                f"the filter looks into {described(test.value)}, a {in_words(found.type)}: only values in lists can "
                "be looked for; is null and length(…) work"
            )
        among = [literal for literal in test.among if literal != Constant(None)]
        item = Written("", kind_of(kind), kind)
        values = [own for own in self._literals(test, test.value, item, among) if own is not None]
        if not values:
            return _known(found.sql, test.inverted)
        self.bill.add(Work.HELD, self._width(test.value), len(values))
        told = [_argument(own, kind) for own in dict.fromkeys(values)]
        if len(told) == 1:
            either = f"array_has({found.sql}, {told[0]})"
        else:
            either = f"array_has_any({found.sql}, make_array({', '.join(told)}))"
        return f"(NOT {either})" if test.inverted else either

    def _literals(
        self, test: Value, value: Value, found: Written, among: Sequence[Literal]
    ) -> list[str | None]:
        """SQL of each literal in the type of the value."""
        ids = any(column.path == _IDS for column in columns_of(value))
        try:
            if ids:
                among = [Text(composed(one.value)) if isinstance(one, Text) else one for one in among]
            if found.type is None:
                return [_computed(literal, found.kind) for literal in among]
            return [literals.sql_of(one, found.type, described(value)) for one in among]
        except Mismatch:
            mismatch(test)

    def _like(self, test: Like) -> str:
        if isinstance(test.value, LITERALS):
            raise BadQuery(
                "the filter looks for a pattern in a value that it writes itself: name a column there"
            )
        found = self.value(test.value)
        if found.kind is not Kind.TEXT:
            mismatch(test)
        pattern = test.pattern
        if any(column.path == _IDS for column in columns_of(test.value)):
            pattern = composed(pattern)
        if not test.any_case and set("%_\\").isdisjoint(pattern):
            self.bill.add(Work.COMPARE)
            return f"({found.sql} {'<>' if test.inverted else '='} {quoted(pattern)})"
        self.bill.add_pattern(pattern, test.any_case, self._width(test.value))
        like = f"{'NOT ' if test.inverted else ''}{'ILIKE' if test.any_case else 'LIKE'}"
        return f"({found.sql} {like} {quoted(pattern)})"

    def _is(self, test: Is) -> str:
        self.bill.add(Work.NULL)
        inverted = "NOT " if test.inverted else ""
        if test.what is None:
            if isinstance(test.value, LITERALS):
                return "TRUE" if (test.value == Constant(None)) != test.inverted else "FALSE"
            return f"({self.value(test.value).sql} IS {inverted}NULL)"
        word = "TRUE" if test.what else "FALSE"
        if not isinstance(test.value, Column):
            return f"({self.test(test.value)} IS {inverted}{word})"
        if kind_of(test.value.type) is not Kind.TRUTH:
            mismatch(test)
        return f"({self.value(test.value).sql} IS {inverted}{word})"

    # ── values ──

    def value(self, value: Value) -> Written:
        match value:
            case Column(path, kind):
                self.bill.add_read(path, self._width(value), listed=pa.types.is_list(kind))
                return Written(_path(path), kind_of(kind), kind)
            case Number():
                return Written(literals.number(value), Kind.NUMBER)
            case Text(text):
                return Written(quoted(text), Kind.TEXT)
            case Typed():
                raise BadQuery("the filter computes with a date: compare a column with it")
            case Constant(None):
                return Written("CAST(NULL AS DOUBLE)", Kind.NUMBER)
            case Negative(part):
                self.bill.add(Work.SUM)
                return Written(f"(-{self._double(part, value)})", Kind.NUMBER)
            case Arithmetic(first, rest):
                return self._arithmetic(value, first, rest)
            case Call(function, argument):
                return self._call(value, function, argument)
        return Written(self.test(value), Kind.TRUTH)

    def _arithmetic(self, whole: Value, first: Value, rest: Sequence[tuple[str, Value]]) -> Written:
        sql = self._double(first, whole)
        for sign, part in rest:
            self.bill.add(Work.SUM)
            other = self._double(part, whole)
            if sign in "/%":
                if isinstance(part, Number) and float(part.written) == 0:
                    raise BadQuery("the filter divides by 0, which has no value")
                if not isinstance(part, Number):
                    self.bill.add(Work.SUM)
                    other = f"nullif({other}, CAST(0 AS DOUBLE))"
            sql = f"({sql} {sign} {other})"
        return Written(sql, Kind.NUMBER)

    def _double(self, value: Value, whole: Value) -> str:
        found = self.value(value)
        if found.kind is not Kind.NUMBER:
            mismatch(whole)
        if isinstance(value, Number):
            return f"CAST({found.sql} AS DOUBLE)"
        if found.type is None or pa.types.is_float64(found.type):
            return found.sql
        self.bill.add(Work.CONVERT)
        return f"CAST({found.sql} AS DOUBLE)"

    def _call(self, whole: Value, function: str, argument: Value) -> Written:
        if function == "abs":
            self.bill.add(Work.SUM)
            return Written(f"abs({self._double(argument, whole)})", Kind.NUMBER)
        found = self.value(argument)
        if function == "length" and found.kind is Kind.LIST:
            self.bill.add(Work.LENGTH, self._width(argument))
            return Written(f"CAST(array_length({found.sql}) AS DOUBLE)", Kind.NUMBER)
        if found.kind is not Kind.TEXT:
            mismatch(whole)
        if function == "length":
            self.bill.add(Work.LENGTH, self._width(argument))
            return Written(f"CAST(character_length({found.sql}) AS DOUBLE)", Kind.NUMBER)
        self.bill.add(Work.CASE, self._width(argument))
        return Written(f"{function}({found.sql})", Kind.TEXT)

    def _width(self, value: Value) -> float:
        """Of the columns in it: the mean bytes of a text, or values of a list."""
        return sum(self._widths.get(column.name, 0.0) for column in columns_of(value))


def _path(path: Sequence[str]) -> str:
    return ".".join(f"`{name}`" for name in path)


def _each(test: In) -> Value:
    """A literal among literals, as comparisons."""
    sign = Sign.UNEQUAL if test.inverted else Sign.EQUAL
    tests = tuple(Compare(test.value, sign, literal) for literal in test.among)
    return All(tests) if test.inverted else Some(tests)


def _argument(sql: str, kind: pa.DataType) -> str:
    """The SQL of a literal in a call, where DataFusion takes no type from the other side."""
    if pa.types.is_float64(kind):
        return f"CAST({sql} AS DOUBLE)"
    return f"CAST({sql} AS BIGINT)" if pa.types.is_int64(kind) else sql


def _known(sql: str, truth: bool) -> str:
    """What holds for every value, or for none, and is null for null."""
    return f"({sql} IS NOT NULL OR {NULL})" if truth else f"({sql} IS NULL AND {NULL})"


def _computed(literal: Literal, kind: Kind) -> str:
    """A literal beside what is computed."""
    match kind, literal:
        case Kind.NUMBER, Number():
            return literals.number(literal)
        case Kind.TEXT, Text(text):
            return quoted(text)
        case Kind.TRUTH, Constant(truth):
            return "TRUE" if truth else "FALSE"
    raise Mismatch


def _constant(left: Literal, sign: Sign, right: Literal, test: Value) -> str:
    """Two literals, compared here."""
    if Constant(None) in (left, right):
        return NULL
    one: Any
    two: Any
    match left, right:
        case Number(), Number():
            one, two = (side.value or float(side.written) for side in (left, right))
        case Text(one), Text(two):
            pass
        case Constant(one), Constant(two) if sign in (Sign.EQUAL, Sign.UNEQUAL):
            pass
        case _:
            mismatch(test)
    return "TRUE" if _HOLDS[sign](one, two) else "FALSE"
