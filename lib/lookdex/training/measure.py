"""Measures: average precision at IoU 0.5, objects found at the operating point, nearest products."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lookdex.boxes import iou
from lookdex.records import CATEGORIES, Detection
from lookdex.training.records import Scene


@dataclass(frozen=True, slots=True)
class DetectionScore:
    """ap50: mean over the categories that occur. by_category: AP50, found share, true objects.

    found: share of the true objects with a box of the right category at IoU ≥ 0.5, among the boxes of
    score ≥ min_score. wrong: of those boxes, how many a photo fit no true object.
    """

    ap50: float
    found: float
    wrong: float
    by_category: dict[str, tuple[float, float, int]]


def score_detections(
    scenes: Sequence[Scene], detected: Sequence[Sequence[Detection]], min_score: float
) -> DetectionScore:
    """Compare detections (at a low threshold) with the truth."""
    by_category = {}
    found = true = kept = right = 0
    for category in CATEGORIES:
        scores, hits, count, seen = [], [], 0, 0
        for scene, objects in zip(scenes, detected, strict=True):
            truth = scene.boxes[[i for i, label in enumerate(scene.labels) if label == category]]
            count += len(truth)
            mine = sorted((o for o in objects if o.label == category), key=lambda o: -o.score)
            taken: set[int] = set()
            for o in mine:
                box = np.array([[o.box.x0, o.box.y0, o.box.x1, o.box.y1]], np.float32)
                overlap = iou(box, truth)[0] if len(truth) else np.zeros(0)
                best = int(np.argmax(overlap)) if len(overlap) else -1
                hit = best >= 0 and overlap[best] >= 0.5 and best not in taken
                if hit:
                    taken.add(best)
                scores.append(o.score)
                hits.append(hit)
                if o.score >= min_score:
                    kept += 1
                    right += hit
                    seen += hit
        if count:
            by_category[category] = (
                average_precision(np.array(scores), np.array(hits), count),
                seen / count,
                count,
            )
            found, true = found + seen, true + count
    ap50 = float(np.mean([v[0] for v in by_category.values()])) if by_category else 0.0
    return DetectionScore(ap50, found / max(true, 1), (kept - right) / max(len(scenes), 1), by_category)


def average_precision(scores: np.ndarray, hits: np.ndarray, count: int) -> float:
    """The area under the precision-recall curve, precision made monotone (as COCO and VOC 2010+ do)."""
    if not len(scores):
        return 0.0
    hit = hits[np.argsort(-scores, kind="stable")].astype(np.float64)
    recall = np.cumsum(hit) / count
    precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def right_nearest(
    queries: np.ndarray, answers: Sequence[str], gallery: np.ndarray, names: Sequence[str]
) -> np.ndarray:
    """For each query vector: is the nearest gallery vector's name its answer? bool (n,)."""
    nearest = np.argmax(queries @ gallery.T, axis=1)
    return np.array([names[i] == answer for i, answer in zip(nearest, answers, strict=True)])


def in_batches(items: Sequence, size: int) -> Iterable[Sequence]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def shares(keys: Sequence[str], values: np.ndarray) -> dict[str, float]:
    """The mean of `values` for each key."""
    groups: dict[str, list[float]] = defaultdict(list)
    for key, value in zip(keys, values, strict=True):
        groups[key].append(float(value))
    return {key: round(float(np.mean(group)), 3) for key, group in sorted(groups.items())}


Detect = Callable[[Sequence[np.ndarray]], list[list[Detection]]]
