"""The image tower of an open_clip model while it trains: pictures of several shapes in, unit vectors out."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lookdex.models.fuse import fuse


class Tower:
    """Any open_clip model's image tower.

    mean, std: of its input, three numbers each in 0 … 1.
    """

    def __init__(
        self, model: nn.Module, mean: Sequence[float], std: Sequence[float], device: torch.device
    ) -> None:
        self._model, self._device = model, device
        self._mean = torch.tensor(mean, device=device).view(1, 3, 1, 1)
        self._std = torch.tensor(std, device=device).view(1, 3, 1, 1)

    def __call__(self, pictures: Sequence[np.ndarray]) -> Tensor:
        """uint8 (height, width, 3) pictures of few shapes → float32 (n, dim) of unit length."""
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for i, picture in enumerate(pictures):
            groups[picture.shape].append(i)
        order = torch.tensor([i for members in groups.values() for i in members], device=self._device)
        parts = [
            self._encode(self.as_input(np.stack([pictures[i] for i in members])))
            for members in groups.values()
        ]
        return F.normalize(torch.cat(parts).float()[torch.argsort(order)], dim=1)

    def as_input(self, pixels: np.ndarray) -> Tensor:
        """uint8 (n, height, width, 3) → what the tower takes, float32 (n, 3, height, width), channels last."""
        batch = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2).float() / 255
        return ((batch - self._mean) / self._std).contiguous(memory_format=torch.channels_last)

    def _encode(self, batch: Tensor) -> Tensor:
        found: Tensor = self._model.encode_image(batch)
        return found


class EfficientNetTower(Tower):
    """A timm EfficientNet whose stem and first `frozen` stages do not train.

    They run without their batch norms (folded once) and without a graph: a tenth of a step's time.
    """

    def __init__(
        self, model: nn.Module, mean: Sequence[float], std: Sequence[float], device: torch.device, frozen: int
    ) -> None:
        super().__init__(model, mean, std, device)
        early = copy.deepcopy(model.visual.trunk).eval()
        fuse(early)
        self._frozen = frozen
        self._early = nn.Sequential(early.conv_stem, early.bn1, *early.blocks[:frozen])
        self._early.to(memory_format=torch.channels_last)

    def _encode(self, batch: Tensor) -> Tensor:
        visual = self._model.visual
        with torch.no_grad():
            x = self._early(batch)
        for stage in visual.trunk.blocks[self._frozen :]:
            x = stage(x)
        found: Tensor = visual.head(visual.trunk.forward_head(visual.trunk.bn2(visual.trunk.conv_head(x))))
        return found
