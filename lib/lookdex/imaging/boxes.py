"""Box arithmetic. Arrays of boxes are (n, 4): x0, y0, x1, y1, with x1 and y1 exclusive."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lookdex.records import Box


def to_array(boxes: Sequence[Box]) -> np.ndarray:
    """(n, 4) float32."""
    return np.array([(b.x0, b.y0, b.x1, b.y1) for b in boxes], np.float32).reshape(-1, 4)


def area(box: Box) -> int:
    """Area in square pixels; 0 for an empty or inverted box."""
    return max(0, box.x1 - box.x0) * max(0, box.y1 - box.y0)


def intersections(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection area of every pair: (n, 4), (m, 4) → float64 (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared: np.ndarray = (high - low).clip(min=0).prod(axis=2)
    return shared


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair: (n, 4), (m, 4) → (n, m) in 0 … 1; 0 if both are empty."""
    a, b = np.asarray(a, np.float64).reshape(-1, 4), np.asarray(b, np.float64).reshape(-1, 4)
    shared = intersections(a, b)
    union = _areas(a)[:, None] + _areas(b)[None] - shared
    shares: np.ndarray = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return shares


def _areas(boxes: np.ndarray) -> np.ndarray:
    areas: np.ndarray = (boxes[:, 2:] - boxes[:, :2]).clip(min=0).prod(axis=1)
    return areas


def select_distinct(
    boxes: np.ndarray, scores: np.ndarray, labels: Sequence[str], max_iou: float, max_inside: float
) -> list[int]:
    """Non-maximum suppression: indices of the boxes kept, best score first, ties in input order.

    A box is dropped if its IoU with a better one is over `max_iou`, whatever their labels, or if it shares more than
    `max_inside` of the smaller of the two with a better box of its own label (one shoe of a pair, a sleeve of a coat).

    Args:
        boxes: (n, 4).
        scores: (n,).
    """
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    areas = _areas(corners)
    smaller = np.minimum(areas[:, None], areas[None])
    inside = np.divide(
        intersections(corners, corners), smaller, out=np.zeros_like(smaller), where=smaller > 0
    )
    same = np.array([[a == b for b in labels] for a in labels], bool).reshape(len(areas), len(areas))
    clash = (iou(corners, corners) > max_iou) | (same & (inside > max_inside))
    kept: list[int] = []
    gone = np.zeros(len(areas), bool)
    for i in np.argsort(-np.asarray(scores), kind="stable").tolist():
        if not gone[i]:
            kept.append(i)
            gone |= clash[i]
    return kept


def clip(box: Box, width: int, height: int) -> Box:
    """Clip the box to the photo, keeping at least one pixel in each direction."""
    x0, y0 = min(max(box.x0, 0), width - 1), min(max(box.y0, 0), height - 1)
    return Box(x0, y0, min(max(box.x1, x0 + 1), width), min(max(box.y1, y0 + 1), height))


def expand(box: Box, margin: float, width: int, height: int) -> Box:
    """Grow the box on each side by `margin` × its longer side, clipped to the photo."""
    by = round(margin * max(box.x1 - box.x0, box.y1 - box.y0))
    return clip(Box(box.x0 - by, box.y0 - by, box.x1 + by, box.y1 + by), width, height)


def prominence(box: Box, width: int, height: int) -> float:
    """0 … 1: the box's share of the photo, reduced by its distance from the centre (0 in a corner)."""
    dx = (box.x0 + box.x1) / width - 1
    dy = (box.y0 + box.y1) / height - 1
    off_centre = min(1.0, math.hypot(dx, dy) / math.sqrt(2))
    return area(box) / (width * height) * (1 - off_centre)
