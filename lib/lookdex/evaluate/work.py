"""Run an evaluation's photos through the models: plain functions of a task, independent of the engine that calls them.

A task may run twice, in any process. A process loads each model once. Unreadable photos are left out of the result.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np

from lookdex.evaluate.labelled_photos import Item, ParquetPhoto, Source
from lookdex.imaging import boxes, codec
from lookdex.models import loading
from lookdex.records import Box, Detection, Recipe
from lookdex.search.engine.photo import LIMITS

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from lookdex.models.detect import Detector
    from lookdex.models.embed import Embedder

T = TypeVar("T")
Advance = Callable[[int], None]  # called with the number of photos done
AHEAD = 2  # batches read ahead of the models


class Crop(StrEnum):
    """The part of a photo to embed."""

    WHOLE = "whole"  # the whole photo, or the data set's box
    DETECTED = "detected"  # the most prominent detected object; the whole photo if there is none


@dataclass(frozen=True, slots=True)
class EmbedTask:
    """Items to embed."""

    items: tuple[Item, ...]
    recipe: Recipe
    crop: Crop
    device: str
    """cpu, cuda or cuda:N."""
    batch: int
    """Photos per model call."""

    def __len__(self) -> int:
        return len(self.items)

    def part(self, start: int, stop: int) -> Self:
        return replace(self, items=self.items[start:stop])


@dataclass(frozen=True, slots=True)
class EmbedResult:
    """Vectors of the items that could be read: their indexes in the task, and float32 (n, dim) as base64."""

    numbers: tuple[int, ...]
    dim: int
    base64: str

    @classmethod
    def from_vectors(cls, numbers: Sequence[int], vectors: np.ndarray) -> EmbedResult:
        data = np.ascontiguousarray(vectors, np.float32).tobytes()
        return cls(tuple(numbers), vectors.shape[1], base64.b64encode(data).decode("ascii"))

    @property
    def vectors(self) -> np.ndarray:
        """float32 (n, dim) of unit length."""
        return np.frombuffer(base64.b64decode(self.base64), np.float32).reshape(-1, self.dim)


@dataclass(frozen=True, slots=True)
class DetectTask:
    """Photos to detect objects in."""

    photos: tuple[Source, ...]
    recipes: tuple[Recipe, ...]
    """The recipes whose detectors run on each photo, which is read once."""
    device: str
    batch: int

    def __len__(self) -> int:
        return len(self.photos)

    def part(self, start: int, stop: int) -> Self:
        return replace(self, photos=self.photos[start:stop])


@dataclass(frozen=True, slots=True)
class DetectResult:
    """For each photo the detections by recipe, best first; None if the photo could not be read."""

    objects: tuple[tuple[tuple[Detection, ...], ...] | None, ...]


def embed(task: EmbedTask, advance: Advance = lambda done: None) -> EmbedResult:
    """Embed each item: its box, the main detected object, or the whole photo."""
    embedder = embedder_of(task.recipe, task.device)
    detector = detector_of(task.recipe, task.device) if task.crop is Crop.DETECTED else None
    numbers, vectors = [], [np.zeros((0, embedder.dim), np.float32)]
    done = 0
    for group in read_batches(list(enumerate(task.items)), lambda one: one[1].path, task.batch):
        good = [(number, item, pixels) for (number, item), pixels in group if pixels is not None]
        if good:
            pixels = [p for _, _, p in good]
            crops = crop_items([item for _, item, _ in good], pixels, task.recipe.crop_margin, detector)
            vectors.append(embedder.embed_images(crops))
        numbers += [number for number, _, _ in good]
        advance(done := done + len(group))
    return EmbedResult.from_vectors(numbers, np.concatenate(vectors))


def crop_items(
    items: Sequence[Item], pixels: Sequence[np.ndarray], margin: float, detector: Detector | None
) -> list[np.ndarray]:
    """Cut the part to embed out of each photo."""
    found = detector.detect(pixels) if detector is not None else [[] for _ in items]
    return [
        _crop(photo, Box(*item.box) if item.box else _main(photo, objects), margin)
        for item, photo, objects in zip(items, pixels, found, strict=True)
    ]


def detect(task: DetectTask, advance: Advance = lambda done: None) -> DetectResult:
    """Detect the objects of each photo with each recipe's detector and limits."""
    detectors = [detector_of(recipe, task.device) for recipe in task.recipes]
    objects: list[tuple[tuple[Detection, ...], ...] | None] = []
    for group in read_batches(task.photos, lambda photo: photo, task.batch):
        good = [pixels for _, pixels in group if pixels is not None]
        found = zip(*(detector.detect(good) for detector in detectors), strict=True) if good else iter(())
        objects += [None if pixels is None else tuple(map(tuple, next(found))) for _, pixels in group]
        advance(len(objects))
    return DetectResult(tuple(objects))


@cache
def detector_of(recipe: Recipe, device: str) -> Detector:
    return loading.detector_of(recipe, device)


@cache
def embedder_of(recipe: Recipe, device: str) -> Embedder:
    return loading.embedder_of(recipe, device)


def read_batches(
    items: Sequence[T], source: Callable[[T], Source], size: int
) -> Iterator[list[tuple[T, np.ndarray | None]]]:
    """Yield batches of (item, its pixels or None), read ahead by threads."""
    with ThreadPoolExecutor(4) as pool:
        waiting: list[list[tuple[T, Future[np.ndarray | None]]]] = []
        for start in range(0, len(items), size):
            group = items[start : start + size]
            waiting.append([(item, pool.submit(read, source(item))) for item in group])
            if len(waiting) > AHEAD:
                yield [(item, task.result()) for item, task in waiting.pop(0)]
        for tasks in waiting:
            yield [(item, task.result()) for item, task in tasks]


def read(source: Source) -> np.ndarray | None:
    """Decode a photo to uint8 RGB (H, W, 3), upright; None if that fails."""
    try:
        data = _cell(source) if isinstance(source, ParquetPhoto) else source.read_bytes()
        return codec.decode(data, LIMITS.max_bytes, LIMITS.max_pixels)
    except (OSError, codec.BadImage):
        return None


def _cell(photo: ParquetPhoto) -> bytes:
    value = _cells(photo.file, photo.group, photo.column)[photo.row].as_py()
    return (value.get("bytes") if isinstance(value, dict) else value) or b""


@lru_cache(maxsize=2)
def _cells(file: Path, group: int, column: str) -> pa.ChunkedArray:
    """Read a row group's photos. Cached because photos of a batch are neighbours in the file."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as parquet:
        return parquet.read_row_group(group, [column]).column(column)


def _crop(pixels: np.ndarray, box: Box | None, margin: float) -> np.ndarray:
    if box is None:
        return pixels
    height, width = pixels.shape[:2]
    return codec.crop(pixels, boxes.clip(box, width, height), margin)


def _main(pixels: np.ndarray, objects: Sequence[Detection]) -> Box | None:
    height, width = pixels.shape[:2]
    return max((o.box for o in objects), key=lambda box: boxes.prominence(box, width, height), default=None)
