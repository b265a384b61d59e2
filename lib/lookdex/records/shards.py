"""Shards of photos, and the reports of their tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from typing_extensions import Doc

from lookdex.records.photos import ImageRef, Reason, Status
from lookdex.records.ranges import Count


@dataclass(frozen=True, slots=True)
class Shard:
    """The photos of one task. shard_id: a digest of the recipe and of the photos' keys, ETags and products."""

    shard_id: str
    refs: tuple[ImageRef, ...]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the catalogue."""

    key: Annotated[str, Doc("Key of the file, relative to the catalogue's root.")]
    sha256: Annotated[str, Doc("SHA-256 of its bytes, 64 hex digits.")]
    rows: Annotated[Count, Doc("Rows of the file.")]
    bytes: Annotated[Count, Doc("Bytes of the file.")]


@dataclass(frozen=True, slots=True)
class Example:
    """A photo that was rejected or failed, with its error message."""

    key: str
    reason: Reason
    error: str

    @property
    def words(self) -> str:
        """The key and the error. Most errors contain the key."""
        return self.error if self.key in self.error else f"{self.key}: {self.error or self.reason}"


@dataclass(frozen=True, slots=True)
class ShardReport:
    """Marks a shard as done: put if absent, and written last.

    A later round retries what failed in earlier ones. Its report and files cover the whole shard; bytes, requests and
    seconds are sums over all rounds.
    """

    shard_id: str
    objects: StoredFile
    images: StoredFile
    counts: dict[str, int]  # Status → photos
    reasons: dict[str, int]  # Reason → photos
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
        """How many photos another round would retry."""
        return self.counts.get(Status.FAILED, 0) - self.reasons.get(Reason.BREAKS_MODEL, 0)


@dataclass(frozen=True, slots=True)
class ShardFailure:
    """Why a shard cannot be indexed, when an immediate retry would fail too. kind: the error's class."""

    shard_id: str
    kind: str
    message: str
