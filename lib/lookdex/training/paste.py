"""Cut garments out of photos by their masks and paste them on plain backgrounds and into other photos.

Catalogues show most garments flat or on a hanger, but photos with boxes show them worn. A detector trained on the
latter alone misses the former (Dwibedi et al., Cut, Paste and Learn, 2017).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lookdex.training.scenes import Photo, Scene
from lookdex.training.sources import read

MIN_SIDE = 40  # pixels; smaller cut-outs would be enlarged
MIN_FILLED = 0.35  # minimum share of its box that a cut-out fills; less is mostly hidden
CACHED_MAX_SIDE = 320  # maximum side of a cached cut-out, pixels
COVERED = 0.6  # objects covered by more than this are dropped


@dataclass(frozen=True, slots=True)
class CutOut:
    """An object cut out of a photo."""

    pixels: np.ndarray
    """uint8 (H, W, 4) RGBA, trimmed to the visible part."""
    label: str


def cut_out(image: np.ndarray, mask: np.ndarray, box: np.ndarray, label: str) -> CutOut | None:
    """Cut what `mask` (bool (H, W)) shows within `box`; None if too little is visible."""
    x0, y0, x1, y1 = (max(0, round(float(v))) for v in box)
    inside = mask[y0:y1, x0:x1]
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return None
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    inside = inside[top:bottom, left:right]
    if min(inside.shape) < MIN_SIDE or inside.mean() < MIN_FILLED:
        return None
    alpha = cv2.GaussianBlur(inside.astype(np.uint8) * 255, (3, 3), 0)
    colours = image[y0 + top : y0 + bottom, x0 + left : x0 + right]
    return CutOut(np.dstack([colours, alpha]), label)


def vary(thing: CutOut, rng: np.random.Generator, longer: float) -> CutOut:
    """Vary a cut-out: scaled to `longer` pixels on its longer side, slightly stretched, rotated and mirrored."""
    pixels = thing.pixels[:, ::-1] if rng.random() < 0.5 else thing.pixels
    height, width = pixels.shape[:2]
    scale = longer / max(height, width)
    stretch = float(np.exp(rng.normal(0, 0.08)))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.normal(0, 10)), 1.0)
    matrix = np.diag([scale * stretch, scale / stretch]) @ matrix
    corners = matrix @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]], np.float64)
    low, high = corners.min(axis=1), corners.max(axis=1)
    matrix[:, 2] -= low
    size = np.ceil(high - low).astype(int).clip(min=2)
    return CutOut(
        cv2.warpAffine(pixels, matrix, (int(size[0]), int(size[1])), flags=cv2.INTER_AREA), thing.label
    )


def make_background(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Generate a background: uint8 (height, width, 3), plain, shaded, or slightly grained."""
    colour = rng.uniform(150, 255) + rng.normal(0, 8, 3) if rng.random() < 0.75 else rng.uniform(20, 235, 3)
    slope = np.linspace(-1, 1, height)[:, None] * rng.normal(0, 9) + np.linspace(-1, 1, width) * rng.normal(
        0, 9
    )
    grain = cv2.resize(
        rng.normal(0, rng.uniform(0, 9), (max(1, height // 3), max(1, width // 3))).astype(np.float32),
        (width, height),
    )
    return np.clip(colour + (slope + grain)[:, :, None], 0, 255).astype(np.uint8)


def paste(image: np.ndarray, thing: CutOut, x: int, y: int, shadow: float = 0.0) -> np.ndarray:
    """Draw a cut-out on `image` (uint8 RGB, in place) with its corner at (x, y); it may extend beyond the image.

    Returns the covered pixels: bool (H, W).
    """
    height, width = image.shape[:2]
    h, w = thing.pixels.shape[:2]
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    if x0 >= x1 or y0 >= y1:
        return np.zeros((height, width), bool)
    alpha = np.zeros((height, width), np.float32)
    alpha[y0:y1, x0:x1] = thing.pixels[y0 - y : y1 - y, x0 - x : x1 - x, 3] / 255
    if shadow:
        by = max(1, round(0.015 * max(h, w)))
        soft = cv2.GaussianBlur(np.roll(alpha, (by, by), (0, 1)), (0, 0), 1.5 * by)
        image[:] = image * (1 - shadow * soft)[:, :, None]
    part = alpha[y0:y1, x0:x1, None]
    under = image[y0:y1, x0:x1]
    under[:] = under * (1 - part) + thing.pixels[y0 - y : y1 - y, x0 - x : x1 - x, :3] * part
    covered: np.ndarray = alpha > 0.5
    return covered


def find_box(covered: np.ndarray) -> np.ndarray:
    """The bounding box of a non-empty mask: float32 (4,)."""
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def flat_lay_photo(thing: CutOut, height: int, width: int, region: int, rng: np.random.Generator) -> Photo:
    """A catalogue photo of one cut-out; `region` is its value in the photo's mask (0 is the background)."""
    image = make_background(height, width, rng)
    h, w = thing.pixels.shape[:2]
    fits = min(height / h, width / w) * max(h, w)  # the longer side at which it fills the photo
    view = vary(thing, rng, fits * rng.uniform(0.55, 0.97))
    h, w = view.pixels.shape[:2]
    x = round((width - w) / 2 + rng.normal(0, 0.04 * width))
    y = round((height - h) / 2 + rng.normal(0, 0.04 * height))
    covered = paste(image, view, x, y, shadow=rng.uniform(0, 0.45))
    return Photo(image, find_box(covered)[None], (thing.label,), covered.astype(np.uint8) * np.uint8(region))


def paste_onto_photo(photo: Photo, thing: CutOut, region: int, rng: np.random.Generator) -> Photo:
    """Paste a cut-out into a photo, with `region` in its mask, and drop objects that it covers."""
    height, width = photo.pixels.shape[:2]
    view = vary(thing, rng, rng.uniform(0.2, 0.5) * height)
    h, w = view.pixels.shape[:2]
    x, y = int(rng.uniform(0, max(1, width - w))), int(rng.uniform(0, max(1, height - h)))
    image = photo.pixels.copy()
    covered = paste(image, view, x, y)
    if not covered.any():
        return Photo(image, photo.boxes, photo.labels, photo.mask)
    kept = [
        i
        for i, (x0, y0, x1, y1) in enumerate(photo.boxes.round().astype(int))
        if covered[max(y0, 0) : y1, max(x0, 0) : x1].mean() <= COVERED
    ]
    boxes = np.concatenate([photo.boxes[kept].reshape(-1, 4), find_box(covered)[None]])
    labels = (*(photo.labels[i] for i in kept), thing.label)
    return Photo(image, boxes, labels, np.where(covered, np.uint8(region), photo.mask))


class Wardrobe:
    """Draws cut-outs from photos with masks.

    Labels are drawn by the square root of their frequency. Cut-outs are cached as PNG, no larger than CACHED_MAX_SIDE.

    Args:
        names: box tags by mask value.
    """

    def __init__(self, scenes: Sequence[Scene], names: Sequence[str]) -> None:
        self._numbers = {name: n for n, name in enumerate(names)}
        self._things = [
            (scene, i)
            for scene in scenes
            if scene.mask is not None
            for i, tag in enumerate(scene.tags)
            if tag in self._numbers
        ]
        often = Counter(scene.labels[i] for scene, i in self._things)
        cdf = np.cumsum([often[scene.labels[i]] ** -0.5 for scene, i in self._things])
        self._cdf = cdf / cdf[-1:]
        self._kept: dict[int, np.ndarray | None] = {}

    def __len__(self) -> int:
        return len(self._things)

    def draw(self, rng: np.random.Generator, tries: int = 8) -> CutOut | None:
        """Draw a random cut-out; None after `tries` in a row that were too small or too hidden."""
        for _ in range(tries if self._things else 0):
            which = min(int(np.searchsorted(self._cdf, rng.random())), len(self) - 1)
            if which not in self._kept:
                self._kept[which] = self._cut(*self._things[which])
            data = self._kept[which]
            if data is not None:
                scene, i = self._things[which]
                return CutOut(np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED)), scene.labels[i])
        return None

    def _cut(self, scene: Scene, i: int) -> np.ndarray | None:
        mask = cv2.imread(str(scene.mask), cv2.IMREAD_GRAYSCALE)
        if mask is None:
            raise FileNotFoundError(f"the mask {scene.mask} is missing or not an image")
        found = cut_out(
            read(scene.path), mask == self._numbers[scene.tags[i]], scene.boxes[i], scene.labels[i]
        )
        if found is None:
            return None
        scale = min(1.0, CACHED_MAX_SIDE / max(found.pixels.shape[:2]))
        small = cv2.resize(found.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return cv2.imencode(".png", small, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
