"""Folders and S3 buckets behind one small interface.

A store has a root URI, and keys relative to it with `/` between their parts. Both kinds behave alike and raise the same
errors (`NotFound`, `Changed`, `AccessDenied`, `Archived`, `DamagedInTransit`, `Unavailable`, `TooLarge`, all of them
`StorageError`). Endpoint and credentials come from boto3's chain: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, profiles, roles.
"""

from __future__ import annotations

import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lookdex.errors import (
    AccessDenied,
    Changed,
    ConfigError,
    NotAFile,
    NotFound,
    StorageError,
    TooLarge,
    Unavailable,
    UnsafeStore,
)
from lookdex.storage.base import Digest, Level, Listed, ReadOptions, S3Access, Signing, Store
from lookdex.storage.folder import FolderStore
from lookdex.storage.s3 import S3Store

__all__ = [
    "AccessDenied",
    "Changed",
    "Digest",
    "Level",
    "Listed",
    "NotAFile",
    "NotFound",
    "ReadOptions",
    "S3Access",
    "Signing",
    "StorageError",
    "Store",
    "TooLarge",
    "Unavailable",
    "UnsafeStore",
    "create_bucket",
    "open_store",
    "probe_put_if_absent",
]


def open_store(
    uri: str | Path,
    access: S3Access | None = None,
    options: ReadOptions = ReadOptions(),  # noqa: B008  # frozen
) -> Store:
    """The store at `s3://bucket/prefix` (or `s3a://`), `file:///folder` or a folder's path. Does not connect."""
    text = str(uri)
    if not text:
        raise ConfigError("the URI of the store is empty; give s3://bucket/prefix or a folder")
    try:
        valid = "\0" not in text and os.fsencode(text)
    except UnicodeEncodeError:  # half of a surrogate pair
        valid = False
    if not valid:
        raise ConfigError(f"{text!r} has an invalid character; give s3://bucket/prefix or a folder")
    scheme, separator, rest = text.partition("://")
    if not separator:
        try:
            return FolderStore(Path(text).expanduser().absolute())
        except RuntimeError as error:  # ~name of an unknown user
            raise ConfigError(f"{text}: {error}") from error
    if scheme == "file":
        return FolderStore(Path(unquote(urlsplit(text).path)))
    if scheme in ("s3", "s3a", "s3n"):
        bucket, _, prefix = rest.partition("/")
        return S3Store(bucket, prefix, access, options)
    raise ConfigError(
        f"{text}: lookdex supports s3://bucket/prefix, file:///folder and plain paths, not {scheme}://"
    )


def create_bucket(uri: str, access: S3Access | None = None) -> None:
    """Create the bucket of an s3:// URI. Does nothing for a folder, or if it exists and is ours."""
    store = open_store(uri, access)
    if isinstance(store, S3Store):
        store.create_bucket()


def probe_put_if_absent(store: Store) -> None:
    """Raise UnsafeStore unless exactly one of several concurrent writers can create a key, and the key keeps its value.

    The promotion log depends on this. Takes about eight requests and leaves nothing behind.
    """
    key = f"live/.probe-{secrets.token_hex(8)}"  # not a number, so that the log ignores it
    rivals = [f"rival {i}".encode() for i in range(4)]
    try:
        with ThreadPoolExecutor(len(rivals)) as pool:
            won = list(pool.map(lambda rival: store.put_if_absent(key, rival), rivals))
        late = store.put_if_absent(key, b"late")
        kept = store.get(key)
    finally:
        store.delete(key)
    winners = [rival for rival, this_won in zip(rivals, won, strict=True) if this_won]
    if len(winners) > 1 or late or (winners and kept != winners[0]):
        raise UnsafeStore(
            f"{store.uri}: this store ignores If-None-Match ({len(winners) + late} of {len(rivals) + 1} writers "
            "created the same key), so two nights could both publish. Keep the catalogue on a store that honours "
            "conditional writes: AWS S3, Google Cloud Storage, Cloudflare R2, MinIO, Ceph, SeaweedFS, or a folder."
        )
