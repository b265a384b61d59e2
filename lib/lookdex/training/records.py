"""What the training loops exchange."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class Scene:
    """A photo with its true boxes. boxes: float32 (n, 4) x0 y0 x1 y1 pixels; one label (and tag, product) each.

    tags: the source's own finer names ("blouse"). product_ids: "" for things that are no known product.
    """

    path: Path
    boxes: np.ndarray
    labels: tuple[str, ...]
    tags: tuple[str, ...] = ()
    product_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Garment:
    """A photo of one garment: its label (17 classes), who sent it, and its category."""

    path: Path
    label: str
    sender: str
    category: str
