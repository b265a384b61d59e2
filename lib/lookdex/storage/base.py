"""What a store is, and what it lists."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of a listing. The etag has no quotes; a folder's is made of the file's mtime and size.

    archived: its storage class has to restore it before it can be read. file: False for what a folder holds besides
    files: a link to nothing, a pipe, a socket.
    """

    key: str
    etag: str
    bytes: int
    archived: bool = False
    file: bool = True


# Named, because inside the stores `list` is the method.
Page = list[Listed]
Names = list[str]


@dataclass(frozen=True, slots=True)
class Level:
    """What lies directly below a prefix; `complete` is False when the looking stopped at a page limit."""

    objects: list[Listed]
    prefixes: list[str]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256 (hex) of an object's bytes, and their number."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class S3Access:
    """An endpoint and its keys, for a server that we started ourselves; otherwise boto3's chain decides."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"


class Signing(StrEnum):
    """How requests to a bucket are signed, and who pays for them."""

    SIGNED = "signed"  # with the credentials that boto3 finds
    ANONYMOUS = "anonymous"  # a public bucket, without credentials
    REQUESTER_PAYS = "requester-pays"  # with credentials, whose account pays for the requests


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a bucket is read. seconds: the limit of `get_limited`, over all attempts. hurry: somebody waits for what is
    read, so that requests give up within seconds; a nightly job rather waits. Folders ignore all of them."""

    signing: Signing = Signing.SIGNED
    seconds: float = 60.0
    hurry: bool = False


class Requests:
    """How often a store was asked, by operation; shared by a store and its children, safe among threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, operation: str) -> None:
        with self._lock:
            self._counts[operation] += 1

    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)

    def __reduce__(self) -> tuple[type[Requests], tuple[()]]:
        return (Requests, ())


class Store(Protocol):
    """Picklable; a copy in another process makes its own connections and counts its own requests."""

    @property
    def uri(self) -> str: ...
    @property
    def requests(self) -> int:
        """Requests sent so far, retries among them (a folder's: calls)."""
        ...

    @property
    def request_counts(self) -> dict[str, int]:
        """The same by operation, in S3's names: GetObject, PutObject, ListObjectsV2 …"""
        ...

    @property
    def lance_options(self) -> dict[str, str]:
        """`storage_options` for lance and lancedb; empty for a folder."""
        ...

    def ping(self, key: str, seconds: float) -> None:
        """Read a small object, in one attempt that ends within `seconds`. Any error but Unavailable is an answer.

        Raises Unavailable, NotFound, AccessDenied.
        """
        ...

    def get(self, key: str) -> bytes: ...
    def get_limited(
        self, key: str, max_bytes: int, etag: str | None = None, size: int | None = None
    ) -> bytes:
        """The object's bytes if they are at most `max_bytes` (else TooLarge, unread), and, with an etag, if it
        is still that object (else Changed).

        size: as listed. Raises DamagedInTransit when the bytes have another size, or not the MD5 that a bucket gives;
        Unavailable after the time of the `ReadOptions`.
        """
        ...

    def digest(self, key: str) -> Digest:
        """Of the object's bytes, read piece by piece."""
        ...

    def put(self, key: str, data: bytes) -> None: ...
    def put_file(self, key: str, path: str | Path) -> None: ...
    def put_if_absent(self, key: str, data: bytes) -> bool:
        """False: an object of that name is there already. A retried request may meet its own first attempt."""
        ...

    def delete(self, key: str) -> None:
        """No error when there is nothing to delete."""
        ...

    def exists(self, key: str) -> bool: ...
    def list(self, prefix: str = "") -> Iterator[Listed]:
        """All objects whose key starts with `prefix`, sorted by key. Held in memory: for many use `pages`."""
        ...

    def pages(self, prefix: str = "", markers: bool = False) -> Iterator[Page]:
        """The same in pages of up to 1,000, in the store's own order.

        markers: with what is no file: the keys that end in '/', the empty objects that consoles make as folders, and
        in a folder, links to nothing, pipes and sockets.
        """
        ...

    def level(self, prefix: str = "", max_pages: int | None = None, markers: bool = False) -> Level:
        """What lies directly below `prefix` ('' or ending in '/')."""
        ...

    def prefixes(self, prefix: str = "", delimiter: str = "/") -> Names: ...
    def last_written(self, prefix: str) -> datetime | None:
        """When the youngest object below a prefix was written; None where there is none."""
        ...

    def discard_unfinished(self, before: datetime) -> int:
        """Remove what writers that died left: temporary files, parts of uploads. Returns how many there were."""
        ...

    def child(self, prefix: str) -> Store: ...
    def lance_uri(self, key: str) -> str: ...
