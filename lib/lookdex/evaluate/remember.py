"""Models that remember what they last answered: a photo that is asked in several ways runs through them once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lookdex.models import loading
from lookdex.records import Detection, Recipe

if TYPE_CHECKING:
    from lookdex.models.detect import Detector
    from lookdex.models.embed import Embedder

T = TypeVar("T")
KEPT = 64  # pictures: those of one photo


class Remembering:
    """Loads the models of a recipe, each with a memory. What is remembered is what the model said, bit by bit."""

    def detector_of(self, recipe: Recipe, device: str) -> Detector:
        return RememberingDetector(loading.detector_of(recipe, device))

    def embedder_of(self, recipe: Recipe, device: str) -> Embedder:
        return RememberingEmbedder(loading.embedder_of(recipe, device))


class RememberingDetector:
    def __init__(self, detector: Detector) -> None:
        self.name, self._detector = detector.name, detector
        self._memory: Memory[list[Detection]] = Memory()

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        return self._memory.answers(images, self._detector.detect)


class RememberingEmbedder:
    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name, self.dim = embedder.name, embedder.dim
        self._memory: Memory[np.ndarray] = Memory()

    def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        if not len(images):
            return np.zeros((0, self.dim), np.float32)
        return np.stack(self._memory.answers(images, lambda new: list(self._embedder.embed_images(new))))

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return self._embedder.embed_texts(texts)


class Memory(OrderedDict[Hashable, T]):
    """Answers by the pixels of their pictures; the oldest go first."""

    def answers(
        self, images: Sequence[np.ndarray], ask: Callable[[Sequence[np.ndarray]], Sequence[T]]
    ) -> list[T]:
        keys = [(image.shape, hashlib.sha256(image.tobytes()).digest()) for image in images]
        new = {key: image for key, image in zip(keys, images, strict=True) if key not in self}
        told: dict[Hashable, T] = {key: self[key] for key in keys if key in self}
        if new:
            told |= dict(zip(new, ask(list(new.values())), strict=True))
        self.update(told)
        while len(self) > KEPT:
            self.popitem(last=False)
        return [told[key] for key in keys]
