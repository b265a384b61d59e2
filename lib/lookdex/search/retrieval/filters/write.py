"""Compile a filter to SQL for Lance. All types are checked here, so that Lance accepts the result.

Arithmetic is in 64-bit floating point, which does not overflow; a division by zero is NULL.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from lookdex.catalog.column_types import describe_type as in_words
from lookdex.catalog.sql import normalize_nfc, quote
from lookdex.errors import BadQuery
from lookdex.search.retrieval.filters import literals, numbers
from lookdex.search.retrieval.filters.cost import Bill, Work
from lookdex.search.retrieval.filters.kinds import ValueKind, is_exact, kind_of
from lookdex.search.retrieval.filters.literals import NULL, MismatchError
from lookdex.search.retrieval.filters.refusals import describe, refuse_compound, refuse_types
from lookdex.search.retrieval.filters.rewrite import find_columns
from lookdex.search.retrieval.filters.syntax import (
    LITERALS,
    And,
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
    Operator,
    Or,
    Text,
    TypedText,
    Value,
)

_HOLDS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUAL: operator.eq,
    Operator.UNEQUAL: operator.ne,
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.MORE: operator.gt,
    Operator.AT_LEAST: operator.ge,
}
_ZEROS = [Number("0.0", Decimal(0)), Number("-0.0", Decimal(0))]
_IDS = ("product_id",)  # the path of the column whose text is composed (NFC)


@dataclass(frozen=True, slots=True)
class SqlValue:
    """SQL of a value."""

    sql: str
    kind: ValueKind
    type: pa.DataType | None = None
    """Of a column; None if computed (numbers are then 64-bit floating point)."""


class Writer:
    """Compiles one filter, and adds up its cost in `bill`."""

    def __init__(self, widths: Mapping[str, float]) -> None:
        self.bill = Bill()
        self._widths = widths

    # ── tests ──

    def test(self, value: Value) -> str:
        """SQL of a predicate. Raises BadQuery if it is not one, or compares different types."""
        match value:
            case And(parts) | Or(parts):
                return f"({(' AND ' if isinstance(value, And) else ' OR ').join(map(self.test, parts))})"
            case Not(part):
                return f"(NOT {self.test(part)})"
            case Constant(None):
                return NULL
            case Constant(truth):
                return "TRUE" if truth else "FALSE"
            case Compare():
                return self._compare(value)
            case In():
                return self._in(value)
            case Like():
                return self._like(value)
            case Is():
                return self._is(value)
        if (found := self.value(value)).kind is ValueKind.TRUTH:
            return found.sql
        raise BadQuery(
            f"the filter is not a predicate: {describe(value)} is not true or false; write a test such as price < 50"
        )

    def _compare(self, test: Compare) -> str:
        left, op, right = test.left, test.op, test.right
        if isinstance(left, LITERALS) and isinstance(right, LITERALS):
            return _constant(left, op, right, test)
        found = self.value(left)
        if found.kind in (ValueKind.LIST, ValueKind.RECORD, ValueKind.OTHER):
            refuse_compound(left)
        self.bill.add(Work.COMPARE)
        if isinstance(right, LITERALS):
            return self._with_literal(test, found, op, right)
        other = self.value(right)
        if other.kind in (ValueKind.LIST, ValueKind.RECORD, ValueKind.OTHER):
            refuse_compound(right)
        kinds = {found.kind, other.kind}
        ordered = op not in (Operator.EQUAL, Operator.UNEQUAL)
        if kinds == {ValueKind.DATE, ValueKind.DATE_TIME}:
            sides = [
                f"CAST({side.sql} AS TIMESTAMP(6))" if side.kind is ValueKind.DATE else side.sql
                for side in (found, other)
            ]
            return f"({sides[0]} {op.value} {sides[1]})"
        if len(kinds) > 1 or (ordered and found.kind is ValueKind.TRUTH):
            refuse_types(test)
        one, two = found.sql, other.sql
        if found.kind is ValueKind.NUMBER:
            double = pa.float64()
            if wide := numbers.common_type(found.type or double, other.type or double):
                self.bill.add(Work.CONVERT)
                one, two = f"CAST({one} AS {wide})", f"CAST({two} AS {wide})"
        return f"({one} {op.value} {two})"

    def _with_literal(self, test: Compare, found: SqlValue, op: Operator, literal: Literal) -> str:
        ordered = op not in (Operator.EQUAL, Operator.UNEQUAL)
        if literal == Constant(None):
            return NULL
        if ordered and found.kind is ValueKind.TRUTH:
            refuse_types(test)
        if ordered and found.type is not None and is_exact(found.type):
            if not isinstance(literal, Number):
                refuse_types(test)
            if literal.value is None:
                return f"(CAST({found.sql} AS DOUBLE) {op.value} {literals.number(literal)})"
            bound = numbers.bound(op, literal.value, found.type)
            if isinstance(bound, bool):
                return _constant_unless_null(found.sql, bound)
            return f"({found.sql} {bound.op.value} {bound.sql})"
        (sql,) = self._literals(test, test.left, found, (literal,))
        return (
            _constant_unless_null(found.sql, op is Operator.UNEQUAL)
            if sql is None
            else f"({found.sql} {op.value} {sql})"
        )

    def _in(self, test: In) -> str:
        if isinstance(test.value, LITERALS):
            return self.test(_to_comparisons(test))
        found = self.value(test.value)
        if found.kind is ValueKind.LIST:
            return self._contains(test, found)
        if found.kind in (ValueKind.RECORD, ValueKind.OTHER):
            refuse_compound(test.value)
        choices = [literal for literal in test.choices if literal != Constant(None)]
        self.bill.add(Work.IN, literals=len(choices))
        sql = [own for own in self._literals(test, test.value, found, choices) if own is not None]
        if sql:
            one = f"{found.sql} {'<>' if test.inverted else '='} {sql[0]}"
            many = f"{found.sql} {'NOT ' if test.inverted else ''}IN ({', '.join(dict.fromkeys(sql))})"
            predicate = f"({one if len(sql) == 1 else many})"
        else:
            predicate = _constant_unless_null(found.sql, test.inverted)
        if len(choices) == len(test.choices):
            return predicate
        return f"({predicate} {'AND' if test.inverted else 'OR'} {NULL})"

    def _contains(self, test: In, found: SqlValue) -> str:
        """SQL of whether a list contains one of the values. Nulls in it are ignored; of a null list it is null."""
        assert found.type is not None
        kind = found.type.value_type
        if kind_of(kind) in (ValueKind.LIST, ValueKind.RECORD, ValueKind.OTHER):
            raise BadQuery(
                f"the filter searches {describe(test.value)}, a {in_words(found.type)}: only lists of plain values "
                "can be searched; is null and length(…) work"
            )
        choices = [literal for literal in test.choices if literal != Constant(None)]
        if pa.types.is_floating(kind) and any(isinstance(one, Number) and one.value == 0 for one in choices):
            choices += _ZEROS  # array_has tells them apart
        item = SqlValue("", kind_of(kind), kind)
        values = [own for own in self._literals(test, test.value, item, choices) if own is not None]
        if not values:
            return _constant_unless_null(found.sql, test.inverted)
        self.bill.add(Work.CONTAINS, self._width(test.value), len(values))
        arguments = [_argument(own, kind) for own in dict.fromkeys(values)]
        if len(arguments) == 1:
            contains = f"array_has({found.sql}, {arguments[0]})"
        else:
            contains = f"array_has_any({found.sql}, make_array({', '.join(arguments)}))"
        return f"(NOT {contains})" if test.inverted else contains

    def _literals(
        self, test: Value, value: Value, found: SqlValue, choices: Sequence[Literal]
    ) -> list[str | None]:
        """SQL of each literal in the type of the value; None if no value can equal it."""
        ids = any(column.path == _IDS for column in find_columns(value))
        try:
            if ids:
                choices = [
                    Text(normalize_nfc(one.value)) if isinstance(one, Text) else one for one in choices
                ]
            if found.type is None:
                return [_computed_sql(literal, found.kind) for literal in choices]
            return [literals.to_sql(one, found.type, describe(value)) for one in choices]
        except MismatchError:
            refuse_types(test)

    def _like(self, test: Like) -> str:
        if isinstance(test.value, LITERALS):
            raise BadQuery("the filter applies a pattern to a literal: use a column")
        found = self.value(test.value)
        if found.kind is not ValueKind.TEXT:
            refuse_types(test)
        pattern = test.pattern
        if any(column.path == _IDS for column in find_columns(test.value)):
            pattern = normalize_nfc(pattern)
        if not test.any_case and set("%_\\").isdisjoint(pattern):
            self.bill.add(Work.COMPARE)
            return f"({found.sql} {'<>' if test.inverted else '='} {quote(pattern)})"
        self.bill.add_pattern(pattern, test.any_case, self._width(test.value))
        like = f"{'NOT ' if test.inverted else ''}{'ILIKE' if test.any_case else 'LIKE'}"
        return f"({found.sql} {like} {quote(pattern)})"

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
        if kind_of(test.value.type) is not ValueKind.TRUTH:
            refuse_types(test)
        return f"({self.value(test.value).sql} IS {inverted}{word})"

    # ── values ──

    def value(self, value: Value) -> SqlValue:
        match value:
            case Column(path, kind):
                self.bill.add_read(path, self._width(value), listed=pa.types.is_list(kind))
                return SqlValue(_quote_path(path), kind_of(kind), kind)
            case Number():
                return SqlValue(literals.number(value), ValueKind.NUMBER)
            case Text(text):
                return SqlValue(quote(text), ValueKind.TEXT)
            case TypedText():
                raise BadQuery("the filter computes with a date: compare a column with it instead")
            case Constant(None):
                return SqlValue("CAST(NULL AS DOUBLE)", ValueKind.NUMBER)
            case Negative(part):
                self.bill.add(Work.SUM)
                return SqlValue(f"(-{self._double(part, value)})", ValueKind.NUMBER)
            case Arithmetic(first, rest):
                return self._arithmetic(value, first, rest)
            case Call(function, argument):
                return self._call(value, function, argument)
        return SqlValue(self.test(value), ValueKind.TRUTH)

    def _arithmetic(self, whole: Value, first: Value, rest: Sequence[tuple[str, Value]]) -> SqlValue:
        sql = self._double(first, whole)
        for op, part in rest:
            self.bill.add(Work.SUM)
            other = self._double(part, whole)
            if op in "/%":
                if isinstance(part, Number) and float(part.written) == 0:
                    raise BadQuery("the filter divides by 0")
                if not isinstance(part, Number):
                    self.bill.add(Work.SUM)
                    other = f"nullif({other}, CAST(0 AS DOUBLE))"
            sql = f"({sql} {op} {other})"
        return SqlValue(sql, ValueKind.NUMBER)

    def _double(self, value: Value, whole: Value) -> str:
        found = self.value(value)
        if found.kind is not ValueKind.NUMBER:
            refuse_types(whole)
        if isinstance(value, Number):
            return f"CAST({found.sql} AS DOUBLE)"
        if found.type is None or pa.types.is_float64(found.type):
            return found.sql
        self.bill.add(Work.CONVERT)
        return f"CAST({found.sql} AS DOUBLE)"

    def _call(self, whole: Value, function: str, argument: Value) -> SqlValue:
        if function == "abs":
            self.bill.add(Work.SUM)
            return SqlValue(f"abs({self._double(argument, whole)})", ValueKind.NUMBER)
        found = self.value(argument)
        if function == "length" and found.kind is ValueKind.LIST:
            self.bill.add(Work.LENGTH, self._width(argument))
            return SqlValue(f"CAST(array_length({found.sql}) AS DOUBLE)", ValueKind.NUMBER)
        if found.kind is not ValueKind.TEXT:
            refuse_types(whole)
        if function == "length":
            self.bill.add(Work.LENGTH, self._width(argument))
            return SqlValue(f"CAST(character_length({found.sql}) AS DOUBLE)", ValueKind.NUMBER)
        self.bill.add(Work.CASE, self._width(argument))
        return SqlValue(f"{function}({found.sql})", ValueKind.TEXT)

    def _width(self, value: Value) -> float:
        """The mean bytes (of text) or number of values (of lists) of the columns in a value."""
        return sum(self._widths.get(column.name, 0.0) for column in find_columns(value))


def _quote_path(path: Sequence[str]) -> str:
    return ".".join(f"`{name}`" for name in path)


def _to_comparisons(test: In) -> Value:
    """Turn `literal IN (literals)` into comparisons."""
    op = Operator.UNEQUAL if test.inverted else Operator.EQUAL
    tests = tuple(Compare(test.value, op, literal) for literal in test.choices)
    return And(tests) if test.inverted else Or(tests)


def _argument(sql: str, kind: pa.DataType) -> str:
    """The SQL of a literal as an argument, where DataFusion does not infer its type."""
    if pa.types.is_float64(kind):
        return f"CAST({sql} AS DOUBLE)"
    return f"CAST({sql} AS BIGINT)" if pa.types.is_int64(kind) else sql


def _constant_unless_null(sql: str, truth: bool) -> str:
    """SQL that has this truth for every value, and is null for null."""
    return f"({sql} IS NOT NULL OR {NULL})" if truth else f"({sql} IS NULL AND {NULL})"


def _computed_sql(literal: Literal, kind: ValueKind) -> str:
    """SQL of a literal that is compared with a computed value."""
    match kind, literal:
        case ValueKind.NUMBER, Number():
            return literals.number(literal)
        case ValueKind.TEXT, Text(text):
            return quote(text)
        case ValueKind.TRUTH, Constant(truth):
            return "TRUE" if truth else "FALSE"
    raise MismatchError


def _constant(left: Literal, op: Operator, right: Literal, test: Value) -> str:
    """The result of comparing two literals."""
    if Constant(None) in (left, right):
        return NULL
    one: Any
    two: Any
    match left, right:
        case Number(), Number():
            one, two = (side.value or float(side.written) for side in (left, right))
        case Text(one), Text(two):
            pass
        case Constant(one), Constant(two) if op in (Operator.EQUAL, Operator.UNEQUAL):
            pass
        case _:
            refuse_types(test)
    return "TRUE" if _HOLDS[op](one, two) else "FALSE"
