"""Augmentations that imitate another photo of a thing: framing, viewpoint, background, light, JPEG artefacts,
occlusion.
"""

from __future__ import annotations

import cv2
import numpy as np

from lookdex.training.paste import make_background

MASKED_SIDE = 128  # longer side at which the object is segmented, pixels
MIN_SHARE, MAX_SHARE = 0.12, 0.92  # plausible share of a photo that an object covers; other masks are wrong


def segment(image: np.ndarray) -> np.ndarray | None:
    """Segment the object of a photo: bool (H, W), or None if that fails.

    GrabCut (Rother et al., 2004) from a frame of 4 % of the sides.

    Args:
        image: uint8 (H, W, 3).
    """
    height, width = image.shape[:2]
    scale = min(1.0, MASKED_SIDE / max(height, width))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    h, w = small.shape[:2]
    if min(h, w) < 16:
        return None
    x, y = max(1, round(0.04 * w)), max(1, round(0.04 * h))
    mask = np.zeros((h, w), np.uint8)
    cv2.setRNGSeed(0)
    cv2.grabCut(
        small,
        mask,
        (x, y, w - 2 * x, h - 2 * y),
        np.zeros((1, 65)),
        np.zeros((1, 65)),
        3,
        cv2.GC_INIT_WITH_RECT,
    )
    kept = cv2.morphologyEx(
        ((mask == 1) | (mask == 3)).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)
    )
    if not MIN_SHARE <= kept.mean() <= MAX_SHARE:
        return None
    smooth = cv2.resize(kept.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    found: np.ndarray = smooth > 0.5
    return found


def swap_background(image: np.ndarray, mask: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Move the object in `mask` (bool (H, W)) to another background (uint8, any size), with blended edges."""
    height, width = image.shape[:2]
    under = cv2.resize(under, (width, height), interpolation=cv2.INTER_LINEAR)
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.2)[:, :, None]
    return (image * alpha + under * (1 - alpha)).astype(np.uint8)


def draw_background(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A plain or shaded background of the image's size."""
    return make_background(image.shape[0], image.shape[1], rng)


def change_viewpoint(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Change the viewpoint: move each corner by up to `strength` of the sides."""
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + (rng.uniform(-strength, strength, (4, 2)) * (width, height)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, moved)
    return cv2.warpPerspective(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def random_part(
    image: np.ndarray, rng: np.random.Generator, min_share: float, max_share: float = 1.0
) -> np.ndarray:
    """Crop a part of `min_share` … `max_share` of the photo's area, with nearly its aspect ratio (within a fifth)."""
    height, width = image.shape[:2]
    share = rng.uniform(min_share, max_share)
    ratio = float(np.exp(rng.uniform(-0.2, 0.2)))
    h = min(height, max(1, round(height * np.sqrt(share * ratio))))
    w = min(width, max(1, round(width * np.sqrt(share / ratio))))
    y, x = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    return image[y : y + h, x : x + w]


def erase_part(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cover up to a sixth of the picture with a plain area (random erasing, Zhong et al., 2017)."""
    height, width = image.shape[:2]
    h, w = (max(1, round(side * np.sqrt(rng.uniform(0.02, 0.16)))) for side in (height, width))
    y, x = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    image = image.copy()
    image[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    return image


def degrade_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.cvtColor(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB)
