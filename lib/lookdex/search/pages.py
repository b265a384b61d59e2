"""The order of a lane's products, and its pages.

Every page of an answer is cut from one order. The nearest k products are ranked as for a question without pages; what
a further page needs beyond them is ranked behind them, in steps that double. So whatever a wider look finds, an index
that is approximate or colours that are compared with more products, nothing is shown twice and no page moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from lookdex.search.answer import FoundObject, Next
from lookdex.search.ask import MAX_K, Options
from lookdex.search.product_columns import Order
from lookdex.search.ranking import Candidate

_STEP = 48  # products ranked at least behind a first page: single ones would be a read each


def steps(options: Options) -> list[int]:
    """How many products are ranked, in turn, until the question's page is there. They depend on k, not on the page."""
    if options.sort is not None:
        return [options.pool or options.k]
    ends, end = [options.k], max(2 * options.k, _STEP)
    while ends[-1] < options.offset + options.k:
        ends.append(min(end, MAX_K))
        end *= 2
    return ends


def page_of(ranked: Sequence[Candidate], options: Options) -> Sequence[Candidate]:
    """The question's page of all that are ranked."""
    return ranked[options.offset : options.offset + options.k]


def following(lanes: Sequence[FoundObject], options: Options, release_id: str) -> Next | None:
    """Where the next page begins; None where no lane has more, or pages end."""
    after = options.offset + options.k
    more = after < (options.pool or options.k) if options.sort else after + options.k <= MAX_K
    return Next(after, release_id) if more and any(not lane.exhausted for lane in lanes) else None


def arranged(ranked: Sequence[Candidate], order: Order | None, threshold: float | None) -> list[Candidate]:
    """By the order's column: what is as asked before what is not, good matches before others, and empty values last.

    Products of equal values stay in the order of their ranks. threshold: from which similarity on a match is good.
    """
    if order is None:
        return list(ranked)
    value: Callable[[Candidate], Any] = lambda one: comparable(one.row.columns.get(order.column))  # noqa: E731
    known = [one for one in ranked if value(one) is not None]
    empty = [one for one in ranked if value(one) is None]
    known.sort(key=value, reverse=order.descending)
    return sorted(
        [*known, *empty], key=lambda one: (one.tier, threshold is not None and one.similarity < threshold)
    )


def comparable(value: object) -> Any:
    """A column's value as it is sorted, text whatever its case; None for an empty one."""
    match value:
        case str():
            return value.casefold()
        case float() | Decimal() if value != value:  # NaN
            return None
        case bool() | int() | float() | Decimal() | date():
            return value
        case _:
            return None
