"""Pure functions of the report."""

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
from lookdex.imaging.same_picture import same_picture
from lookdex.records import IndexParameters, LiveEntry, Release
from lookdex.report.counts import steps_of
from lookdex.report.groups import connected
from lookdex.report.vectors import nearest
from tests.support import nights


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12))))
def test_connected_groups(links: list[tuple[int, int]]) -> None:
    groups = connected([(str(a), str(b)) for a, b in links])
    of = {name: n for n, group in enumerate(groups) for name in group}
    assert len(of) == sum(map(len, groups)) == len({x for link in links for x in link})
    assert all(of[str(a)] == of[str(b)] for a, b in links)
    # No smaller groups would do: within each, every name is reached from the first.
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
def test_nearest_is_that_of_all_rows_at_once(rows: np.ndarray, k: int, size: int, at_once: int) -> None:
    queries = np.eye(4, dtype=np.float32)[:3]
    ids = np.arange(len(rows)) + 100
    parts = [(ids[i : i + size], rows[i : i + size]) for i in range(0, len(rows), size)]
    found = nearest(parts, queries, k, at_once)
    everything = -np.sort(-(queries @ rows.T), axis=1)[:, :k]
    there = everything.shape[1]
    np.testing.assert_array_equal(found.cosines[:, :there], everything)
    assert (found.rows[:, there:] == -1).all()
    assert np.isneginf(found.cosines[:, there:]).all()
    for query, own_rows, cosines in zip(queries, found.rows, found.cosines, strict=True):
        kept = own_rows[own_rows >= 0]
        assert len(set(kept.tolist())) == len(kept)
        np.testing.assert_array_equal(rows[kept - 100] @ query, cosines[: len(kept)])


def test_one_picture_saved_and_cut_anew() -> None:
    photo = cv2.resize(nights.picture("a"), (400, 500))
    cut = photo[10:490, 8:394]
    anew = simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(np.ascontiguousarray(cut), quality=50))
    assert same_picture(photo, photo)
    assert same_picture(photo, anew)
    assert same_picture(anew, photo)
    brighter = np.clip(photo * 1.08, 0, 255).astype(np.uint8)
    assert same_picture(photo, brighter)
    assert not same_picture(photo, np.ascontiguousarray(photo[:, ::-1]))
    assert not same_picture(photo, photo[:, :, ::-1])  # another colour
    other = cv2.resize(nights.picture("b"), (400, 500))
    assert not same_picture(photo, other)
    assert not same_picture(photo, photo[:, :200])
    plain = np.full((100, 100, 3), 250, np.uint8)
    assert not same_picture(plain, plain)  # nothing to tell it by


def test_glimpse_of_rejected_files() -> None:
    photo = cv2.resize(nights.picture("a"), (1200, 900))
    jpeg = codec.encode_jpeg(photo, 1200)
    with pytest.raises(codec.BadImage):
        codec.decode(jpeg[: len(jpeg) // 2], 10**7, 10**7)
    upper = codec.decode(codec.glimpse(jpeg[: len(jpeg) // 2], 120, 10**7), 10**7, 10**7)
    assert max(upper.shape) == 120
    top = cv2.resize(photo, (upper.shape[1], upper.shape[0]), interpolation=cv2.INTER_AREA)[:20]
    assert np.abs(upper[:20].astype(int) - top).mean() < 12
    assert codec.glimpse(jpeg, 120, max_pixels=10)  # a huge JPEG is decoded small
    png = cv2.imencode(".png", photo)[1].tobytes()
    with pytest.raises(codec.BadImage, match="pixels"):
        codec.glimpse(png, 120, max_pixels=10)
    for nothing in (b"", b"text", png[:60], jpeg[:40]):
        with pytest.raises(codec.BadImage):
            codec.glimpse(nothing, 120, 10**7)


def test_steps_show_changes() -> None:
    def release(name: str, photos: int, day: int, **recipe: object) -> Release:
        return Release(
            release_id=name, parent=None, created_at=datetime(2026, 1, day, tzinfo=UTC), source="s", items_version=1,
            images_version=1, recipe=replace(nights.RECIPE, **recipe), dim=4, items=2 * photos,
            images={"indexed": photos}, index=IndexParameters("exact"), product_columns=(),
        )  # fmt: skip

    releases = [release("a", 10, 1), release("b", 8, 2), release("c", 12, 3, min_score=0.9)]
    now = datetime(2026, 1, 4, tzinfo=UTC)
    log = [LiveEntry(n, name, "x", now, action) for n, (name, action) in enumerate(
        [("old", "promote"), ("a", "promote"), ("b", "promote"), ("a", "rollback")], 1)]  # fmt: skip
    growth = steps_of(releases, log, limit=2)
    assert [(s.release.release_id, s.more_photos, s.live, s.been_live, s.new_models) for s in growth.steps] == [
        ("b", -2, False, True, False), ("c", 4, False, False, True),
    ]  # fmt: skip
    assert growth.forgotten == 1
    assert [entry.release_id for entry in growth.rollbacks] == ["a"]
