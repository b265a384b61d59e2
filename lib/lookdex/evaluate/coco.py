"""Average precision by the COCO protocol, computed with pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lookdex.evaluate.labelled_photos import Truth
from lookdex.records import Detection
from lookdex.runtime.extras import extras

MAX_DETECTIONS = 100  # per photo, as in COCO
RECALLS = np.linspace(0, 1, 101)  # recall levels at which COCO samples precision
_SIZES = ("all", "small", "medium", "large")  # COCO area ranges: below 32², below 96², above

Row = dict[str, Any]  # of COCO's JSON


@dataclass(frozen=True, slots=True)
class LabelPrecision:
    """Precision of one category."""

    ap: float
    ap50: float
    curve: np.ndarray
    """float64 (101,), precision at IoU 0.5 for each of `RECALLS`."""


@dataclass(frozen=True, slots=True)
class Precision:
    """Average precision: means over categories with objects."""

    ap: float
    """Over IoUs of 0.50 … 0.95."""
    ap50: float
    ap75: float
    by_size: dict[str, float | None]
    """None for sizes without objects."""
    by_label: dict[str, LabelPrecision]


def average_precision(
    truths: Sequence[Truth], detected: Sequence[Sequence[Detection]], labels: Sequence[str]
) -> Precision:
    """Compute AP per category. As in COCO, boxes of different categories do not compete."""
    number = {label: i for i, label in enumerate(labels, 1)}
    annotations = _annotations(truths, number)
    results = _results(detected, number)
    if not annotations or not results:
        zero = LabelPrecision(0.0, 0.0, np.zeros(len(RECALLS)))
        return Precision(0.0, 0.0, 0.0, dict.fromkeys(_SIZES[1:]), dict.fromkeys(labels, zero))
    # Axes: IoU thresholds, recalls, labels, sizes. -1 marks cells without objects.
    precision = _evaluate(truths, number, annotations, results)
    return Precision(
        ap=_mean(precision[..., 0]) or 0.0,
        ap50=_mean(precision[0, ..., 0]) or 0.0,
        ap75=_mean(precision[5, ..., 0]) or 0.0,
        by_size={name: _mean(precision[..., i]) for i, name in enumerate(_SIZES) if i},
        by_label={
            label: LabelPrecision(
                _mean(precision[:, :, k, 0]) or 0.0,
                _mean(precision[0, :, k, 0]) or 0.0,
                precision[0, :, k, 0].clip(min=0),
            )
            for k, label in enumerate(labels)
        },
    )


def _annotations(truths: Sequence[Truth], number: dict[str, int]) -> list[Row]:
    annotations: list[Row] = []
    for image, truth in enumerate(truths, 1):
        for i, (box, label) in enumerate(zip(truth.boxes.tolist(), truth.labels, strict=True)):
            w, h = box[2] - box[0], box[3] - box[1]
            annotations.append({
                "id": len(annotations) + 1, "image_id": image, "category_id": number[label], "area": w * h,
                "bbox": [box[0], box[1], w, h], "iscrowd": int(bool(truth.crowd) and truth.crowd[i]),
            })  # fmt: skip
    return annotations


def _results(detected: Sequence[Sequence[Detection]], number: dict[str, int]) -> list[Row]:
    return [
        {
            "image_id": image,
            "category_id": number[o.label],
            "bbox": [o.box.x0, o.box.y0, o.box.x1 - o.box.x0, o.box.y1 - o.box.y0],
            "score": o.score,
        }
        for image, objects in enumerate(detected, 1)
        for o in objects
        if o.label in number
    ]


def _evaluate(
    truths: Sequence[Truth],
    number: dict[str, int],
    annotations: list[Row],
    results: list[Row],
) -> np.ndarray:
    with extras():
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
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
    precision: np.ndarray = run.eval["precision"][:, :, :, :, -1]
    return precision


def _mean(values: np.ndarray) -> float | None:
    valid = values[values > -1]
    return float(valid.mean()) if valid.size else None
