"""The recipe: all that decides the rows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from lookdex.records.ranges import Count, Share, Size

# Raised when the code itself would give other rows, so that the next night indexes every photo again.
# 2: colours are named from the object's own pixels, and a palette is kept.
RECIPE_FORMAT = 2
# Raised when files that were rejected may now be read: the next night fetches those again, and no others.
# 2: AVIF and HEIC are read, and a JPEG that lacks only its end marker.
DECODING = 2


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides the rows. Its digest is in every `images` row, so a changed model is a change the plan sees."""

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
        """16 hex digits, stored instead of `digest` with a rejected photo: all that the rejection depends on."""
        return digest_of([asdict(self), DECODING])


def digest_of(value: object) -> str:
    """16 hex digits of SHA-256 over the value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
