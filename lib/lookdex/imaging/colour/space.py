"""CIE L*a*b* (D65) and groups of like colours in it. Arrays of colours are (n, 3) float32: L* 0 … 100, a*, b*."""

from __future__ import annotations

import cv2
import numpy as np

# Lightness counts less than hue and chroma: a fold's shadow does not make another colour.
EVEN = np.array([0.6, 1.0, 1.0], np.float32)
_BIN = 8.0  # side of a histogram cell, in weighted Lab
_ROUNDS = 3


def to_lab(rgb: np.ndarray) -> np.ndarray:
    """uint8 (n, 3) sRGB → Lab (n, 3)."""
    lab: np.ndarray = cv2.cvtColor((rgb.reshape(1, -1, 3) / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    return lab


def to_rgb(lab: np.ndarray) -> np.ndarray:
    """Lab (n, 3) → uint8 (n, 3) sRGB, clipped to what sRGB can show."""
    rgb: np.ndarray = cv2.cvtColor(lab.reshape(1, -1, 3).astype(np.float32), cv2.COLOR_LAB2RGB)[0]
    return (rgb.clip(0, 1) * 255).round().astype(np.uint8)


def group(lab: np.ndarray, weight: np.ndarray, max_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Group similar colours by k-means, deterministically: it starts from the fullest cells of a histogram.

    Args:
        lab: (n, 3).
        weight: (n,), not negative.

    Returns:
        The groups' centres (k, 3) in Lab, and the group of each colour, int (n,).
    """
    points = lab * EVEN
    cells = np.floor(points / _BIN).astype(np.int64) + 32
    _, cell = np.unique((cells[:, 0] * 64 + cells[:, 1]) * 64 + cells[:, 2], return_inverse=True)
    fullest = np.argsort(-np.bincount(cell, weight), kind="stable")[:max_groups]
    centres = _means(points, weight, cell, int(cell.max()) + 1)[fullest]
    for _ in range(_ROUNDS):
        nearest = _nearest(points, centres)
        means = _means(points, weight, nearest, len(centres))
        filled = np.bincount(nearest, weight, len(centres)) > 0
        centres = np.where(filled[:, None], means, centres)
    return (centres / EVEN).astype(np.float32), _nearest(points, centres)


def _nearest(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    # |p − c|² less |p|², which is the same for all c.
    nearest: np.ndarray = ((centres**2).sum(axis=1) - 2 * points @ centres.T).argmin(axis=1)
    return nearest


def _means(points: np.ndarray, weight: np.ndarray, member: np.ndarray, count: int) -> np.ndarray:
    """Weighted mean of each group's points, float32 (count, 3); zeros for a group without weight."""
    total = np.bincount(member, weight, count)
    sums = np.stack([np.bincount(member, weight * axis, count) for axis in points.T], axis=1)
    return np.divide(sums, total[:, None], out=np.zeros_like(sums), where=total[:, None] > 0).astype(
        np.float32
    )
