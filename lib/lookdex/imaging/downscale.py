"""Fast strong downscaling, by repeated halving."""

from __future__ import annotations

import cv2
import numpy as np


def halve(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Halve a uint8 (H, W, 3) picture while it stays at least this size, so that the remaining resize is fast.

    From 1,000 × 1,333 pixels to 192 × 256, area interpolation takes 4.7 ms alone and 1.3 ms after halving (0.5 ms with
    linear interpolation). An odd last row or column is dropped.
    """
    while image.shape[1] >= 2 * width and image.shape[0] >= 2 * height:
        w, h = image.shape[1] // 2, image.shape[0] // 2
        image = cv2.resize(image[: 2 * h, : 2 * w], (w, h), interpolation=cv2.INTER_AREA)
    return image
