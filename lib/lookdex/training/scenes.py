"""Records of the training data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class Scene:
    """A photo with its true boxes."""

    path: Path
    boxes: np.ndarray
    """float32 (n, 4) x0 y0 x1 y1 in pixels, each with a label (and tag, product)."""
    labels: tuple[str, ...]
    tags: tuple[str, ...] = ()
    """Finer names from the data source ("blouse")."""
    product_ids: tuple[str, ...] = ()
    """Empty strings for unknown products."""
    mask: Path | None = None
    """Grey image of the photo's size, whose values number the regions (`regions.Regions`)."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo, or a view of one, with its annotations."""

    pixels: np.ndarray
    """uint8 RGB (H, W, 3)."""
    boxes: np.ndarray
    """float32 (n, 4) x0 y0 x1 y1 in pixels, each with a label."""
    labels: tuple[str, ...]
    mask: np.ndarray
    """uint8 (H, W), region per pixel (`regions`), UNKNOWN if not annotated."""


@dataclass(frozen=True, slots=True)
class Garment:
    """A photo of one garment: its label (17 classes), its sender, and its category."""

    path: Path
    label: str
    sender: str
    category: str
