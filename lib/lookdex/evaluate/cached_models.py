"""Models that cache their outputs, so that a photo queried in several ways runs through them once."""

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
CACHE_SIZE = 64  # images: enough for one photo's crops


class CachingLoader:
    """Load a recipe's models, each wrapped in a cache. Cached outputs are bit-identical to the model's."""

    def detector_of(self, recipe: Recipe, device: str) -> Detector:
        return CachingDetector(loading.detector_of(recipe, device))

    def embedder_of(self, recipe: Recipe, device: str) -> Embedder:
        return CachingEmbedder(loading.embedder_of(recipe, device))


class CachingDetector:
    def __init__(self, detector: Detector) -> None:
        self.name, self._detector = detector.name, detector
        self._cache: PixelCache[list[Detection]] = PixelCache()

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        return self._cache.get_many(images, self._detector.detect)


class CachingEmbedder:
    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.name, self.dim = embedder.name, embedder.dim
        self._cache: PixelCache[np.ndarray] = PixelCache()

    def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        if not len(images):
            return np.zeros((0, self.dim), np.float32)
        return np.stack(self._cache.get_many(images, lambda new: list(self._embedder.embed_images(new))))

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return self._embedder.embed_texts(texts)


class PixelCache(OrderedDict[Hashable, T]):
    """An LRU cache of model outputs, keyed by the pixels of the image."""

    def get_many(
        self, images: Sequence[np.ndarray], compute: Callable[[Sequence[np.ndarray]], Sequence[T]]
    ) -> list[T]:
        keys = [(image.shape, hashlib.sha256(image.tobytes()).digest()) for image in images]
        new = {key: image for key, image in zip(keys, images, strict=True) if key not in self}
        outputs: dict[Hashable, T] = {key: self[key] for key in keys if key in self}
        if new:
            outputs |= dict(zip(new, compute(list(new.values())), strict=True))
        self.update(outputs)
        while len(self) > CACHE_SIZE:
            self.popitem(last=False)
        return [outputs[key] for key in keys]
