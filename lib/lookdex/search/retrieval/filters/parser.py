"""Parse a filter. Anything outside this grammar is refused.

predicate  = and {OR and}          and = not {AND not}          not = [NOT] test
test       = sum [= <> != < <= > >= sum | [NOT] IN (literal, …) | [NOT] IN list | [NOT] BETWEEN sum AND sum
                  | [NOT] LIKE|ILIKE 'pattern' | IS [NOT] NULL|TRUE|FALSE]
sum        = product {+|- product}      product = value {*|/|% value}
value      = literal | column{.field} | -value | FUNCTION(sum) | ANY(list) | ARRAY_CONTAINS(list, value) | (predicate)
literal    = 12.5 | 'text' | TRUE | FALSE | NULL | DATE '2026-11-22' | TIMESTAMP '2026-11-22 10:00:00'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import NoReturn, TypeVar

import pyarrow as pa

from lookdex.errors import BadQuery
from lookdex.runtime.wording import shorten
from lookdex.search.retrieval.filters.syntax import (
    And,
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

T = TypeVar("T")
FUNCTIONS = ("lower", "upper", "length", "abs")
_CONTAINS = ("array_contains", "array_has", "list_contains")
MAX_LENGTH = 20_000  # characters
MAX_PATTERN = 200  # characters: DataFusion refuses to compile a pattern of some thousand
MAX_DEPTH = 16  # nested parentheses, NOTs and minus signs: Lance's parser gives up at 50
MAX_SUMS = 32  # arithmetic operators: Lance plans a sum of 40 terms in 40 ms, one of 300 in 3.6 s
HINT = (
    "Compare columns with values (= <> < <= > >=, in, between, like, ilike, is null), joined by and, or, not; put text "
    "in 'single quotes'"
)
RESERVED = frozenset(("and", "or", "not", "in", "between", "like", "ilike", "is", "null", "true", "false"))
_SURROGATE = re.compile("[\ud800-\udfff]")
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<text>'(?:[^'\x00]|'')*')
    | (?P<quoted>"[^"`\x00]+"|`[^"`\x00]+`)
    | (?P<word>[^\W\d]\w*)
    | (?P<op><=|>=|<>|!=|-(?!-)|/(?!\*)|\.(?!\.)|[=<>+*%(),])
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # number | text | quoted | word | op | end
    text: str
    at: int  # offset in the filter


def parse(where: str, schema: pa.Schema) -> Value:
    """Parse a filter over the columns of a schema. Names of columns match in any case.

    Raises BadQuery with the place of the error, or with the known columns.
    """
    if not where.strip():
        raise BadQuery("the filter is empty: leave it out, or write a predicate such as  price < 50")
    if len(where) > MAX_LENGTH:
        raise BadQuery(f"the filter has {len(where)} characters; the most is {MAX_LENGTH}")
    if not where.isprintable() and _SURROGATE.search(where):
        raise BadQuery("the filter is not valid text: it has a lone surrogate")
    return _Parser(where, schema).parse()


def _tokenize(where: str) -> list[_Token]:
    found, at, end = [], 0, len(where.rstrip())
    while at < end:
        match = _TOKEN.match(where, at)
        if match is None or match.lastgroup is None:
            at += len(where[at:]) - len(where[at:].lstrip())
            raise BadQuery(f"the filter is not a predicate: {_describe_place(where, at)}. {HINT}")
        kind, text = match.lastgroup, match[match.lastgroup]
        found.append(_Token(kind, text, match.start(kind)))
        at = match.end()
    return [*found, _Token("end", "", end)]


def _describe_place(where: str, at: int) -> str:
    rest = where[at : at + 24].rstrip()
    return f"at character {at + 1}, before “{rest}”" if rest else "it ends too early"


class _Parser:
    """Recursive descent; each method returns what it parsed."""

    def __init__(self, where: str, schema: pa.Schema) -> None:
        self.where, self.schema = where, schema
        self.tokens = _tokenize(where)
        self.next = 0
        self.depth = 0
        self.sums = 0

    def parse(self) -> Value:
        found = self.predicate()
        if self.token.kind != "end":
            self.fail()
        return found

    # ── reading tokens ──

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    def fail(self) -> NoReturn:
        raise BadQuery(f"the filter is not a predicate: {_describe_place(self.where, self.token.at)}. {HINT}")

    def take(self, *texts: str) -> str | None:
        """Consume the next word or operator if it is one of `texts`. Returns it in lower case, or None."""
        token = self.token
        if token.kind in ("word", "op") and token.text.lower() in texts:
            self.next += 1
            return token.text.lower()
        return None

    def need(self, text: str) -> None:
        if self.take(text) is None:
            self.fail()

    def take_kind(self, kind: str) -> str:
        if self.token.kind != kind:
            self.fail()
        self.next += 1
        return self.tokens[self.next - 1].text

    def text(self) -> str:
        return self.take_kind("text")[1:-1].replace("''", "'")

    def nested(self, read: Callable[[], T]) -> T:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise BadQuery(f"the filter is nested more than {MAX_DEPTH} deep; write it flatter")
        found = read()
        self.depth -= 1
        return found

    # ── predicates ──

    def predicate(self) -> Value:
        parts = self.chain_words(self.conjunction, "or")
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def conjunction(self) -> Value:
        parts = self.chain_words(self.negation, "and")
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def chain_words(self, read: Callable[[], Value], word: str) -> list[Value]:
        parts = [read()]
        while self.take(word):
            parts.append(read())
        return parts

    def negation(self) -> Value:
        if self.take("not"):
            return Not(self.nested(self.negation))
        return self.test()

    def test(self) -> Value:
        left = self.sum()
        if op := self.take("=", "<>", "!=", "<", "<=", ">", ">="):
            return Compare(left, Operator("<>" if op == "!=" else op), self.sum())
        if self.take("is"):
            inverted = self.take("not") is not None
            word = self.take("null", "true", "false") or self.fail()
            return Is(left, {"null": None, "true": True, "false": False}[word], inverted)
        inverted = self.take("not") is not None
        if self.take("in"):
            return self.membership(left, inverted)
        if self.take("between"):
            low = self.sum()
            self.need("and")
            inside = And((Compare(left, Operator.AT_LEAST, low), Compare(left, Operator.AT_MOST, self.sum())))
            return Not(inside) if inverted else inside
        if like := self.take("like", "ilike"):
            return Like(left, self.pattern(), like == "ilike", inverted)
        if inverted:
            self.fail()
        return left

    def membership(self, left: Value, inverted: bool) -> Value:
        """Parse what follows IN: literals in parentheses, or a column of lists."""
        if self.take("(") is None:
            return Contains(self.named(), left, inverted)
        choices = [self.signed_literal()]
        while self.take(","):
            choices.append(self.signed_literal())
        self.need(")")
        return In(left, tuple(choices), inverted)

    def pattern(self) -> str:
        pattern = self.text()
        if len(pattern) > MAX_PATTERN:
            raise BadQuery(
                f"a pattern of the filter has {len(pattern):,} characters; the most is {MAX_PATTERN}: use a part "
                "of the text, or compare all of it with ="
            )
        return pattern

    # ── values ──

    def sum(self) -> Value:
        return self.chain(self.product, "+", "-")

    def product(self) -> Value:
        return self.chain(self.value, "*", "/", "%")

    def chain(self, read: Callable[[], Value], *operators: str) -> Value:
        first, rest = read(), []
        while op := self.take(*operators):
            self.sums += 1
            if self.sums > MAX_SUMS:
                raise BadQuery(f"the filter has more than {MAX_SUMS} arithmetic operators; write it shorter")
            rest.append((op, read()))
        return Arithmetic(first, tuple(rest)) if rest else first

    def value(self) -> Value:
        if self.take("-"):
            value = self.nested(self.value)
            return _negate(value) if isinstance(value, Number) else Negative(value)
        if self.take("("):
            value = self.nested(self.predicate)
            self.need(")")
            return value
        literal = self.literal()
        return self.named() if literal is None else literal

    def signed_literal(self) -> Literal:
        if self.take("-"):
            return _negate(_number(self.take_kind("number")))
        return self.literal() or self.fail()

    def literal(self) -> Literal | None:
        token = self.token
        if token.kind == "number":
            return _number(self.take_kind("number"))
        if token.kind == "text":
            return Text(self.text())
        if word := self.take("true", "false", "null"):
            return Constant({"true": True, "false": False, "null": None}[word])
        typed = token.kind == "word" and token.text.lower() in ("date", "timestamp")
        if typed and self.tokens[self.next + 1].kind == "text":  # otherwise it is a column of that name
            self.next += 1
            return TypedText(token.text.lower(), self.text())
        return None

    def named(self) -> Value:
        """Parse a column, a field of one, or a function call."""
        token = self.token
        if token.kind not in ("word", "quoted") or (token.kind == "word" and token.text.lower() in RESERVED):
            self.fail()
        self.next += 1
        if self.token.text == "(" and token.kind == "word":
            return self.call(token)
        column = self.column(_plain(token))
        while self.take("."):
            if self.token.kind not in ("word", "quoted"):
                self.fail()
            self.next += 1
            column = _field(column, _plain(self.tokens[self.next - 1]))
        return column

    def call(self, token: _Token) -> Value:
        name = token.text.lower()
        self.need("(")
        found: Value
        if name in FUNCTIONS:
            found = Call(name, self.nested(self.sum))
        elif name == "any":
            found = AnyOf(self.nested(self.named))
        elif name in _CONTAINS:
            values = self.nested(self.named)
            self.need(",")
            found = Contains(values, self.nested(self.sum))
        else:
            raise BadQuery(
                f"the filter calls an unknown function {shorten(token.text)}(…); known: {', '.join(FUNCTIONS)}, any, "
                f"array_contains. {HINT}"
            )
        self.need(")")
        return found

    def column(self, name: str) -> Column:
        found = _find_name(name, self.schema.names)
        if found is None:
            raise BadQuery(
                f"the filter has an unknown column “{shorten(name)}”; known: {', '.join(self.schema.names)} (put "
                "text in 'single quotes')"
            )
        return Column((found,), self.schema.field(found).type)


def _plain(token: _Token) -> str:
    return token.text[1:-1] if token.kind == "quoted" else token.text


def _field(column: Column, name: str) -> Column:
    """A field of a record. Raises BadQuery if the column holds no records, or they have no such field."""
    if not pa.types.is_struct(column.type):
        raise BadQuery(f"the filter has a field “{shorten(name)}” of {column.name}, which holds no records")
    known = [field.name for field in column.type.fields]
    found = _find_name(name, known)
    if found is None:
        raise BadQuery(
            f"the filter has an unknown field “{shorten(name)}” of {column.name}; known: {', '.join(known)}"
        )
    return Column((*column.path, found), column.type.field(found).type)


def _find_name(name: str, known: Sequence[str]) -> str | None:
    """Find the known name that is this one, else the only one that differs in case alone."""
    if name in known:
        return name
    found = [one for one in known if one.lower() == name.lower()]
    return found[0] if len(found) == 1 else None


def _number(written: str) -> Number:
    try:
        return Number(written, Decimal(written))
    except InvalidOperation:  # an exponent of more than 18 digits
        return Number(written, None)


def _negate(number: Number) -> Number:
    written = number.written[1:] if number.written.startswith("-") else f"-{number.written}"
    return Number(written, None if number.value is None else number.value.copy_negate())
