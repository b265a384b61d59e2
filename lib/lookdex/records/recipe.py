"""The recipe: everything that determines the rows of a photo."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Annotated

from typing_extensions import Doc

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

    detector: Annotated[str, Doc("The setting `detector`.")]
    detector_digest: Annotated[str, Doc("Digest of the detector's files.")]
    embedder: Annotated[str, Doc("The setting `embedder`.")]
    embedder_digest: Annotated[str, Doc("Digest of the embedder's files.")]
    min_score: Annotated[Share, Doc("Detections below this score are dropped.")]
    nms_iou: Annotated[Share, Doc("Boxes with a larger IoU are one object.")]
    max_objects: Annotated[Size, Doc("Most objects per photo.")]
    crop_margin: Annotated[Share, Doc("Margin around a box before embedding, as a share of its longer side.")]
    crop_pixels: Annotated[Size, Doc("Longer side of stored crops, in pixels.")]
    max_bytes: Annotated[Size, Doc("Most bytes of a file. Larger ones are rejected.")]
    max_pixels: Annotated[Size, Doc("Most pixels of a photo. Larger ones are rejected.")]
    format: Annotated[Count, Doc("Raised when the code itself would give other rows.")] = RECIPE_FORMAT

    @property
    def digest(self) -> str:
        """16 hex digits."""
        return hash_json(asdict(self))

    @property
    def refusal(self) -> str:
        """16 hex digits over everything that a rejection depends on. Rejected photos store it instead of `digest`."""
        return hash_json([asdict(self), DECODING])


def hash_json(value: object) -> str:
    """16 hex digits of the SHA-256 of the value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
