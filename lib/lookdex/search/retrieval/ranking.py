"""From a lane's candidates, scored exactly, to its ranked products; nearly the same pictures are shown once. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lookdex.imaging import colour
from lookdex.records import Swatch
from lookdex.search.retrieval.grouping import Distinct
from lookdex.search.retrieval.rows import Row


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product by its nearest row. similarity: the exact cosine. score: what it is ranked by.

    tier: 0 for what is asked first. folded: those that show nearly the same picture, and rank below it.
    """

    id: int  # Lance's row id
    row: Row
    vector: np.ndarray
    similarity: float
    colour_similarity: float | None
    score: float
    tier: int
    folded: tuple[Candidate, ...] = ()

    @property
    def group(self) -> tuple[str, str]:
        """What counts as one, as of a `Hit`."""
        row = self.row
        return ("image", row.image_key) if row.product_id is None else ("product", row.product_id)


def candidates(
    found: Distinct,
    rows: dict[int, Row],
    vectors: dict[int, np.ndarray],
    vector: np.ndarray,
    palette: Sequence[Swatch],
    weight: float,
) -> list[Candidate]:
    """The hits of a lane with their exact scores, best first within each tier.

    vector: the lane's (dim,). palette: its colours, () for none. weight: what likeness of colour counts, 0 … 1; a row
    without a palette counts as alike in nothing.
    """
    told = []
    likeness = _likeness(palette, {hit.row: rows[hit.row].palette for hit in found.hits})
    for hit, tier in zip(found.hits, found.tiers, strict=True):
        row = rows[hit.row]
        similarity = float(np.dot(vectors[hit.row], vector))
        alike = likeness.get(hit.row)
        score = (
            similarity if not (weight and palette) else (1 - weight) * similarity + weight * (alike or 0.0)
        )
        told.append(Candidate(hit.row, row, vectors[hit.row], similarity, alike, score, tier))
    # Of equal scores the first row of the table is first, as among the hits: else the order would depend on k.
    return sorted(told, key=lambda one: (one.tier, -one.score, one.id))


def beyond(ranked: Sequence[Candidate], page: Sequence[Candidate]) -> list[Candidate]:
    """Those that neither are on the page nor are folded into something there."""
    shown = {one.group for kept in page for one in (kept, *kept.folded)}
    return [one for one in ranked if one.group not in shown]


def _likeness(palette: Sequence[Swatch], palettes: dict[int, tuple[Swatch, ...]]) -> dict[int, float]:
    """How alike in colour each row is that has a palette, by its id; {} where there is nothing to compare with."""
    coloured = {row: own for row, own in palettes.items() if own}
    if not palette or not coloured:
        return {}
    return dict(
        zip(coloured, colour.similarities(palette, list(coloured.values())).round(4).tolist(), strict=True)
    )


def fold(
    ranked: Sequence[Candidate],
    same: Callable[[Candidate, Candidate], bool],
    most: int,
    near: Callable[[Candidate], bool] = lambda _: True,
) -> list[Candidate]:
    """The first `most` of the candidates less those that show the same picture as a better one, which takes them in.

    same: given the better one first. near: may show the same picture as another; the rest are not compared.
    """
    kept: list[Candidate] = []
    taken: list[list[Candidate]] = []
    compared: list[int] = []  # those of the kept that are near to another
    for one in ranked:
        one_near = near(one)
        shown = next((n for n in compared if same(kept[n], one)), None) if one_near else None
        if shown is not None:
            taken[shown].append(one)
        elif len(kept) < most:
            if one_near:
                compared.append(len(kept))
            kept.append(one)
            taken.append([])
    return [
        replace(one, folded=(*one.folded, *own)) if own else one for one, own in zip(kept, taken, strict=True)
    ]
