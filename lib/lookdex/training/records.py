"""What the training loops exchange."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class Scene:
    """A photo with its true boxes. boxes: float32 (n, 4) x0 y0 x1 y1 pixels; one label (and tag, product) each.

    tags: the source's own finer names ("blouse"). product_ids: "" for things that are no known product.
    mask: a grey picture of the photo's size whose pixels number what is seen there (`regions.Regions`).
    """

    path: Path
    boxes: np.ndarray
    labels: tuple[str, ...]
    tags: tuple[str, ...] = ()
    product_ids: tuple[str, ...] = ()
    mask: Path | None = None


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo, or a view of one, and what is known of it.

    pixels: uint8 RGB (H, W, 3). boxes: float32 (n, 4) x0 y0 x1 y1 pixels, with one label each.
    mask: uint8 (H, W), the region of each pixel (`regions`): UNKNOWN where nobody said.
    """

    pixels: np.ndarray
    boxes: np.ndarray
    labels: tuple[str, ...]
    mask: np.ndarray


@dataclass(frozen=True, slots=True)
class Garment:
    """A photo of one garment: its label (17 classes), who sent it, and its category."""

    path: Path
    label: str
    sender: str
    category: str
