"""Nearly the same picture: saved anew, smaller, brighter; and what only resembles it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.imaging import colour
from lookdex.imaging.codec import crop, decode, encode_jpeg
from lookdex.imaging.same_picture import Small, same
from lookdex.records import Box
from lookdex.search.retrieval import duplicates, ranking
from lookdex.search.retrieval.ranking import Candidate
from lookdex.search.retrieval.rows import ItemRow
from lookdex_sample.photos import render_product
from lookdex_sample.products import make_product
from tests.support.catalogs import picture


def candidate(number: int, pixels: np.ndarray, vector: Sequence[float] = (1.0, 0.0)) -> Candidate:
    """A candidate whose row id is its number; the smaller, the better it ranks."""
    box = Box(0, 0, pixels.shape[1], pixels.shape[0])
    palette = colour.describe(pixels, box).palette
    row = ItemRow(f"i{number}", f"p{number}", f"{number}.jpg", "top", None, box, palette, {})
    unit = np.asarray(vector, np.float32) / np.linalg.norm(vector)
    return Candidate(number, row, unit, 1.0 - number / 100, None, 1.0 - number / 100, 0)


def folded(pictures: Sequence[np.ndarray], *vectors: Sequence[float]) -> list[int]:
    """How many each kept picture took in, the pictures in the order of their ranks."""
    vectors = vectors or ((1.0, 0.0),) * len(pictures)
    told = [candidate(n, p, v) for n, (p, v) in enumerate(zip(pictures, vectors, strict=True))]
    crops = {n: encode_jpeg(p, 256) for n, p in enumerate(pictures)}
    asked: list[int] = []

    def read(ids: Sequence[int]) -> dict[int, bytes]:
        asked.extend(ids)
        return {i: crops[i] for i in ids}

    kept = ranking.fold(told, duplicates.Comparer(read).of(told), len(told))
    assert len(asked) == len(set(asked))
    return [len(one.folded) for one in kept]


def shoe(number: int = 3) -> np.ndarray:
    return np.asarray(render_product(make_product(7, number), 7).image)


def test_a_picture_saved_anew_is_the_same() -> None:
    own = shoe()
    height, width = own.shape[:2]
    small = cv2.resize(own, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    brighter = np.clip(own.astype(np.float32) * 1.08, 0, 255).astype(np.uint8)
    cut = crop(own, Box(8, 8, width - 8, height - 8))
    worse = decode(encode_jpeg(own, 4000, quality=50), 10**7, 10**7)
    assert folded([own, small, brighter, cut, worse]) == [4]


def test_another_product_is_another_picture() -> None:
    assert folded([shoe(3), shoe(9), shoe(12)]) == [0, 0, 0]
    assert folded([shoe(), shoe()[:, ::-1]]) == [0, 0]  # mirrored


def test_vectors_that_differ_are_not_looked_at() -> None:
    assert folded([shoe(), shoe()], (1.0, 0.0), (1.0, 0.35)) == [0, 0]


def test_another_colour_is_another_picture() -> None:
    red = picture("red")
    assert folded([red, picture("magenta")]) == [0, 0]
    assert folded([red, picture("red", shade=4)]) == [1]


def test_a_crop_that_is_no_picture_is_like_nothing() -> None:
    told = [candidate(n, picture("red")) for n in range(2)]
    crops = {0: b"no picture", 1: encode_jpeg(picture("red"), 256)}
    told_same = duplicates.Comparer(lambda ids: crops).of(told)
    assert not told_same(told[0], told[1])
    assert not duplicates.Comparer(lambda ids: dict.fromkeys(ids, b"")).of(told)(told[0], told[1])


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), max_size=30))
def test_folding_keeps_the_best_of_each_group_in_order(groups: list[int]) -> None:
    told = [candidate(n, np.zeros((4, 4, 3), np.uint8)) for n in range(len(groups))]
    kept = ranking.fold(told, lambda a, b: groups[a.id] == groups[b.id], len(told))
    assert [groups[one.id] for one in kept] == list(dict.fromkeys(groups))
    assert [one.id for one in kept] == sorted(one.id for one in kept)
    assert sum(1 + len(one.folded) for one in kept) == len(groups)
    for one in kept:
        assert all(other.id > one.id and groups[other.id] == groups[one.id] for other in one.folded)


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(1, 8))
def test_the_first_of_what_is_folded_are_those_of_all(groups: list[int], most: int) -> None:
    told = [candidate(n, np.zeros((4, 4, 3), np.uint8)) for n in range(len(groups))]
    alike = lambda a, b: groups[a.id] == groups[b.id]  # noqa: E731
    assert ranking.fold(told, alike, most) == ranking.fold(told, alike, len(told))[:most]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The verdicts over pixels, as they are made."""
    made: list[bool] = []

    def compared(one: Small, other: Small) -> bool:
        made.append(same(one, other))
        return made[-1]

    monkeypatch.setattr(duplicates, "same", compared)
    return made


def test_work_grows_with_the_pictures_not_with_their_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty of one picture in two files, and more of them in a second round: each is compared once, with the best."""
    made = counted(monkeypatch)
    jpegs = [encode_jpeg(shoe(), 256, quality=quality) for quality in (90, 60)]
    told = [candidate(n, picture("red")) for n in range(60)]
    read: list[int] = []

    def crops(ids: Sequence[int]) -> dict[int, bytes]:
        read.extend(ids)
        return {i: jpegs[i % 2] for i in ids}

    comparer = duplicates.Comparer(crops)
    for count in (40, 60):
        (kept,) = ranking.fold(told[:count], comparer.of(told[:count]), 5)
        assert len(kept.folded) == count - 1
        assert len(made) == count // 2  # those of the other file
    assert read == list(range(60))


def test_what_a_lane_may_spend_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    made = counted(monkeypatch)
    monkeypatch.setattr(duplicates, "MOST_COMPARED", 3)
    jpegs = [encode_jpeg(shoe(), 256, quality=quality) for quality in range(50, 90, 4)]
    told = [candidate(n, picture("red")) for n in range(10)]
    comparer = duplicates.Comparer(lambda ids: {i: jpegs[i] for i in ids})
    kept = ranking.fold(told, comparer.of(told), 10)
    assert (len(made), [len(one.folded) for one in kept]) == (3, [3, *[0] * 6])
    monkeypatch.setattr(duplicates, "MOST_FOLDED", 4)
    comparer = duplicates.Comparer(lambda ids: dict.fromkeys(ids, jpegs[0]))
    kept = ranking.fold(told, comparer.of(told), 10)
    assert [len(one.folded) for one in kept] == [4, *[0] * 5]


def test_palettes_are_compared_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand products with like vectors and other colours; what is one file is still known for it."""
    monkeypatch.setattr(duplicates, "MOST_COLOURED", 5)
    asked: list[bool] = []

    def alike(one: object, other: object) -> bool:
        asked.append(False)
        return asked[-1]

    monkeypatch.setattr(duplicates, "_coloured_alike", alike)
    jpegs = [encode_jpeg(shoe(), 256, quality=quality) for quality in range(50, 90, 4)]
    told = [candidate(n, picture("red")) for n in range(20)]
    comparer = duplicates.Comparer(lambda ids: {i: jpegs[i % 10] for i in ids})
    kept = ranking.fold(told, comparer.of(told), 20)
    assert len(asked) == 5
    assert [[other.id for other in one.folded] for one in kept] == [[n + 10] for n in range(10)]


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_compare(count: int) -> None:
    told = [candidate(n, picture("red")) for n in range(count)]
    assert ranking.fold(told, duplicates.Comparer(lambda ids: {}).of(told), 5) == told
