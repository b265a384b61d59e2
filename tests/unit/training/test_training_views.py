"""Augmented views of a garment: backgrounds, viewpoints, parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.training.embedder import views
from lookdex.training.scenes import Garment
from lookdex_tiny.crops import Crops, Place
from lookdex_tiny.known_again import measure_known_again, strong_view

SEEDS = st.integers(0, 2**32 - 1)
RED = (200, 20, 30)
CANVASES = ((64, 64), (48, 88), (88, 48))


def garment(height: int = 120, width: int = 100) -> np.ndarray:
    """A red object on a grey background, with a little noise."""
    rng = np.random.default_rng(3)
    image = np.full((height, width, 3), 150, np.float32)
    image[height // 5 : -height // 5, width // 5 : -width // 5] = RED
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


def test_an_object_is_separated_from_its_background() -> None:
    image = garment()
    mask = views.segment(image)
    assert mask is not None
    truth = np.zeros(image.shape[:2], bool)
    truth[24:-24, 20:-20] = True
    assert (mask & truth).sum() / (mask | truth).sum() > 0.9


def test_a_plain_picture_has_no_mask() -> None:
    assert views.segment(np.full((10, 10, 3), 90, np.uint8)) is None


def test_only_the_background_is_replaced() -> None:
    image = garment()
    mask = np.zeros(image.shape[:2], bool)
    mask[24:-24, 20:-20] = True
    green = np.full((30, 40, 3), (10, 220, 10), np.uint8)
    swapped = views.swap_background(image, mask, green)
    # The blend is rounded down.
    np.testing.assert_allclose(swapped[40:80, 40:60], image[40:80, 40:60], atol=1)
    assert (swapped[:15] == green[0, 0]).all()


@given(SEEDS, st.integers(1, 200), st.integers(1, 200), st.floats(0.3, 1))
def test_a_random_part_has_at_least_about_the_given_share(
    seed: int, height: int, width: int, least: float
) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    part = views.random_part(image, np.random.default_rng(seed), least)
    h, w = part.shape[:2]
    assert 1 <= h <= height
    assert 1 <= w <= width
    # Sides are whole pixels, and the aspect ratio may be limited by the photo's edge.
    assert (h + 1) * (w + 1) >= least * height * width * np.exp(-0.2)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_another_viewpoint_keeps_the_size_and_the_input(seed: int) -> None:
    image = garment()
    assert views.change_viewpoint(image, np.random.default_rng(seed), 0.1).shape == image.shape
    np.testing.assert_array_equal(image, garment())


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_at_most_a_fifth_is_erased_and_not_of_the_input(seed: int) -> None:
    image = garment()
    erased = views.erase_part(image, np.random.default_rng(seed))
    assert erased.shape == image.shape
    assert (erased != image).any(axis=2).mean() <= 0.2
    np.testing.assert_array_equal(image, garment())


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_the_same_seed_gives_the_same_view(seed: int) -> None:
    image, other = garment(), garment(80, 90)
    mask = views.segment(image)
    first = strong_view(image, mask, other, np.random.default_rng(seed))
    np.testing.assert_array_equal(first, strong_view(image, mask, other, np.random.default_rng(seed)))


@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize("box", [None, (10.0, 20.0, 90.0, 60.0)])
def test_a_crop_has_the_size_of_one_of_the_canvases(
    tmp_path: Path, real: bool, box: tuple[float, float, float, float] | None
) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), garment()[:, :, ::-1])
    crops = Crops(0.05, CANVASES, np.random.default_rng(0), scale=0.75)
    assert crops.canvases == [(48, 48), (40, 64), (64, 40)] or crops.canvases == [
        (48, 48),
        (32, 64),
        (64, 32),
    ]
    for _ in range(20):
        drawn = crops.draw(Place(tmp_path / "a.jpg", box), real=real)
        assert drawn.dtype == np.uint8
        assert drawn.shape[:2] in crops.canvases


class MeanColour:
    """An embedder of mean colours, which change little with light and background."""

    name, dim = "mean", 3

    def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        means = np.array([image.reshape(-1, 3).mean(axis=0) - 128 for image in images], np.float32)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        return means

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        raise AssertionError("no texts are embedded")


def test_things_of_different_colours_are_recognised_by_an_embedder_of_colours(tmp_path: Path) -> None:
    garments = []
    for n, colour in enumerate([(230, 20, 20), (20, 230, 20), (20, 20, 230), (230, 230, 20)]):
        cv2.imwrite(str(tmp_path / f"{n}.png"), np.full((90, 70, 3), colour, np.uint8)[:, :, ::-1])
        garments.append(Garment(tmp_path / f"{n}.png", "Shirt", str(n), "top"))
    measured = measure_known_again(MeanColour(), garments, [], 0.05)
    assert (measured.first, measured.among_ten, measured.things) == (1.0, 1.0, 4)
