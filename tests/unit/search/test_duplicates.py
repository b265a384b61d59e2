"""Matches with nearly the same picture (saved again, smaller, brighter) are folded, similar ones are not."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.imaging import colour
from lookdex.imaging.codec import crop, decode, encode_jpeg
from lookdex.imaging.same_picture import Small, is_same
from lookdex.records import Box
from lookdex.search.retrieval import duplicates, ranking
from lookdex.search.retrieval.ranking import Candidate
from lookdex.search.retrieval.rows import ItemRow
from lookdex_sample.photos import render_product
from lookdex_sample.products import make_product
from tests.support.catalogs import picture


def candidate(number: int, pixels: np.ndarray, vector: Sequence[float] = (1.0, 0.0)) -> Candidate:
    """A candidate whose row id and rank are its number."""
    box = Box(0, 0, pixels.shape[1], pixels.shape[0])
    palette = colour.describe(pixels, box).palette
    row = ItemRow(f"i{number}", f"p{number}", f"{number}.jpg", "top", None, box, palette, {})
    unit = np.asarray(vector, np.float32) / np.linalg.norm(vector)
    return Candidate(number, row, unit, 1.0 - number / 100, None, 1.0 - number / 100, 0)


def fold_counts(pictures: Sequence[np.ndarray], *vectors: Sequence[float]) -> list[int]:
    """Fold the pictures, best first. Returns how many are folded under each that is kept."""
    vectors = vectors or ((1.0, 0.0),) * len(pictures)
    candidates = [candidate(n, p, v) for n, (p, v) in enumerate(zip(pictures, vectors, strict=True))]
    crops = {n: encode_jpeg(p, 256) for n, p in enumerate(pictures)}
    read: list[int] = []

    def read_crops(ids: Sequence[int]) -> dict[int, bytes]:
        read.extend(ids)
        return {i: crops[i] for i in ids}

    kept = ranking.fold(candidates, duplicates.Comparer(read_crops).prepare(candidates), len(candidates))
    assert len(read) == len(set(read)), "a crop is read twice"
    return [len(one.folded) for one in kept]


def red_candidates(count: int) -> list[Candidate]:
    """Candidates with equal vectors and palettes."""
    return [candidate(n, picture("red")) for n in range(count)]


def black_candidates(count: int) -> list[Candidate]:
    return [candidate(n, np.zeros((4, 4, 3), np.uint8)) for n in range(count)]


def shoes_in_ten_qualities() -> list[bytes]:
    return [encode_jpeg(shoe(), 256, quality=quality) for quality in range(50, 90, 4)]


def shoe(number: int = 3) -> np.ndarray:
    return np.asarray(render_product(make_product(7, number), 7).image)


def test_a_picture_that_was_saved_again_is_folded() -> None:
    original = shoe()
    height, width = original.shape[:2]
    small = cv2.resize(original, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    brighter = np.clip(original.astype(np.float32) * 1.08, 0, 255).astype(np.uint8)
    trimmed = crop(original, Box(8, 8, width - 8, height - 8))
    low_quality = decode(encode_jpeg(original, 4000, quality=50), 10**7, 10**7)
    assert fold_counts([original, small, brighter, trimmed, low_quality]) == [4]


def test_pictures_of_other_products_are_kept() -> None:
    assert fold_counts([shoe(3), shoe(9), shoe(12)]) == [0, 0, 0]


def test_a_mirrored_picture_is_kept() -> None:
    assert fold_counts([shoe(), shoe()[:, ::-1]]) == [0, 0]


def test_pictures_with_different_vectors_are_kept() -> None:
    assert fold_counts([shoe(), shoe()], (1.0, 0.0), (1.0, 0.35)) == [0, 0]


def test_pictures_are_folded_only_into_those_with_a_near_vector() -> None:
    """Two pairs of near vectors, all of one picture."""
    near = (1.0, 0.0), (1.0, 0.1), (0.0, 1.0), (0.1, 1.0)
    assert fold_counts([shoe()] * 4, *near) == [1, 1]


def test_a_picture_without_near_vectors_is_kept_among_duplicates() -> None:
    assert fold_counts([shoe()] * 3, (0.0, 1.0), (1.0, 0.0), (1.0, 0.1)) == [0, 1]
    assert fold_counts([shoe()] * 3, (1.0, 0.0), (0.0, 1.0), (1.0, 0.1)) == [1, 0]


def test_a_picture_in_another_colour_is_kept_and_one_in_another_shade_folded() -> None:
    assert fold_counts([picture("red"), picture("magenta")]) == [0, 0]
    assert fold_counts([picture("red"), picture("red", shade=4)]) == [1]


@pytest.mark.parametrize(
    "crops",
    [{0: b"no picture", 1: encode_jpeg(picture("red"), 256)}, {0: b"", 1: b""}],
    ids=["broken", "empty"],
)
def test_a_crop_that_cannot_be_decoded_is_no_duplicate(crops: dict[int, bytes]) -> None:
    first, second = red_candidates(2)
    assert not duplicates.Comparer(lambda ids: crops).prepare([first, second])(first, second)


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), max_size=30))
def test_folding_keeps_the_best_of_each_group_in_order(groups: list[int]) -> None:
    candidates = black_candidates(len(groups))
    kept = ranking.fold(candidates, lambda a, b: groups[a.id] == groups[b.id], len(candidates))
    assert [groups[one.id] for one in kept] == list(dict.fromkeys(groups))
    assert [one.id for one in kept] == sorted(one.id for one in kept)
    assert sum(1 + len(one.folded) for one in kept) == len(groups)
    for one in kept:
        assert all(other.id > one.id and groups[other.id] == groups[one.id] for other in one.folded)


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(1, 8))
def test_a_limit_only_truncates_what_is_kept(groups: list[int], limit: int) -> None:
    candidates = black_candidates(len(groups))

    def alike(one: Candidate, other: Candidate) -> bool:
        return groups[one.id] == groups[other.id]

    kept = ranking.fold(candidates, alike, len(candidates))
    assert ranking.fold(candidates, alike, limit) == kept[:limit]


@pytest.fixture
def comparisons(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The results of all comparisons of pixels."""
    results: list[bool] = []

    def compared(one: Small, other: Small) -> bool:
        results.append(is_same(one, other))
        return results[-1]

    monkeypatch.setattr(duplicates, "is_same", compared)
    return results


def test_each_picture_is_compared_once_with_the_best(comparisons: list[bool]) -> None:
    """40 candidates with one picture, in two files by turns, then 60: work grows with their number, not their pairs."""
    jpegs = [encode_jpeg(shoe(), 256, quality=quality) for quality in (90, 60)]
    candidates = red_candidates(60)
    read: list[int] = []

    def crops(ids: Sequence[int]) -> dict[int, bytes]:
        read.extend(ids)
        return {i: jpegs[i % 2] for i in ids}

    comparer = duplicates.Comparer(crops)
    for count in (40, 60):
        (kept,) = ranking.fold(candidates[:count], comparer.prepare(candidates[:count]), 5)
        assert len(kept.folded) == count - 1
        assert len(comparisons) == count // 2  # those in the other file
    assert read == list(range(60))


def test_comparisons_of_pixels_are_limited(comparisons: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MAX_PIXEL_PAIRS", 3)
    jpegs, candidates = shoes_in_ten_qualities(), red_candidates(10)
    comparer = duplicates.Comparer(lambda ids: {i: jpegs[i] for i in ids})
    kept = ranking.fold(candidates, comparer.prepare(candidates), 10)
    assert (len(comparisons), [len(one.folded) for one in kept]) == (3, [3, *[0] * 6])


def test_duplicates_per_match_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MAX_FOLDED", 4)
    candidates, jpeg = red_candidates(10), encode_jpeg(shoe(), 256)
    comparer = duplicates.Comparer(lambda ids: dict.fromkeys(ids, jpeg))
    kept = ranking.fold(candidates, comparer.prepare(candidates), 10)
    assert [len(one.folded) for one in kept] == [4, *[0] * 5]


def test_comparisons_of_palettes_are_limited_and_equal_files_are_folded_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(duplicates, "MAX_COLOUR_PAIRS", 5)
    compared: list[tuple[object, object]] = []

    def alike(one: object, other: object) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr(duplicates, "_have_similar_colours", alike)
    jpegs, candidates = shoes_in_ten_qualities(), red_candidates(20)
    comparer = duplicates.Comparer(lambda ids: {i: jpegs[i % 10] for i in ids})
    kept = ranking.fold(candidates, comparer.prepare(candidates), 20)
    assert len(compared) == 5
    assert [[other.id for other in one.folded] for one in kept] == [[n + 10] for n in range(10)]


@pytest.mark.parametrize("count", [0, 1])
def test_up_to_one_candidate_is_kept_without_reading_crops(count: int) -> None:
    candidates = red_candidates(count)
    comparer = duplicates.Comparer(lambda ids: {})
    assert ranking.fold(candidates, comparer.prepare(candidates), 5) == candidates
