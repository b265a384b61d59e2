"""Photos of an evaluation through the models, in batches, with progress. What cannot be read is left out and named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lookdex import boxes, images
from lookdex.evaluate.datasets import Item
from lookdex.records import Box
from lookdex.search.photo import LIMITS

if TYPE_CHECKING:
    from lookdex.models.detect import Detector
    from lookdex.models.embed import Embedder

T = TypeVar("T")
AHEAD = 2  # batches that are read while the models work


class Crop(StrEnum):
    """What of a photo is embedded."""

    WHOLE = "whole"  # all of it, or the box that the data set gives
    DETECTED = "detected"  # the most prominent object that the detector finds; all of it where it finds none


@dataclass(frozen=True, slots=True)
class Embedded:
    """vectors: float32 (n, dim), one for each of `items`. unreadable: photos that gave no pixels."""

    items: list[Item]
    vectors: np.ndarray
    unreadable: list[Path]


def embed_items(
    items: Sequence[Item], embedder: Embedder, margin: float, batch: int,
    detector: Detector | None = None, progress: Callable[[int], None] = lambda done: None,
) -> Embedded:  # fmt: skip
    """Embed each item: its box, or what the detector finds, or the whole photo."""
    kept: list[Item] = []
    vectors, unreadable = [np.zeros((0, embedder.dim), np.float32)], []
    done = 0
    for group in in_batches(items, lambda item: item.path, batch):
        good = [(item, pixels) for item, pixels in group if pixels is not None]
        unreadable += [item.path for item, pixels in group if pixels is None]
        crops = [_cut(pixels, item.box, margin) for item, pixels in good]
        if detector is not None:
            found = detector.detect([pixels for _, pixels in good])
            crops = [
                crop
                if item.box is not None or not objects
                else _main(pixels, [o.box for o in objects], margin)
                for crop, (item, pixels), objects in zip(crops, good, found, strict=True)
            ]
        vectors.append(embedder.embed_images(crops))
        kept += [item for item, _ in good]
        done += len(group)
        progress(done)
    return Embedded(kept, np.concatenate(vectors), unreadable)


def in_batches(
    items: Sequence[T], path: Callable[[T], Path], size: int
) -> Iterator[list[tuple[T, np.ndarray | None]]]:
    """(item, its pixels or None) in batches, read ahead by threads."""
    with ThreadPoolExecutor(4) as pool:
        waiting: list[list[tuple[T, Future[np.ndarray | None]]]] = []
        for start in range(0, len(items), size):
            group = items[start : start + size]
            waiting.append([(item, pool.submit(read, path(item))) for item in group])
            if len(waiting) > AHEAD:
                yield [(item, task.result()) for item, task in waiting.pop(0)]
        for tasks in waiting:
            yield [(item, task.result()) for item, task in tasks]


def read(path: Path) -> np.ndarray | None:
    """uint8 RGB (H, W, 3), upright; None for a file that gives no pixels."""
    try:
        return images.decode(path.read_bytes(), LIMITS.max_bytes, LIMITS.max_pixels)
    except (OSError, images.BadImage):
        return None


def _cut(pixels: np.ndarray, box: tuple[int, int, int, int] | None, margin: float) -> np.ndarray:
    if box is None:
        return pixels
    height, width = pixels.shape[:2]
    return images.crop(pixels, boxes.clip(Box(*box), width, height), margin)


def _main(pixels: np.ndarray, found: Sequence[Box], margin: float) -> np.ndarray:
    height, width = pixels.shape[:2]
    return images.crop(pixels, max(found, key=lambda box: boxes.prominence(box, width, height)), margin)
