"""The one vocabulary in which the stages meet: frozen records. The tables that they write are in `schemas`.

Boxes are whole pixels of the upright photo (EXIF orientation applied), x1 and y1 exclusive.
Vectors are float32 of unit length; similarity is the cosine.
The ranges of fields are checked when a record is read (see `codec`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from lookdex.records.ranges import Count, Moment, Share, Size, SmallCount, SmallSize
from lookdex.records.thresholds import Threshold, Thresholds, Trust  # noqa: F401

CATEGORIES = (
    "top", "outerwear", "dress", "skirt", "pants", "shorts", "shoes",
    "bag", "hat", "glasses", "belt", "scarf", "jewelry", "legwear",
)  # fmt: skip


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


@dataclass(frozen=True, slots=True)
class Shard:
    """What one task does. `shard_id` is a digest of the recipe and its members' keys, etags and products."""

    shard_id: str
    refs: tuple[ImageRef, ...]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the catalogue with the SHA-256 (hex) of its bytes; the key is relative to the catalogue's root."""

    key: str
    sha256: str
    rows: Count
    bytes: Count


@dataclass(frozen=True, slots=True)
class Example:
    """A photo that was rejected or failed, and the text of its error."""

    key: str
    reason: Reason
    error: str

    @property
    def words(self) -> str:
        """Its key and why; most errors name the key themselves."""
        return self.error if self.key in self.error else f"{self.key}: {self.error or self.reason}"


@dataclass(frozen=True, slots=True)
class ShardReport:
    """The done-mark of a shard, put if absent, written last.

    A later round retries what failed in the one before. Its report and files cover the whole shard; its bytes, requests
    and seconds add up all rounds.
    """

    shard_id: str
    objects: StoredFile
    images: StoredFile
    counts: dict[str, int]  # Status → images
    reasons: dict[str, int]  # Reason → images
    items: int
    bytes_fetched: int
    gets: int
    seconds: dict[str, float]  # fetch, decode, detect, embed, write, total (busy seconds of each step)
    peak_rss_bytes: int
    worker: str  # host:pid
    round: int = 0
    examples: tuple[Example, ...] = ()  # one of each reason, and every photo that breaks a model

    @property
    def to_retry(self) -> int:
        """Photos that another round would retry."""
        return self.counts.get(Status.FAILED, 0) - self.reasons.get(Reason.BREAKS_MODEL, 0)


@dataclass(frozen=True, slots=True)
class ShardFailure:
    """Why a shard cannot be indexed, where an immediate retry would end the same way. kind: the error's class."""

    shard_id: str
    kind: str
    message: str


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


@dataclass(frozen=True, slots=True)
class Unlisted:
    """Products that photos show and the products file does not list. examples: the first few ids, sorted."""

    products: int = 0
    photos: int = 0  # that show only such products
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A product column that differs from the live release's. Types in plain words; "" where there is no such column."""

    name: str
    live: str
    planned: str


SourceAccess = Annotated[str, Field(pattern="^(signed|anonymous|requester-pays)$")]  # a `storage.Signing`
Name = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """`plan-<live>.json`: what a night will do, and against what it was compared. `live` is 0 on a first night.

    thresholds: those that the release will keep; products: its product columns. Later stages read no setting of either.
    """

    FORMAT: ClassVar[int] = 2  # 1: without the products or without the thresholds

    run_id: str
    live: int
    release_id: str | None
    source: str
    recipe: Recipe
    changes: dict[str, int]  # Change → images, unchanged among them
    shards: int
    created_at: datetime
    plan: StoredFile
    products_digest: str = ""  # of the product columns that go into the table
    products_changed: bool = False  # they are not the live ones: rows are refreshed without a model
    thresholds: Thresholds | None = None
    thresholds_changed: bool = False  # the live release keeps others
    source_access: SourceAccess = "signed"
    skipped: tuple[SkippedKeys, ...] = ()
    products: StoredFile | None = None  # those columns by product_id, as `items` will have them
    keep_unlisted: bool = False  # photos of products that `products` does not list stay
    leaving: Unlisted | None = None  # live products that leave, with photos that are still in the source
    left_out: Unlisted | None = None  # products that are not live, with photos that are not indexed
    column_changes: tuple[ColumnChange, ...] = ()
    format: int = 1

    @property
    def outdated(self) -> bool:
        """Stored by an older version: it lacks what the release is built from."""
        return self.format < self.FORMAT

    @property
    def planned(self) -> int:
        """Images to index (deleted ones need no work but a delete)."""
        return sum(self.changes.get(c, 0) for c in (Change.NEW, Change.CHANGED, Change.RECIPE, Change.RETRY))

    @property
    def empty(self) -> bool:
        """Nothing to index, to delete or to refresh. A night before anything is live is never empty."""
        changed = self.products_changed or self.thresholds_changed or self.release_id is None
        return self.planned == 0 and self.changes.get(Change.DELETED, 0) == 0 and not changed


@dataclass(frozen=True, slots=True)
class IndexParameters:
    """The vector index of a release and how to search it; kind 'exact' has no index."""

    kind: Name  # exact | IVF_RQ | IVF_SQ …
    partitions: SmallCount = 0
    nprobes: SmallCount = 0
    refine: SmallCount = 0


@dataclass(frozen=True, slots=True)
class CheckResult:
    name: str
    passed: bool
    detail: str = ""
    offenders: Count = 0


@dataclass(frozen=True, slots=True)
class Release:
    """`releases/<release_id>.json`: immutable. `release_id` is the run's id, with a number where that was taken.

    thresholds: from which similarity on a match may be shown; None where nobody has measured them for these models.
    run_id: the run that built it; "" in a release of an older version (see `release.candidates`).
    built_from: digest of all that the build read; a candidate with another digest is built again.
    products: the product columns as the plan stored them; None when the night had no products file.
    """

    release_id: Name
    parent: Name | None
    created_at: Moment
    source: str
    items_version: Size
    images_version: Size
    recipe: Recipe
    dim: SmallSize
    items: Count
    images: dict[str, Count]  # Status → images
    index: IndexParameters
    product_columns: tuple[Name, ...]
    products_digest: str = ""
    audit: tuple[CheckResult, ...] = ()
    thresholds: Thresholds | None = None
    run_id: str = ""
    built_from: str = ""
    products: StoredFile | None = None
    keep_unlisted: bool = False  # items of products that `products` does not list are intended
    format: Count = 1
    source_access: SourceAccess = "signed"


@dataclass(frozen=True, slots=True)
class LiveEntry:
    """`live/<n>.json`: one line of the promotion log."""

    n: Annotated[int, Field(ge=1, le=99_999_999)]
    release_id: Name
    nonce: str
    at: Moment
    action: str  # promote | rollback | resume
    hold: bool = False
    note: str = ""

    @property
    def since(self) -> int:
        """The entry that made this release live: lifting a hold leaves it live."""
        return self.n - 1 if self.action == "resume" else self.n


def digest_of(value: object) -> str:
    """16 hex digits of SHA-256 over the value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def item_id(image_key: str, content_hash: str, scope: Scope, label: str, box: Box) -> str:
    """32 hex digits: the same object keeps its id over nights and over a new embedder."""
    text = "\x1f".join((image_key, content_hash, scope, label, f"{box.x0},{box.y0},{box.x1},{box.y1}"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
