"""Detection quality: average precision by the COCO protocol, and recall at the production recipe's operating point.

COCO scores each category alone: a coat over a shirt is two true boxes that nearly coincide. The product shows one
object per place (`boxes.select_distinct`), which suits shoppers but lowers AP: by some 3 points of AP50 on street
photos. So AP uses detections made with `nms_iou` 1, where only boxes of one label suppress each other. The share of
found objects and the number of wrong boxes are counted on what the production recipe shows. One cannot be derived from
the other: a box that survives the first may have suppressed a box that survives the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lookdex.evaluate.coco import average_precision
from lookdex.evaluate.label_trust import LabelledDetection
from lookdex.evaluate.labelled_photos import Truth
from lookdex.imaging import boxes
from lookdex.records import Detection

MIN_IOU = 0.5  # for an object to count as found


@dataclass(frozen=True, slots=True)
class CategoryScore:
    """Scores of one category."""

    ap: float
    """0 … 1; so is `ap50`."""
    ap50: float
    found: float
    """Recall at the operating point."""
    precision: float
    """Precision at the operating point."""
    objects: int
    curve: np.ndarray
    """float64 (101,), precision at IoU 0.5 for recalls of 0, 0.01 … 1."""


@dataclass(frozen=True, slots=True)
class PhotoScore:
    """Matches of one photo at the operating point."""

    shown: tuple[Detection, ...]
    """Detections, best first."""
    right: tuple[bool, ...]
    """For each of them, whether it matches an object or lies in a crowd box."""
    found: tuple[bool, ...]
    """For each true object, whether it was detected."""


@dataclass(frozen=True, slots=True)
class DetectionScore:
    """Scores of a detector. Average precisions are means over categories with objects."""

    ap: float
    """Over IoUs of 0.50 … 0.95."""
    ap50: float
    ap75: float
    ap_by_size: dict[str, float | None]
    """None for sizes without objects."""
    found: float
    """Share of objects detected with the right label, at least `min_score` and IoU ≥ 0.5."""
    wrong: float
    """False positives per photo at `min_score`."""
    min_score: float
    photos: int
    objects: int
    by_category: dict[str, CategoryScore]
    by_photo: tuple[PhotoScore, ...]
    """In the order of the truths."""


def score_detections(
    truths: Sequence[Truth],
    detected: Sequence[Sequence[Detection]],
    min_score: float,
    shown: Sequence[Sequence[Detection]] | None = None,
) -> DetectionScore:
    """Compare detections with the truth.

    Args:
        detected: made at a low threshold and with nms_iou 1, for AP.
        shown: what the product's own recipe leaves of each photo, for all that is counted at the operating point; None:
            those detected of at least `min_score`.
    """
    if shown is None:
        shown = [[o for o in objects if o.score >= min_score] for objects in detected]
    labels = sorted({label for truth in truths for label in truth.labels})
    precision = average_precision(truths, detected, labels)
    counts = {label: np.zeros(3, int) for label in labels}  # objects, found, boxes that count
    stray = 0
    photos = []
    for truth, objects in zip(truths, shown, strict=True):
        photo = _judge(truth, tuple(sorted(objects, key=lambda o: -o.score)))
        photos.append(photo)
        real = _real(truth)
        for label in labels:
            own = [i for i in real if truth.labels[i] == label]
            right = [ok for o, ok in zip(photo.shown, photo.right, strict=True) if o.label == label]
            found = sum(photo.found[i] for i in own)
            counts[label] += len(own), found, found + right.count(False)
        stray += sum(o.label not in counts for o in photo.shown)
    objects_, found_, boxes_ = np.sum(list(counts.values()), axis=0) if counts else np.zeros(3, int)
    each = precision.by_label
    return DetectionScore(
        precision.ap, precision.ap50, precision.ap75,
        ap_by_size=precision.by_size,
        found=_share(found_, objects_),
        wrong=_share(boxes_ - found_ + stray, len(truths)),
        min_score=min_score,
        photos=len(truths),
        objects=int(objects_),
        by_category={
            label: CategoryScore(
                each[label].ap, each[label].ap50, _share(c[1], c[0]), _share(c[1], c[2]), int(c[0]), each[label].curve
            )
            for label, c in counts.items()
            if c[0]
        },
        by_photo=tuple(photos),
    )  # fmt: skip


def _judge(truth: Truth, shown: tuple[Detection, ...]) -> PhotoScore:
    """Which boxes are objects'; best scores choose first, each the object of its label that it overlaps most."""
    real = _real(truth)
    heaps = [i for i in range(len(truth.labels)) if i not in real]
    corners = boxes.to_array([o.box for o in shown]).astype(np.float64)
    overlap = boxes.iou(corners, truth.boxes)
    shared = boxes.intersections(corners, np.asarray(truth.boxes, np.float64))
    free, right = set(real), []
    for row, common, box, o in zip(overlap, shared, corners, shown, strict=True):
        best = max((i for i in free if truth.labels[i] == o.label), key=lambda i: row[i], default=None)
        if best is not None and row[best] >= MIN_IOU:
            free.discard(best)
            right.append(True)
        else:
            area = max(1.0, float((box[2:] - box[:2]).prod()))
            right.append(any(truth.labels[i] == o.label and common[i] >= MIN_IOU * area for i in heaps))
    return PhotoScore(
        shown, tuple(right), tuple(i in real and i not in free for i in range(len(truth.labels)))
    )


def find_labelled(truths: Sequence[Truth], shown: Sequence[Sequence[Detection]]) -> list[LabelledDetection]:
    """The objects that have a box, whatever its label: IoU ≥ 0.5, those that overlap most first, each once."""
    matches = []
    for truth, objects in zip(truths, shown, strict=True):
        real = _real(truth)
        overlap = boxes.iou(truth.boxes, boxes.to_array([o.box for o in objects]))
        pairs = sorted(
            ((float(overlap[t, d]), t, d) for t in real for d in range(len(objects))), reverse=True
        )
        free = set(real), set(range(len(objects)))
        for shared, t, d in pairs:
            if shared >= MIN_IOU and t in free[0] and d in free[1]:
                free[0].discard(t)
                free[1].discard(d)
                matches.append(LabelledDetection(truth.labels[t], objects[d].label, objects[d].score))
    return matches


def _real(truth: Truth) -> list[int]:
    """Objects that are no crowd."""
    return [i for i in range(len(truth.labels)) if not (truth.crowd and truth.crowd[i])]


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0
