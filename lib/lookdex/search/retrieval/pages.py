"""The order of a lane's products, and its pages.

Every page of every size is cut from one order. It is ranked in blocks whose sizes no question changes: the nearest 24
products, then those behind them up to 96, and so on. A block is taken from more products than it ranks, by their exact
scores. An index that is approximate may show a further block something nearer than what was ranked before it; that
goes behind, so that pages that were shown stay as they are, and nothing is shown twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from lookdex.search.answer.answer import FoundObject, Next
from lookdex.search.query.options import MAX_K, Options
from lookdex.search.retrieval.product_columns import Order
from lookdex.search.retrieval.ranking import Candidate


@dataclass(frozen=True, slots=True)
class Block:
    """Products up to rank `end`. looked_at: those that are scored for it; coloured: where likeness of colour counts.

    Colours are compared with more products than are ranked: what is most alike in colour need not be nearest.
    """

    end: int
    looked_at: int
    coloured: int


# A longer list costs more for every product: 1,000 of 200,000 rows by their colours take 0.4 s.
BLOCKS = (Block(24, 30, 200), Block(96, 120, 400), Block(384, 480, 2000), Block(MAX_K, 1250, 2000))


def blocks(options: Options) -> tuple[Block, ...]:
    """Those that hold the question's page, and all before them."""
    return BLOCKS[: 1 + next(n for n, block in enumerate(BLOCKS) if ranked(options) <= block.end)]


def ranked(options: Options) -> int:
    """How many of the nearest products the question's page is cut from: where they are sorted, all that are sorted."""
    return options.offset + options.k if options.sort is None else options.pool or options.k


def page_of(candidates: Sequence[Candidate], options: Options) -> Sequence[Candidate]:
    """The question's page of all that it ranks."""
    return candidates[options.offset : options.offset + options.k]


def following(lanes: Sequence[FoundObject], options: Options, release_id: str) -> Next | None:
    """Where the next page begins; None where no lane has more, or pages end."""
    after = options.offset + options.k
    more = after < (options.pool or options.k) if options.sort else after + options.k <= MAX_K
    return Next(after, release_id) if more and any(not lane.exhausted for lane in lanes) else None


def arranged(
    candidates: Sequence[Candidate], order: Order | None, threshold: float | None
) -> list[Candidate]:
    """By the order's column: what is as asked before what is not, good matches before others, and empty values last.

    Products of equal values stay in the order of their ranks. threshold: from which similarity on a match is good.
    """
    if order is None:
        return list(candidates)
    value: Callable[[Candidate], Any] = lambda one: comparable(one.row.columns.get(order.column))  # noqa: E731
    known = [one for one in candidates if value(one) is not None]
    empty = [one for one in candidates if value(one) is None]
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
