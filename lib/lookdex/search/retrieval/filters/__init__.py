"""The `where` of a question: a predicate over a row, and nothing else.

A filter is parsed (`parser` has the grammar), rewritten to be cheap, checked against the types of the columns, and
compiled to SQL for Lance. Users' text never reaches the table, so there is no way to a subquery, another table, a file
or a second statement. The cost is limited (`cost`).

As in SQL, a comparison with null is neither true nor false: `not price < 50` excludes rows without a price. Nulls in a
list are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa

from lookdex.errors import BadQuery
from lookdex.search.retrieval.filters.columns import FilterColumn, filter_columns
from lookdex.search.retrieval.filters.cost import check
from lookdex.search.retrieval.filters.parser import MAX_DEPTH, MAX_LENGTH, MAX_PATTERN, parse
from lookdex.search.retrieval.filters.rewrite import rewrite
from lookdex.search.retrieval.filters.write import Writer

__all__ = (
    "MAX_DEPTH",
    "MAX_LENGTH",
    "MAX_PATTERN",
    "FilterColumn",
    "compile_filter",
    "filter_columns",
    "named_columns",
)

MAX_NESTING = 40  # Lance's parser gives up at 47
_PARENTHESIS = re.compile(
    r"'(?:[^']|'')*'|`[^`]*`|(?P<open>(?P<operator>[-+*/%=<>]|\bAND|\bOR|\bNOT)? ?\w*\()|(?P<close>\))"
)


def compile_filter(
    where: str, schema: pa.Schema, *, rows: int | None = None, widths: Mapping[str, float] | None = None
) -> str:
    """Compile a filter over the columns of `schema` to fully parenthesised SQL for Lance.

    Args:
        rows: of the table, to limit the cost to `cost.BUDGET_SECONDS`; None for no limit.
        widths: mean bytes of a text, or values of a list, for each column and field (attrs.material).

    Raises:
        BadQuery: the filter is wrong or too expensive; the message says where and why.
    """
    writer = Writer(widths or {})
    sql = writer.test(rewrite(parse(where, schema)))
    if _nesting(sql) > MAX_NESTING:
        raise BadQuery("the filter is nested too deeply; write it flatter")
    if rows is not None:
        check(writer.bill, rows)
    return sql


def _nesting(sql: str) -> int:
    """The depth of Lance's parser: one for each open parenthesis, and one more for one after an operator."""
    levels: list[int] = []
    deepest = depth = 0
    for found in _PARENTHESIS.finditer(sql):
        if found["open"]:
            levels.append(2 if found["operator"] else 1)
            depth += levels[-1]
            deepest = max(deepest, depth)
        elif found["close"]:
            depth -= levels.pop()
    return deepest


def named_columns(sql: str) -> tuple[str, ...]:
    """The columns in a compiled predicate, each once."""
    outside = re.sub(r"'(?:[^']|'')*'", "", sql)
    return tuple(dict.fromkeys(re.findall(r"`([^`]+)`", outside)))
