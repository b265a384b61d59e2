"""Photos and what is found in them: boxes, detections, colours, and how a photo ended.

Boxes are whole pixels of the upright photo (EXIF orientation applied), x1 and y1 exclusive.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a planned image ended. Images in = the sum of the four."""

    INDEXED = "indexed"
    NO_OBJECT = "no_object"  # no detection; its whole-photo row is still indexed
    REJECTED = "rejected"  # this file is bad: not fetched again until it changes
    FAILED = (
        "failed"  # not the file's fault: its old rows stay, the next night retries (but see BREAKS_MODEL)
    )


class Reason(StrEnum):
    """Why an image was rejected (the first block) or failed (the second)."""

    EMPTY = "empty"
    TOO_MANY_BYTES = "too_many_bytes"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_SMALL = "too_small"
    UNKNOWN_FORMAT = "unknown_format"
    NO_PICTURE = "no_picture"  # neither its name nor its content is a picture's
    CORRUPT = "corrupt"

    GONE = "gone"  # listed, but no longer there when fetched
    CHANGED = "changed"  # another ETag than planned
    DENIED = "denied"
    ARCHIVED = "archived"  # must be restored from its storage class first
    DAMAGED_IN_TRANSIT = "damaged_in_transit"  # the bytes that arrived are not those stored
    UNAVAILABLE = "unavailable"  # 5xx, throttled, connection broken, timeout
    OUT_OF_MEMORY = "out_of_memory"
    NOT_TRIED = "not_tried"  # the night was stopped before its turn came
    BREAKS_MODEL = "breaks_model"  # a model fails on it: not retried until the photo or the recipe changes


# Not losses of a night: photos that await their restore, and files that are not named as pictures.
NO_LOSS = frozenset((Reason.ARCHIVED, Reason.NO_PICTURE))


class Change(StrEnum):
    """Why the plan names an image."""

    NEW = "new"
    CHANGED = "changed"  # another ETag, or other products
    RECIPE = "recipe"  # indexed by another recipe than tonight's
    RETRY = "retry"  # failed before, or was rejected by a version that supported less
    DELETED = "deleted"  # live, but no longer in the source, or of products that are no longer sold
    UNCHANGED = "unchanged"  # counted only; never in the plan


class Skip(StrEnum):
    """Why a key of the source is not even planned."""

    FOLDER_MARKER = "folder_marker"
    HIDDEN = "hidden"
    NOT_A_FILE = "not_a_file"  # in a folder: a link to nothing, a pipe, a socket
    NOT_UTF8 = "not_utf8"
    OTHER_TYPE = "other_type"  # by its suffix: a table, a document, a video
    UNREAD_FORMAT = "unread_format"  # by its suffix: a picture of an unsupported format
    EMPTY = "empty"  # no bytes, and not named as a picture
    ARCHIVED = "archived"  # and not in the catalogue yet


class Scope(StrEnum):
    OBJECT = "object"
    IMAGE = "image"


class Role(StrEnum):
    MAIN = "main"  # this is the photo's product
    OTHER = "other"  # something else in the photo


@dataclass(frozen=True, slots=True)
class Box:
    """Pixels of the upright photo: x0 ≤ x < x1, y0 ≤ y < y1."""

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True, slots=True)
class Detection:
    box: Box
    label: str
    score: float  # 0 … 1; comparable within a label only


@dataclass(frozen=True, slots=True)
class Swatch:
    """A colour of a palette: CIE L*a*b* (D65; L* 0 … 100), and its share of the object's own pixels, 0 … 1."""

    l: float  # noqa: E741
    a: float
    b: float
    share: float


@dataclass(frozen=True, slots=True)
class ImageRef:
    """One photo to index: a key relative to the source, what the listing said of it, and its products."""

    key: str
    etag: str
    bytes: int
    product_ids: tuple[str, ...] = ()
    category: str | None = None  # of the (first) product, in the detector's labels where it can be


@dataclass(frozen=True, slots=True)
class SkippedKeys:
    """Keys that are left out for one reason: how many, and the first few."""

    reason: Skip
    count: int
    examples: tuple[str, ...]


def item_id(image_key: str, content_hash: str, scope: Scope, label: str, box: Box) -> str:
    """32 hex digits: the same object keeps its id over nights and over a new embedder."""
    text = "\x1f".join((image_key, content_hash, scope, label, f"{box.x0},{box.y0},{box.x1},{box.y1}"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
