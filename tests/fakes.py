"""Models without weights, whose outputs can be computed by hand from the pixels.

Spark workers import them as `python:tests.fakes:detector` and `python:tests.fakes:embedder`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lookdex.errors import BadQuery, DeviceUnavailable
from lookdex.records import Box, Detection, Recipe

# The categories of objects in these saturated colours.
LABELS = {
    "red": "top",
    "yellow": "dress",
    "green": "skirt",
    "cyan": "pants",
    "blue": "shoes",
    "magenta": "bag",
}
HUES = tuple(LABELS)  # sextants of 60°, red around 0°
COLOURS = {
    "red": (220, 20, 20), "yellow": (220, 220, 20), "green": (20, 220, 20),
    "cyan": (20, 220, 220), "blue": (20, 20, 220), "magenta": (220, 20, 220),
}  # fmt: skip


@dataclass(frozen=True)
class FakeDetector:
    """Detects the bounding box of the pixels of each saturated hue. The score is the share of the box they fill."""

    min_score: float = 0.2
    max_objects: int = 20
    name: str = "python:tests.fakes:detector"

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        return [self._detect(image) for image in images]

    def _detect(self, image: np.ndarray) -> list[Detection]:
        assert image.dtype == np.uint8
        assert image.ndim == 3
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)  # hue in 0 … 179
        saturated = (hsv[:, :, 1] > 120) & (hsv[:, :, 2] > 60)
        sextant = ((hsv[:, :, 0].astype(int) * 2 + 30) // 60) % 6
        found = []
        for number, hue in enumerate(HUES):
            mask = saturated & (sextant == number)
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            if mask.mean() < 0.01:
                continue
            box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
            share = float(mask[box.y0 : box.y1, box.x0 : box.x1].mean())
            if share >= self.min_score:
                found.append(Detection(box, LABELS[hue], round(share, 4)))
        return sorted(found, key=lambda d: -d.score)[: self.max_objects]


@dataclass(frozen=True)
class FakeEmbedder:
    """Unit vectors (float32) of the mean colour, the mean colour of each quadrant, and a constant."""

    name: str = "python:tests.fakes:embedder"
    dim: int = 16

    def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        vectors = np.stack([self._embed(image) for image in images])
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors.astype(np.float32)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts that name one of `COLOURS`. Raises BadQuery for others."""
        try:
            pictures = [np.full((2, 2, 3), COLOURS[text], np.uint8) for text in texts]
        except KeyError as error:
            raise BadQuery(f"the fake knows no colour {error}; it knows {', '.join(COLOURS)}") from error
        return self.embed_images(pictures)

    def _embed(self, image: np.ndarray) -> np.ndarray:
        quarters = cv2.resize(image, (2, 2), interpolation=cv2.INTER_AREA).astype(np.float64) / 255 - 0.5
        return np.concatenate([quarters.mean(axis=(0, 1)) * 2, quarters.ravel(), [0.1]])


def detector(
    *, device: str = "cpu", min_score: float = 0.2, nms_iou: float = 0.6, max_objects: int = 20
) -> FakeDetector:
    return FakeDetector(min_score, max_objects)


def embedder(*, device: str = "cpu") -> FakeEmbedder:
    return FakeEmbedder()


RECIPE = Recipe(
    detector=FakeDetector.name,
    detector_digest="fake",
    embedder=FakeEmbedder.name,
    embedder_digest="fake",
    min_score=0.2,
    nms_iou=0.6,
    max_objects=20,
    crop_margin=0.05,
    crop_pixels=96,
    max_bytes=5_000_000,
    max_pixels=4_000_000,
)


def recipe(**changes: Any) -> Recipe:
    """The recipe of the fakes, with changes (fields of a recipe)."""
    return replace(RECIPE, **changes)


# Misbehaving models.


def slow_detector(**settings: object) -> FakeDetector:
    """On the device 'slow', each call takes 0.4 s."""

    class Slow(FakeDetector):
        def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
            time.sleep(0.4 if settings.get("device") == "slow" else 0)
            return super().detect(images)

    return Slow()


def fragile_detector(**settings: object) -> FakeDetector:
    """On the device `poison:<folder>`, fails on batches of fewer than 8 photos while the folder exists."""
    folder = Path(str(settings.get("device")).removeprefix("poison:"))

    class Fragile(FakeDetector):
        def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
            found = super().detect(images)
            if folder.exists() and len(images) < 8:
                raise RuntimeError("poisoned")
            return found

    return Fragile()


POISON = (1, 2, 3)  # `poisoned_detector` fails on photos whose first pixel has this colour


def poisoned_detector(**settings: object) -> FakeDetector:
    """Raises on a poisoned photo.

    On the device 'abort' the process dies instead. On 'broken' all photos raise. There is no device 'absent'.
    """
    device = settings.get("device")
    if device == "absent":
        raise DeviceUnavailable("there is no device absent here")

    class Poisoned(FakeDetector):
        def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
            if device == "broken" or any(tuple(image[0, 0]) == POISON for image in images):
                if device == "abort":
                    os.abort()
                raise ArithmeticError("a photo too odd")
            return super().detect(images)

    return Poisoned()


# Invalid detections: they do not fit into a row, or the audit would reject the run because of them.
WRONG = (
    Detection(Box(10, 10, 700, 60), "top", 0.5),
    Detection(Box(10, 10, 10, 60), "top", 0.5),
    Detection(Box(10.5, 10, 20, 60), "top", 0.5),  # type: ignore[arg-type]  # on purpose
    Detection(Box(10, 10, 20, 60), "top", float("nan")),
    Detection(Box(10, 10, 20, 60), "", 0.5),
)
ODD = (4, 5)  # in photos whose first pixel is (4, 5, n), `odd_detector` also detects WRONG[n]


def odd_detector(**settings: object) -> FakeDetector:
    """Returns invalid detections for photos marked with ODD."""

    class Odd(FakeDetector):
        def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
            found = super().detect(images)
            for detections, image in zip(found, images, strict=True):
                if tuple(image[0, 0, :2]) == ODD:
                    detections.append(WRONG[image[0, 0, 2]])
            return found

    return Odd()


def odd_embedder(**settings: object) -> FakeEmbedder:
    """Photos whose first pixel is POISON get an all-zero vector."""

    class Odd(FakeEmbedder):
        def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
            poisoned = [tuple(image[0, 0]) == POISON for image in images]
            return np.where(np.array(poisoned)[:, None], np.float32(0), super().embed_images(images))

    return Odd()
