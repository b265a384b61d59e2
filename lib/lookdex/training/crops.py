"""Crops to train the embedder on: what the index would cut out, under other boxes, light and framing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lookdex import boxes as geometry
from lookdex.records import Box
from lookdex.training.augment import recolour
from lookdex.training.sources import read

KEPT_AROUND = 0.3  # of the longer side: room for jitter and margin
KEPT_PIXELS = 320
# How far a detector's box is off, as a share of the object's side: mostly a little, for a third of them a lot.
TIGHT, LOOSE = 0.035, 0.11


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is: a photo and its box in it (None: all of the photo)."""

    path: Path
    box: tuple[float, float, float, float] | None = None

    @classmethod
    def of(cls, path: Path, box: np.ndarray) -> Place:
        x0, y0, x1, y1 = (float(v) for v in box)
        return cls(path, (x0, y0, x1, y1))


class Crops:
    """Cuts objects out of photos; keeps the small pictures it has cut, as JPEG, in memory."""

    def __init__(self, margin: float, size: int, rng: np.random.Generator) -> None:
        self.margin, self.size, self._rng = margin, size, rng
        self._kept: dict[Place, tuple[np.ndarray, Box]] = {}

    def draw(self, place: Place, *, real: bool, strength: float = 0.8) -> np.ndarray:
        """A random view of an object: uint8 (size, size, 3), letterboxed on white."""
        image, box = self._region(place)
        rng = self._rng
        loose = LOOSE if rng.random() < 0.35 else TIGHT
        spread = loose * np.array([box.x1 - box.x0, box.y1 - box.y0] * 2)
        x0, y0, x1, y1 = np.array([box.x0, box.y0, box.x1, box.y1]) + rng.normal(0, 1, 4) * spread
        if real and place.box is None:  # a garment fills its photo: take a part of it
            w, h = x1 - x0, y1 - y0
            cut = rng.uniform(0, 0.14, 4) * (w, h, -w, -h)
            x0, y0, x1, y1 = np.array([x0, y0, x1, y1]) + cut
        height, width = image.shape[:2]
        jittered = geometry.clip(Box(round(x0), round(y0), round(x1), round(y1)), width, height)
        whole = Box(0, 0, width, height)
        near = (
            whole if place.box is None and not real else geometry.expand(jittered, self.margin, width, height)
        )
        picture = image[near.y0 : near.y1, near.x0 : near.x1]
        if real and rng.random() < 0.5:
            picture = _turned(picture, float(rng.normal(0, 7)))
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        return recolour(letterbox(picture, self.size), rng, strength)

    def _region(self, place: Place) -> tuple[np.ndarray, Box]:
        if place not in self._kept:
            image = read(place.path)
            height, width = image.shape[:2]
            box = (
                Box(0, 0, width, height) if place.box is None else Box(*(round(float(v)) for v in place.box))
            )
            box = geometry.clip(box, width, height)
            near = geometry.expand(box, KEPT_AROUND, width, height)
            image = image[near.y0 : near.y1, near.x0 : near.x1]
            scale = min(1.0, KEPT_PIXELS / max(image.shape[:2]))
            if scale < 1:
                image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            inner = [
                round((v - o) * scale)
                for v, o in zip((box.x0, box.y0, box.x1, box.y1), (near.x0, near.y0) * 2, strict=True)
            ]
            data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 94])[1]
            self._kept[place] = data, Box(*inner)
        data, box = self._kept[place]
        return cv2.cvtColor(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB), box


def letterbox(image: np.ndarray, size: int) -> np.ndarray:
    """As the embedder's own preprocessing does it."""
    from lookdex.models.pixels import fit

    return fit(image, (size, size), 255, centred=True)[0]


def cut(image: np.ndarray, box: np.ndarray, margin: float) -> np.ndarray:
    """The index's crop of a box, without chance."""
    height, width = image.shape[:2]
    near = geometry.expand(Box(*(round(float(v)) for v in box)), margin, width, height)
    return image[near.y0 : near.y1, near.x0 : near.x1]


def _turned(image: np.ndarray, degrees: float) -> np.ndarray:
    h, w = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1.0)
    return cv2.warpAffine(image, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
