"""Folders and S3 buckets behind one small interface.

A store has a root URI; keys are relative to it, with `/` between their parts. Both kinds behave alike, down to
their errors (`NotFound`, `Changed`, `AccessDenied`, `Archived`, `DamagedInTransit`, `Unavailable`, `TooLarge`, all of
them `StorageError`).
Endpoint and credentials come from boto3's own chain: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, profiles, roles.
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
    """The store at `s3://bucket/prefix` (`s3a://` too), `file:///folder` or a folder's path. Connects to nothing."""
    text = str(uri)
    if not text:
        raise ConfigError("an empty URI names no store; give s3://bucket/prefix or a folder")
    try:
        named = "\0" not in text and os.fsencode(text)
    except UnicodeEncodeError:  # half of a surrogate pair
        named = False
    if not named:
        raise ConfigError(f"{text!r} holds a character that no name may; give s3://bucket/prefix or a folder")
    scheme, separator, rest = text.partition("://")
    if not separator:
        try:
            return FolderStore(Path(text).expanduser().absolute())
        except RuntimeError as error:  # ~name of nobody
            raise ConfigError(f"{text}: {error}") from error
    if scheme == "file":
        return FolderStore(Path(unquote(urlsplit(text).path)))
    if scheme in ("s3", "s3a", "s3n"):
        bucket, _, prefix = rest.partition("/")
        return S3Store(bucket, prefix, access, options)
    raise ConfigError(
        f"{text}: lookdex reads s3://bucket/prefix, file:///folder and plain paths, not {scheme}://"
    )


def create_bucket(uri: str, access: S3Access | None = None) -> None:
    """Make the bucket of an s3:// URI; nothing happens when it is there and ours, or for a folder."""
    store = open_store(uri, access)
    if isinstance(store, S3Store):
        store.create_bucket()


def probe_put_if_absent(store: Store) -> None:
    """Raise UnsafeStore unless exactly one of several rivals can create a key, and the key keeps what it wrote.

    Some eight requests; nothing is left behind. The promotion log stands on this property.
    """
    key = f"live/.probe-{secrets.token_hex(8)}"  # not a number: the log does not see it
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
