"""From nearest rows to the nearest distinct products, those of a category first. Pure: the table is a function."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FIRST_ROWS_PER_PRODUCT = 4  # rows asked for at first, per product wanted: a product has a few photos
FIRST_ROWS = 32
TIED_ROWS = 2048  # of equally near rows that are read to their end, so that the order does not depend on k


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
    colour: str | None = None

    @property
    def group(self) -> tuple[str, str]:
        """What counts as one: the product, or the photo where no product is known."""
        return ("image", self.image_key) if self.product_id is None else ("product", self.product_id)

    def of(self, tier: Tier) -> bool:
        """It is of the tier's category (its product is, or the detector saw it in the photo) and of its colour."""
        category = tier.within is None or tier.within in (self.label, self.category)
        return category and tier.tint in (None, self.colour)


@dataclass(frozen=True, slots=True)
class Distinct:
    """The nearest hit of each group; `exhausted`: there are fewer groups than were needed.

    tiers: of each hit the number of the tier that it answers for, never falling; within a tier the nearest is first.
    """

    hits: tuple[Hit, ...]
    exhausted: bool
    tiers: tuple[int, ...]

    @classmethod
    def of_one(cls, hits: tuple[Hit, ...], least: int) -> Distinct:
        return cls(hits, len(hits) < least, (0,) * len(hits))


@dataclass(frozen=True, slots=True)
class Tier:
    """Products that are asked together: of a category (None: of any), of a colour (None: of any)."""

    within: str | None = None
    tint: str | None = None


ANYTHING = Tier()

# ask(lanes, limit, tier): for each of those lanes its `limit` nearest rows of its tier with that number, nearest
# first; tier None: of all rows. Fewer where the table has no more that fit, or where `gather`'s least products are
# among them (a part of an index is cheaper to read than all of it).
Ask = Callable[[Sequence[int], int, int | None], Sequence[Sequence[Hit]]]


def nearest_of_each(hits: Sequence[Hit], k: int) -> tuple[Hit, ...]:
    """The first hit of each of the first `k` groups, in the order given."""
    first: dict[tuple[str, str], Hit] = {}
    for hit in hits:
        first.setdefault(hit.group, hit)
        if len(first) == k:
            break
    return tuple(first.values())


def settled(best: Sequence[Hit], hits: Sequence[Hit], limit: int) -> bool:
    """No row that was not read is as near as the last of the best. hits: `limit` of them, or all there are."""
    return len(hits) < limit or limit >= TIED_ROWS or best[-1].distance < hits[-1].distance


def gather(
    ask: Ask, lanes: Sequence[Sequence[Tier]], k: int, least: int | None = None
) -> tuple[Distinct, ...]:
    """The k nearest distinct products of each lane: those of its first tier, and where they are too few the next's.

    lanes: the tiers of each, one at least. least: how many are enough (default: k).
    All are asked together for whatever is nearest first: that is mostly of the first tier, and then nothing else need
    be asked.
    """
    limit, least = first_rows(k), k if least is None else least
    found: dict[int, Distinct] = {}
    pending: list[int] = []
    for lane, hits in enumerate(ask(range(len(lanes)), limit, None)):
        best = nearest_of_each([hit for hit in hits if hit.of(lanes[lane][0])], k)
        all_read = len(hits) < limit and (len(best) >= least or lanes[lane][0] == ANYTHING)
        if all_read or (len(best) == k and settled(best, hits, limit)):
            found[lane] = Distinct.of_one(best, least)
        else:
            found[lane] = Distinct.of_one((), least)
            pending.append(lane)
    for tier in range(max(map(len, lanes), default=0)):
        short = [lane for lane in pending if tier < len(lanes[lane]) and found[lane].exhausted]
        seen = max((len(found[lane].hits) for lane in short), default=0)
        nearest = nearest_distinct(_for(ask, short, tier), len(short), k + seen)
        for lane, more in zip(short, nearest, strict=True):
            found[lane] = _followed(found[lane], more.hits, tier, k, least)
    return tuple(found[lane] for lane in range(len(lanes)))


def first_rows(k: int) -> int:
    return max(FIRST_ROWS, FIRST_ROWS_PER_PRODUCT * k)


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
    limit = first_rows(k)
    while pending:
        short: list[int] = []
        fewest, tied = k, False
        for lane, hits in zip(pending, ask(pending, limit), strict=True):
            best = nearest_of_each(hits, k)
            if len(hits) < limit or (len(best) == k and settled(best, hits, limit)):
                done[lane] = Distinct.of_one(best, k)
            else:
                short.append(lane)
                fewest, tied = min(fewest, len(best)), tied or len(best) == k
        more = max(2 * limit, math.ceil(1.25 * limit * k / max(1, fewest)))
        pending, limit = short, max(more, min(8 * limit, TIED_ROWS)) if tied else more
    return tuple(done[lane] for lane in range(lanes))


def _for(
    ask: Ask, numbers: Sequence[int], tier: int
) -> Callable[[Sequence[int], int], Sequence[Sequence[Hit]]]:
    """`ask` for one tier of some of the lanes, counted from 0."""
    return lambda lanes, limit: ask([numbers[lane] for lane in lanes], limit, tier)


def _followed(found: Distinct, more: Sequence[Hit], tier: int, k: int, least: int) -> Distinct:
    """What was found, then the nearest others of a further tier, k in all."""
    seen = {hit.group for hit in found.hits}
    others = [hit for hit in more if hit.group not in seen][: k - len(found.hits)]
    hits = (*found.hits, *others)
    return Distinct(hits, len(hits) < least, (*found.tiers, *(tier,) * len(others)))
