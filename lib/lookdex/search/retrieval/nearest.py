"""What the table answers to the lanes of a question: a page of k distinct products each, or fewer and `exhausted`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lookdex.catalog.sql import quoted
from lookdex.records import Role, Scope, Swatch
from lookdex.runtime import deadline
from lookdex.runtime.daemons import DaemonPool
from lookdex.runtime.stopwatch import Stopwatch
from lookdex.search.answer.answer import Match
from lookdex.search.answer.kinds import Widened
from lookdex.search.query.options import Crops, Options
from lookdex.search.retrieval import duplicates, pages, ranking
from lookdex.search.retrieval.grouping import ANYTHING, Distinct, Hit, Tier, gather
from lookdex.search.retrieval.open_release import OpenRelease
from lookdex.search.retrieval.pages import Block
from lookdex.search.retrieval.product_columns import Order
from lookdex.search.retrieval.ranking import Candidate
from lookdex.search.retrieval.rows import Row

# The whole photo's rows are read while its objects' are. What runs here waits for nothing that runs here.
_BESIDE = DaemonPool("nearest", 8)


@dataclass(frozen=True, slots=True)
class Lane:
    """A question to the table. vector: (dim,) float32 of unit length. scope, role: of the rows that may answer.

    within, tint: the category and the colour that are asked first, None for all; where they hold too few, other colours
    of the category follow, and with `widen` whatever is nearest.
    palette: of what is asked with. text: (dim,) of the text alone, where the vector is of photo and text. without:
    a product that must not answer. threshold: from which similarity on a match is good.
    """

    vector: np.ndarray
    scope: Scope
    role: Role | None = Role.MAIN
    within: str | None = None
    tint: str | None = None
    widen: bool = True
    palette: tuple[Swatch, ...] = ()
    text: np.ndarray | None = None
    without: str | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """widened: other products than those that were asked first follow, because they are too few."""

    matches: tuple[Match, ...]
    exhausted: bool
    widened: Widened | None


def answer_lanes(
    opened: OpenRelease,
    lanes: Sequence[Lane],
    options: Options,
    where: str | None,
    order: Order | None,
    watch: Stopwatch,
) -> list[Answered]:
    """The question's page of each lane's distinct products. where: SQL that the rows must fulfil (`OpenRelease.compiled`).

    order: the column that they are sorted by (`OpenRelease.order`). Raises BadQuery for a filter whose types do not compare.
    """
    ranking_of = _Ranking(opened, lanes, options, where, watch)
    for block in pages.blocks(options):
        ranking_of.extend(block)
    end = pages.ranked(options)
    ranked = [
        pages.arranged(own[:end], order, lane.threshold)
        for own, lane in zip(ranking_of.ranked, lanes, strict=True)
    ]
    shown = [pages.page_of(own, options) for own in ranked]
    crops: dict[int, bytes] = {}
    if options.crops is Crops.ALL:
        crops = opened.rows.crops(sorted({one.id for page in shown for one in page}))
        watch.lap("fetch")
    return [
        _answered(lane, own, page, options, crops)
        for lane, own, page in zip(lanes, ranked, shown, strict=True)
    ]


class _Ranking:
    """The products of the lanes by their ranks, as far as they were asked for."""

    def __init__(
        self,
        opened: OpenRelease,
        lanes: Sequence[Lane],
        options: Options,
        where: str | None,
        watch: Stopwatch,
    ):
        self._opened, self._lanes, self._options = opened, lanes, options
        self._where, self._watch = where, watch
        self._comparers = [duplicates.Comparer(opened.rows.crops) for _ in lanes]
        self._rows: dict[int, Row] = {}
        self._vectors: dict[int, np.ndarray] = {}
        self._end = 0
        self.ranked: list[list[Candidate]] = [[] for _ in lanes]

    def extend(self, block: Block) -> None:
        """Rank the products of a block behind those that are ranked, fewer only where a lane has no more."""
        options, end = self._options, block.end
        before = self.ranked.copy()
        exhausted = [len(own) < self._end for own in before]
        pending = [n for n, none in enumerate(exhausted) if not none]
        wanted, least = block.coloured if options.colour else block.looked_at, end
        while pending:
            found = _distinct(self._opened, [self._lanes[n] for n in pending], wanted, least, self._where)
            self._watch.lap("nearest")
            ids = list(dict.fromkeys(hit.row for distinct in found for hit in distinct.hits))
            self._fetch(ids)
            for n, distinct in zip(pending, found, strict=True):
                deadline.check()
                lane = self._lanes[n]
                told = ranking.candidates(
                    distinct, self._rows, self._vectors, lane.vector, lane.palette, options.colour
                )
                told = [*before[n], *ranking.beyond(told, before[n])]
                if options.fold:
                    comparer = self._comparers[n]
                    told = ranking.fold(told, comparer.of(told), end, comparer.near)
                self.ranked[n], exhausted[n] = told[:end], distinct.exhausted
            self._watch.lap("fetch")
            # Folding may leave too few where there are more.
            pending = [n for n in pending if len(self.ranked[n]) < end and not exhausted[n]]
            wanted, least = 2 * wanted, 2 * wanted
        self._end = end

    def _fetch(self, ids: Sequence[int]) -> None:
        """Have these rows and their vectors: a wider look finds what the one before found, too."""
        fresh = [i for i in ids if i not in self._rows]
        self._rows |= self._opened.rows.rows(fresh)
        self._vectors |= self._opened.rows.vectors(fresh)


def _distinct(
    opened: OpenRelease, lanes: Sequence[Lane], k: int, least: int, where: str | None
) -> list[Distinct]:
    """Lanes over the same rows are asked together, and those over others beside them."""
    groups: dict[str, list[int]] = defaultdict(list)
    for n, lane in enumerate(lanes):
        groups[_rows(opened, lane, where)].append(n)

    def ask(rows: str, members: list[int]) -> dict[int, Distinct]:
        own = [lanes[n] for n in members]
        enough = least if where is None and all(lane.without is None for lane in own) else None
        tiers = [tiers_of(lane) for lane in own]
        asking = _asking(opened, own, tiers, rows, enough)
        return dict(zip(members, gather(asking, tiers, k, least), strict=True))

    first, *others = groups.items()
    beside = [_BESIDE.submit(ask, *other) for other in others]  # with the deadline
    found = ask(*first)
    for future in beside:
        found |= future.result()
    return [found[n] for n in range(len(lanes))]


def tiers_of(lane: Lane) -> list[Tier]:
    """What is asked, in turn: the category in the colour, the category, anything."""
    tiers = [Tier(lane.within, lane.tint)]
    if lane.tint is not None and lane.within is not None:
        tiers.append(Tier(lane.within))
    return [*tiers, ANYTHING] if lane.widen and tiers[0] != ANYTHING else tiers


def _rows(opened: OpenRelease, lane: Lane, where: str | None) -> str:
    sql = opened.rows_of(lane.scope, lane.role)
    if lane.without is not None:
        sql += f" AND (product_id IS NULL OR product_id <> {quoted(lane.without)})"
    return sql if where is None else f"{sql} AND {where}"


class _asking:
    """The table as `gather` asks it: lanes that ask for the same rows together."""

    def __init__(
        self,
        opened: OpenRelease,
        lanes: Sequence[Lane],
        tiers: Sequence[Sequence[Tier]],
        rows: str,
        enough: int | None,
    ):
        self._opened, self._lanes, self._tiers = opened, lanes, tiers
        self._rows, self._enough = rows, enough

    def __call__(self, lanes: Sequence[int], limit: int, tier: int | None) -> list[list[Hit]]:
        groups: dict[str, list[int]] = defaultdict(list)
        for lane in lanes:
            groups[self._of(ANYTHING if tier is None else self._tiers[lane][tier])].append(lane)
        hits: dict[int, list[Hit]] = {}
        for rows, members in groups.items():
            vectors = np.stack([self._lanes[lane].vector for lane in members])
            enough = self._enough if rows == self._rows else None
            hits |= zip(members, self._opened.nearest(vectors, limit, rows, enough=enough), strict=True)
        return [hits[lane] for lane in lanes]

    def _of(self, tier: Tier) -> str:
        # Before the caller's filter, which is then applied to the few rows that are left.
        rows = self._rows if tier.tint is None else f"colour = {quoted(tier.tint)} AND {self._rows}"
        return rows if tier.within is None else f"{self._opened.within(tier.within)} AND {rows}"


def _answered(
    lane: Lane,
    ranked: Sequence[Candidate],
    page: Sequence[Candidate],
    options: Options,
    crops: dict[int, bytes],
) -> Answered:
    """ranked: of the lane, in its order; the page is a part of it."""
    matches = tuple(
        _match(lane, one, rank, crops.get(one.id)) for rank, one in enumerate(page, options.offset + 1)
    )
    others = any(one.tier for one in ranked[: options.offset + options.k])
    return Answered(matches, len(matches) < options.k, Widened.TOO_FEW if others else None)


def _match(lane: Lane, one: Candidate, rank: int, crop: bytes | None) -> Match:
    row = one.row
    products = dict.fromkeys(other.row.product_id for other in one.folded)
    return Match(
        rank=rank,
        product_id=row.product_id,
        similarity=one.similarity,
        distance=1.0 - one.similarity,
        item_id=row.item_id,
        image_key=row.image_key,
        label=row.label,
        colour=row.colour,
        box=row.box,
        columns=row.columns,
        crop=crop,
        palette=row.palette,
        colour_similarity=one.colour_similarity,
        text_similarity=None if lane.text is None else float(np.dot(one.vector, lane.text)),
        good=None if lane.threshold is None else one.similarity >= lane.threshold,
        folded=len(one.folded),
        folded_products=tuple(p for p in products if p is not None and p != row.product_id),
        score=one.score,
    )
