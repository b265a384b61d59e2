"""Find the matches of a question's lanes: for each a page of k distinct products, or fewer and `exhausted`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lookdex.catalog.sql import quoted
from lookdex.records import Role, Scope, Swatch
from lookdex.runtime import deadline
from lookdex.runtime.stopwatch import Stopwatch
from lookdex.search.answer.kinds import Widened
from lookdex.search.answer.lanes import Match
from lookdex.search.query.options import Crops, Options
from lookdex.search.retrieval import duplicates, pages, ranking
from lookdex.search.retrieval.grouping import ANYTHING, Distinct, Hit, Tier, gather
from lookdex.search.retrieval.open_release import OpenRelease
from lookdex.search.retrieval.pages import Block
from lookdex.search.retrieval.product_columns import Order
from lookdex.search.retrieval.ranking import Candidate
from lookdex.search.retrieval.rows import ItemRow


@dataclass(frozen=True, slots=True)
class TableQuery:
    """A lane as a query to the table. vector: (dim,) float32 of unit length. scope, role: of the rows that may match.

    within, tint: the category and the colour to search first; None: all. Where they hold too few products, the
    category's other colours follow, then with `widen` the nearest of any category.
    palette: of the picture. text: (dim,), of the text alone where the vector is of photo and text. excluded_product:
    must not match. threshold: the similarity from which a match is good.
    """

    vector: np.ndarray
    scope: Scope
    role: Role | None = Role.MAIN
    within: str | None = None
    tint: str | None = None
    widen: bool = True
    palette: tuple[Swatch, ...] = ()
    text: np.ndarray | None = None
    excluded_product: str | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class LaneResult:
    """widened: TOO_FEW where products of later tiers are among the matches, or before them."""

    matches: tuple[Match, ...]
    exhausted: bool
    widened: Widened | None


def search_lanes(
    release: OpenRelease,
    lanes: Sequence[TableQuery],
    options: Options,
    where: str | None,
    order: Order | None,
    stopwatch: Stopwatch,
) -> list[LaneResult]:
    """The question's page of each lane.

    where: SQL that rows must fulfil (`OpenRelease.compiled`). order: the column to sort by (`OpenRelease.order`).
    Raises BadQuery for a filter whose types do not compare.
    """
    search = _Search(release, lanes, options, where, stopwatch)
    for block in pages.blocks(options):
        search.extend(block)
    end = pages.ranked(options)
    ranked = [
        pages.arranged(candidates[:end], order, lane.threshold)
        for candidates, lane in zip(search.ranked, lanes, strict=True)
    ]
    shown = [pages.page_of(candidates, options) for candidates in ranked]
    crops: dict[int, bytes] = {}
    if options.crops is Crops.ALL:
        crops = release.rows.crops(sorted({candidate.id for page in shown for candidate in page}))
        stopwatch.lap("fetch")
    return [
        _matches(lane, candidates, page, options, crops)
        for lane, candidates, page in zip(lanes, ranked, shown, strict=True)
    ]


class _Search:
    """The ranked products of the lanes, as far as they were read. ranked: of each lane, best first."""

    def __init__(
        self,
        release: OpenRelease,
        lanes: Sequence[TableQuery],
        options: Options,
        where: str | None,
        stopwatch: Stopwatch,
    ) -> None:
        self._release, self._lanes, self._options = release, lanes, options
        self._where, self._stopwatch = where, stopwatch
        self._comparers = [duplicates.Comparer(release.rows.crops) for _ in lanes]
        self._rows: dict[int, ItemRow] = {}
        self._vectors: dict[int, np.ndarray] = {}
        self._end = 0
        self.ranked: list[list[Candidate]] = [[] for _ in lanes]

    def extend(self, block: Block) -> None:
        """Rank the products of the next block after those ranked; a lane gets fewer only where it has no more."""
        options, end = self._options, block.end
        before = self.ranked.copy()
        exhausted = [len(ranked) < self._end for ranked in before]
        pending = [n for n, done in enumerate(exhausted) if not done]
        wanted, enough = block.coloured if options.colour else block.scored, end
        while pending:
            found = _distinct(self._release, [self._lanes[n] for n in pending], wanted, enough, self._where)
            self._stopwatch.lap("nearest")
            self._fetch(list(dict.fromkeys(hit.row for distinct in found for hit in distinct.hits)))
            for n, distinct in zip(pending, found, strict=True):
                deadline.check()
                lane = self._lanes[n]
                candidates = ranking.candidates(
                    distinct, self._rows, self._vectors, lane.vector, lane.palette, options.colour
                )
                candidates = [*before[n], *ranking.beyond(candidates, before[n])]
                if options.fold:
                    comparer = self._comparers[n]
                    candidates = ranking.fold(candidates, comparer.of(candidates), end, comparer.near)
                self.ranked[n], exhausted[n] = candidates[:end], distinct.exhausted
            self._stopwatch.lap("fetch")
            # Folding may leave fewer than `end` although the table has more.
            pending = [n for n in pending if len(self.ranked[n]) < end and not exhausted[n]]
            wanted, enough = 2 * wanted, 2 * wanted
        self._end = end

    def _fetch(self, ids: Sequence[int]) -> None:
        """Read the rows and vectors not read before: a wider search returns the earlier rows again."""
        fresh = [i for i in ids if i not in self._rows]
        self._rows |= self._release.rows.rows(fresh)
        self._vectors |= self._release.rows.vectors(fresh)


def _distinct(
    release: OpenRelease, lanes: Sequence[TableQuery], k: int, enough: int, where: str | None
) -> list[Distinct]:
    """Lanes over the same rows share their reads; lanes over other rows are searched in parallel."""
    groups: dict[str, list[int]] = defaultdict(list)
    for n, lane in enumerate(lanes):
        groups[_rows(release, lane, where)].append(n)

    def search(rows: str, members: list[int]) -> dict[int, Distinct]:
        own = [lanes[n] for n in members]
        unfiltered = where is None and all(lane.excluded_product is None for lane in own)
        tiers = [tiers_of(lane) for lane in own]
        read = _Reader(release, own, tiers, rows, enough if unfiltered else None)
        return dict(zip(members, gather(read, tiers, k, enough), strict=True))

    first, *others = groups.items()
    futures = [release.threads.submit(search, *other) for other in others]  # under the question's deadline
    found = search(*first)
    for future in futures:
        found |= future.result()
    return [found[n] for n in range(len(lanes))]


def tiers_of(lane: TableQuery) -> list[Tier]:
    """In order of preference: the category in the colour, the category, anything."""
    tiers = [Tier(lane.within, lane.tint)]
    if lane.tint is not None and lane.within is not None:
        tiers.append(Tier(lane.within))
    return [*tiers, ANYTHING] if lane.widen and tiers[0] != ANYTHING else tiers


def _rows(release: OpenRelease, lane: TableQuery, where: str | None) -> str:
    sql = release.rows_of(lane.scope, lane.role)
    if lane.excluded_product is not None:
        sql += f" AND (product_id IS NULL OR product_id <> {quoted(lane.excluded_product)})"
    return sql if where is None else f"{sql} AND {where}"


class _Reader:
    """Reads the table for `gather`. Lanes whose tiers select the same rows share a read.

    rows: SQL of the rows of all lanes. enough: see `OpenRelease.nearest`; for reads of all these rows only.
    """

    def __init__(
        self,
        release: OpenRelease,
        lanes: Sequence[TableQuery],
        tiers: Sequence[Sequence[Tier]],
        rows: str,
        enough: int | None,
    ) -> None:
        self._release, self._lanes, self._tiers = release, lanes, tiers
        self._rows, self._enough = rows, enough

    def __call__(self, lanes: Sequence[int], limit: int, tier: int | None) -> list[list[Hit]]:
        groups: dict[str, list[int]] = defaultdict(list)
        for lane in lanes:
            groups[self._rows_of(ANYTHING if tier is None else self._tiers[lane][tier])].append(lane)
        hits: dict[int, list[Hit]] = {}
        for rows, members in groups.items():
            vectors = np.stack([self._lanes[lane].vector for lane in members])
            enough = self._enough if rows == self._rows else None
            hits |= zip(members, self._release.nearest(vectors, limit, rows, enough=enough), strict=True)
        return [hits[lane] for lane in lanes]

    def _rows_of(self, tier: Tier) -> str:
        # The tier comes first, so that the caller's filter is applied to its few rows only.
        rows = self._rows if tier.tint is None else f"colour = {quoted(tier.tint)} AND {self._rows}"
        return rows if tier.within is None else f"{self._release.within(tier.within)} AND {rows}"


def _matches(
    lane: TableQuery,
    ranked: Sequence[Candidate],
    page: Sequence[Candidate],
    options: Options,
    crops: dict[int, bytes],
) -> LaneResult:
    """ranked: all of the lane, in its order; page: a part of it."""
    matches = tuple(
        _match(lane, candidate, rank, crops.get(candidate.id))
        for rank, candidate in enumerate(page, options.offset + 1)
    )
    widened = any(candidate.tier for candidate in ranked[: options.offset + options.k])
    return LaneResult(matches, len(matches) < options.k, Widened.TOO_FEW if widened else None)


def _match(lane: TableQuery, candidate: Candidate, rank: int, crop: bytes | None) -> Match:
    row = candidate.row
    folded = dict.fromkeys(other.row.product_id for other in candidate.folded)
    return Match(
        rank=rank,
        product_id=row.product_id,
        similarity=candidate.similarity,
        distance=1.0 - candidate.similarity,
        item_id=row.item_id,
        image_key=row.image_key,
        label=row.label,
        colour=row.colour,
        box=row.box,
        columns=row.columns,
        crop=crop,
        palette=row.palette,
        colour_similarity=candidate.colour_similarity,
        text_similarity=None if lane.text is None else float(np.dot(candidate.vector, lane.text)),
        good=None if lane.threshold is None else candidate.similarity >= lane.threshold,
        folded=len(candidate.folded),
        folded_products=tuple(p for p in folded if p is not None and p != row.product_id),
        score=candidate.score,
    )
