"""The recipe: everything that determines the rows of a photo."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from lookdex.records.ranges import Count, Share, Size

# Increased when the code itself would give other rows, so that the next night indexes every photo again.
# 2: colours are named from the object's own pixels, and a palette is stored.
RECIPE_FORMAT = 2
# Increased when rejected files may now be readable: the next night fetches only those again.
# 2: AVIF, HEIC, and JPEGs without an end marker.
DECODING = 2


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that determines the rows of a photo.

    Its digest is in every row of `images`, so the plan detects a changed model.
    """

    detector: str
    detector_digest: str
    embedder: str
    embedder_digest: str
    min_score: Share
    nms_iou: Share
    max_objects: Size
    crop_margin: Share  # share of the box's longer side added around it before embedding
    crop_pixels: Size  # longer side of the stored crop
    max_bytes: Size
    max_pixels: Size
    format: Count = RECIPE_FORMAT

    @property
    def digest(self) -> str:
        """16 hex digits."""
        return digest_of(asdict(self))

    @property
    def refusal(self) -> str:
        """16 hex digits over everything that a rejection depends on. Rejected photos store it instead of `digest`."""
        return digest_of([asdict(self), DECODING])


def digest_of(value: object) -> str:
    """16 hex digits of the SHA-256 of the value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
