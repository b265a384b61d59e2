"""Shards of photos, and what a task reports of one."""

from __future__ import annotations

from dataclasses import dataclass

from lookdex.records.photos import ImageRef, Reason, Status
from lookdex.records.ranges import Count


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
