"""Hugging Face transformers detectors (RT-DETR, D-FINE, YOLOS, DETR …), through its Auto classes."""

from __future__ import annotations

from collections.abc import Sequence
from pickle import UnpicklingError

import numpy as np
import torch

from lookdex.errors import ModelNotFound
from lookdex.models.device import autocast
from lookdex.models.limits import DetectionLimits, map_label
from lookdex.models.pixels import Canvas, choose_canvas, fit
from lookdex.records import Detection

_SHAPES = (1.0, 4 / 3, 3 / 2, 2.0)  # long side / short side
_GREY = 114


class TransformersDetector:
    """Any model that AutoModelForObjectDetection loads, by hub id or from a local folder.

    Labels that are not lookdex categories are kept (COCO's "person"): choose a model trained on clothes, or filter by
    label.
    """

    def __init__(self, name: str, device: torch.device, limits: DetectionLimits) -> None:
        from transformers import AutoImageProcessor, AutoModelForObjectDetection

        self.name, self._device, self._limits = name, device, limits
        source = name.removeprefix("transformers:")
        try:
            # Never run a model's own code, and unpickle only tensors, whatever the files request.
            self._processor = AutoImageProcessor.from_pretrained(source, trust_remote_code=False)
            model = AutoModelForObjectDetection.from_pretrained(
                source, dtype=torch.float32, trust_remote_code=False, weights_only=True
            )
        except (OSError, ValueError, UnpicklingError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise ModelNotFound(
                f"the detector {source!r} could not be loaded: {first}. It must be an object detection model: a "
                "local folder (config.json, preprocessor_config.json, model.safetensors), or a hub id that is "
                "cached (`hf download`) or reachable"
            ) from error
        self._model = model.eval().to(device)
        self._labels = {int(i): map_label(label) for i, label in model.config.id2label.items()}
        self._canvases = _canvases(dict(self._processor.size or {}))

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        found: list[list[Detection]] = [[] for _ in images]
        groups: dict[Canvas, list[int]] = {}
        for i, image in enumerate(images):
            canvas = choose_canvas(image.shape, self._canvases) if self._canvases else (0, 0)
            groups.setdefault(canvas, []).append(i)
        for canvas, members in groups.items():
            chosen = [images[i] for i in members]
            scales = [1.0] * len(chosen)
            if self._canvases:
                fitted = [fit(image, canvas, _GREY) for image in chosen]
                chosen, scales = [pixels for pixels, _ in fitted], [place.scale for _, place in fitted]
            for i, scale, output in zip(members, scales, self._forward(chosen), strict=True):
                labels = [self._labels.get(n) for n in output["labels"].tolist()]
                boxes = output["boxes"] / scale
                found[i] = self._limits.keep(boxes, output["scores"], labels, *images[i].shape[:2])
        return found

    def _forward(self, images: list[np.ndarray]) -> list[dict[str, torch.Tensor]]:
        inputs = self._processor(images=images, return_tensors="pt", input_data_format="channels_last").to(
            self._device
        )
        with torch.inference_mode(), autocast(self._device):
            outputs = self._model(**inputs)
        found: list[dict[str, torch.Tensor]] = self._processor.post_process_object_detection(
            outputs, threshold=self._limits.min_score, target_sizes=[image.shape[:2] for image in images]
        )
        return found


def _canvases(size: dict[str, int]) -> list[Canvas]:
    """Canvas shapes for models whose preprocessing keeps each photo's aspect ratio.

    Models that resize every photo to one shape (RT-DETR) need none: [].
    """
    if "height" in size and "width" in size:
        return []
    if "max_height" in size and "max_width" in size:
        return [(size["max_height"], size["max_width"])]
    short = size.get("shortest_edge", 800)
    longest = size.get("longest_edge", 1333)
    wide = [(short, round(short * shape)) for shape in _SHAPES if round(short * shape) <= longest]
    return sorted({*wide, *((w, h) for h, w in wide)})
