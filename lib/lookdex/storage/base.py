"""The interface of a store, and the records it returns."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of a listing."""

    key: str
    etag: str
    """Without quotes; in a folder, made of the file's mtime and size."""
    bytes: int
    archived: bool = False
    """It must be restored from its storage class before it can be read."""
    file: bool = True
    """False for broken links, pipes and sockets in a folder."""


Page = list[Listed]  # an alias, because `list` is a method inside the stores


@dataclass(frozen=True, slots=True)
class Level:
    """What is directly below a prefix."""

    objects: list[Listed]
    prefixes: list[str]
    complete: bool = True
    """False if the listing stopped at a page limit."""


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256 (hex) and size of an object."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class S3Access:
    """An endpoint and its keys, instead of those of boto3's chain."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"


class Signing(StrEnum):
    """How requests to a bucket are signed, and who pays for them."""

    SIGNED = "signed"  # with credentials of boto3's chain
    ANONYMOUS = "anonymous"  # a public bucket, without credentials
    REQUESTER_PAYS = "requester-pays"  # with credentials; their account pays for the requests


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read a bucket; folders ignore it."""

    signing: Signing = Signing.SIGNED
    seconds: float = 60.0
    """Time limit of `get_limited`, over all attempts."""
    hurry: bool = False
    """Requests give up within seconds, because a user waits. A nightly job waits longer."""


class Requests:
    """Counts requests by operation. Shared by a store and its children; thread-safe."""

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
    """A folder or bucket. Picklable: a copy in another process has its own connections and request counts."""

    @property
    def uri(self) -> str: ...
    @property
    def requests(self) -> int:
        """Requests sent so far, including retries; for a folder, calls."""
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
        """Read a small object in one attempt of at most `seconds`. Any error except Unavailable proves that it answers.

        Raises Unavailable, NotFound, AccessDenied.
        """
        ...

    def get(self, key: str) -> bytes: ...
    def get_limited(
        self, key: str, max_bytes: int, etag: str | None = None, size: int | None = None
    ) -> bytes:
        """Read an object of at most `max_bytes`, with the etag and size of its listing.

        Raises:
            TooLarge: it has more bytes; it is not read.
            Changed: its etag differs.
            DamagedInTransit: the bytes have another size or MD5 than the bucket gives.
            Unavailable: the seconds of `ReadOptions` have passed.
        """
        ...

    def digest(self, key: str) -> Digest:
        """Read an object in chunks and return its digest."""
        ...

    def put(self, key: str, data: bytes) -> None: ...
    def put_file(self, key: str, path: str | Path) -> None: ...
    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Put an object unless the key exists, which S3 calls a conditional write. Returns whether it did.

        A retry may be refused because its first attempt succeeded.
        """
        ...

    def delete(self, key: str) -> None:
        """Delete an object. No error if it does not exist."""
        ...

    def exists(self, key: str) -> bool: ...
    def list(self, prefix: str = "") -> Iterator[Listed]:
        """All objects whose key starts with `prefix`, sorted by key. Kept in memory; use `pages` for many."""
        ...

    def pages(self, prefix: str = "", markers: bool = False) -> Iterator[Page]:
        """The same in pages of up to 1,000, in the store's order.

        Args:
            markers: include what is not a file: keys that end in '/' (folders made by consoles), and in a folder broken
                links, pipes and sockets.
        """
        ...

    def level(self, prefix: str = "", max_pages: int | None = None, markers: bool = False) -> Level:
        """List what is directly below `prefix` ('' or ending in '/')."""
        ...

    def prefixes(self, prefix: str = "", delimiter: str = "/") -> Sequence[str]: ...
    def last_written(self, prefix: str) -> datetime | None:
        """When the newest object below a prefix was written; None if there is none."""
        ...

    def discard_unfinished(self, before: datetime) -> int:
        """Remove temporary files and incomplete uploads of writers that died. Returns how many."""
        ...

    def child(self, prefix: str) -> Store: ...
    def lance_uri(self, key: str) -> str: ...
