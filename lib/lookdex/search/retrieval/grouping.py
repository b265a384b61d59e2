"""Reduce the nearest rows to the nearest distinct products, tier by tier. Pure: the table is passed as a function."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FIRST_ROWS_PER_PRODUCT = 4  # rows in the first read for each product wanted: a product has a few photos
FIRST_ROWS = 32
TIED_ROWS = (
    2048  # up to so many rows, equally near ones are read to their end: else the order would depend on k
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A row near the query's vector."""

    row: int
    """Lance's row id in this version."""
    product_id: str | None
    image_key: str
    distance: float
    label: str | None = None
    """The detector's."""
    category: str | None = None
    """The product's; None if unknown."""
    colour: str | None = None

    @property
    def group(self) -> tuple[str, str]:
        """The product, or the photo where the product is not known: each group is shown once."""
        return ("image", self.image_key) if self.product_id is None else ("product", self.product_id)

    def is_in(self, tier: Tier) -> bool:
        """Whether the row is of the tier's colour and category (by its product or by its label)."""
        category = tier.within is None or tier.within in (self.label, self.category)
        return category and tier.tint in (None, self.colour)


@dataclass(frozen=True, slots=True)
class Distinct:
    """The nearest hit of each group."""

    hits: tuple[Hit, ...]
    exhausted: bool
    """There are fewer groups than were needed."""
    tiers: tuple[int, ...]
    """The number of each hit's tier, ascending; within a tier the nearest hit is first."""

    @classmethod
    def of_first_tier(cls, hits: tuple[Hit, ...], enough: int) -> Distinct:
        """Hits of the first tier."""
        return cls(hits, len(hits) < enough, (0,) * len(hits))


@dataclass(frozen=True, slots=True)
class Tier:
    """The products of a category (None: any) in a colour (None: any)."""

    within: str | None = None
    tint: str | None = None


ANYTHING = Tier()

# read(lanes, limit, tier): for each of the lanes, the `limit` nearest rows of its tier of that number (None: of all
# rows), nearest first. Fewer where the table has no more, or where they hold `gather`'s `enough` products: reading a
# part of an index is cheaper than all of it.
Read = Callable[[Sequence[int], int, int | None], Sequence[Sequence[Hit]]]


def first_of_each(hits: Sequence[Hit], k: int) -> tuple[Hit, ...]:
    """The first hit of each of the first `k` groups, in the given order."""
    first: dict[tuple[str, str], Hit] = {}
    for hit in hits:
        first.setdefault(hit.group, hit)
        if len(first) == k:
            break
    return tuple(first.values())


def is_settled(best: Sequence[Hit], hits: Sequence[Hit], limit: int) -> bool:
    """Whether no unread row can tie with the last of the best. hits: `limit` of them, or all there are."""
    return len(hits) < limit or limit >= TIED_ROWS or best[-1].distance < hits[-1].distance


def gather(
    read: Read, lanes: Sequence[Sequence[Tier]], k: int, enough: int | None = None
) -> tuple[Distinct, ...]:
    """Find the k nearest distinct products of each lane: those of its first tier, then of further tiers if too few.

    The first read is of all lanes and of all rows: mostly enough of the nearest are of the first tier, and no other
    read is needed.

    Args:
        lanes: the tiers of each, at least one.
        enough: how many products suffice (default: k).
    """
    limit, enough = first_rows(k), k if enough is None else enough
    found: dict[int, Distinct] = {}
    pending: list[int] = []
    for lane, hits in enumerate(read(range(len(lanes)), limit, None)):
        best = first_of_each([hit for hit in hits if hit.is_in(lanes[lane][0])], k)
        all_read = len(hits) < limit and (len(best) >= enough or lanes[lane][0] == ANYTHING)
        if all_read or (len(best) == k and is_settled(best, hits, limit)):
            found[lane] = Distinct.of_first_tier(best, enough)
        else:
            found[lane] = Distinct.of_first_tier((), enough)
            pending.append(lane)
    for tier in range(max(map(len, lanes), default=0)):
        short = [lane for lane in pending if tier < len(lanes[lane]) and found[lane].exhausted]
        seen = max((len(found[lane].hits) for lane in short), default=0)
        nearest = find_distinct(_for_tier(read, short, tier), len(short), k + seen)
        for lane, more in zip(short, nearest, strict=True):
            found[lane] = _extend(found[lane], more.hits, tier, k, enough)
    return tuple(found[lane] for lane in range(len(lanes)))


def first_rows(k: int) -> int:
    return max(FIRST_ROWS, FIRST_ROWS_PER_PRODUCT * k)


def find_distinct(
    read: Callable[[Sequence[int], int], Sequence[Sequence[Hit]]], lanes: int, k: int
) -> tuple[Distinct, ...]:
    """Find the k nearest distinct products of each of `lanes` queries.

    `read(lanes, limit)` returns for each of those lanes its `limit` nearest rows, nearest first, or fewer where the
    table has no more. A lane whose rows hold too few products is read again with at least twice the limit: with 50
    photos a product, the k nearest products may lie 50 × k rows deep.
    """
    done: dict[int, Distinct] = {}
    pending: list[int] = list(range(lanes))
    limit = first_rows(k)
    while pending:
        short: list[int] = []
        fewest, tied = k, False
        for lane, hits in zip(pending, read(pending, limit), strict=True):
            best = first_of_each(hits, k)
            if len(hits) < limit or (len(best) == k and is_settled(best, hits, limit)):
                done[lane] = Distinct.of_first_tier(best, k)
            else:
                short.append(lane)
                fewest, tied = min(fewest, len(best)), tied or len(best) == k
        more = max(2 * limit, math.ceil(1.25 * limit * k / max(1, fewest)))
        pending, limit = short, max(more, min(8 * limit, TIED_ROWS)) if tied else more
    return tuple(done[lane] for lane in range(lanes))


def _for_tier(
    read: Read, numbers: Sequence[int], tier: int
) -> Callable[[Sequence[int], int], Sequence[Sequence[Hit]]]:
    """`read` for one tier of the lanes with these numbers, which it counts from 0."""
    return lambda lanes, limit: read([numbers[lane] for lane in lanes], limit, tier)


def _extend(found: Distinct, more: Sequence[Hit], tier: int, k: int, enough: int) -> Distinct:
    """The hits found, then the nearest others of a further tier, k in all."""
    seen = {hit.group for hit in found.hits}
    others = [hit for hit in more if hit.group not in seen][: k - len(found.hits)]
    hits = (*found.hits, *others)
    return Distinct(hits, len(hits) < enough, (*found.tiers, *(tier,) * len(others)))
