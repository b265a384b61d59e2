"""Colours of objects, on generated photos with known pixels, and properties of palettes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.imaging import colour
from lookdex.imaging.colour.palette import MAX_COLOURS, make_palette
from lookdex.records import Box, Swatch

RED, WHITE, GREY, BLACK, SKIN = (190, 30, 40), (246, 246, 244), (132, 134, 138), (16, 16, 18), (214, 160, 130)
BEIGE = (216, 202, 178)


def scene(background: tuple[int, int, int], *objects: tuple[tuple[int, int, int], Box]) -> np.ndarray:
    """uint8 (200, 160, 3): plain rectangles on a plain background."""
    pixels = np.full((200, 160, 3), background, np.uint8)
    for rgb, box in objects:
        pixels[box.y0 : box.y1, box.x0 : box.x1] = rgb
    return pixels


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────


NAMED = [
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
    (BEIGE, "beige"),
    ((220, 110, 45), "orange"),
    ((30, 125, 130), "teal"),
]


@pytest.mark.parametrize(("rgb", "name"), NAMED)
def test_colours_are_named(rgb: tuple[int, int, int], name: str) -> None:
    shown = colour.describe(np.full((50, 30, 3), rgb, np.uint8), Box(0, 0, 30, 50))
    assert (shown.name, shown.share) == (name, 1.0)


@pytest.mark.parametrize(("rgb", "name"), [case for case in NAMED if case[1] not in ("white", "beige")])
def test_colours_but_white_and_beige_keep_their_names_in_less_light(
    rgb: tuple[int, int, int], name: str
) -> None:
    shown = colour.describe(np.full((50, 30, 3), np.array(rgb) * 0.85, np.uint8), Box(0, 0, 30, 50))
    assert (shown.name, shown.share) == (name, 1.0)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [(RED, "red"), ((214, 160, 46), "yellow"), ((34, 42, 84), "navy"), ((40, 110, 60), "green")],
)
def test_folds_do_not_change_the_colour(rgb: tuple[int, int, int], name: str) -> None:
    folds = 0.75 + 0.3 * np.sin(np.linspace(0, 20, 100))  # on gamma-encoded values: more in linear light
    photo = np.clip(np.array(rgb) * np.broadcast_to(folds[None, :, None], (120, 100, 1)), 0, 255).astype(
        np.uint8
    )
    shown = colour.describe(photo, Box(0, 0, 100, 120))
    assert shown.name == name
    assert shown.share > 0.9


def test_there_are_14_colour_names_as_documented() -> None:
    assert len(colour.NAMES) == 14


# ── the object's own pixels ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("background", [WHITE, GREY, (60, 120, 70), BEIGE])
def test_the_background_in_a_loose_box_does_not_count(background: tuple[int, int, int]) -> None:
    photo = scene(background, (RED, Box(60, 60, 100, 140)))  # half of the box
    shown = colour.describe(photo, Box(50, 48, 110, 152), "dress")
    assert shown.name == "red"
    assert shown.share > 0.97


def test_the_background_between_two_shoes_does_not_count() -> None:
    photo = scene(GREY, (BLACK, Box(30, 120, 60, 150)), (BLACK, Box(100, 120, 130, 150)))
    shown = colour.describe(photo, Box(28, 118, 132, 152), "shoes")
    assert shown.name == "black"
    assert shown.share > 0.97


def test_a_white_object_on_white_is_white() -> None:
    shown = colour.describe(scene(WHITE, (WHITE, Box(60, 60, 100, 140))), Box(50, 50, 110, 150), "top")
    assert (shown.name, shown.share) == ("white", 1.0)


BODY = (SKIN, Box(40, 20, 120, 190))


def test_skin_around_a_top_does_not_count() -> None:
    photo = scene(WHITE, BODY, (RED, Box(60, 70, 100, 130)))
    assert colour.describe(photo, Box(40, 60, 120, 132), "top").name == "red"


def test_a_beige_dress_is_not_taken_for_skin() -> None:
    photo = scene(WHITE, BODY, (BEIGE, Box(55, 60, 105, 170)))
    assert colour.describe(photo, Box(50, 55, 110, 172), "dress").name == "beige"


def test_only_the_box_and_the_ring_around_it_count() -> None:
    box = Box(60, 60, 100, 140)
    near, far = (scene(shade, (WHITE, Box(45, 45, 115, 155)), (RED, box)) for shade in (GREY, BLACK))
    assert colour.describe(near, box) == colour.describe(far, box)


@settings(deadline=None, max_examples=50)
@given(
    st.integers(1, 60), st.integers(1, 60), st.integers(0, 40), st.integers(0, 40), st.integers(0, 2**32 - 1)
)
def test_any_box_of_any_photo_has_a_colour(height: int, width: int, down: int, right: int, seed: int) -> None:
    photo = np.random.default_rng(seed).integers(0, 256, (height + 40, width + 40, 3), np.uint8)
    box = Box(right, down, right + width, down + height)
    shown = colour.describe(photo, box, "bag")
    assert shown == colour.describe(photo.copy(order="F"), box, "bag")
    assert shown.name in colour.NAMES
    assert 0 < shown.share <= 1
    assert 1 <= len(shown.palette) <= MAX_COLOURS
    assert sum(swatch.share for swatch in shown.palette) == pytest.approx(1, abs=1e-3)
    assert [s.share for s in shown.palette] == sorted((s.share for s in shown.palette), reverse=True)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5000, 3), (5000, 1, 3), (3, 2, 3)])
def test_tiny_and_thin_crops_have_a_colour(shape: tuple[int, int, int]) -> None:
    shown = colour.describe(np.full(shape, 128, np.uint8), Box(0, 0, shape[1], shape[0]))
    assert (shown.name, shown.share) == ("grey", 1.0)


# ── palettes ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_palette_has_each_colour_with_its_share() -> None:
    stripes = [(WHITE, Box(x, 20, x + 5, 180)) for x in range(25, 140, 15)]
    photo = scene((60, 120, 70), (RED, Box(20, 20, 140, 180)), *stripes)
    palette = colour.describe(photo, Box(20, 20, 140, 180), "top").palette
    assert [colour.to_hex(swatch) for swatch in palette] == ["#be1e28", "#f6f6f4"]
    assert [swatch.share for swatch in palette] == pytest.approx([2 / 3, 1 / 3], abs=0.05)


def test_similar_colours_are_merged_and_traces_left_out() -> None:
    lab = np.array([[50, 60, 30], [52, 61, 31], [90, 0, 0]], np.float32)
    palette = make_palette(lab, np.array([0.5, 0.48, 0.02]))
    assert palette == (Swatch(51.0, 60.5, 30.5, 1.0),)


SWATCHES = st.builds(Swatch, st.floats(0, 100), st.floats(-80, 80), st.floats(-80, 80), st.floats(0.05, 1))
PALETTES = st.lists(SWATCHES, min_size=1, max_size=MAX_COLOURS).map(tuple)


@settings(deadline=None, max_examples=50)
@given(PALETTES, PALETTES)
def test_similarity_is_symmetric_and_between_0_and_1(
    one: tuple[Swatch, ...], other: tuple[Swatch, ...]
) -> None:
    assert colour.similarity(one, one) == pytest.approx(1)
    assert 0 <= colour.similarity(one, other) <= 1
    assert colour.similarity(one, other) == pytest.approx(colour.similarity(other, one))
    assert colour.similarity(one, other[::-1]) == pytest.approx(colour.similarity(one, other))


@settings(deadline=None, max_examples=50)
@given(PALETTES, st.lists(PALETTES, min_size=1, max_size=6))
def test_palettes_compared_together_have_the_same_similarities_as_one_by_one(
    one: tuple[Swatch, ...], others: list[tuple[Swatch, ...]]
) -> None:
    alone = [colour.similarity(one, other) for other in others]
    assert colour.similarities(one, others) == pytest.approx(alone, abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(SWATCHES, SWATCHES, st.floats(0, 1), st.floats(0, 1))
def test_similarity_grows_as_colours_come_closer(a: Swatch, b: Swatch, one: float, other: float) -> None:
    def towards(share: float) -> tuple[Swatch]:
        """A colour between a and b."""
        return (Swatch(a.l + share * (b.l - a.l), a.a + share * (b.a - a.a), a.b + share * (b.b - a.b), 1.0),)

    nearer, farther = max(one, other), min(one, other)
    assert colour.similarity(towards(nearer), (b,)) >= colour.similarity(towards(farther), (b,)) - 1e-12


@settings(deadline=None, max_examples=50)
@given(SWATCHES, SWATCHES, st.floats(0, 1), st.floats(0, 1))
def test_similarity_grows_with_the_share_of_a_common_colour(
    a: Swatch, b: Swatch, one: float, other: float
) -> None:
    def mixed(part: float) -> tuple[Swatch, ...]:
        return Swatch(a.l, a.a, a.b, part), Swatch(b.l, b.a, b.b, 1 - part)

    more, less = max(one, other), min(one, other)
    assert colour.similarity(mixed(more), (a,)) >= colour.similarity(mixed(less), (a,)) - 1e-9
