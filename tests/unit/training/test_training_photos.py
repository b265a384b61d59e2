"""Augmented training photos: windows, mosaics, cut-outs. For any seed the boxes match the picture."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.training import paste, sources
from lookdex.training.augment import mosaic, window
from lookdex.training.regions import UNKNOWN
from lookdex.training.scenes import Photo

SEEDS = st.integers(0, 2**32 - 1)
RED = (230, 10, 10)


def photo(height: int = 120, width: int = 90, *, empty: bool = False) -> Photo:
    """A red object on grey, with its box and its mask: the object is region 3, the background 0."""
    pixels = np.full((height, width, 3), 127, np.uint8)
    mask = np.zeros((height, width), np.uint8)
    if empty:
        return Photo(pixels, np.zeros((0, 4), np.float32), (), mask)
    pixels[20:100, 15:70] = RED
    mask[20:100, 15:70] = 3
    return Photo(pixels, np.array([[15, 20, 70, 100]], np.float32), ("dress",), mask)


def red(pixels: np.ndarray) -> np.ndarray:
    """A mask of the red pixels."""
    shown: np.ndarray = (pixels[:, :, 0] > 170) & (pixels[:, :, 1] < 80)
    return shown


@given(SEEDS)
@settings(deadline=None)
def test_the_box_and_mask_of_a_window_match_its_pixels(seed: int) -> None:
    view = window(photo(), (160, 128), 1.2, np.random.default_rng(seed))
    assert (view.pixels.shape, view.mask.shape) == ((160, 128, 3), (160, 128))
    assert (view.boxes >= 0).all()
    assert (view.boxes <= (128, 160, 128, 160)).all()
    assert len(view.boxes) == len(view.labels)
    if view.labels:
        assert view.labels == ("dress",)
        np.testing.assert_allclose(view.boxes[0], paste.find_box(view.mask == 3), atol=2.5)
    assert (red(view.pixels) == (view.mask == 3)).mean() > 0.95  # all but the soft edge
    assert set(np.unique(view.mask)) <= {0, 3, UNKNOWN}  # UNKNOWN: outside the photo


@given(SEEDS)
@settings(deadline=None)
def test_the_boxes_and_mask_of_a_mosaic_match_its_pixels(seed: int) -> None:
    parts = [photo(empty=True), photo(200, 200), photo(empty=True), photo(empty=True)]
    view = mosaic(parts, (160, 128), np.random.default_rng(seed))
    assert (view.pixels.shape, view.mask.shape) == ((160, 128, 3), (160, 128))
    assert view.labels in ((), ("dress",))
    assert (red(view.pixels) == (view.mask == 3)).mean() > 0.95
    if view.labels:
        np.testing.assert_allclose(view.boxes[0], paste.find_box(red(view.pixels)), atol=2.5)


def cut_out(height: int = 80, width: int = 50) -> paste.CutOut:
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[:, :, :3] = RED
    pixels[:, :, 3] = 255
    return paste.CutOut(pixels, "dress")


@given(SEEDS)
@settings(deadline=None)
def test_the_box_and_mask_of_a_flat_lay_match_its_pixels(seed: int) -> None:
    view = paste.flat_lay_photo(cut_out(), 200, 150, 5, np.random.default_rng(seed))
    assert (view.pixels.shape, view.boxes.shape, view.labels) == ((200, 150, 3), (1, 4), ("dress",))
    np.testing.assert_array_equal(view.boxes[0], paste.find_box(view.mask == 5))
    assert 0.05 < (view.mask == 5).mean() <= 1
    assert set(np.unique(view.mask)) <= {0, 5}
    inside = view.pixels[view.mask == 5]
    assert ((inside[:, 0] > 150) & (inside[:, 1] < 90)).mean() > 0.9


@given(SEEDS)
@settings(deadline=None)
def test_objects_covered_by_a_pasted_one_are_dropped(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels, mask = np.full((300, 200, 3), 127, np.uint8), np.full((300, 200), 8, np.uint8)
    small = [[i * 20, j * 20, i * 20 + 15, j * 20 + 15] for i in range(10) for j in range(15)]
    before = Photo(pixels, np.array(small, np.float32), ("bag",) * len(small), mask)
    after = paste.paste_onto_photo(before, cut_out(), 3, rng)
    assert (len(after.boxes), after.labels[-1]) == (len(after.labels), "dress")
    np.testing.assert_array_equal(after.boxes[-1], paste.find_box(after.mask == 3))
    for x0, y0, x1, y1 in after.boxes[:-1].astype(int):
        assert (after.mask[y0:y1, x0:x1] == 3).mean() <= paste.COVERED
    assert pixels[0, 0, 1] == 127  # the input is unchanged
    assert (mask == 8).all()


IMAGE, MASK, WHOLE = np.zeros((200, 200, 3), np.uint8), np.zeros((200, 200), bool), np.array([0, 0, 200, 200])
MASK[30:130, 40:120] = True
RIM = MASK.copy()
RIM[35:125, 45:115] = False


def test_a_cut_out_is_trimmed_to_its_mask() -> None:
    found = paste.cut_out(IMAGE, MASK, WHOLE, "top")
    assert found is not None
    assert found.pixels.shape == (100, 80, 4)


@pytest.mark.parametrize(
    ("mask", "box"),
    [(MASK, np.array([0, 0, 70, 200])), (np.zeros_like(MASK), WHOLE), (RIM, WHOLE)],
    ids=["30 pixels wide", "empty", "rim"],
)
def test_a_small_or_thin_mask_has_no_cut_out(mask: np.ndarray, box: np.ndarray) -> None:
    assert paste.cut_out(IMAGE, mask, box, "top") is None


def test_cut_outs_of_a_wardrobe_come_from_the_masks_of_training_photos(tmp_path: Path) -> None:
    for name in ("photos", "masks"):
        (tmp_path / name).mkdir()
    pixels = np.full((100, 100, 3), 255, np.uint8)
    pixels[10:80, 20:70] = RED
    coco = {
        "images": [{"id": n, "file_name": f"{n}.jpg"} for n in range(7)],
        "categories": [{"id": 1, "name": "top"}],
        "annotations": [
            {"image_id": n, "category_id": 1, "bbox": [20, 10, 50, 70], "tag": "blouse"} for n in range(7)
        ],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(coco))
    for n in range(2):
        cv2.imwrite(str(tmp_path / f"photos/{n}.jpg"), pixels[:, :, ::-1])
        cv2.imwrite(str(tmp_path / f"masks/{n}.png"), (pixels[:, :, 1] < 128).astype(np.uint8))
    train, held = sources.street(tmp_path)
    assert ([s.path.stem for s in held], len(train)) == (["0", "6"], 5)
    found = paste.Wardrobe(train, ["null", "blouse"])
    assert len(found) == 1  # photo 0 is held out, 2 … 5 have no mask
    rng = np.random.default_rng(0)
    drawn = found.draw(rng)
    assert drawn is not None
    assert (drawn.label, drawn.pixels.shape) == ("top", (70, 50, 4))
    again = found.draw(rng)
    assert again is not None
    np.testing.assert_array_equal(again.pixels, drawn.pixels)
    assert np.median(drawn.pixels[:, :, 0]) == pytest.approx(RED[0], abs=4)
    assert paste.Wardrobe(train, []).draw(rng) is None
