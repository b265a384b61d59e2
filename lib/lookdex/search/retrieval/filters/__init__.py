"""The `where` of a query: a predicate over one product row, and nothing else.

The text is parsed (`parser` has the grammar), brought into a form that is cheap to apply, checked against the types of
the columns, and written anew for Lance: what does not parse never reaches the table, so that there is no way from here
to a subquery, another table, a file or a second statement. What it costs is bounded (`cost`).

Like in SQL, a test of a null is neither true nor false: `not price < 50` leaves out rows without a price. Nulls in a
list are no values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa

from lookdex.errors import BadQuery
from lookdex.search.retrieval.filters.cost import check
from lookdex.search.retrieval.filters.offered import FilterColumn, offered
from lookdex.search.retrieval.filters.parser import MAX_DEPTH, MAX_LENGTH, MAX_PATTERN, parse
from lookdex.search.retrieval.filters.rewrite import rewritten
from lookdex.search.retrieval.filters.write import Writer

__all__ = (
    "MAX_DEPTH",
    "MAX_LENGTH",
    "MAX_PATTERN",
    "FilterColumn",
    "compile_filter",
    "named_columns",
    "offered",
)


MOST_NESTED = 40  # Lance's parser gives up at 47
_PARENTHESIS = re.compile(
    r"'(?:[^']|'')*'|`[^`]*`|(?P<open>(?P<operator>[-+*/%=<>]|\bAND|\bOR|\bNOT)? ?\w*\()|(?P<close>\))"
)


def compile_filter(
    where: str, schema: pa.Schema, *, rows: int | None = None, widths: Mapping[str, float] | None = None
) -> str:
    """The predicate as Lance SQL, fully parenthesised, over the columns of `schema`, which it may name in any case.

    rows: of the table, whose filters may cost no more than `cost.BUDGET_SECONDS`; None: there is no limit.
    widths: for a column (or a field: attrs.material) of text the mean bytes of a value, for a list of its values.

    Raises BadQuery, which says where it stopped to understand, which columns there are, what they hold, or what of it
    is expensive.
    """
    writer = Writer(widths or {})
    sql = writer.test(rewritten(parse(where, schema)))
    if _nesting(sql) > MOST_NESTED:
        raise BadQuery("the filter is nested too deep for the table; write it flatter")
    if rows is not None:
        check(writer.bill, rows)
    return sql


def _nesting(sql: str) -> int:
    """How deep Lance's parser has to go: into each parenthesis, and one more for what follows an operator."""
    open_ones: list[int] = []
    deepest = depth = 0
    for found in _PARENTHESIS.finditer(sql):
        if found["open"]:
            open_ones.append(2 if found["operator"] else 1)
            depth += open_ones[-1]
            deepest = max(deepest, depth)
        elif found["close"]:
            depth -= open_ones.pop()
    return deepest


def named_columns(sql: str) -> tuple[str, ...]:
    """The columns that a compiled predicate names, each once."""
    outside = re.sub(r"'(?:[^']|'')*'", "", sql)
    return tuple(dict.fromkeys(re.findall(r"`([^`]+)`", outside)))
