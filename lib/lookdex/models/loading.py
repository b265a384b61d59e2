"""The two models that a recipe names, for indexing and for asking alike. torch is imported when they are loaded."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from lookdex.errors import ConfigError
from lookdex.models.custom import factory_of, is_custom
from lookdex.records import Recipe
from lookdex.runtime.extras import extras, installed, missing

if TYPE_CHECKING:
    from lookdex.models.detect import Detector
    from lookdex.models.embed import Embedder


logger = logging.getLogger(__name__)


class Engine(StrEnum):
    """What runs the networks."""

    AUTO = "auto"  # OpenVINO on a CPU where it is installed, else torch
    TORCH = "torch"
    OPENVINO = "openvino"


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads the models of a recipe for an engine. threads: calls of a model at a time. batch: as of `embedder_of`.

    OpenVINO runs the networks that it can (`models.openvino`); others, and texts, stay with torch.
    """

    engine: Engine = Engine.TORCH
    threads: int = 1
    batch: int = 8

    @extras()
    def detector_of(self, recipe: Recipe, device: str) -> Detector:
        """Raises ModelNotFound, DeviceUnavailable, MissingExtra, ConfigError."""
        if self._openvino(device) and not is_custom(recipe.detector):
            from lookdex.models import openvino

            try:
                found = openvino.load_detector(recipe, self.threads)
                if found is not None:
                    return found
            except openvino.Differs as error:
                self._stay(error)
        self._share_cores(device)
        return detector_of(recipe, device)

    @extras()
    def embedder_of(self, recipe: Recipe, device: str) -> Embedder:
        """Raises ModelNotFound, DeviceUnavailable, MissingExtra, ConfigError."""
        if self._openvino(device) and not is_custom(recipe.embedder):
            from lookdex.models import openvino

            try:
                return openvino.OpenvinoEmbedder(recipe.embedder, self.threads)
            except openvino.Differs as error:
                self._stay(error)
        self._share_cores(device)
        return embedder_of(recipe, device, self.batch)

    def _share_cores(self, device: str) -> None:
        if device == "cpu" and self.threads > 1:
            from lookdex.models.device import share_cores

            share_cores(self.threads)

    def _openvino(self, device: str) -> bool:
        here = installed("openvino")
        if self.engine is Engine.OPENVINO:
            if not here:
                raise missing("openvino")
            if device != "cpu":
                raise ConfigError(
                    f"the engine openvino was asked for, with the device {device}: it runs on cpu only"
                )
        return self.engine is not Engine.TORCH and device == "cpu" and here

    def _stay(self, error: Exception) -> None:
        """With torch, unless OpenVINO was asked for by name."""
        if self.engine is Engine.OPENVINO:
            raise error
        logger.warning("%s; torch runs it", error)


@extras()
def detector_of(recipe: Recipe, device: str = "cpu") -> Detector:
    """Raises ModelNotFound, DeviceUnavailable, MissingExtra, ConfigError."""
    if is_custom(recipe.detector):
        found: Detector = factory_of(recipe.detector)(
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
    """batch: pictures that go through the model together; a model of your own chooses for itself.

    Raises:
        ModelNotFound, DeviceUnavailable, MissingExtra, ConfigError.
    """
    if is_custom(recipe.embedder):
        found: Embedder = factory_of(recipe.embedder)(device=device)
        return found
    from lookdex.models.embed import load_embedder

    return load_embedder(recipe.embedder, device=device, batch=batch)
