"""From nearest rows to the nearest distinct products, those of a category first. Pure: the table is a function."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FIRST_ROWS_PER_PRODUCT = 4  # rows asked for at first, per product wanted: a product has a few photos
FIRST_ROWS = 32


@dataclass(frozen=True, slots=True)
class Hit:
    """A row of the table that is near the query. label: what the detector saw; category: what its product is, None
    where that is not known."""

    row: int  # Lance's row id in this version
    product_id: str | None
    image_key: str
    distance: float
    label: str | None = None
    category: str | None = None

    @property
    def group(self) -> tuple[str, str]:
        """What counts as one: the product, or the photo where no product is known."""
        return ("image", self.image_key) if self.product_id is None else ("product", self.product_id)

    def within(self, category: str) -> bool:
        """It is of this category: its product is, or the detector saw it in the photo."""
        return category in (self.label, self.category)


@dataclass(frozen=True, slots=True)
class Distinct:
    """The nearest hit of each group, nearest first; `exhausted`: there are fewer groups than were asked for.

    own: how many of the hits, at the beginning, are of the category that was asked first; all without one.
    """

    hits: tuple[Hit, ...]
    exhausted: bool
    own: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.own <= len(self.hits):
            raise ValueError(f"{self.own} of {len(self.hits)} hits")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one lane wants: products of this category first (None: of any); others after them, if `widen`."""

    within: str | None = None
    widen: bool = False


# ask(lanes, limit, within): for each of those lanes its `limit` nearest rows, nearest first, or fewer when the table
# has no more that fit; `within`: of the lane's category only.
Ask = Callable[[Sequence[int], int, bool], Sequence[Sequence[Hit]]]


def nearest_of_each(hits: Sequence[Hit], k: int) -> tuple[Hit, ...]:
    """The first hit of each of the first `k` groups, in the order given."""
    first: dict[tuple[str, str], Hit] = {}
    for hit in hits:
        first.setdefault(hit.group, hit)
        if len(first) == k:
            break
    return tuple(first.values())


def gather(ask: Ask, lanes: Sequence[Wanted], k: int) -> tuple[Distinct, ...]:
    """The k nearest distinct products of each lane, as it wants them.

    All lanes are asked together first: the nearest rows of an object are mostly of its category, and then nothing
    else need be asked.
    """
    limit = first_rows(k)
    done: dict[int, Distinct] = {}
    short: list[int] = []
    alone: list[int] = []
    for lane, hits in enumerate(ask(range(len(lanes)), limit, False)):
        category = lanes[lane].within
        best = nearest_of_each(hits if category is None else [h for h in hits if h.within(category)], k)
        if len(best) == k or (len(hits) < limit and category is None):
            done[lane] = Distinct(best, len(best) < k, len(best))
        elif category is None:
            short.append(lane)
        else:
            alone.append(lane)
    for lane, found in zip(
        short, nearest_distinct(_only(ask, short, False), len(short), k, limit), strict=True
    ):
        done[lane] = found
    own = nearest_distinct(_only(ask, alone, True), len(alone), k)
    for lane, found in zip(alone, own, strict=True):
        done[lane] = found
    wide = [lane for lane in alone if done[lane].exhausted and lanes[lane].widen]
    most = max((len(done[lane].hits) for lane in wide), default=0)
    everything = nearest_distinct(_only(ask, wide, False), len(wide), k + most)
    for lane, found in zip(wide, everything, strict=True):
        done[lane] = _followed(done[lane], found, k)
    return tuple(done[lane] for lane in range(len(lanes)))


def first_rows(k: int) -> int:
    return max(FIRST_ROWS, FIRST_ROWS_PER_PRODUCT * k)


def nearest_distinct(
    ask: Callable[[Sequence[int], int], Sequence[Sequence[Hit]]], lanes: int, k: int, asked: int = 0
) -> tuple[Distinct, ...]:
    """The k nearest distinct products of each of `lanes` queries.

    `ask(lanes, limit)` returns for each of those lanes its `limit` nearest rows, nearest first, or fewer when
    the table has no more that fit. A lane whose rows hold too few products is asked again for at least twice
    as many: with 50 photos a product, the k nearest products may lie 50 × k rows deep. asked: rows that have been
    asked for in vain.
    """
    done: dict[int, Distinct] = {}
    pending: list[int] = list(range(lanes))
    limit = 2 * asked or first_rows(k)
    while pending:
        short: list[int] = []
        fewest = k
        for lane, hits in zip(pending, ask(pending, limit), strict=True):
            best = nearest_of_each(hits, k)
            if len(best) == k or len(hits) < limit:
                done[lane] = Distinct(best, len(best) < k, len(best))
            else:
                short.append(lane)
                fewest = min(fewest, len(best))
        pending, limit = short, max(2 * limit, math.ceil(1.25 * limit * k / max(1, fewest)))
    return tuple(done[lane] for lane in range(lanes))


def _only(
    ask: Ask, numbers: Sequence[int], within: bool
) -> Callable[[Sequence[int], int], Sequence[Sequence[Hit]]]:
    """`ask` for some of the lanes, counted from 0."""
    return lambda lanes, limit: ask([numbers[lane] for lane in lanes], limit, within)


def _followed(own: Distinct, everything: Distinct, k: int) -> Distinct:
    """The products of the category, then the nearest others, k in all."""
    seen = {hit.group for hit in own.hits}
    others = [hit for hit in everything.hits if hit.group not in seen]
    hits = (*own.hits, *others)[:k]
    return Distinct(hits, len(hits) < k, len(own.hits))
