"""What a detector's raw boxes become: those that are kept, under lookdex's names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lookdex.imaging.boxes import distinct
from lookdex.records import Box, Detection
from lookdex.taxonomy.categories import category_of


def own_label(label: str, keep_unknown: bool = True) -> str | None:
    """A model's label as a category of lookdex; one that is none as it is, or None (its boxes are dropped)."""
    return category_of(label) or (label.strip() if keep_unknown else None)


# Boxes of one label that share more of the smaller are one object. On 60 held-out looks it halves the wrong boxes at
# the same share of objects found (lookdex_tiny.score).
MAX_INSIDE = 0.6
ALL_BOXES = 1.0  # the nms_iou with which every box is kept, as COCO's AP wants them


class DetectionLimits:
    """What is kept of a model's raw boxes, the same for every kind of model."""

    def __init__(self, min_score: float, nms_iou: float, max_objects: int) -> None:
        self.min_score, self.nms_iou, self.max_objects = min_score, nms_iou, max_objects

    def keep(
        self, boxes: Tensor, scores: Tensor, labels: Sequence[str | None], height: int, width: int
    ) -> list[Detection]:
        """Raw boxes (n, 4) in photo pixels, scores (n,), labels (None: dropped) → the photo's objects."""
        boxes, scores = boxes.float().cpu(), scores.float().cpu()
        limit = torch.tensor([width, height, width, height], dtype=torch.float32)
        whole = torch.minimum(boxes.round().clamp(min=0), limit)
        named = torch.tensor([label is not None for label in labels], dtype=torch.bool)
        solid = (whole[:, 2] > whole[:, 0]) & (whole[:, 3] > whole[:, 1])
        chosen = torch.nonzero(named & solid & (scores >= self.min_score)).flatten()
        # Boxes are compared as they will be stored, so that an item's id does not hang on a fraction.
        names = [str(labels[i]) for i in chosen.tolist()]
        inside = 1.0 if self.nms_iou == ALL_BOXES else MAX_INSIDE
        order = distinct(whole[chosen].numpy(), scores[chosen].numpy(), names, self.nms_iou, inside)
        return [
            Detection(Box(*(int(v) for v in whole[i])), str(labels[i]), round(float(scores[i]), 4))
            for i in chosen[order[: self.max_objects]].tolist()
        ]
