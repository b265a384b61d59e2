"""The network at the start of a detector's training, and its export."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lookdex.errors import ConfigError
from lookdex.models.detect import build
from lookdex.models.fcos import TRUNK, find_pyramid
from lookdex.models.limits import map_label
from lookdex.training.loop import freeze_early, freeze_statistics, imagenet_trunk, write

CANVASES = ((416, 288), (288, 416), (352, 352))  # height, width
TRUNK_SHARE = 0.4  # relative learning rate: ImageNet features are worth keeping


def tiny_config(labels: tuple[str, ...]) -> dict[str, Any]:
    """config.json of the built-in network, for these labels."""
    return {
        "builder": "lookdex_fcos",
        "arguments": {"num_classes": len(labels), "trunk": TRUNK, "channels": 64, "convs": 2},
        "labels": list(labels),
        "canvases": [list(canvas) for canvas in CANVASES],
        "fill": 127,
    }


def load_config(path: Path | None, start: Path | None, labels: tuple[str, ...]) -> dict[str, Any]:
    """The config.json to train with: the given file, else the start model's with the photos' labels, else the built-in
    one.

    Raises:
        ConfigError: the file is missing, not JSON, or has no builder or labels.
    """
    file = path or (start / "config.json" if start else None)
    if file is None:
        return tiny_config(labels)
    try:
        config: dict[str, Any] = json.loads(file.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise ConfigError(
            f"{file} cannot be read as JSON ({error}): give a detector's config.json"
        ) from error
    if not {"builder", "labels"} <= config.keys():
        raise ConfigError(
            f"{file} has no builder or no labels: see lookdex.models.detect.TorchvisionDetector"
        )
    if path is None and not set(labels) <= set(config["labels"]):
        blank = [
            name for name in config["labels"][:1] if not name
        ]  # torchvision's background label, if present
        config["labels"] = [*blank, *labels]
        config["arguments"] = config.get("arguments", {}) | {"num_classes": len(config["labels"])}
    return config


def label_numbers(config: Mapping[str, Any]) -> dict[str, int]:
    """The model's label numbers by lookdex label ("handbag" is "bag")."""
    numbers: dict[str, int] = {}
    for number, name in enumerate(config["labels"]):
        label = map_label(name) if name else None
        if label:
            numbers.setdefault(label, number)
    return numbers


def open_network(config: dict[str, Any], start: Path | None, out: Path) -> nn.Module:
    """Build the detector of a config.json with its initial weights.

    Args:
        start: folder of a trained model; layers of another shape (other labels) stay untrained. Without it, the
            built-in network starts from ImageNet weights, others from scratch.

    Raises:
        ConfigError: unknown builder, or `start` has no matching layer.
    """
    model = build(config, out)
    pyramid = find_pyramid(model)
    if start:
        count = _take(model, start)
        print(f"{count} of {len(model.state_dict())} tensors start from {start}", flush=True)
    elif pyramid is not None:
        imagenet_trunk(pyramid.trunk, config.get("arguments", {}).get("trunk", TRUNK))
    if pyramid is not None:
        freeze_early(pyramid.trunk)
    return model.to(memory_format=torch.channels_last)


def _take(model: nn.Module, start: Path) -> int:
    weights = model.state_dict()
    matching = {
        name: value.float() if value.is_floating_point() else value
        for name, value in load_file(start / "model.safetensors").items()
        if name in weights and weights[name].shape == value.shape
    }
    if not matching:
        raise ConfigError(
            f"no layer of {start}/model.safetensors matches the network: start from a model of the same builder"
        )
    model.load_state_dict(matching, strict=False)
    return len(matching)


def has_statistics(model: nn.Module, start: Path | None) -> bool:
    """Whether batch norm statistics are already trained; small batches of mixed sources would spoil them."""
    return start is not None or find_pyramid(model) is not None


def train_mode(model: nn.Module, frozen_statistics: bool) -> None:
    model.train()
    if frozen_statistics:
        freeze_statistics(model)


def amp_dtype_for(device: torch.device) -> torch.dtype | None:
    """The 16-bit type to train in: bfloat16 if the GPU supports it, else float16; None on a CPU, which stays at
    float32.
    """
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def mixed_precision(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[object]:
    return contextlib.nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


def groups(model: nn.Module) -> list[dict[str, Any]]:
    """Optimizer groups: the trunk at TRUNK_SHARE of the learning rate, everything else at the full rate."""
    slow, fast = list[Tensor](), list[Tensor]()
    for name, value in model.named_parameters():
        if value.requires_grad:
            (slow if ".trunk." in name or ".backbone.body." in name else fast).append(value)
    return [{"params": slow, "share": TRUNK_SHARE}, {"params": fast, "share": 1.0}]


def export(values: Mapping[str, Tensor], config: dict[str, Any], out: Path) -> None:
    """Write a detector's folder: weights in float16 and config.json."""
    out.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for name, value in values.items()
        if not name.endswith("num_batches_tracked")
    }
    write(tensors, out / "model.safetensors")
    (out / "config.tmp").write_text(json.dumps(config, indent=1) + "\n")
    os.replace(out / "config.tmp", out / "config.json")
