"""The order of a lane's products, and its pages.

Every page of every size is cut from one order, which is ranked in blocks of fixed sizes: the nearest 24 products, then
those up to 96, and so on. For each block more products are scored exactly than it ranks. With an approximate index a
later block may find a product nearer than some already ranked; it still ranks after them, so that earlier pages stay
as they were and no product is shown twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from lookdex.search.answer.answer import Next
from lookdex.search.answer.lanes import FoundObject
from lookdex.search.query.options import MAX_K, Options
from lookdex.search.retrieval.product_columns import Order
from lookdex.search.retrieval.ranking import Candidate


@dataclass(frozen=True, slots=True)
class Block:
    """Products up to rank `end`."""

    end: int
    scored: int
    """How many are scored for it."""
    coloured: int
    """The same where colours count: more, because the products most similar in colour need not be the nearest."""


# Longer lists cost more for each product: 1,000 of 200,000 rows with colours take 0.4 s.
BLOCKS = (Block(24, 30, 200), Block(96, 120, 400), Block(384, 480, 2000), Block(MAX_K, 1250, 2000))


def select_blocks(options: Options) -> tuple[Block, ...]:
    """Select the blocks up to the question's page."""
    return BLOCKS[: 1 + next(n for n, block in enumerate(BLOCKS) if rank_limit(options) <= block.end)]


def rank_limit(options: Options) -> int:
    """How many products to rank for the question's page: with a sort, all that are sorted."""
    return options.offset + options.k if options.sort is None else options.pool or options.k


def cut_page(candidates: Sequence[Candidate], options: Options) -> Sequence[Candidate]:
    """Cut the question's page out of the ranked candidates."""
    return candidates[options.offset : options.offset + options.k]


def next_page(lanes: Sequence[FoundObject], options: Options, release_id: str) -> Next | None:
    """Where the next page begins; None where no lane has more, or the limit of pages is reached."""
    after = options.offset + options.k
    more = after < (options.pool or options.k) if options.sort else after + options.k <= MAX_K
    return Next(after, release_id) if more and any(not lane.exhausted for lane in lanes) else None


def sort_candidates(
    candidates: Sequence[Candidate], order: Order | None, threshold: float | None
) -> list[Candidate]:
    """Sort by the order's column: earlier tiers first, within these good matches first, and empty values last.

    Products of equal values keep their ranks.

    Args:
        threshold: the similarity from which a match is good.
    """
    if order is None:
        return list(candidates)
    value: Callable[[Candidate], Any] = lambda one: sort_key(one.row.columns.get(order.column))  # noqa: E731
    known = [one for one in candidates if value(one) is not None]
    empty = [one for one in candidates if value(one) is None]
    known.sort(key=value, reverse=order.descending)
    return sorted(
        [*known, *empty], key=lambda one: (one.tier, threshold is not None and one.similarity < threshold)
    )


def sort_key(value: object) -> Any:
    """Turn a column's value into a sort key, text case-folded; None if it is empty."""
    match value:
        case str():
            return value.casefold()
        case float() | Decimal() if value != value:  # NaN
            return None
        case bool() | int() | float() | Decimal() | date():
            return value
        case _:
            return None
