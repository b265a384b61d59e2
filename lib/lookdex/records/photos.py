"""Photos, their outcomes, and what is found in them: boxes, detections, colours.

Boxes are in whole pixels of the upright photo (EXIF orientation applied), with x1 and y1 exclusive.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The outcome of a planned photo. Every planned photo has exactly one."""

    INDEXED = "indexed"
    NO_OBJECT = "no_object"  # no detection; the whole photo is still indexed
    REJECTED = "rejected"  # the file is bad: not fetched again until it changes
    FAILED = (
        "failed"  # not the file's fault: its old rows stay, and the next night retries (but see BREAKS_MODEL)
    )


class Reason(StrEnum):
    """Why a photo was rejected (first block) or failed (second block)."""

    EMPTY = "empty"
    TOO_MANY_BYTES = "too_many_bytes"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_SMALL = "too_small"
    UNKNOWN_FORMAT = "unknown_format"
    NO_PICTURE = "no_picture"  # neither its name nor its content is that of a picture
    CORRUPT = "corrupt"

    GONE = "gone"  # listed, but missing when fetched
    CHANGED = "changed"  # another ETag than listed
    DENIED = "denied"
    ARCHIVED = "archived"  # must be restored from its storage class first
    DAMAGED_IN_TRANSIT = "damaged_in_transit"  # other bytes arrived than are stored
    UNAVAILABLE = "unavailable"  # 5xx, throttling, broken connection, timeout
    OUT_OF_MEMORY = "out_of_memory"
    NOT_TRIED = "not_tried"  # the night was stopped before its turn came
    BREAKS_MODEL = "breaks_model"  # a model fails on it: not retried until the photo or the recipe changes


# Reasons that do not count as lost: photos to be restored, and files that are not named as pictures.
NO_LOSS = frozenset((Reason.ARCHIVED, Reason.NO_PICTURE))


class Change(StrEnum):
    """Why a photo is in the plan."""

    NEW = "new"
    CHANGED = "changed"  # another ETag, or other products
    RECIPE = "recipe"  # indexed with another recipe
    RETRY = "retry"  # failed before, or rejected by a version that supported fewer formats
    DELETED = "deleted"  # live, but no longer in the source, or only of products that are no longer sold
    UNCHANGED = "unchanged"  # only counted; not in the plan


class Skip(StrEnum):
    """Why a key of the source is skipped."""

    FOLDER_MARKER = "folder_marker"
    HIDDEN = "hidden"
    NOT_A_FILE = "not_a_file"  # in a folder: a broken link, a pipe, a socket
    NOT_UTF8 = "not_utf8"
    OTHER_TYPE = "other_type"  # by its suffix: a table, a document, a video
    UNREAD_FORMAT = "unread_format"  # by its suffix: a picture of an unsupported format
    EMPTY = "empty"  # no bytes, and not named as a picture
    ARCHIVED = "archived"  # and not in the catalogue yet


class Scope(StrEnum):
    """What an item shows: an object of a photo, or the whole photo."""

    OBJECT = "object"
    IMAGE = "image"


class Role(StrEnum):
    MAIN = "main"  # the photo's product
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
    """A colour of a palette: CIE L*a*b* (D65; L* 0 … 100), and its share of the object's pixels, 0 … 1."""

    l: float  # noqa: E741
    a: float
    b: float
    share: float


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A photo to index: its key relative to the source, ETag and size as listed, and its products."""

    key: str
    etag: str
    bytes: int
    product_ids: tuple[str, ...] = ()
    category: str | None = None  # of the first product that has one, as a label of the detector if possible


@dataclass(frozen=True, slots=True)
class SkippedKeys:
    """Keys that are skipped for one reason: how many, and the first few."""

    reason: Skip
    count: int
    examples: tuple[str, ...]


def item_id(image_key: str, content_hash: str, scope: Scope, label: str, box: Box) -> str:
    """32 hex digits. An object keeps its id across nights and with a new embedder."""
    text = "\x1f".join((image_key, content_hash, scope, label, f"{box.x0},{box.y0},{box.x1},{box.y1}"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
