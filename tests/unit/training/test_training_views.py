"""Strong augmentation: masks, backgrounds, viewpoints, parts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.training.embedder import views
from lookdex.training.records import Garment
from lookdex_tiny.crops import Crops, Place
from lookdex_tiny.known_again import known_again, strong_view

SEEDS = st.integers(0, 2**32 - 1)
RED = (200, 20, 30)
CANVASES = ((64, 64), (48, 88), (88, 48))


def garment(height: int = 120, width: int = 100) -> np.ndarray:
    """A red thing with a little grain in the middle of a grained grey ground."""
    rng = np.random.default_rng(3)
    image = np.full((height, width, 3), 150, np.float32)
    image[height // 5 : -height // 5, width // 5 : -width // 5] = RED
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


def test_object_is_segmented() -> None:
    image = garment()
    mask = views.thing_mask(image)
    assert mask is not None
    truth = np.zeros(image.shape[:2], bool)
    truth[24:-24, 20:-20] = True
    assert (mask & truth).sum() / (mask | truth).sum() > 0.9


def test_unsegmentable_object_has_no_mask() -> None:
    assert views.thing_mask(np.full((10, 10, 3), 90, np.uint8)) is None


def test_another_ground_leaves_the_thing() -> None:
    image = garment()
    mask = np.zeros(image.shape[:2], bool)
    mask[24:-24, 20:-20] = True
    green = np.full((30, 40, 3), (10, 220, 10), np.uint8)
    swapped = views.swap_ground(image, mask, green)
    np.testing.assert_allclose(
        swapped[40:80, 40:60], image[40:80, 40:60], atol=1
    )  # its blend is rounded down
    assert (swapped[:15] == green[0, 0]).all()


@given(SEEDS, st.integers(1, 200), st.integers(1, 200), st.floats(0.3, 1))
def test_a_part_has_about_the_share_that_was_asked(seed: int, height: int, width: int, least: float) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    part = views.random_part(image, np.random.default_rng(seed), least)
    h, w = part.shape[:2]
    assert 1 <= h <= height
    assert 1 <= w <= width
    # Sides are whole pixels, and the ratio of the sides may reach the photo's edge.
    assert (h + 1) * (w + 1) >= least * height * width * np.exp(-0.2)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_a_viewpoint_and_something_in_front_keep_the_size(seed: int) -> None:
    image, rng = garment(), np.random.default_rng(seed)
    assert views.change_viewpoint(image, rng, 0.1).shape == image.shape
    hidden = views.erase_part(image, rng)
    assert hidden.shape == image.shape
    assert (hidden != image).any(axis=2).mean() <= 0.2
    np.testing.assert_array_equal(image, garment())  # its input is left as it was


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_the_same_chance_gives_the_same_view(seed: int) -> None:
    image, other = garment(), garment(80, 90)
    mask = views.thing_mask(image)
    first = strong_view(image, mask, other, np.random.default_rng(seed))
    np.testing.assert_array_equal(first, strong_view(image, mask, other, np.random.default_rng(seed)))


@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize("box", [None, (10.0, 20.0, 90.0, 60.0)])
def test_crops_lie_on_a_canvas(tmp_path: Path, real: bool, box: tuple[float, ...] | None) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), garment()[:, :, ::-1])
    crops = Crops(0.05, CANVASES, np.random.default_rng(0), scale=0.75)
    assert crops.canvases == [(48, 48), (40, 64), (64, 40)] or crops.canvases == [
        (48, 48),
        (32, 64),
        (64, 32),
    ]
    for _ in range(20):
        drawn = crops.draw(Place(tmp_path / "a.jpg", box), real=real)  # type: ignore[arg-type]
        assert drawn.dtype == np.uint8
        assert drawn.shape[:2] in crops.canvases


class MeanColour:
    """An embedder of mean colours: it knows a thing again as long as light and ground change little."""

    name, dim = "mean", 3

    def embed_images(self, images: list[np.ndarray]) -> np.ndarray:
        means = np.array([image.reshape(-1, 3).mean(axis=0) - 128 for image in images], np.float32)
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def embed_texts(self, texts: list[str]) -> np.ndarray:
        raise AssertionError("no text is asked")


def test_different_things_are_recognised(tmp_path: Path) -> None:
    things = []
    for n, colour in enumerate([(230, 20, 20), (20, 230, 20), (20, 20, 230), (230, 230, 20)]):
        cv2.imwrite(str(tmp_path / f"{n}.png"), np.full((90, 70, 3), colour, np.uint8)[:, :, ::-1])
        things.append(Garment(tmp_path / f"{n}.png", "Shirt", str(n), "top"))
    measured = known_again(MeanColour(), things, [], 0.05)
    assert (measured.first, measured.among_ten, measured.things) == (1.0, 1.0, 4)
