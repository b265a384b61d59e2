"""Score a lane's hits exactly, rank them, and fold those with nearly the same picture. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lookdex.imaging import colour
from lookdex.records import Swatch
from lookdex.search.retrieval.grouping import Distinct
from lookdex.search.retrieval.rows import ItemRow


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product, by its nearest row."""

    id: int
    """Lance's row id."""
    row: ItemRow
    vector: np.ndarray
    similarity: float
    """The exact cosine."""
    colour_similarity: float | None
    score: float
    """What it is ranked by."""
    tier: int
    """0 is the first."""
    folded: tuple[Candidate, ...] = ()
    """Lower-ranked candidates with nearly the same picture."""

    @property
    def group(self) -> tuple[str, str]:
        """As `Hit.group`."""
        row = self.row
        return ("image", row.image_key) if row.product_id is None else ("product", row.product_id)


def score_hits(
    found: Distinct,
    rows: dict[int, ItemRow],
    vectors: dict[int, np.ndarray],
    vector: np.ndarray,
    palette: Sequence[Swatch],
    weight: float,
) -> list[Candidate]:
    """Score the hits of a lane exactly, and rank them: best first within each tier.

    Args:
        vector: the lane's (dim,).
        palette: the lane's; () for none.
        weight: of the colour similarity, 0 … 1; a row without a palette has a colour similarity of 0.
    """
    ranked = []
    similarities = _colour_similarities(palette, {hit.row: rows[hit.row].palette for hit in found.hits})
    for hit, tier in zip(found.hits, found.tiers, strict=True):
        row = rows[hit.row]
        similarity = float(np.dot(vectors[hit.row], vector))
        in_colour = similarities.get(hit.row)
        score = similarity
        if weight and palette:
            score = (1 - weight) * similarity + weight * (in_colour or 0.0)
        ranked.append(Candidate(hit.row, row, vectors[hit.row], similarity, in_colour, score, tier))
    # Equal scores rank by row id, as among the hits: otherwise the order would depend on k.
    return sorted(ranked, key=lambda one: (one.tier, -one.score, one.id))


def drop_shown(ranked: Sequence[Candidate], shown: Sequence[Candidate]) -> list[Candidate]:
    """Drop the candidates that are shown, or folded into a shown one."""
    groups = {one.group for kept in shown for one in (kept, *kept.folded)}
    return [one for one in ranked if one.group not in groups]


def _colour_similarities(
    palette: Sequence[Swatch], palettes: dict[int, tuple[Swatch, ...]]
) -> dict[int, float]:
    """The colour similarity of each row that has a palette, by its id."""
    coloured = {row: own for row, own in palettes.items() if own}
    if not palette or not coloured:
        return {}
    return dict(
        zip(coloured, colour.similarities(palette, list(coloured.values())).round(4).tolist(), strict=True)
    )


def fold(
    ranked: Sequence[Candidate],
    same: Callable[[Candidate, Candidate], bool],
    limit: int,
    near: Callable[[Candidate], bool] = lambda _: True,
) -> list[Candidate]:
    """Keep the first `limit` candidates, each with the lower-ranked ones that show the same picture as `folded`.

    Args:
        same: whether two show the same picture; gets the better one first.
        near: whether one may show the same picture as any other; the rest are not compared.
    """
    kept: list[Candidate] = []
    folded: list[list[Candidate]] = []  # into each of the kept
    compared: list[int] = []  # the kept ones for which `near` holds
    for one in ranked:
        one_near = near(one)
        into = next((n for n in compared if same(kept[n], one)), None) if one_near else None
        if into is not None:
            folded[into].append(one)
        elif len(kept) < limit:
            if one_near:
                compared.append(len(kept))
            kept.append(one)
            folded.append([])
    return [
        replace(one, folded=(*one.folded, *own)) if own else one
        for one, own in zip(kept, folded, strict=True)
    ]
