"""Score a detector on held-out photos, through the production code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lookdex.evaluate.detection import DetectionScore
from lookdex.imaging.boxes import select_distinct, to_array
from lookdex.models.detect import TorchvisionDetector
from lookdex.models.limits import MAX_INSIDE, DetectionLimits
from lookdex.records import Detection
from lookdex.training.measure import score_scenes, split_batches
from lookdex.training.scenes import Scene
from lookdex.training.sources import read

ALL = DetectionLimits(min_score=0.02, nms_iou=1.0, max_objects=100)  # all boxes, as COCO's AP requires
NMS_IOU, MAX_OBJECTS = 0.7, 20  # defaults of load_detector
POINTS = tuple(round(0.1 + 0.05 * n, 2) for n in range(15))  # candidates for a detector's min_score


@dataclass(frozen=True, slots=True)
class Detected:
    """Held-out photos with all their detections."""

    scenes: Sequence[Scene]
    found: list[list[Detection]]

    def ap(self) -> DetectionScore:
        """Average precision over all boxes."""
        return score_scenes(self.scenes, self.found, ALL.min_score)

    def at(self, min_score: float) -> DetectionScore:
        """Recall and false positives at an operating point. Its AP covers the remaining boxes only."""
        return score_scenes(
            self.scenes, [filter_boxes(objects, min_score) for objects in self.found], min_score
        )


def detect_scenes(folder: Path, scenes: Sequence[Scene], device: torch.device) -> Detected:
    """Run a detector's folder on photos."""
    detector = TorchvisionDetector.load(f"torchvision:{folder}", device, ALL)
    found: list[list[Detection]] = []
    for batch in split_batches(scenes, 8):
        found += detector.detect([read(scene.path) for scene in batch])
    return Detected(scenes, found)


def filter_boxes(objects: Sequence[Detection], min_score: float) -> list[Detection]:
    """Filter all boxes as in production: minimum score, one box per object."""
    strong = [o for o in objects if o.score >= min_score]
    order = select_distinct(
        to_array([o.box for o in strong]),
        np.array([o.score for o in strong]),
        [o.label for o in strong],
        NMS_IOU,
        MAX_INSIDE,
    )
    return [strong[i] for i in order[:MAX_OBJECTS]]


def operating_point(detected: Sequence[Detected]) -> float:
    """The min_score with the best F1 over all held-out photos."""

    def f1(point: float) -> float:
        scores = [d.at(point) for d in detected]
        right = sum(s.found * s.objects for s in scores)
        wrong = sum(s.wrong * s.photos for s in scores)
        return 2 * right / max(1e-9, right + wrong + sum(s.objects for s in scores))

    return max(POINTS, key=f1)
