from __future__ import annotations

import numpy as np
import pytest

from lookdex import colour


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((18, 18, 20), "black"),
        ((250, 250, 250), "white"),
        ((128, 128, 128), "grey"),
        ((200, 30, 40), "red"),
        ((110, 20, 45), "red"),
        ((235, 215, 60), "yellow"),
        ((45, 130, 60), "green"),
        ((110, 110, 60), "green"),
        ((30, 38, 80), "navy"),
        ((60, 110, 190), "blue"),
        ((150, 185, 220), "blue"),
        ((235, 170, 185), "pink"),
        ((100, 60, 130), "purple"),
        ((95, 60, 40), "brown"),
        ((216, 202, 178), "beige"),
        ((220, 110, 45), "orange"),
        ((30, 125, 130), "teal"),
    ],
)
@pytest.mark.parametrize("light", [0.85, 1.0])
def test_colours_keep_their_names_in_less_light(rgb: tuple[int, int, int], name: str, light: float) -> None:
    crop = np.full((50, 30, 3), np.array(rgb) * light, np.uint8)
    if (name, light) not in (("white", 0.85), ("beige", 0.85)):  # which are other colours then
        assert colour.name_of(crop) == (name, 1.0)


def test_the_middle_counts_and_the_share_is_of_it() -> None:
    crop = np.full((80, 80, 3), 250, np.uint8)
    crop[20:60, 20:60] = (200, 30, 40)
    assert colour.name_of(crop) == ("red", 1.0)
    crop[20:60, 20:30] = (45, 130, 60)
    name, share = colour.name_of(crop)
    assert (name, share) == ("red", 0.75)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (500, 1, 3), (3, 2, 3)])
def test_tiny_and_thin_crops_have_a_colour(shape: tuple[int, int, int]) -> None:
    assert colour.name_of(np.full(shape, 128, np.uint8)) == ("grey", 1.0)


def test_names_are_the_documented_ones() -> None:
    assert len(colour.NAMES) == 14
