"""From nearest rows to the k nearest distinct products. Pure: the table is asked through a function."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FIRST_ROWS_PER_PRODUCT = 4  # rows asked for at first, per product wanted: a product has a few photos
FIRST_ROWS = 32


@dataclass(frozen=True, slots=True)
class Hit:
    """A row of the table that is near the query."""

    row: int  # Lance's row id in this version
    product_id: str | None
    image_key: str
    distance: float

    @property
    def group(self) -> tuple[str, str]:
        """What counts as one: the product, or the photo where no product is known."""
        return ("image", self.image_key) if self.product_id is None else ("product", self.product_id)


@dataclass(frozen=True, slots=True)
class Distinct:
    """The nearest hit of each group, nearest first; `exhausted`: there are fewer groups than were asked for."""

    hits: tuple[Hit, ...]
    exhausted: bool


def nearest_of_each(hits: Sequence[Hit], k: int) -> tuple[Hit, ...]:
    """The first hit of each of the first `k` groups, in the order given."""
    first: dict[tuple[str, str], Hit] = {}
    for hit in hits:
        first.setdefault(hit.group, hit)
        if len(first) == k:
            break
    return tuple(first.values())


def nearest_distinct(
    ask: Callable[[Sequence[int], int], Sequence[Sequence[Hit]]], lanes: int, k: int
) -> tuple[Distinct, ...]:
    """The k nearest distinct products of each of `lanes` queries.

    `ask(lanes, limit)` returns for each of those lanes its `limit` nearest rows, nearest first, or fewer when
    the table has no more that fit. A lane whose rows hold too few products is asked again for at least twice
    as many: with 50 photos a product, the k nearest products may lie 50 × k rows deep.
    """
    done: dict[int, Distinct] = {}
    pending: list[int] = list(range(lanes))
    limit = max(FIRST_ROWS, FIRST_ROWS_PER_PRODUCT * k)
    while pending:
        short: list[int] = []
        fewest = k
        for lane, hits in zip(pending, ask(pending, limit), strict=True):
            best = nearest_of_each(hits, k)
            if len(best) == k or len(hits) < limit:
                done[lane] = Distinct(best, exhausted=len(best) < k)
            else:
                short.append(lane)
                fewest = min(fewest, len(best))
        pending, limit = short, max(2 * limit, math.ceil(1.25 * limit * k / max(1, fewest)))
    return tuple(done[lane] for lane in range(lanes))
