"""The `where` of a query: a predicate over one product row, and nothing else.

    predicate  = and {OR and}          and = not {AND not}          not = [NOT] test
    test       = sum [= <> != < <= > >= sum | [NOT] IN (literal, …) | [NOT] BETWEEN sum AND sum
                      | [NOT] LIKE|ILIKE 'pattern' | IS [NOT] NULL|TRUE|FALSE]
    sum        = product {+|- product}      product = value {*|/|% value}
    value      = literal | column | -value | FUNCTION(sum) | (predicate)
    literal    = 12.5 | 'text' | TRUE | FALSE | NULL | DATE '2026-11-22' | TIMESTAMP '2026-11-22 10:00:00'

The text is parsed here and written anew for Lance: what does not parse never reaches the table, so that there
is no way from here to a subquery, another table, a file or a second statement. The table checks types, except
for numbers: see `numbers`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import pyarrow as pa

from lookdex.errors import BadQuery
from lookdex.search.numbers import compare, number_of

FUNCTIONS = {"lower": "lower", "upper": "upper", "length": "character_length", "abs": "abs"}
MAX_LENGTH = 20_000  # characters
# Lance 13 plans 20 nested NOTs in 9 ms and 40 in more than 20 s; a sum of 40 terms in 40 ms, of 300 in 3.6 s.
MAX_DEPTH = 16  # parentheses, NOTs and minus signs inside each other
MAX_SUMS = 32  # signs of arithmetic
_RESERVED = frozenset(("and", "or", "not", "in", "between", "like", "ilike", "is", "null", "true", "false"))
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<text>'(?:[^'\x00]|'')*')
    | (?P<quoted>"[^"`\x00]+"|`[^"`\x00]+`)
    | (?P<word>[^\W\d]\w*)
    | (?P<sign><=|>=|<>|!=|-(?!-)|/(?!\*)|[=<>+*%(),])
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # number | text | quoted | word | sign | end
    text: str
    at: int  # offset in the predicate


def compile_filter(where: str, columns: Sequence[str], exact: Mapping[str, pa.DataType] | None = None) -> str:
    """The predicate as Lance SQL, fully parenthesised, over the `columns` that may be named (any case).

    exact: the columns of whole numbers and of decimals, with their types (`columns.exact_numbers`).

    Raises BadQuery, which says where it stopped to understand, or which columns there are.
    """
    if not where.strip():
        raise BadQuery("the filter is empty: leave it out, or write a predicate such as  price < 50")
    if len(where) > MAX_LENGTH:
        raise BadQuery(f"the filter has {len(where)} characters, the most is {MAX_LENGTH}")
    return _Parser(where, columns, exact or {}).parse()


def named_columns(sql: str) -> tuple[str, ...]:
    """The columns that a compiled predicate names, each once."""
    outside = re.sub(r"'(?:[^']|'')*'", "", sql)
    return tuple(dict.fromkeys(re.findall(r"`([^`]+)`", outside)))


def _tokens(where: str) -> list[_Token]:
    found, at, end = [], 0, len(where.rstrip())
    while at < end:
        match = _TOKEN.match(where, at)
        if match is None or match.lastgroup is None:
            at += len(where[at:]) - len(where[at:].lstrip())
            raise BadQuery(f"the filter is not a predicate: {_here(where, at)}. {HINT}")
        kind, text = match.lastgroup, match[match.lastgroup]
        found.append(_Token(kind, text, match.start(kind)))
        at = match.end()
    return [*found, _Token("end", "", end)]


HINT = (
    "It may compare columns with values (= <> < <= > >=, in, between, like, ilike, is null), "
    "joined by and, or, not; a value of text stands in 'single quotes'"
)


def _here(where: str, at: int) -> str:
    rest = where[at : at + 24].rstrip()
    return f"at character {at + 1}, before “{rest}”" if rest else "it stops too early"


class _Parser:
    """Recursive descent; each method returns the Lance SQL of what it read."""

    def __init__(self, where: str, columns: Sequence[str], exact: Mapping[str, pa.DataType]):
        self.where = where
        self.columns = columns
        self.exact = exact
        self.tokens = _tokens(where)
        self.next = 0
        self.depth = 0
        self.sums = 0

    def parse(self) -> str:
        sql = self.predicate()
        if self.token.kind != "end":
            self.fail()
        return sql

    # ── reading tokens ──

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    def fail(self) -> NoReturn:
        raise BadQuery(f"the filter is not a predicate: {_here(self.where, self.token.at)}. {HINT}")

    def take(self, *texts: str) -> str | None:
        """The next word or sign in lower case if it is one of `texts`, and steps over it."""
        token = self.token
        if token.kind in ("word", "sign") and token.text.lower() in texts:
            self.next += 1
            return token.text.lower()
        return None

    def need(self, text: str) -> None:
        if self.take(text) is None:
            self.fail()

    def literal_of(self, kind: str) -> str:
        if self.token.kind != kind:
            self.fail()
        self.next += 1
        return self.tokens[self.next - 1].text

    def nested(self, read: Callable[[], str]) -> str:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise BadQuery(f"the filter is nested more than {MAX_DEPTH} deep; write it flatter")
        sql = read()
        self.depth -= 1
        return sql

    def joined(self, read: Callable[[], str], *signs: str) -> str:
        parts = [read()]
        while sign := self.take(*signs):
            self.sums += sign in "+-*/%"
            if self.sums > MAX_SUMS:
                raise BadQuery(f"the filter has more than {MAX_SUMS} signs of arithmetic; write it shorter")
            parts += [sign.upper(), read()]
        return parts[0] if len(parts) == 1 else f"({' '.join(parts)})"

    # ── the grammar ──

    def predicate(self) -> str:
        return self.joined(self.all_of, "or")

    def all_of(self) -> str:
        return self.joined(self.inverted, "and")

    def inverted(self) -> str:
        if self.take("not"):
            return f"(NOT {self.nested(self.inverted)})"
        return self.test()

    def test(self) -> str:
        start = self.next
        left = self.sum()
        if sign := self.take("=", "<>", "!=", "<", "<=", ">", ">="):
            left, right = self.compared(start, left, self.sum())
            return f"({left} {'<>' if sign == '!=' else sign} {right})"
        if self.take("is"):
            inverted = "NOT " if self.take("not") else ""
            value = self.take("null", "true", "false") or self.fail()
            return f"({left} IS {inverted}{value.upper()})"
        inverted = "NOT " if self.take("not") else ""
        if self.take("in"):
            left, *values = self.compared(start, left, *self.values())
            return f"({left} {inverted}IN ({', '.join(values)}))"
        if self.take("between"):
            low = self.sum()
            self.need("and")
            high = self.sum()
            left, low, high = self.compared(start, left, low, high)
            return f"({left} {inverted}BETWEEN {low} AND {high})"
        if like := self.take("like", "ilike"):
            return f"({left} {inverted}{like.upper()} {self.literal_of('text')})"
        if inverted:
            self.fail()
        return left

    def compared(self, start: int, *sides: str) -> list[str]:
        """The sides of the test that began with the token `start`, as Lance compares them without losing digits."""
        named = [side[1:-1] for side in sides if side.startswith("`") and side[1:-1] in self.exact]
        numbers = [number_of(side) for side in sides]
        if not named or not any(token.kind == "number" for token in self.tokens[start : self.next]):
            return list(sides)
        if len(set(named)) == 1 and all(
            number is not None or side == f"`{named[0]}`" for number, side in zip(numbers, sides, strict=True)
        ):
            given = [number for number in numbers if number is not None]
            column, written = compare(f"`{named[0]}`", self.exact[named[0]], given)
            rest = iter(written)
            return [column if number is None else next(rest) for number in numbers]
        # Mixed with arithmetic or other columns: compared as doubles.
        return [f"CAST({side} AS DOUBLE)" if side[1:-1] in named else side for side in sides]

    def values(self) -> list[str]:
        self.need("(")
        found = [self.signed_literal()]
        while self.take(","):
            found.append(self.signed_literal())
        self.need(")")
        return found

    def signed_literal(self) -> str:
        if self.take("-"):
            return f"-{self.literal_of('number')}"
        sql = self.literal()
        if sql is None:
            self.fail()
        return sql

    def sum(self) -> str:
        return self.joined(self.product, "+", "-")

    def product(self) -> str:
        return self.joined(self.value, "*", "/", "%")

    def value(self) -> str:
        if self.take("-"):
            return f"(-{self.nested(self.value)})"
        if self.take("("):
            sql = self.nested(self.predicate)
            self.need(")")
            return sql
        return self.literal() or self.named()

    def literal(self) -> str | None:
        token = self.token
        if token.kind in ("number", "text"):
            self.next += 1
            return token.text
        if word := self.take("true", "false", "null"):
            return word.upper()
        typed = token.kind == "word" and token.text.lower() in ("date", "timestamp")
        if typed and self.tokens[self.next + 1].kind == "text":  # else it is a column of that name
            self.next += 1
            return f"{token.text.upper()} {self.literal_of('text')}"
        return None

    def named(self) -> str:
        token = self.token
        if token.kind not in ("word", "quoted") or (token.kind == "word" and token.text.lower() in _RESERVED):
            self.fail()
        self.next += 1
        if self.token.text == "(" and token.kind == "word":
            return self.call(token)
        name = token.text[1:-1] if token.kind == "quoted" else token.text
        return f"`{self.column(name)}`"

    def call(self, token: _Token) -> str:
        name = FUNCTIONS.get(token.text.lower())
        if name is None:
            raise BadQuery(
                f"the filter cannot use {token.text}(…); the functions it may use: {', '.join(FUNCTIONS)}. {HINT}"
            )
        self.need("(")
        sql = self.nested(self.sum)
        self.need(")")
        return f"{name}({sql})"

    def column(self, name: str) -> str:
        if name in self.columns:
            return name
        alike = [c for c in self.columns if c.lower() == name.lower()]
        if len(alike) != 1:
            raise BadQuery(
                f"the filter names the column “{name}”; those that exist: {', '.join(self.columns)} "
                "(a value of text stands in 'single quotes')"
            )
        return alike[0]
