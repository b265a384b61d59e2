"""The recipe that the settings of a night give."""

from __future__ import annotations

from lookdex.config import NightSettings
from lookdex.models import digests
from lookdex.records import Recipe


def make_recipe(settings: NightSettings) -> Recipe:
    """The recipe of the settings. Reads the models' files but loads no model."""
    min_score, crop_margin = settings.min_score, settings.crop_margin
    if min_score is None:
        min_score = digests.detector_defaults(settings.detector).min_score
    if crop_margin is None:
        crop_margin = digests.embedder_defaults(settings.embedder).crop_margin
    return Recipe(
        detector=settings.detector,
        detector_digest=digests.detector_digest(settings.detector),
        embedder=settings.embedder,
        embedder_digest=digests.embedder_digest(settings.embedder),
        min_score=min_score,
        nms_iou=settings.nms_iou,
        max_objects=settings.max_objects,
        crop_margin=crop_margin,
        crop_pixels=settings.crop_pixels,
        max_bytes=settings.max_bytes,
        max_pixels=settings.max_pixels,
    )
