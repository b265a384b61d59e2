"""Evaluation measures: detection scores, nearest products."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np

from lookdex.evaluate.detection import DetectionScore, score_detections
from lookdex.evaluate.labelled_photos import Truth
from lookdex.records import Detection
from lookdex.training.scenes import Scene

T = TypeVar("T")


def score_scenes(
    scenes: Sequence[Scene], detected: Sequence[Sequence[Detection]], min_score: float
) -> DetectionScore:
    """Score detections (made at a low threshold) against the true boxes."""
    truths = [Truth(scene.path.name, 0, 0, scene.boxes, scene.labels) for scene in scenes]
    return score_detections(truths, detected, min_score)


def is_nearest_right(
    queries: np.ndarray, answers: Sequence[str], gallery: np.ndarray, names: Sequence[str]
) -> np.ndarray:
    """For each query vector, whether the nearest gallery vector has the right name. bool (n,)."""
    nearest = np.argmax(queries @ gallery.T, axis=1)
    return np.array([names[i] == answer for i, answer in zip(nearest, answers, strict=True)])


def split_batches(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def sample_evenly(items: Sequence[T], limit: int) -> list[T]:
    """At most `limit` items, evenly spaced, in order."""
    return [items[n * len(items) // limit] for n in range(limit)] if len(items) > limit else list(items)


def compute_shares(keys: Sequence[str], values: np.ndarray) -> dict[str, float]:
    """The mean of `values` for each key."""
    groups: dict[str, list[float]] = defaultdict(list)
    for key, value in zip(keys, values, strict=True):
        groups[key].append(float(value))
    return {key: round(float(np.mean(group)), 3) for key, group in sorted(groups.items())}


Detect = Callable[[Sequence[np.ndarray]], list[list[Detection]]]
