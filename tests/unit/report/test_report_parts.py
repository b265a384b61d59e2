"""Calculations of the report: groups, nearest rows, equal pictures, glimpses, steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lookdex.imaging import codec
from lookdex.imaging.same_picture import is_same_picture
from lookdex.records import IndexParameters, LiveEntry, Release
from lookdex.report.counts import compare_releases
from lookdex.report.groups import find_components
from lookdex.report.vectors import nearest
from tests.support import nights


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12))))
def test_connected_names_are_in_one_group_and_no_others(links: list[tuple[int, int]]) -> None:
    groups = find_components([(str(a), str(b)) for a, b in links])
    group_of = {name: n for n, group in enumerate(groups) for name in group}
    assert len(group_of) == sum(map(len, groups)) == len({x for link in links for x in link})
    assert all(group_of[str(a)] == group_of[str(b)] for a, b in links)
    # Groups are minimal: every name can be reached from the first of its group.
    for group in groups:
        reached, size = {group[0]}, 0
        while len(reached) > size:
            size = len(reached)
            reached |= {str(x) for a, b in links if {str(a), str(b)} & reached for x in (a, b)}
        assert reached == set(group)


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(np.float32, st.tuples(st.integers(0, 30), st.just(4)), elements=st.floats(-1, 1, width=32)),
    st.integers(1, 7),
    st.integers(1, 12),
    st.integers(1, 4),
)
def test_the_nearest_rows_of_parts_are_those_of_all_rows(
    rows: np.ndarray, k: int, size: int, at_once: int
) -> None:
    queries = np.eye(4, dtype=np.float32)[:3]
    ids = np.arange(len(rows)) + 100
    parts = [(ids[i : i + size], rows[i : i + size]) for i in range(0, len(rows), size)]
    found = nearest(parts, queries, k, at_once)
    expected = -np.sort(-(queries @ rows.T), axis=1)[:, :k]
    count = expected.shape[1]
    np.testing.assert_array_equal(found.cosines[:, :count], expected)
    assert (found.rows[:, count:] == -1).all()
    assert np.isneginf(found.cosines[:, count:]).all()
    for query, nearest_rows, cosines in zip(queries, found.rows, found.cosines, strict=True):
        kept = nearest_rows[nearest_rows >= 0]
        assert len(set(kept.tolist())) == len(kept)
        np.testing.assert_array_equal(rows[kept - 100] @ query, cosines[: len(kept)])


PHOTO = cv2.resize(nights.picture("a"), (400, 500))
TRIMMED = np.ascontiguousarray(PHOTO[10:490, 8:394])


@pytest.mark.parametrize(
    "other",
    [
        PHOTO,
        simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(TRIMMED, quality=50)),
        np.clip(PHOTO * 1.08, 0, 255).astype(np.uint8),
    ],
    ids=["itself", "trimmed and saved again", "brighter"],
)
def test_slightly_changed_pictures_are_the_same(other: np.ndarray) -> None:
    assert is_same_picture(PHOTO, other)
    assert is_same_picture(other, PHOTO)


@pytest.mark.parametrize(
    "other",
    [
        np.ascontiguousarray(PHOTO[:, ::-1]),
        PHOTO[:, :, ::-1],
        cv2.resize(nights.picture("b"), (400, 500)),
        PHOTO[:, :200],
    ],
    ids=["mirrored", "other colours", "other picture", "half"],
)
def test_different_pictures_are_not_the_same(other: np.ndarray) -> None:
    assert not is_same_picture(PHOTO, other)


def test_a_plain_picture_is_the_same_as_none() -> None:
    plain = np.full((100, 100, 3), 250, np.uint8)
    assert not is_same_picture(plain, plain)  # it has no features to compare


LARGE = cv2.resize(nights.picture("a"), (1200, 900))
LARGE_JPEG = codec.encode_jpeg(LARGE, 1200)
LARGE_PNG = cv2.imencode(".png", LARGE)[1].tobytes()


def test_a_glimpse_shows_the_part_that_a_truncated_jpeg_has() -> None:
    photo, jpeg = LARGE, LARGE_JPEG
    with pytest.raises(codec.BadImage):
        codec.decode(jpeg[: len(jpeg) // 2], 10**7, 10**7)
    upper = codec.decode(codec.encode_preview(jpeg[: len(jpeg) // 2], 120, 10**7), 10**7, 10**7)
    assert max(upper.shape) == 120
    top = cv2.resize(photo, (upper.shape[1], upper.shape[0]), interpolation=cv2.INTER_AREA)[:20]
    assert np.abs(upper[:20].astype(int) - top).mean() < 12


def test_a_glimpse_of_a_huge_picture_needs_a_jpeg_which_is_decoded_at_a_smaller_scale() -> None:
    assert codec.encode_preview(LARGE_JPEG, 120, max_pixels=10)
    with pytest.raises(codec.BadImage, match="pixels"):
        codec.encode_preview(LARGE_PNG, 120, max_pixels=10)


@pytest.mark.parametrize(
    "data",
    [b"", b"text", LARGE_PNG[:60], LARGE_JPEG[:40]],
    ids=["empty", "text", "PNG header", "JPEG header"],
)
def test_there_is_no_glimpse_of_a_file_without_pixels(data: bytes) -> None:
    with pytest.raises(codec.BadImage):
        codec.encode_preview(data, 120, 10**7)


def test_steps_compare_each_release_with_the_one_before() -> None:
    def release(name: str, photos: int, day: int, min_score: float = nights.RECIPE.min_score) -> Release:
        return Release(
            release_id=name, parent=None, created_at=datetime(2026, 1, day, tzinfo=UTC), source="s", items_version=1,
            images_version=1, recipe=replace(nights.RECIPE, min_score=min_score), dim=4, items=2 * photos,
            images={"indexed": photos}, index=IndexParameters("exact"), product_columns=(),
        )  # fmt: skip

    releases = [release("a", 10, 1), release("b", 8, 2), release("c", 12, 3, min_score=0.9)]
    now = datetime(2026, 1, 4, tzinfo=UTC)
    log = [LiveEntry(n, name, "x", now, action) for n, (name, action) in enumerate(
        [("old", "promote"), ("a", "promote"), ("b", "promote"), ("a", "rollback")], 1)]  # fmt: skip
    growth = compare_releases(releases, log, limit=2)
    assert [(s.release.release_id, s.more_photos, s.live, s.been_live, s.new_models) for s in growth.steps] == [
        ("b", -2, False, True, False), ("c", 4, False, False, True),
    ]  # fmt: skip
    assert growth.forgotten == 1
    assert [entry.release_id for entry in growth.rollbacks] == ["a"]
