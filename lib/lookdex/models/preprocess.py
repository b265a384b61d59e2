"""Preprocessing of images for open_clip models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torchvision.transforms.v2 import functional as tv

from lookdex.errors import ConfigError
from lookdex.models.pixels import Canvas, choose_canvas, fit


@dataclass(frozen=True, slots=True)
class Preprocess:
    """Fits an image of any size onto one of the model's canvases, as uint8 (height, width, 3)."""

    canvases: tuple[Canvas, ...]
    """(height, width) pairs; only the model's own size, unless it was trained with more. Of several, the one on which
    the image is drawn largest is used: trousers, belts and pairs of shoes would leave half of a square empty.
    """
    mean: tuple[float, ...]
    """Normalisation of pixels in 0 … 1; so is `std`."""
    std: tuple[float, ...]
    mode: str
    """open_clip's resize_mode, shortest (with a centre crop), longest (letterboxed on grey `fill`) or squash."""
    interpolation: str
    fill: int

    @classmethod
    def from_settings(
        cls, settings: dict[str, Any], canvases: Sequence[Sequence[int]] | None = None
    ) -> Preprocess:
        """Create from open_clip's preprocess_cfg and the canvases of lookdex_cfg.

        Raises:
            ConfigError: several canvases for a model that does not see the whole image.
        """
        size = settings.get("size", 224)
        own = (size, size) if isinstance(size, int) else size
        mode = settings.get("resize_mode", "shortest")
        if canvases is not None and mode != "longest":
            raise ConfigError(
                f"the embedder sets canvases, but its resize_mode is {mode!r}: canvases need a model that sees the "
                "whole image ('longest')"
            )
        return cls(
            canvases=tuple((int(h), int(w)) for h, w in canvases or [own]),
            mean=tuple(settings["mean"]),
            std=tuple(settings["std"]),
            mode=mode,
            interpolation=settings.get("interpolation", "bicubic").replace("random", "bicubic"),
            fill=int(settings.get("fill_color", 0)),
        )

    def canvas(self, image: np.ndarray) -> Canvas:
        """The canvas for an image (H, W, 3)."""
        return choose_canvas(image.shape, self.canvases)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Preprocess an image.

        Args:
            image: uint8 RGB (H, W, 3).
        """
        canvas = self.canvas(image)
        if self.mode == "longest":
            return fit(image, canvas, self.fill, centred=True)[0]
        how = tv.InterpolationMode(self.interpolation)
        tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
        if self.mode == "squash":
            tensor = tv.resize(tensor, list(canvas), interpolation=how, antialias=True)
        else:
            scale = max(canvas[0] / tensor.shape[1], canvas[1] / tensor.shape[2])
            whole = [max(s, round(n * scale)) for s, n in zip(canvas, tensor.shape[1:], strict=True)]
            tensor = tv.center_crop(tv.resize(tensor, whole, interpolation=how, antialias=True), list(canvas))
        pixels: np.ndarray = tensor.permute(1, 2, 0).numpy()
        return pixels
