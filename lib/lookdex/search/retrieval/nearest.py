"""Find the matches of a question's lanes: for each a page of k distinct products, or fewer and `exhausted`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lookdex.catalog.sql import quote
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
    """A lane as a query to the table.

    If `within` and `tint` hold too few products, the category's other colours follow, then with `widen` the nearest of
    any category.
    """

    vector: np.ndarray
    """(dim,) float32 of unit length."""
    scope: Scope
    """Of the rows that may match."""
    role: Role | None = Role.MAIN
    """Of the rows that may match."""
    within: str | None = None
    """The category to search first; None: all."""
    tint: str | None = None
    """The colour to search first; None: all."""
    widen: bool = True
    palette: tuple[Swatch, ...] = ()
    """Of the picture."""
    text: np.ndarray | None = None
    """(dim,), of the text alone if the vector is of photo and text."""
    excluded_product: str | None = None
    """Must not match."""
    threshold: float | None = None
    """The similarity from which a match is good."""


@dataclass(frozen=True, slots=True)
class LaneResult:
    """A page of a lane's matches."""

    matches: tuple[Match, ...]
    exhausted: bool
    widened: Widened | None
    """TOO_FEW if products of later tiers are among the matches, or before them."""


def search_lanes(
    release: OpenRelease,
    lanes: Sequence[TableQuery],
    options: Options,
    where: str | None,
    order: Order | None,
    stopwatch: Stopwatch,
) -> list[LaneResult]:
    """Search each lane for the question's page of its matches.

    Args:
        where: SQL that rows must fulfil (`OpenRelease.compile_where`).
        order: the column to sort by (`OpenRelease.parse_sort`).

    Raises:
        BadQuery: the filter compares values of different types.
    """
    search = _Search(release, lanes, options, where, stopwatch)
    for block in pages.select_blocks(options):
        search.extend(block)
    end = pages.rank_limit(options)
    ranked = [
        pages.sort_candidates(candidates[:end], order, lane.threshold)
        for candidates, lane in zip(search.ranked, lanes, strict=True)
    ]
    shown = [pages.cut_page(candidates, options) for candidates in ranked]
    crops: dict[int, bytes] = {}
    if options.crops is Crops.ALL:
        crops = release.rows.crops(sorted({candidate.id for page in shown for candidate in page}))
        stopwatch.lap("fetch")
    return [
        _to_result(lane, candidates, page, options, crops)
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
            found = _find_distinct(
                self._release, [self._lanes[n] for n in pending], wanted, enough, self._where
            )
            self._stopwatch.lap("nearest")
            self._fetch(list(dict.fromkeys(hit.row for distinct in found for hit in distinct.hits)))
            for n, distinct in zip(pending, found, strict=True):
                deadline.check()
                lane = self._lanes[n]
                candidates = ranking.score_hits(
                    distinct, self._rows, self._vectors, lane.vector, lane.palette, options.colour
                )
                candidates = [*before[n], *ranking.drop_shown(candidates, before[n])]
                if options.fold:
                    comparer = self._comparers[n]
                    candidates = ranking.fold(candidates, comparer.prepare(candidates), end, comparer.is_near)
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


def _find_distinct(
    release: OpenRelease, lanes: Sequence[TableQuery], k: int, enough: int, where: str | None
) -> list[Distinct]:
    """Find the k nearest products of each lane.

    Lanes over the same rows share their reads; lanes over other rows are searched in parallel.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for n, lane in enumerate(lanes):
        groups[_rows_sql(release, lane, where)].append(n)

    def search(rows: str, members: list[int]) -> dict[int, Distinct]:
        own = [lanes[n] for n in members]
        unfiltered = where is None and all(lane.excluded_product is None for lane in own)
        tiers = [list_tiers(lane) for lane in own]
        read = _Reader(release, own, tiers, rows, enough if unfiltered else None)
        return dict(zip(members, gather(read, tiers, k, enough), strict=True))

    first, *others = groups.items()
    futures = [release.threads.submit(search, *other) for other in others]  # under the question's deadline
    found = search(*first)
    for future in futures:
        found |= future.result()
    return [found[n] for n in range(len(lanes))]


def list_tiers(lane: TableQuery) -> list[Tier]:
    """List the tiers in order of preference: the category in the colour, the category, anything."""
    tiers = [Tier(lane.within, lane.tint)]
    if lane.tint is not None and lane.within is not None:
        tiers.append(Tier(lane.within))
    return [*tiers, ANYTHING] if lane.widen and tiers[0] != ANYTHING else tiers


def _rows_sql(release: OpenRelease, lane: TableQuery, where: str | None) -> str:
    sql = release.rows_sql(lane.scope, lane.role)
    if lane.excluded_product is not None:
        sql += f" AND (product_id IS NULL OR product_id <> {quote(lane.excluded_product)})"
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
            groups[self._tier_sql(ANYTHING if tier is None else self._tiers[lane][tier])].append(lane)
        hits: dict[int, list[Hit]] = {}
        for rows, members in groups.items():
            vectors = np.stack([self._lanes[lane].vector for lane in members])
            enough = self._enough if rows == self._rows else None
            hits |= zip(members, self._release.nearest(vectors, limit, rows, enough=enough), strict=True)
        return [hits[lane] for lane in lanes]

    def _tier_sql(self, tier: Tier) -> str:
        # The tier comes first, so that the caller's filter is applied to its few rows only.
        rows = self._rows if tier.tint is None else f"colour = {quote(tier.tint)} AND {self._rows}"
        return rows if tier.within is None else f"{self._release.category_sql(tier.within)} AND {rows}"


def _to_result(
    lane: TableQuery,
    ranked: Sequence[Candidate],
    page: Sequence[Candidate],
    options: Options,
    crops: dict[int, bytes],
) -> LaneResult:
    """Turn a page of the lane's ranked candidates into its matches."""
    matches = tuple(
        _to_match(lane, candidate, rank, crops.get(candidate.id))
        for rank, candidate in enumerate(page, options.offset + 1)
    )
    widened = any(candidate.tier for candidate in ranked[: options.offset + options.k])
    return LaneResult(matches, len(matches) < options.k, Widened.TOO_FEW if widened else None)


def _to_match(lane: TableQuery, candidate: Candidate, rank: int, crop: bytes | None) -> Match:
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
