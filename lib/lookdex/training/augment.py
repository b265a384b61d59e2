"""Random views of a photo (data augmentation)."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from lookdex.training.regions import UNKNOWN
from lookdex.training.scenes import Photo

ZOOM = (0.7, 1.55)  # relative to the scale at inference
SEEN = 0.35  # minimum visible share of an object in a view


def recolour(image: np.ndarray, rng: np.random.Generator, strength: float = 1.0) -> np.ndarray:
    """Vary exposure, contrast and white balance, and sometimes add blur, noise or JPEG artefacts. uint8 in and out."""
    gain = np.exp(rng.normal(0, 0.12 * strength)) * np.exp(rng.normal(0, 0.04 * strength, 3))
    gamma = np.exp(rng.normal(0, 0.15 * strength))
    offset = rng.normal(0, 8 * strength)
    steps = np.arange(256, dtype=np.float32)[:, None] / 255
    table = np.clip(255 * steps**gamma * gain + offset, 0, 255).astype(np.uint8)
    image = cv2.LUT(image, table[:, None, :])
    if rng.random() < 0.3:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        share = float(rng.uniform(-0.25, 0.35)) * strength
        image = cv2.addWeighted(image, 1 - share, grey, share, 0)
    if rng.random() < 0.15:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.2)))
    if rng.random() < 0.15:
        quality = int(rng.integers(30, 80))
        data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return image


def window(photo: Photo, canvas: tuple[int, int], whole: float, rng: np.random.Generator) -> Photo:
    """Zoom randomly into or out of a photo, drawn on a canvas (height, width), with the objects left in it.

    Args:
        whole: the photo's scale at inference; the view's scale varies around it.
    """
    height, width = photo.pixels.shape[:2]
    high, wide = canvas
    scale = whole * float(np.exp(rng.uniform(*np.log(ZOOM))))
    stretch = float(np.exp(rng.normal(0, 0.06)))
    sx, sy = scale * stretch, scale / stretch

    def place(room: float) -> float:  # free space on the canvas, or (negative) part hidden beyond it
        return float(rng.uniform(min(room, 0), max(room, 0)))

    left, top = place(wide - width * sx), place(high - height * sy)
    x0, y0 = max(0, int(-left / sx)), max(0, int(-top / sy))
    x1, y1 = min(width, int((wide - left) / sx)), min(height, int((high - top) / sy))
    left, top = max(0, round(x0 * sx + left)), max(0, round(y0 * sy + top))
    w, h = min(wide - left, max(1, round((x1 - x0) * sx))), min(high - top, max(1, round((y1 - y0) * sy)))
    pixels = np.full((high, wide, 3), 127 if rng.random() < 0.7 else int(rng.integers(256)), np.uint8)
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    area = np.s_[top : top + h, left : left + w]
    pixels[area] = cv2.resize(photo.pixels[y0:y1, x0:x1], (w, h), interpolation=smooth)
    mask = np.full((high, wide), UNKNOWN, np.uint8)
    mask[area] = cv2.resize(photo.mask[y0:y1, x0:x1], (w, h), interpolation=cv2.INTER_NEAREST)

    moved = (photo.boxes - (x0, y0, x0, y0)) * (sx, sy, sx, sy) + (left, top, left, top)
    inside = np.clip(moved, (left, top, left, top), (left + w, top + h, left + w, top + h))
    share = _area(inside) / np.maximum(_area(moved), 1e-6)
    kept = np.flatnonzero((share >= SEEN) & ((inside[:, 2:] - inside[:, :2]).min(axis=1) >= 3))
    boxes = inside[kept].astype(np.float32)
    if rng.random() < 0.5:
        pixels, mask = np.ascontiguousarray(pixels[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])
        boxes = np.stack([wide - boxes[:, 2], boxes[:, 1], wide - boxes[:, 0], boxes[:, 3]], 1)
    return Photo(pixels, boxes, tuple(photo.labels[i] for i in kept), mask)


def mosaic(parts: Sequence[Photo], canvas: tuple[int, int], rng: np.random.Generator) -> Photo:
    """Combine four photos on one canvas (height, width) around a random point (Bochkovskiy et al., YOLOv4, 2020)."""
    high, wide = canvas
    split_y, split_x = (int(n * rng.uniform(0.4, 0.6)) for n in canvas)
    pixels, mask = np.empty((high, wide, 3), np.uint8), np.empty((high, wide), np.uint8)
    boxes, labels = [np.zeros((0, 4), np.float32)], list[str]()
    for n, photo in enumerate(parts):
        y0, y1 = (0, split_y) if n < 2 else (split_y, high)
        x0, x1 = (0, split_x) if n % 2 == 0 else (split_x, wide)
        whole = min((y1 - y0) / photo.pixels.shape[0], (x1 - x0) / photo.pixels.shape[1])
        part = window(photo, (y1 - y0, x1 - x0), whole * 1.13, rng)
        pixels[y0:y1, x0:x1], mask[y0:y1, x0:x1] = part.pixels, part.mask
        boxes.append(part.boxes + np.array([x0, y0, x0, y0], np.float32))
        labels += part.labels
    return Photo(pixels, np.concatenate(boxes), tuple(labels), mask)


def _area(boxes: np.ndarray) -> np.ndarray:
    areas: np.ndarray = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    return areas
