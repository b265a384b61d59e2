"""Geometry of boxes."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex.imaging import boxes
from lookdex.records import Box

SIDE = 60
sizes = st.integers(1, SIDE)
corners = st.tuples(st.integers(-20, 80), st.integers(-20, 80), st.integers(1, 50), st.integers(1, 50))
any_boxes = corners.map(lambda c: Box(c[0], c[1], c[0] + c[2], c[1] + c[3]))
many = st.lists(any_boxes, min_size=1, max_size=12)


def test_iou_computed_by_hand() -> None:
    a = np.array([[0, 0, 10, 10], [0, 0, 0, 0]])
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 4]])
    assert np.allclose(boxes.iou(a, b), np.array([[1, 1 / 3, 0, 0.04], [0, 0, 0, 0]]))


def test_two_empty_boxes_share_nothing() -> None:
    empty = np.array([[5, 5, 5, 5], [5, 5, 5, 5]])
    assert boxes.iou(empty, empty).tolist() == [[0, 0], [0, 0]]
    assert boxes.select_distinct(empty, np.array([0.9, 0.8]), ["bag", "bag"], 0.7, 0.6) == [0, 1]


def test_boxes_that_overlap_by_exactly_the_limits_are_kept() -> None:
    pair = np.array([[0, 0, 10, 10], [0, 0, 10, 5]])  # IoU 0.5, the smaller one is all inside
    scores, bags = np.array([0.9, 0.8]), ["bag", "bag"]
    assert boxes.select_distinct(pair, scores, bags, 0.5, 1.0) == [0, 1]
    assert boxes.select_distinct(pair, scores, bags, 0.49, 1.0) == [0]
    assert boxes.select_distinct(pair, scores, bags, 0.5, 0.99) == [0]
    assert boxes.select_distinct(pair / 20, scores, bags, 0.5, 0.99) == [0]
    assert boxes.select_distinct(pair, scores, ["bag", "hat"], 0.5, 0.99) == [0, 1]


def test_boxes_smaller_than_a_pixel_overlap_by_their_own_areas() -> None:
    assert boxes.iou(np.array([[0, 0, 0.5, 0.5]]), np.array([[0, 0, 0.5, 1]])).tolist() == [[0.5]]


@given(many, many)
def test_iou_is_symmetric_and_within_0_and_1(a: list[Box], b: list[Box]) -> None:
    pairs = boxes.iou(boxes.to_array(a), boxes.to_array(b))
    assert pairs.shape == (len(a), len(b))
    assert ((pairs >= 0) & (pairs <= 1 + 1e-9)).all()
    assert np.allclose(pairs, boxes.iou(boxes.to_array(b), boxes.to_array(a)).T)
    assert np.allclose(np.diag(boxes.iou(boxes.to_array(a), boxes.to_array(a))), 1)


@given(many, st.floats(0, 1), st.floats(0, 1), st.randoms(use_true_random=False))
def test_distinct_drops_exactly_the_boxes_that_overlap_a_better_one(
    found: list[Box], max_iou: float, max_inside: float, random: Random
) -> None:
    array, scores = boxes.to_array(found), np.array([random.random() for _ in found])
    labels = [random.choice("ab") for _ in found]
    kept = boxes.select_distinct(array, scores, labels, max_iou, max_inside)
    iou = boxes.iou(array, array)

    def overlap(i: int, j: int) -> bool:
        shared = boxes.intersections(array[[i]], array[[j]])[0, 0]
        part = shared / min(boxes.area(found[i]), boxes.area(found[j]))
        return bool(iou[i, j] > max_iou or (labels[i] == labels[j] and part > max_inside))

    assert kept == sorted(kept, key=lambda i: -scores[i])
    for n, i in enumerate(kept):
        assert not any(overlap(i, j) for j in kept[:n])
    for i in set(range(len(found))) - set(kept):
        assert any(overlap(i, j) and scores[j] >= scores[i] for j in kept)


def test_distinct_boxes_computed_by_hand() -> None:
    pair, shoe, trousers, twin = (0, 0, 20, 10), (0, 0, 9, 10), (0, 0, 10, 10), (0, 0, 20, 11)
    array = np.array([pair, shoe, trousers, twin])
    kept = boxes.select_distinct(
        array, np.array([0.9, 0.8, 0.7, 0.6]), ["shoes", "shoes", "pants", "bag"], 0.7, 0.6
    )
    assert kept == [0, 2]


def test_without_boxes_none_are_distinct() -> None:
    assert boxes.select_distinct(np.zeros((0, 4)), np.zeros(0), [], 0.7, 0.6) == []


@given(any_boxes, sizes, sizes)
def test_a_clipped_box_is_inside_and_has_at_least_one_pixel(box: Box, width: int, height: int) -> None:
    inside = boxes.clip(box, width, height)
    assert 0 <= inside.x0 < inside.x1 <= width
    assert 0 <= inside.y0 < inside.y1 <= height
    assert boxes.clip(inside, width, height) == inside


@pytest.mark.parametrize(
    ("box", "clipped"),
    [
        (Box(-5, -6, 10, 11), Box(0, 0, 10, 11)),
        (Box(10, 11, 99, 99), Box(10, 11, 40, 30)),
        (Box(50, 60, 99, 99), Box(39, 29, 40, 30)),
        (Box(-9, -9, -5, -5), Box(0, 0, 1, 1)),
        (Box(3, 4, 3, 4), Box(3, 4, 4, 5)),
    ],
)
def test_clipping_by_hand(box: Box, clipped: Box) -> None:
    assert boxes.clip(box, 40, 30) == clipped


@pytest.mark.parametrize(
    ("box", "expanded"),
    [
        (Box(100, 100, 120, 140), Box(96, 96, 124, 144)),  # 0.1 of the height
        (Box(100, 100, 140, 120), Box(96, 96, 144, 124)),  # 0.1 of the width
        (Box(2, 1, 22, 41), Box(0, 0, 26, 45)),
    ],
)
def test_a_box_grows_by_a_share_of_its_longer_side(box: Box, expanded: Box) -> None:
    assert boxes.expand(box, 0.1, 200, 200) == expanded


@given(any_boxes, st.floats(0, 2), sizes, sizes)
def test_an_expanded_box_contains_the_clipped_one(box: Box, margin: float, width: int, height: int) -> None:
    inner, outer = boxes.clip(box, width, height), boxes.expand(box, margin, width, height)
    assert outer.x0 <= inner.x0 < inner.x1 <= outer.x1
    assert outer.y0 <= inner.y0 < inner.y1 <= outer.y1


def test_the_area_of_an_empty_or_inverted_box_is_zero() -> None:
    assert boxes.area(Box(2, 3, 12, 8)) == 50
    assert boxes.area(Box(5, 5, 5, 9)) == 0
    assert boxes.area(Box(5, 5, 9, 5)) == 0
    assert boxes.area(Box(9, 9, 5, 5)) == 0
