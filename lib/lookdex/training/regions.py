"""Segmentation as an auxiliary task: masks contain more information than boxes.

A few hundred photos with boxes teach a detector little about small or rare objects. Where there are masks, a linear
layer on the sum of the pyramid's levels (Kirillov et al., Panoptic Feature Pyramid Networks, 2019) also classifies the
region of each cell: background, one of the labels, skin, hair. The layer is discarded after training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lookdex.errors import ConfigError

UNKNOWN = 255
BODY = ("skin", "hair")
_COUNTING_SIZE = 160, 104  # height, width: enough pixels to estimate frequencies


@dataclass(frozen=True, slots=True)
class Regions:
    """Regions of masks."""

    names: tuple[str, ...]
    """Background, the detector's labels in order, then BODY; a region is its index here."""
    table: np.ndarray
    """uint8 (256,), region of each grey value in mask files; UNKNOWN if it has none."""

    def read(self, path: Path | None, height: int, width: int) -> np.ndarray:
        """Read a mask file as regions, uint8 (height, width); all UNKNOWN without a file."""
        if path is None:
            return np.full((height, width), UNKNOWN, np.uint8)
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if grey is None:
            raise FileNotFoundError(f"the mask {path} is missing or not an image")
        if grey.shape != (height, width):
            grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_NEAREST)
        regions: np.ndarray = self.table[grey]
        return regions


def regions(labels: Sequence[str], mask_names: Sequence[str], label_of: Mapping[str, str]) -> Regions:
    """Map masks with grey values for `mask_names` ("null", "skin", "hair", or a tag) to regions.

    Args:
        label_of: label of each mask name that is a box tag.
    """
    names = ("background", *labels, *BODY)
    table = np.full(256, UNKNOWN, np.uint8)
    for grey, name in enumerate(mask_names):
        name = "background" if name in ("null", "background") else label_of.get(name, name)
        if name in names:
            table[grey] = names.index(name)
    return Regions(names, table)


def region_weights(found: Regions, masks: Sequence[Path]) -> Tensor:
    """Loss weight per region, float32 (n,): inverse square root of its frequency in the masks.

    The mean over the masks' pixels is 1. Regions in no mask have weight 0.
    """
    counts = np.zeros(256)
    for path in masks:
        counts += np.bincount(found.read(path, *_COUNTING_SIZE).ravel(), minlength=256)
    share = counts[: len(found.names)] / max(1.0, counts[: len(found.names)].sum())
    weights = np.where(share > 0, 1 / np.sqrt(np.maximum(share, 1e-4)), 0)
    return torch.from_numpy((weights / max(1e-9, float((weights * share).sum()))).astype(np.float32))


class RegionLoss(nn.Module):
    """Cross-entropy of the regions, from the pyramid that the backbone outputs in each forward pass.

    Args:
        backbone: returns a dictionary of feature maps, finest first, with `backbone.out_channels` channels.

    Raises:
        ConfigError: another kind of backbone.
    """

    weights: Tensor

    def __init__(self, backbone: nn.Module, weights: Tensor) -> None:
        super().__init__()
        channels = getattr(backbone, "out_channels", None)
        if not isinstance(channels, int):
            raise ConfigError(
                "masks need a feature pyramid, which this detector does not have: train it without --masks"
            )
        self.classify = nn.Conv2d(channels, len(weights), 1)
        # The features are large: from a random start this loss would dominate those of the boxes.
        for parameter in self.classify.parameters():
            nn.init.zeros_(parameter)
        self.register_buffer("weights", weights)
        self._levels: list[Tensor] = []
        backbone.register_forward_hook(lambda module, inputs, levels: self._keep(levels))

    def _keep(self, levels: Mapping[str, Tensor]) -> None:
        self._levels = [level for name, level in levels.items() if name != "pool"]

    def forward(self, masks: Tensor) -> Tensor:
        """Loss for the masks, uint8 (n, H, W), of the batch just seen by the detector: a scalar (0 if all unknown)."""
        finest, *others = self._levels
        size = finest.shape[-2:]
        summed = finest
        for level in others:
            summed = summed + functional.interpolate(level, size, mode="bilinear", align_corners=False)
        scores = functional.interpolate(
            self.classify(summed), scale_factor=2, mode="bilinear", align_corners=False
        )
        step = masks.shape[-1] // scores.shape[-1]
        targets = masks[:, step // 2 :: step, step // 2 :: step].long()
        if not (targets != UNKNOWN).any():
            return scores.sum() * 0
        return functional.cross_entropy(scores, targets, self.weights, ignore_index=UNKNOWN)
