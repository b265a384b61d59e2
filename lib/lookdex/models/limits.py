"""Filter a detector's raw boxes and map their labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lookdex.imaging.boxes import select_distinct
from lookdex.records import Box, Detection
from lookdex.taxonomy.categories import find_category


def map_label(label: str, keep_unknown: bool = True) -> str | None:
    """Map a model's label to a lookdex category. Other labels are kept, or None if `keep_unknown` is false."""
    return find_category(label) or (label.strip() if keep_unknown else None)


# Boxes of one label that overlap by more than this share of the smaller one are one object. On 60 held-out looks, it
# halves the wrong boxes at equal recall (lookdex_tiny.score).
MAX_INSIDE = 0.6
ALL_BOXES = 1.0  # nms_iou that keeps every box, as COCO's AP requires


class DetectionLimits:
    """Limits on raw boxes, the same for every kind of model."""

    def __init__(self, min_score: float, nms_iou: float, max_objects: int) -> None:
        self.min_score, self.nms_iou, self.max_objects = min_score, nms_iou, max_objects

    def keep(
        self, boxes: Tensor, scores: Tensor, labels: Sequence[str | None], height: int, width: int
    ) -> list[Detection]:
        """Filter raw boxes (n, 4) in photo pixels with scores (n,) and labels (None: dropped)."""
        boxes, scores = boxes.float().cpu(), scores.float().cpu()
        limit = torch.tensor([width, height, width, height], dtype=torch.float32)
        whole = torch.minimum(boxes.round().clamp(min=0), limit)
        named = torch.tensor([label is not None for label in labels], dtype=torch.bool)
        solid = (whole[:, 2] > whole[:, 0]) & (whole[:, 3] > whole[:, 1])
        chosen = torch.nonzero(named & solid & (scores >= self.min_score)).flatten()
        # Compare boxes as stored (rounded), so that item ids do not depend on fractions.
        names = [str(labels[i]) for i in chosen.tolist()]
        inside = 1.0 if self.nms_iou == ALL_BOXES else MAX_INSIDE
        order = select_distinct(whole[chosen].numpy(), scores[chosen].numpy(), names, self.nms_iou, inside)
        return [
            Detection(Box(*(int(v) for v in whole[i])), str(labels[i]), round(float(scores[i]), 4))
            for i in chosen[order[: self.max_objects]].tolist()
        ]
