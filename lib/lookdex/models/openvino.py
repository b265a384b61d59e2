"""Run the networks with OpenVINO on a CPU: the same vectors and boxes as torch, in less time.

The loaded, fused torch module is compiled and its outputs are checked against torch. The steps around it (canvas,
boxes, labels) stay those that indexed the catalogue. Precision is float32: bfloat16, OpenVINO's default on CPUs that
support it, changed vectors by up to 0.0004 of cosine. Needs the extra `openvino`.

To compare speeds, run `infra/bench_serve.py` with `--engine torch` and `--engine openvino`.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection import FCOS
from torchvision.models.detection.image_list import ImageList

from lookdex.errors import ConfigError
from lookdex.models.detect import Detector, TorchvisionDetector
from lookdex.models.device import cores
from lookdex.models.digests import TINY
from lookdex.models.embed import OpenClipEmbedder
from lookdex.models.limits import DetectionLimits
from lookdex.models.pixels import Canvas
from lookdex.records import Recipe

SAME_VECTOR = 0.9999  # minimum cosine between the two engines' vectors; below it OpenVINO is not used
SAME_BOXES = 0.01  # maximum difference of a detector's raw outputs


class OutputMismatchError(ConfigError):
    """OpenVINO's outputs differ from torch's."""


def load_detector(recipe: Recipe, threads: int) -> Detector | None:
    """Load the recipe's detector; None if its network is not supported here. Raises OutputMismatchError."""
    if recipe.detector != TINY and not recipe.detector.startswith("torchvision:"):
        return None
    limits = DetectionLimits(recipe.min_score, recipe.nms_iou, recipe.max_objects)
    found = OpenvinoDetector.load(recipe.detector, torch.device("cpu"), limits)
    return found.start(threads) if isinstance(found, OpenvinoDetector) and found.compilable else None


class Network:
    """A torch image module, compiled for each canvas. Thread-safe.

    Args:
        module: float32 (1, 3, h, w), normalised → a tensor or a tuple of tensors.
        mean, std: of pixels in 0 … 1.
        threads: concurrent calls that share all cores.
        alone: also compile a version that uses all cores when no other call runs; it doubles the memory, for networks
            that run once per query.
    """

    def __init__(
        self,
        module: nn.Module,
        canvases: Sequence[Canvas],
        mean: Sequence[float],
        std: Sequence[float],
        threads: int,
        alone: bool = False,
    ) -> None:
        ov = _openvino()
        self._core, self._lock, self._running = ov.Core(), threading.Lock(), 0
        self._compiled: dict[tuple[Canvas, bool], Any] = {}
        self._free: dict[tuple[Canvas, bool], list[Any]] = {}
        self._alone = alone and threads > 1
        traced = _convert(module, canvases[0])
        for height, width in canvases:
            model = traced.clone()
            model.reshape([1, 3, height, width])
            steps = ov.preprocess.PrePostProcessor(model)
            steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
            steps.input().model().set_layout(ov.Layout("NCHW"))
            steps.input().preprocess().convert_element_type(ov.Type.f32).mean([255 * m for m in mean]).scale(
                [255 * s for s in std]
            )
            built = steps.build()
            for by_itself in (False, True) if self._alone else (False,):
                self._compiled[(height, width), by_itself] = self._compile(built, 1 if by_itself else threads)
                self._free[(height, width), by_itself] = []

    def _compile(self, model: Any, streams: int) -> Any:
        return self._core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "f32",
                "NUM_STREAMS": streams,
                "INFERENCE_NUM_THREADS": max(streams, cores()),
                "ENABLE_CPU_PINNING": False,  # other processes need the cores too
            },
        )

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        """Run on uint8 (h, w, 3) of one canvas size. Returns each output, with a batch dimension of 1."""
        with self._lock:
            which = (picture.shape[0], picture.shape[1]), self._alone and self._running == 0
            free = self._free[which]
            request = free.pop() if free else self._compiled[which].create_infer_request()
            self._running += 1
        try:
            found = request.infer([picture[None]], share_inputs=True)
            return [np.array(found[n]) for n in range(len(found))]
        finally:
            with self._lock:
                self._running -= 1
                free.append(request)


def _openvino() -> Any:
    """Import the package with telemetry disabled; it would fork this process and report to its vendor."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # as if it were not installed
    import openvino

    return openvino


def _convert(module: nn.Module, canvas: Canvas) -> Any:
    """Convert a torch module to an OpenVINO model with dynamic image size.

    Uses the frontend directly: `openvino.convert_model` does the same in twice the time.
    """
    _openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with torch.no_grad(), warnings.catch_warnings():  # not inference_mode: inference tensors cannot be traced
        warnings.simplefilter("ignore")
        frontend = FrontEndManager().load_by_framework("pytorch")
        traced = TorchScriptPythonDecoder(module, example_input=(torch.zeros(1, 3, *canvas),))
        return frontend.convert(frontend.load(traced))


class _Vectors(nn.Module):
    def __init__(self, encode: Callable[[Tensor], Tensor], visual: nn.Module) -> None:
        super().__init__()
        self._encode, self._visual = encode, visual

    def forward(self, pixels: Tensor) -> Tensor:
        return F.normalize(self._encode(pixels).float(), dim=-1)


class OpenvinoEmbedder(OpenClipEmbedder):
    """Runs images through OpenVINO, one at a time; everything else as in its base class."""

    def __init__(self, name: str, threads: int) -> None:
        super().__init__(name, torch.device("cpu"), batch=1)
        settings = self._preprocess
        module = _Vectors(self._model.encode_image, self._model.visual)
        self._network = Network(module, settings.canvases, settings.mean, settings.std, threads)
        for canvas in settings.canvases:
            picture = _sample(canvas)[None]
            cosine = float((super()._forward(picture) * self._forward(picture)).sum())
            if cosine < SAME_VECTOR:
                raise OutputMismatchError(
                    f"OpenVINO's vectors of {name} differ from torch's (cosine {cosine:.5f} on a canvas of "
                    f"{canvas[0]} × {canvas[1]}): set engine to torch"
                )

    def _forward(self, pixels: np.ndarray) -> np.ndarray:
        return np.concatenate([self._network(picture)[0] for picture in pixels])


class _Raw(nn.Module):
    """An FCOS without box decoding."""

    def __init__(self, model: FCOS) -> None:
        super().__init__()
        self.backbone, self.head = model.backbone, model.head

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found = self.head(list(self.backbone(pixels).values()))
        return found["cls_logits"], found["bbox_regression"], found["bbox_ctrness"]


class OpenvinoDetector(TorchvisionDetector):
    """An FCOS whose network runs in OpenVINO, one photo at a time; torchvision decodes its boxes."""

    @property
    def compilable(self) -> bool:
        """Whether its network is supported here."""
        return isinstance(self._model, FCOS)

    def start(self, threads: int) -> OpenvinoDetector:
        """Compile the network. Raises OutputMismatchError."""
        model = self._model
        assert isinstance(model, FCOS)
        self._fcos = model
        raw = _Raw(model)
        mean, std = model.transform.image_mean, model.transform.image_std
        self._network = Network(raw, self._canvases, mean, std, threads, alone=True)
        self._levels: dict[Canvas, tuple[list[Tensor], list[int]]] = {}
        for canvas in self._canvases:
            picture = _sample(canvas)
            pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
            scaled = (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
            with torch.inference_mode():
                expected = raw(scaled.contiguous(memory_format=torch.channels_last))
                features = list(model.backbone(scaled).values())
                anchors = model.anchor_generator(ImageList(scaled, [canvas]), features)[0]
            counts = [f.shape[2] * f.shape[3] for f in features]
            self._levels[canvas] = list(anchors.split(counts)), counts
            difference = max(
                float((torch.from_numpy(got) - want).abs().max())
                for got, want in zip(self._network(picture), expected, strict=True)
            )
            if difference > SAME_BOXES:
                raise OutputMismatchError(
                    f"OpenVINO's raw boxes of {self.name} differ from torch's by {difference:.3f}: set engine to torch"
                )
        return self

    def _forward(self, canvases: list[np.ndarray]) -> list[dict[str, Tensor]]:
        return [self._boxes(picture) for picture in canvases]

    def _boxes(self, picture: np.ndarray) -> dict[str, Tensor]:
        canvas = picture.shape[0], picture.shape[1]
        anchors, counts = self._levels[canvas]
        names = ("cls_logits", "bbox_regression", "bbox_ctrness")
        outputs = {
            name: list(torch.from_numpy(value).split(counts, dim=1))
            for name, value in zip(names, self._network(picture), strict=True)
        }
        with torch.inference_mode():
            found: dict[str, Tensor] = self._fcos.postprocess_detections(outputs, [anchors], [canvas])[0]
        return found


def _sample(canvas: Canvas) -> np.ndarray:
    """uint8 (h, w, 3): a fixed test image with smooth and rough areas."""
    rng = np.random.default_rng(0)
    height, width = canvas
    slope = np.linspace(0, 200, height)[:, None, None] * np.linspace(0.2, 1, width)[None, :, None]
    return np.clip(slope + rng.integers(0, 56, (height, width, 3)), 0, 255).astype(np.uint8)
