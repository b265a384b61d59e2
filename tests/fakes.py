"""Models without weights, whose outputs follow from the pixels and can be computed by hand.

Spark workers import them as `python:tests.fakes:detector` and `python:tests.fakes:embedder`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lookdex.errors import BadQuery, DeviceUnavailable
from lookdex.records import Box, Detection, Recipe

# Saturated colours are objects of these categories.
LABELS = {
    "red": "top",
    "yellow": "dress",
    "green": "skirt",
    "cyan": "pants",
    "blue": "shoes",
    "magenta": "bag",
}
HUES = tuple(LABELS)  # of 60° each, red around 0°
COLOURS = {
    "red": (220, 20, 20), "yellow": (220, 220, 20), "green": (20, 220, 20),
    "cyan": (20, 220, 220), "blue": (20, 20, 220), "magenta": (220, 20, 220),
}  # fmt: skip


@dataclass(frozen=True)
class FakeDetector:
    """Detects the bounding box of all pixels of each saturated hue; the score is the share of the box that they
    fill.
    """

    min_score: float = 0.2
    max_objects: int = 20
    name: str = "python:tests.fakes:detector"

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        return [self._detect(image) for image in images]

    def _detect(self, image: np.ndarray) -> list[Detection]:
        assert image.dtype == np.uint8
        assert image.ndim == 3
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)  # hue in 0 … 179
        strong = (hsv[:, :, 1] > 120) & (hsv[:, :, 2] > 60)
        sextant = ((hsv[:, :, 0].astype(int) * 2 + 30) // 60) % 6
        found = []
        for number, hue in enumerate(HUES):
            mask = strong & (sextant == number)
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
    """float32 of unit length: the mean colour, the mean colour of each quadrant, and a constant."""

    name: str = "python:tests.fakes:embedder"
    dim: int = 16

    def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        vectors = np.stack([self._embed(image) for image in images])
        unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit.astype(np.float32)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embeds texts that name one of `COLOURS`; others raise BadQuery."""
        try:
            plain = [np.full((2, 2, 3), COLOURS[text], np.uint8) for text in texts]
        except KeyError as error:
            raise BadQuery(f"the fake knows no colour {error}; it knows {', '.join(COLOURS)}") from error
        return self.embed_images(plain)

    def _embed(self, image: np.ndarray) -> np.ndarray:
        quarters = cv2.resize(image, (2, 2), interpolation=cv2.INTER_AREA).astype(np.float64) / 255 - 0.5
        return np.concatenate([quarters.mean(axis=(0, 1)) * 2, quarters.ravel(), [0.1]])


def detector(
    *, device: str = "cpu", min_score: float = 0.2, nms_iou: float = 0.6, max_objects: int = 20
) -> FakeDetector:
    return FakeDetector(min_score, max_objects)


def embedder(*, device: str = "cpu") -> FakeEmbedder:
    return FakeEmbedder()


def recipe(**changes: object) -> Recipe:
    """A recipe with the fakes."""
    values: dict[str, object] = {
        "detector": FakeDetector.name,
        "detector_digest": "fake",
        "embedder": FakeEmbedder.name,
        "embedder_digest": "fake",
        "min_score": 0.2,
        "nms_iou": 0.6,
        "max_objects": 20,
        "crop_margin": 0.05,
        "crop_pixels": 96,
        "max_bytes": 5_000_000,
        "max_pixels": 4_000_000,
    }
    return Recipe(**{**values, **changes})  # type: ignore[arg-type]  # values of several types


# Misbehaving detectors, for the tests of the engine.


def slow_detector(**settings: object) -> FakeDetector:
    """With the device 'slow', each call takes a while."""

    class Slow(FakeDetector):
        def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
            time.sleep(0.4 if settings.get("device") == "slow" else 0)
            return super().detect(images)

    return Slow()


def fragile_detector(**settings: object) -> FakeDetector:
    """With the device `poison:<folder>`, fails on batches of fewer than 8 photos while the folder exists."""
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
    """Raises on a poisoned photo. With the device 'abort' its process dies, with 'broken' it raises on all photos; the
    device 'absent' does not exist.
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


# Invalid detections: no row could hold them, or the audit would reject the run because of them.
WRONG = (
    Detection(Box(10, 10, 700, 60), "top", 0.5),
    Detection(Box(10, 10, 10, 60), "top", 0.5),
    Detection(Box(10.5, 10, 20, 60), "top", 0.5),  # type: ignore[arg-type]  # not a whole number
    Detection(Box(10, 10, 20, 60), "top", float("nan")),
    Detection(Box(10, 10, 20, 60), "", 0.5),
)
ODD = (4, 5)  # a photo whose first pixel is (4, 5, n) gets WRONG[n] from `odd_detector`


def odd_detector(**settings: object) -> FakeDetector:
    class Odd(FakeDetector):
        def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
            found = super().detect(images)
            for own, image in zip(found, images, strict=True):
                if tuple(image[0, 0, :2]) == ODD:
                    own.append(WRONG[image[0, 0, 2]])
            return found

    return Odd()


def odd_embedder(**settings: object) -> FakeEmbedder:
    """Photos whose first pixel is POISON get an all-zero vector."""

    class Odd(FakeEmbedder):
        def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
            poisoned = [tuple(image[0, 0]) == POISON for image in images]
            return np.where(np.array(poisoned)[:, None], np.float32(0), super().embed_images(images))

    return Odd()
