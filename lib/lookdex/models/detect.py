"""Detectors: photos in, labelled boxes out. One protocol for the built-in model, torchvision and transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS, RetinaNet
from torchvision.models.detection.ssd import SSD

from lookdex.errors import ConfigError, ModelNotFound
from lookdex.models.device import autocast, open_device
from lookdex.models.digests import TINY_DETECTOR, detector_defaults, detector_folder, read_settings
from lookdex.models.fcos import find_pyramid, keep_size, lookdex_fcos
from lookdex.models.fuse import fuse
from lookdex.models.limits import DetectionLimits, map_label
from lookdex.models.pixels import Placement, choose_canvas, fit
from lookdex.records import Detection

DEFAULT_CANVASES = ((800, 608), (608, 800), (704, 704))


class Detector(Protocol):
    """Finds objects in photos.

    detect: uint8 RGB (H, W, 3) photos of any size → for each photo its objects, best first. Boxes are in whole photo
    pixels, scores are at least `min_score`, there is one box per object (class-agnostic NMS) and at most `max_objects`.
    """

    @property
    def name(self) -> str: ...

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]: ...


def load_detector(
    name: str,
    *,
    device: str = "cpu",
    min_score: float | None = None,
    nms_iou: float = 0.7,
    max_objects: int = 20,
) -> Detector:
    """Load a detector: 'lookdex-tiny', 'torchvision:<folder>' or 'transformers:<hub id or folder>'.

    Args:
        min_score: None uses the model's own operating point (`digests.detector_defaults`).
        nms_iou: 1 keeps every box that the model itself keeps.

    Raises:
        ModelNotFound, DeviceUnavailable, ConfigError.
    """
    score = detector_defaults(name).min_score if min_score is None else min_score
    if not 0 <= score <= 1 or not 0 < nms_iou <= 1 or max_objects < 1:
        raise ConfigError(
            f"min_score is {score}, nms_iou {nms_iou} and max_objects {max_objects}: the first two must be "
            "between 0 and 1, the last at least 1"
        )
    torch_device, limits = open_device(device), DetectionLimits(score, nms_iou, max_objects)
    if name.startswith("transformers:"):
        from lookdex.models.detect_transformers import TransformersDetector

        return TransformersDetector(name, torch_device, limits)
    return TorchvisionDetector.load(name, torch_device, limits)


class TorchvisionDetector:
    """A torchvision detection model from a folder with `config.json` and `model.safetensors`.

    config.json: builder (a function of torchvision.models.detection, or `lookdex_fcos`), arguments (its keyword
    arguments), labels (by the model's label number; "" and null are dropped). Optional: canvases ([height, width]
    pairs, multiples of 32), fill (grey level of the padding, 0 … 255), min_score, keep_unknown (whether to keep labels
    that are not lookdex categories).
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        config: dict[str, Any],
        device: torch.device,
        limits: DetectionLimits,
    ) -> None:
        self.name, self._device, self._limits = name, device, limits
        keep = bool(config.get("keep_unknown", True))
        self._labels = [map_label(label, keep) if label else None for label in config["labels"]]
        self._canvases = [(int(h), int(w)) for h, w in config.get("canvases", DEFAULT_CANVASES)]
        self._fill = int(config.get("fill", 114))
        self._model = model.eval().to(device).to(memory_format=torch.channels_last)
        if isinstance(model, FCOS | RetinaNet | SSD):
            model.score_thresh = min(limits.min_score, 0.05)

    @classmethod
    def load(cls, name: str, device: torch.device, limits: DetectionLimits) -> TorchvisionDetector:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        folder = detector_folder(name)
        config = read_settings(folder / "config.json")
        if missing := [name for name in ("builder", "labels") if name not in config]:
            raise ModelNotFound(f"{folder}/config.json has no {' and no '.join(missing)}")
        model = build(config, folder)
        try:
            tensors = load_file(folder / "model.safetensors")
        except SafetensorError as error:
            raise ModelNotFound(f"{folder}/model.safetensors cannot be read: {error}") from error
        state = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
        missing_tensors, unexpected = model.load_state_dict(state, strict=False)
        missing_tensors = [k for k in missing_tensors if not k.endswith("num_batches_tracked")]
        if missing_tensors or unexpected:
            raise ModelNotFound(
                f"the weights in {folder} do not fit {config['builder']}: {len(missing_tensors)} missing, "
                f"{len(unexpected)} unexpected tensors (first: {[*missing_tensors, *unexpected][0]}); "
                "config.json must give the builder and arguments of their training"
            )
        if (backbone := find_pyramid(model)) is not None:
            fuse(backbone.trunk.eval())
        return cls(name, model, config, device, limits)

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        found: list[list[Detection]] = [[] for _ in images]
        groups: dict[tuple[int, int], list[int]] = {}
        for i, image in enumerate(images):
            groups.setdefault(choose_canvas(image.shape, self._canvases), []).append(i)
        for canvas, members in groups.items():
            canvases = [fit(images[i], canvas, self._fill) for i in members]
            outputs = self._forward([pixels for pixels, _ in canvases])
            for i, (_, placement), output in zip(members, canvases, outputs, strict=True):
                found[i] = self._objects(output, placement, *images[i].shape[:2])
        return found

    def _forward(self, canvases: list[np.ndarray]) -> list[dict[str, Tensor]]:
        pixels = torch.from_numpy(np.stack(canvases)).to(self._device).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode(), autocast(self._device):
            found: list[dict[str, Tensor]] = self._model(list(pixels))
        return found

    def _objects(
        self, output: dict[str, Tensor], placement: Placement, height: int, width: int
    ) -> list[Detection]:
        labels = [self._labels[n] if n < len(self._labels) else None for n in output["labels"].tolist()]
        boxes = output["boxes"] / placement.scale
        return self._limits.keep(boxes, output["scores"], labels, height, width)


def build(config: dict[str, Any], folder: Path) -> nn.Module:
    """Build the untrained model that a config.json describes."""
    from torchvision.models import detection

    arguments = dict(config.get("arguments", {}))
    arguments.setdefault("num_classes", len(config["labels"]))
    name = str(config["builder"])
    builder = getattr(detection, name, None)
    try:
        if name == lookdex_fcos.__name__:
            model: nn.Module = lookdex_fcos(**arguments)
            return model
        if not callable(builder) or name.startswith("_"):
            raise ConfigError(
                f"{folder}/config.json names the builder {name!r}: use a function of "
                "torchvision.models.detection, such as fcos_resnet50_fpn"
            )
        model = builder(weights=None, weights_backbone=None, **arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"{folder}/config.json: the builder {name} rejects these arguments: {error}"
        ) from error
    keep_size(model)
    return model


__all__ = ["TINY_DETECTOR", "DetectionLimits", "Detector", "TorchvisionDetector", "build", "load_detector"]
