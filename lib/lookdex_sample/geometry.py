"""Outlines as point arrays: float64 (n, 2), x to the right and y down, in heads.

A head is the height of a figure's head. A figure is about 7.5 heads tall, with its pelvis at the origin.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]


def points(values: ArrayLike | Iterable[Sequence[float]]) -> Points:
    """Return `values` as an (n, 2) array."""
    return np.asarray(values, dtype=np.float64).reshape(-1, 2)


def curve(values: ArrayLike, steps: int = 6, closed: bool = True) -> Points:
    """Smooth a polygon: a Catmull-Rom spline through its corners."""
    knots = points(values)
    if closed:
        padded = np.vstack([knots[-1:], knots, knots[:2]])
    else:
        padded = np.vstack([knots[:1], knots, knots[-1:]])
    p0, p1, p2, p3 = padded[:-3, None], padded[1:-2, None], padded[2:-1, None], padded[3:, None]
    t = (np.arange(steps) / steps)[None, :, None]
    spline = 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )
    rounded = spline.reshape(-1, 2)
    return rounded if closed else np.vstack([rounded, knots[-1:]])


def tube(path: ArrayLike, widths: Sequence[float], steps: int = 6) -> Points:
    """Return the outline of a limb: a path (n, 2) with a full width at each point."""
    knots = points(path)
    line = curve(knots, steps, closed=False)
    along = np.linspace(0, len(knots) - 1, len(line))
    half = np.interp(along, np.arange(len(knots)), widths)[:, None] / 2
    direction = np.gradient(line, axis=0)
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
    normal = np.column_stack([-direction[:, 1], direction[:, 0]])
    return np.vstack([line + normal * half, (line - normal * half)[::-1]])


def ellipse(x: float, y: float, rx: float, ry: float | None = None, n: int = 28) -> Points:
    """Return an ellipse around (x, y); a circle without `ry`."""
    turn = np.linspace(0, 2 * math.pi, n, endpoint=False)
    return np.column_stack([x + rx * np.cos(turn), y + (ry or rx) * np.sin(turn)])


def arc(x: float, y: float, rx: float, ry: float, start: float, stop: float, n: int = 16) -> Points:
    """Return an elliptic arc, angles in degrees, clockwise from the right."""
    turn = np.radians(np.linspace(start, stop, n))
    return np.column_stack([x + rx * np.cos(turn), y + ry * np.sin(turn)])


def box(x0: float, y0: float, x1: float, y1: float) -> Points:
    """Return the four corners of an upright rectangle."""
    return points([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def mirrored(right: ArrayLike) -> Points:
    """Close a right half, listed from top to bottom, with its mirror image."""
    side = points(right)
    return np.vstack([side, side[::-1] * (-1, 1)])


def cut_path(path: ArrayLike, share: float) -> Points:
    """Return the first `share` (0 to 1) of a path by length, keeping its corners."""
    knots = points(path)
    reach = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    stop = share * reach[-1]
    end = [np.interp(stop, reach, knots[:, 0]), np.interp(stop, reach, knots[:, 1])]
    return np.vstack([knots[reach < stop - 1e-9], end])


def placed(
    values: ArrayLike, at: ArrayLike, scale: float = 1.0, turn: float = 0.0, flip: float = 1.0
) -> Points:
    """Scale, mirror (`flip` below 0; also squeezes x), rotate by radians and move an outline."""
    local = points(values) * (scale * flip, scale)
    cos, sin = math.cos(turn), math.sin(turn)
    moved: Points = local @ np.array([[cos, sin], [-sin, cos]]) + np.asarray(at)
    return moved
