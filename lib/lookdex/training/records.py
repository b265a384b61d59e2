"""Records of the training data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class Scene:
    """A photo with its true boxes. boxes: float32 (n, 4) x0 y0 x1 y1 in pixels, each with a label (and tag, product).

    tags: finer names from the data source ("blouse"). product_ids: "" for unknown products. mask: grey image of the
    photo's size, whose values number the regions (`regions.Regions`).
    """

    path: Path
    boxes: np.ndarray
    labels: tuple[str, ...]
    tags: tuple[str, ...] = ()
    product_ids: tuple[str, ...] = ()
    mask: Path | None = None


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo, or a view of one, with its annotations.

    pixels: uint8 RGB (H, W, 3). boxes: float32 (n, 4) x0 y0 x1 y1 in pixels, each with a label. mask: uint8 (H, W),
    region per pixel (`regions`), UNKNOWN if not annotated.
    """

    pixels: np.ndarray
    boxes: np.ndarray
    labels: tuple[str, ...]
    mask: np.ndarray


@dataclass(frozen=True, slots=True)
class Garment:
    """A photo of one garment: its label (17 classes), its sender, and its category."""

    path: Path
    label: str
    sender: str
    category: str
