"""Fit photos onto a few fixed input shapes.

oneDNN caches a compiled kernel per input shape, so photos of arbitrary sizes would grow the cache without limit. Every
photo is fitted onto one of a model's few canvases instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lookdex.imaging.downscale import halve

Canvas = tuple[int, int]  # height, width


@dataclass(frozen=True, slots=True)
class Placement:
    """Position of a photo on its canvas: canvas pixel = photo pixel × scale + (left, top)."""

    canvas: Canvas
    scale: float
    left: int = 0
    top: int = 0


def choose_canvas(size: tuple[int, ...], canvases: Sequence[Canvas]) -> Canvas:
    """Choose the canvas on which a photo of this size (height, width, …) is drawn largest; the smallest of equals."""
    height, width = size[:2]
    return max(canvases, key=lambda c: (round(min(c[0] / height, c[1] / width), 6), -c[0] * c[1]))


def fit(
    image: np.ndarray, canvas: Canvas, fill: int, *, centred: bool = False
) -> tuple[np.ndarray, Placement]:
    """Resize a uint8 (H, W, 3) photo to fit a grey canvas, keeping its aspect ratio.

    The photo is placed top left, or in the middle if `centred`.
    """
    height, width = image.shape[:2]
    scale = min(canvas[0] / height, canvas[1] / width)
    h, w = max(1, round(height * scale)), max(1, round(width * scale))
    if (h, w) != (height, width):
        smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        image = cv2.resize(halve(image, w, h), (w, h), interpolation=smooth)
    top, left = ((canvas[0] - h) // 2, (canvas[1] - w) // 2) if centred else (0, 0)
    out = np.full((*canvas, 3), fill, np.uint8)
    out[top : top + h, left : left + w] = image
    return out, Placement(canvas, scale, left, top)


def split_batch(count: int, size: int) -> list[int]:
    """Split `count` into full batches and powers of two: oneDNN keeps memory for every batch size it has seen."""
    sizes = [size] * (count // size)
    rest = count % size
    return sizes + [1 << bit for bit in reversed(range(rest.bit_length())) if rest >> bit & 1]
