"""How well objects are found: average precision by the COCO protocol, and what the operating point gives."""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lookdex import boxes
from lookdex.records import Detection

MIN_IOU = 0.5  # of a found object
MAX_DETECTIONS = 100  # a photo, COCO's
_SIZES = ("all", "small", "medium", "large")  # COCO's: below 32², below 96², above


@dataclass(frozen=True, slots=True)
class Truth:
    """One photo's objects. boxes: float (n, 4) x0, y0, x1, y1 in pixels. labels: n names.

    crowd: n flags or (); a box over a heap of things, which neither counts as an object nor makes a box in it wrong.
    """

    image: str
    width: int
    height: int
    boxes: np.ndarray
    labels: tuple[str, ...]
    crowd: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class CategoryScore:
    """ap, ap50: 0 … 1. found: share of its objects found at the operating point. precision: of its boxes there."""

    ap: float
    ap50: float
    found: float
    precision: float
    objects: int


@dataclass(frozen=True, slots=True)
class DetectionScore:
    """ap (IoU 0.50 … 0.95), ap50, ap75: means over the categories that occur. ap_by_size: None where none occurs.

    found: share of the objects with a box of their label, of at least `min_score` and IoU ≥ 0.5. wrong: boxes a photo
    of at least `min_score` that are no object's.
    """

    ap: float
    ap50: float
    ap75: float
    ap_by_size: dict[str, float | None]
    found: float
    wrong: float
    min_score: float
    photos: int
    objects: int
    by_category: dict[str, CategoryScore]


def score_detections(
    truths: Sequence[Truth], detected: Sequence[Sequence[Detection]], min_score: float
) -> DetectionScore:
    """Compare detections, made at a low threshold, with the truth."""
    labels = sorted({label for truth in truths for label in truth.labels})
    ap, by_size, each = _coco(truths, detected, labels)
    counts = {label: np.zeros(3, int) for label in labels}  # objects, found, boxes
    stray = 0
    for truth, objects in zip(truths, detected, strict=True):
        kept = [o for o in objects if o.score >= min_score]
        stray += sum(o.label not in counts for o in kept)
        for label in labels:
            counts[label] += _at_point(truth, [o for o in kept if o.label == label], label)
    objects, found, kept_boxes = np.sum(list(counts.values()), axis=0) if counts else np.zeros(3, int)
    return DetectionScore(
        *ap,
        ap_by_size=by_size,
        found=_share(found, objects),
        wrong=_share(kept_boxes - found + stray, len(truths)),
        min_score=min_score,
        photos=len(truths),
        objects=int(objects),
        by_category={
            label: CategoryScore(*each[label], _share(c[1], c[0]), _share(c[1], c[2]), int(c[0]))
            for label, c in counts.items()
            if c[0]
        },
    )


def _at_point(truth: Truth, mine: Sequence[Detection], label: str) -> tuple[int, int, int]:
    """(objects, found, boxes that count) of one label in one photo; best scores choose first."""
    crowd = truth.crowd or (False,) * len(truth.labels)
    own = [i for i, name in enumerate(truth.labels) if name == label and not crowd[i]]
    heaps = [i for i, name in enumerate(truth.labels) if name == label and crowd[i]]
    mine = sorted(mine, key=lambda o: -o.score)
    corners = boxes.as_array([o.box for o in mine])
    overlap = boxes.iou(corners, truth.boxes[own])
    free, found, ignored = set(range(len(own))), 0, 0
    for row, box in zip(overlap, corners, strict=True):
        best = max(free, key=lambda i: row[i], default=None)
        if best is not None and row[best] >= MIN_IOU:
            free.discard(best)
            found += 1
        elif len(heaps):
            shared = boxes.intersections(box[None].astype(np.float64), truth.boxes[heaps].astype(np.float64))
            ignored += bool(shared.max() >= MIN_IOU * max(1.0, float((box[2:] - box[:2]).prod())))
    return len(own), found, len(mine) - ignored


def _coco(
    truths: Sequence[Truth], detected: Sequence[Sequence[Detection]], labels: Sequence[str]
) -> tuple[tuple[float, float, float], dict[str, float | None], dict[str, tuple[float, float]]]:
    """((AP, AP50, AP75), AP by size, each label's (AP, AP50)) by pycocotools."""
    from pycocotools.coco import COCO  # type: ignore[import-untyped]
    from pycocotools.cocoeval import COCOeval  # type: ignore[import-untyped]

    number = {label: i for i, label in enumerate(labels, 1)}
    annotations: list[dict] = []
    results: list[dict] = []
    for image, (truth, objects) in enumerate(zip(truths, detected, strict=True), 1):
        for i, (box, label) in enumerate(zip(truth.boxes.tolist(), truth.labels, strict=True)):
            w, h = box[2] - box[0], box[3] - box[1]
            annotations.append({
                "id": len(annotations) + 1, "image_id": image, "category_id": number[label], "area": w * h,
                "bbox": [box[0], box[1], w, h], "iscrowd": int(bool(truth.crowd) and truth.crowd[i]),
            })  # fmt: skip
        for o in objects:
            if o.label in number:
                box = [o.box.x0, o.box.y0, o.box.x1 - o.box.x0, o.box.y1 - o.box.y0]
                results.append(
                    {"image_id": image, "category_id": number[o.label], "bbox": box, "score": o.score}
                )
    if not annotations or not results:
        return (0.0, 0.0, 0.0), dict.fromkeys(_SIZES[1:]), defaultdict(lambda: (0.0, 0.0))
    with contextlib.redirect_stdout(io.StringIO()):  # it tells each of its steps
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": i, "width": t.width, "height": t.height} for i, t in enumerate(truths, 1)],
            "categories": [{"id": i, "name": label} for label, i in number.items()],
            "annotations": annotations,
        }
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(results), "bbox")
        run.params.maxDets = [1, 10, MAX_DETECTIONS]
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"][:, :, :, :, -1]  # IoU thresholds, recalls, labels, sizes; -1: no object
    return (
        (_mean(precision[..., 0]) or 0.0, _mean(precision[0, ..., 0]) or 0.0, _mean(precision[5, ..., 0]) or 0.0),
        {name: _mean(precision[..., i]) for i, name in enumerate(_SIZES) if i},
        {label: (_mean(precision[:, :, k, 0]) or 0.0, _mean(precision[0, :, k, 0]) or 0.0)
         for k, label in enumerate(labels)},
    )  # fmt: skip


def _mean(values: np.ndarray) -> float | None:
    kept = values[values > -1]
    return float(kept.mean()) if kept.size else None


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0
