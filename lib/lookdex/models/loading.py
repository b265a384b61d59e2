"""The two models that a recipe names, for indexing and for asking alike. torch is imported when they are loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lookdex.models.custom import factory_of, is_custom
from lookdex.records import Recipe

if TYPE_CHECKING:
    from lookdex.models.detect import Detector
    from lookdex.models.embed import Embedder


def detector_of(recipe: Recipe, device: str = "cpu") -> Detector:
    """Raises ModelNotFound, DeviceUnavailable, ConfigError."""
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


def embedder_of(recipe: Recipe, device: str = "cpu", batch: int = 8) -> Embedder:
    """batch: pictures that go through the model together; a model of your own chooses for itself.

    Raises:
        ModelNotFound, DeviceUnavailable, ConfigError.
    """
    if is_custom(recipe.embedder):
        found: Embedder = factory_of(recipe.embedder)(device=device)
        return found
    from lookdex.models.embed import load_embedder

    return load_embedder(recipe.embedder, device=device, batch=batch)
