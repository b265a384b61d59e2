"""Exact scores of a lane's hits, and their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from lookdex.imaging import colour
from lookdex.records import Box, Swatch
from lookdex.search.retrieval.grouping import Distinct, Hit
from lookdex.search.retrieval.ranking import Candidate, drop_shown, score_hits
from lookdex.search.retrieval.rows import ItemRow
from tests.support.catalogs import picture

QUERY = np.array([1.0, 0.0], np.float32)


def palette(name: str) -> tuple[Swatch, ...]:
    pixels = picture(name)
    return colour.describe(pixels, Box(0, 0, pixels.shape[1], pixels.shape[0])).palette


RED, BLUE = palette("red"), palette("blue")


def ranked(
    similarities: Sequence[float],
    palettes: Sequence[tuple[Swatch, ...]],
    weight: float = 0.0,
    asked: tuple[Swatch, ...] = (),
    tiers: Sequence[int] | None = None,
) -> list[Candidate]:
    """Candidates of the hits 0, 1, 2 … with these similarities to the query and these palettes."""
    ids = range(len(similarities))
    rows = {
        i: ItemRow(f"i{i}", f"p{i}", f"{i}.jpg", "top", None, Box(0, 0, 9, 9), palettes[i], {}) for i in ids
    }
    vectors = {i: np.array([s, 0.0], np.float32) for i, s in enumerate(similarities)}
    hits = tuple(Hit(i, f"p{i}", f"{i}.jpg", 0.0) for i in ids)
    return score_hits(
        Distinct(hits, True, tuple(tiers or [0] * len(hits))), rows, vectors, QUERY, asked, weight
    )


def test_without_colours_the_score_is_the_similarity() -> None:
    for weight, asked in ((0.0, RED), (0.5, ())):
        found = ranked([0.25, 0.75, 0.5], [RED, BLUE, ()], weight, asked)
        assert [(one.id, one.similarity, one.score) for one in found] == [
            (1, 0.75, 0.75), (2, 0.5, 0.5), (0, 0.25, 0.25),
        ]  # fmt: skip


@pytest.mark.parametrize("weight", [0.25, 0.5, 1.0])
def test_the_score_is_the_weighted_mean_of_both_similarities(weight: float) -> None:
    found = {one.id: one for one in ranked([0.5, 0.5, 0.5], [RED, BLUE, ()], weight, RED)}
    assert found[0].colour_similarity == pytest.approx(1.0)
    assert found[1].colour_similarity == pytest.approx(colour.similarity(RED, BLUE), abs=1e-4)
    assert found[2].colour_similarity is None
    for one in found.values():
        assert one.similarity == 0.5
        assert one.score == pytest.approx(0.5 * (1 - weight) + weight * (one.colour_similarity or 0.0))


def test_earlier_tiers_come_first_then_better_scores_then_lower_row_ids() -> None:
    found = ranked([0.5, 0.75, 0.5, 0.25, 1.0], [()] * 5, tiers=[0, 0, 0, 1, 1])
    assert [(one.tier, one.id) for one in found] == [(0, 1), (0, 0), (0, 2), (1, 4), (1, 3)]


def test_beyond_are_those_neither_shown_nor_folded() -> None:
    a, b, c, d = ranked([1.0, 0.75, 0.5, 0.25], [()] * 4)
    assert drop_shown([a, b, c, d], [replace(a, folded=(c,))]) == [b, d]


def test_photos_without_a_product_are_told_apart_by_their_photo() -> None:
    a, b, c = ranked([1.0, 0.75, 0.5], [()] * 3)
    a = replace(a, row=replace(a.row, product_id=None, image_key="x.jpg"))
    b = replace(b, row=replace(b.row, product_id=None, image_key="y.jpg"))
    c = replace(c, row=replace(c.row, product_id="x.jpg"))
    assert drop_shown([a, b, c], [a]) == [b, c]
