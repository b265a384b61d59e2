"""What training sees: windows, mosaics, cut-outs. Boxes must fit what is in the picture, whatever chance does."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.training import paste
from lookdex.training.augment import mosaic, window
from lookdex.training.records import Scene

SEEDS = st.integers(0, 2**32 - 1)
RED = (230, 10, 10)


def photo(height: int = 120, width: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """A red thing on grey, and its box."""
    pixels = np.full((height, width, 3), 127, np.uint8)
    pixels[20:100, 15:70] = RED
    return pixels, np.array([[15, 20, 70, 100]], np.float32)


def red_box(pixels: np.ndarray) -> tuple[float, float, float, float] | None:
    red = (pixels[:, :, 0] > 170) & (pixels[:, :, 1] < 80)
    return tuple(paste.box_of(red)) if red.any() else None  # type: ignore[return-value]


@given(SEEDS)
def test_a_window_s_boxes_are_where_the_thing_is(seed: int) -> None:
    pixels, boxes = photo()
    view, found, kept = window(pixels, boxes, (160, 128), 1.2, np.random.default_rng(seed))
    assert view.shape == (160, 128, 3)
    assert (found >= 0).all()
    assert (found <= (128, 160, 128, 160)).all()
    if len(kept):
        np.testing.assert_allclose(found[0], red_box(view), atol=2.5)  # type: ignore[arg-type]


@given(SEEDS)
def test_a_mosaic_s_boxes_are_where_the_things_are(seed: int) -> None:
    parts = [photo(), photo(200, 200), photo(), photo()]
    for n in (0, 2, 3):
        parts[n] = (np.full((120, 90, 3), 127, np.uint8), np.zeros((0, 4), np.float32))
    view, boxes, which = mosaic(parts, (160, 128), np.random.default_rng(seed))
    assert view.shape == (160, 128, 3)
    assert which in ([], [(1, 0)])
    if which:
        np.testing.assert_allclose(boxes[0], red_box(view), atol=2.5)  # type: ignore[arg-type]


def thing(height: int = 80, width: int = 50) -> paste.CutOut:
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[:, :, :3] = RED
    pixels[:, :, 3] = 255
    return paste.CutOut(pixels, "dress")


@given(SEEDS)
@settings(deadline=None)
def test_a_flat_s_box_is_what_is_laid(seed: int) -> None:
    image, boxes = paste.flat(thing(), 200, 150, np.random.default_rng(seed))
    assert (image.shape, boxes.shape) == ((200, 150, 3), (1, 4))
    covered = (boxes[0, 2:] - boxes[0, :2]).prod() / image[:, :, 0].size
    assert 0.05 < covered <= 1
    x0, y0, x1, y1 = boxes[0].astype(int)
    inside = image[y0:y1, x0:x1]
    assert ((inside[:, :, 0] > 150) & (inside[:, :, 1] < 90)).mean() > 0.4


@given(SEEDS)
@settings(deadline=None)
def test_what_is_covered_is_no_object_any_more(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = np.full((300, 200, 3), 127, np.uint8)
    small = [[i * 20, j * 20, i * 20 + 15, j * 20 + 15] for i in range(10) for j in range(15)]
    scene = Scene(Path("x.jpg"), np.array(small, np.float32), ("bag",) * len(small))
    image, boxes, labels = paste.onto(pixels, scene, thing(), rng)
    assert (len(boxes), labels[-1]) == (len(labels), "dress")
    x0, y0, x1, y1 = boxes[-1]
    for bx0, by0, bx1, by1 in boxes[:-1]:
        shared = max(0, min(x1, bx1) - max(x0, bx0)) * max(0, min(y1, by1) - max(y0, by0))
        visible = (image[int(by0) : int(by1), int(bx0) : int(bx1), 1] > 60).mean()
        assert shared < 15 * 15 or visible > 1 - paste.COVERED - 0.25
    assert pixels[0, 0, 1] == 127  # the photo itself is not drawn on


def test_a_cut_out_is_trimmed_and_little_is_none() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    mask = np.zeros((200, 200), bool)
    mask[30:130, 40:120] = True
    found = paste.cut_out(image, mask, np.array([0, 0, 200, 200]), "top")
    assert found is not None
    assert found.pixels.shape == (100, 80, 4)
    assert paste.cut_out(image, mask, np.array([0, 0, 70, 200]), "top") is None  # 30 pixels wide
    assert paste.cut_out(image, np.zeros_like(mask), np.array([0, 0, 200, 200]), "top") is None
    rim = mask.copy()
    rim[35:125, 45:115] = False
    assert paste.cut_out(image, rim, np.array([0, 0, 200, 200]), "top") is None


def test_a_wardrobe_is_read_from_masks(tmp_path: Path) -> None:
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
    (tmp_path / "mask_labels.json").write_text('["null", "blouse"]')
    for n in range(2):
        cv2.imwrite(str(tmp_path / f"photos/{n}.jpg"), pixels[:, :, ::-1])
        cv2.imwrite(str(tmp_path / f"masks/{n}.png"), (pixels[:, :, 1] < 128).astype(np.uint8))
    found = paste.wardrobe(tmp_path)
    assert len(found) == 1  # photo 0 is held out, 2 … 6 have no mask
    rng = np.random.default_rng(0)
    drawn = found.draw(rng)
    assert drawn is not None
    assert (drawn.label, drawn.pixels.shape) == ("top", (70, 50, 4))
    again = found.draw(rng)
    assert again is not None
    np.testing.assert_array_equal(again.pixels, drawn.pixels)
    assert np.median(drawn.pixels[:, :, 0]) == pytest.approx(RED[0], abs=4)
    (tmp_path / "mask_labels.json").unlink()
    assert paste.wardrobe(tmp_path).draw(rng) is None
