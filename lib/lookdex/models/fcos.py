"""The built-in detector's network: torchvision's FCOS on features of timm's EfficientNet-Lite."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import cast

import numpy as np
import timm
import torch
from timm.models.efficientnet import EfficientNetFeatures
from torch import Tensor, nn
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOSHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FeaturePyramidNetwork

TRUNK = "tf_efficientnet_lite0"
STRIDES = (8, 16, 32)
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3


class LitePyramid(nn.Module):
    """Features of timm's `trunk` at strides 8, 16 and 32 (P3–P5), with `channels` channels each."""

    def __init__(self, trunk: str, channels: int) -> None:
        super().__init__()
        model = timm.create_model(trunk, features_only=True, out_indices=(2, 3, 4), pretrained=False)
        self.trunk = cast(EfficientNetFeatures, model)
        self.pyramid = FeaturePyramidNetwork(self.trunk.feature_info.channels(), channels)
        self.out_channels = channels

    def forward(self, pixels: Tensor) -> OrderedDict[str, Tensor]:
        features = self.trunk(pixels)
        levels: OrderedDict[str, Tensor] = self.pyramid(
            OrderedDict((str(i), f) for i, f in enumerate(features))
        )
        return levels


def find_pyramid(model: nn.Module) -> LitePyramid | None:
    """The detector's backbone, if it is the built-in one."""
    backbone = getattr(model, "backbone", None)
    return backbone if isinstance(backbone, LitePyramid) else None


def lookdex_fcos(
    num_classes: int, trunk: str = TRUNK, channels: int = 64, convs: int = 2, **arguments: object
) -> FCOS:
    """Build an untrained FCOS for `num_classes` labels 0 … n-1, without a background label.

    Args:
        trunk: one of timm's EfficientNet-Lites.
    """
    head = FCOSHead(channels, 1, num_classes, num_convs=convs)
    anchors = AnchorGenerator(tuple((s,) for s in STRIDES), ((1.0,),) * len(STRIDES))
    model = FCOS(
        LitePyramid(trunk, channels),
        num_classes,
        image_mean=list(MEAN),
        image_std=list(STD),
        anchor_generator=anchors,
        head=head,
        **arguments,
    )
    keep_size(model)
    return model


def keep_size(model: nn.Module) -> None:
    """Disable a torchvision detector's resizing, because photos are already drawn on canvases."""

    def identity(
        image: Tensor, target: dict[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor] | None]:
        return image, target

    transform: GeneralizedRCNNTransform = model.transform
    transform.resize = identity


def stack(images: Sequence[np.ndarray], device: torch.device | str = "cpu") -> Tensor:
    """Stack uint8 (H, W, 3) photos of one shape into float32 (n, 3, H, W) in 0 … 1, in channels-last memory format."""
    pixels = torch.from_numpy(np.stack(images)).to(device)
    return pixels.permute(0, 3, 1, 2).float().div_(255)
