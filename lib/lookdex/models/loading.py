"""Load the two models of a recipe, for indexing and for search. torch is imported on first use."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from lookdex.errors import ConfigError
from lookdex.models.custom import import_factory, is_custom
from lookdex.records import Recipe
from lookdex.runtime.extras import extras, is_installed, missing_extra

if TYPE_CHECKING:
    from lookdex.models.detect import Detector
    from lookdex.models.embed import Embedder


logger = logging.getLogger(__name__)


class Engine(StrEnum):
    """The inference engine."""

    AUTO = "auto"  # OpenVINO on the CPU if installed, else torch
    TORCH = "torch"
    OPENVINO = "openvino"


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads a recipe's models for an engine.

    OpenVINO runs the networks it supports (`models.openvino`). Other networks, and texts, run with torch.
    """

    engine: Engine = Engine.TORCH
    threads: int = 1
    """Concurrent model calls."""
    batch: int = 8
    """As in `embedder_of`."""

    @extras()
    def detector_of(self, recipe: Recipe, device: str) -> Detector:
        """Raises ModelNotFound, DeviceUnavailable, MissingExtra, ConfigError."""
        if self._openvino(device) and not is_custom(recipe.detector):
            from lookdex.models import openvino

            try:
                found = openvino.load_detector(recipe, self.threads)
                if found is not None:
                    return found
            except openvino.OutputMismatchError as error:
                self._fall_back(error)
        self._share_cores(device)
        return detector_of(recipe, device)

    @extras()
    def embedder_of(self, recipe: Recipe, device: str) -> Embedder:
        """Raises ModelNotFound, DeviceUnavailable, MissingExtra, ConfigError."""
        if self._openvino(device) and not is_custom(recipe.embedder):
            from lookdex.models import openvino

            try:
                return openvino.OpenvinoEmbedder(recipe.embedder, self.threads)
            except openvino.OutputMismatchError as error:
                self._fall_back(error)
        self._share_cores(device)
        return embedder_of(recipe, device, self.batch)

    def _share_cores(self, device: str) -> None:
        if device == "cpu" and self.threads > 1:
            from lookdex.models.device import share_cores

            share_cores(self.threads)

    def _openvino(self, device: str) -> bool:
        available = is_installed("openvino")
        if self.engine is Engine.OPENVINO:
            if not available:
                raise missing_extra("openvino")
            if device != "cpu":
                raise ConfigError(f"engine openvino does not support device {device}: it runs on cpu only")
        return self.engine is not Engine.TORCH and device == "cpu" and available

    def _fall_back(self, error: Exception) -> None:
        """Fall back to torch, unless OpenVINO was requested explicitly."""
        if self.engine is Engine.OPENVINO:
            raise error
        logger.warning("%s; falling back to torch", error)


@extras()
def detector_of(recipe: Recipe, device: str = "cpu") -> Detector:
    """Raises ModelNotFound, DeviceUnavailable, MissingExtra, ConfigError."""
    if is_custom(recipe.detector):
        found: Detector = import_factory(recipe.detector)(
            device=device, min_score=recipe.min_score, nms_iou=recipe.nms_iou, max_objects=recipe.max_objects
        )
        return found
    from lookdex.models.detect import load_detector

    return load_detector(
        recipe.detector,
        device=device,
        min_score=recipe.min_score,
        nms_iou=recipe.nms_iou,
        max_objects=recipe.max_objects,
    )


@extras()
def embedder_of(recipe: Recipe, device: str = "cpu", batch: int = 8) -> Embedder:
    """Load the embedder of a recipe.

    Args:
        batch: images per model call; custom models choose their own.

    Raises:
        ModelNotFound, DeviceUnavailable, MissingExtra, ConfigError.
    """
    if is_custom(recipe.embedder):
        found: Embedder = import_factory(recipe.embedder)(device=device)
        return found
    from lookdex.models.embed import load_embedder

    return load_embedder(recipe.embedder, device=device, batch=batch)
