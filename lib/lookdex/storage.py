"""Folders and S3 buckets behind one small interface. The only module that imports boto3.

A store has a root URI; keys are relative to it, with `/` between their parts. Both kinds behave alike, down to
their errors (`NotFound`, `Changed`, `AccessDenied`, `Unavailable`, `TooLarge`, all of them `StorageError`).
Endpoint and credentials come from boto3's own chain: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, profiles, roles.
"""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from lookdex.errors import (
    AccessDenied,
    Changed,
    ConfigError,
    NotFound,
    StorageError,
    TooLarge,
    Unavailable,
    UnsafeStore,
)

__all__ = [
    "AccessDenied",
    "Changed",
    "Level",
    "Listed",
    "NotFound",
    "Requests",
    "S3Access",
    "S3Store",
    "StorageError",
    "Store",
    "TooLarge",
    "Unavailable",
    "UnsafeStore",
    "create_bucket",
    "open_store",
    "probe_put_if_absent",
]

POOL_CONNECTIONS = 64  # at least as many as any caller has threads
READ_ATTEMPTS = 3
CONFLICT_ATTEMPTS = 6
# Credentials from these providers expire within hours; Lance's own AWS chain finds and refreshes them.
SELF_REFRESHED = ("iam-role", "container-role", "assume-role-with-web-identity")
HOW_TO_GIVE_KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or run with a role that may"


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of a listing. The etag has no quotes; a folder's is made of the file's mtime and size."""

    key: str
    etag: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Level:
    """What lies directly below a prefix; `complete` is False when the looking stopped at a page limit."""

    objects: list[Listed]
    prefixes: list[str]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class S3Access:
    """An endpoint and its keys, for a server that we started ourselves; otherwise boto3's chain decides."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"


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

    def get(self, key: str) -> bytes: ...
    def get_limited(self, key: str, max_bytes: int, etag: str | None = None) -> bytes:
        """The object's bytes if they are at most `max_bytes` (else TooLarge, unread), and, with an etag, if it
        is still that object (else Changed)."""
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

    def pages(self, prefix: str = "") -> Iterator[list[Listed]]:
        """The same in pages of up to 1,000, in the store's own order."""
        ...

    def level(self, prefix: str = "", max_pages: int | None = None) -> Level:
        """What lies directly below `prefix` ('' or ending in '/')."""
        ...

    def prefixes(self, prefix: str = "", delimiter: str = "/") -> list[str]: ...
    def child(self, prefix: str) -> Store: ...
    def lance_uri(self, key: str) -> str: ...


def open_store(uri: str | Path, access: S3Access | None = None) -> Store:
    """The store at `s3://bucket/prefix` (`s3a://` too), `file:///folder` or a folder's path. Connects to nothing."""
    from lookdex.folder import FolderStore

    text = str(uri)
    if not text:
        raise ConfigError("an empty URI names no store; give s3://bucket/prefix or a folder")
    scheme, separator, rest = text.partition("://")
    if not separator:
        return FolderStore(Path(text).expanduser().absolute())
    if scheme == "file":
        return FolderStore(Path(unquote(urlsplit(text).path)))
    if scheme in ("s3", "s3a", "s3n"):
        bucket, _, prefix = rest.partition("/")
        return S3Store(bucket, prefix, access)
    raise ConfigError(
        f"{text}: lookdex reads s3://bucket/prefix, file:///folder and plain paths, not {scheme}://"
    )


class S3Store:
    """A bucket, or what lies below a prefix of one."""

    def __init__(self, bucket: str, prefix: str = "", access: S3Access | None = None):
        if not bucket:
            raise ConfigError(f"s3:///{prefix} names no bucket; give s3://bucket/prefix")
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._bucket = bucket
        self._connection = _Connection(access)

    @property
    def uri(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def __repr__(self) -> str:
        return f"S3Store({self.uri!r})"

    @property
    def requests(self) -> int:
        return sum(self.request_counts.values())

    @property
    def request_counts(self) -> dict[str, int]:
        return self._connection.requests.counts()

    @property
    def lance_options(self) -> dict[str, str]:
        return self._connection.lance_options()

    def lance_uri(self, key: str) -> str:
        return f"{self.uri}/{key}"

    def child(self, prefix: str) -> S3Store:
        child = S3Store(self._bucket, self._prefix + prefix)
        child._connection = self._connection
        return child

    def get(self, key: str) -> bytes:
        return self._read(key, None, None)

    def get_limited(self, key: str, max_bytes: int, etag: str | None = None) -> bytes:
        return self._read(key, max_bytes, etag)

    def put(self, key: str, data: bytes) -> None:
        with self._errors(key):
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data)

    def put_file(self, key: str, path: str | Path) -> None:
        with self._errors(key), open(path, "rb") as file:
            self._client.upload_fileobj(file, self._bucket, self._prefix + key)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        for attempt in range(CONFLICT_ATTEMPTS):
            try:
                with self._errors(key):
                    self._client.put_object(
                        Bucket=self._bucket, Key=self._prefix + key, Body=data, IfNoneMatch="*"
                    )
                return True
            except Changed:
                return False
            except _Conflict:  # S3's 409: a rival is writing this key; ask again which of us it was
                time.sleep(0.05 * 2**attempt * (1 + random.random()))
        raise Unavailable(f"{self.uri}/{key}: rivals kept writing this key; try again")

    def delete(self, key: str) -> None:
        with self._errors(key):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def exists(self, key: str) -> bool:
        try:
            with self._errors(key):
                self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
            return True
        except NotFound:
            return False

    def list(self, prefix: str = "") -> Iterator[Listed]:
        # S3 lists in the order of the keys' bytes; SeaweedFS and S3 Express do not.
        found = [listed for page in self.pages(prefix) for listed in page]
        return iter(sorted(found, key=lambda listed: listed.key))

    def pages(self, prefix: str = "") -> Iterator[list[Listed]]:
        for page in self._list_pages(prefix, None):
            yield self._listed(page)

    def level(self, prefix: str = "", max_pages: int | None = None) -> Level:
        objects: list[Listed] = []
        prefixes: list[str] = []
        for number, page in enumerate(self._list_pages(prefix, "/"), start=1):
            objects += self._listed(page)
            prefixes += [item["Prefix"].removeprefix(self._prefix) for item in page.get("CommonPrefixes", ())]
            if number == max_pages and page.get("IsTruncated"):
                return Level(objects, prefixes, complete=False)
        return Level(objects, prefixes)

    def prefixes(self, prefix: str = "", delimiter: str = "/") -> list[str]:
        pages = self._list_pages(prefix, delimiter)
        found = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", ())]
        return sorted(name.removeprefix(self._prefix) for name in found)

    @property
    def _client(self) -> Any:
        return self._connection.client()

    def _errors(self, key: str) -> AbstractContextManager[None]:
        return _typed_errors(f"{self.uri}/{key}" if key else self.uri)

    def _list_pages(self, prefix: str, delimiter: str | None) -> Iterator[dict[str, Any]]:
        more = {"Delimiter": delimiter} if delimiter else {}
        with self._errors(prefix):
            paginator = self._client.get_paginator("list_objects_v2")
            yield from paginator.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix, **more)

    def _listed(self, page: dict[str, Any]) -> list[Listed]:
        return [
            Listed(item["Key"].removeprefix(self._prefix), item["ETag"].strip('"'), item["Size"])
            for item in page.get("Contents", ())
            if not item["Key"].endswith("/")  # the empty objects that consoles make as "folders"
        ]

    def _read(self, key: str, max_bytes: int | None, etag: str | None) -> bytes:
        match = {"IfMatch": f'"{etag}"'} if etag else {}
        for attempt in range(READ_ATTEMPTS):
            try:
                with self._errors(key):
                    answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key, **match)
                    with closing(answer["Body"]) as body:
                        if max_bytes is not None and answer["ContentLength"] > max_bytes:
                            raise TooLarge(
                                f"{self.uri}/{key} has {answer['ContentLength']} bytes, more than {max_bytes}"
                            )
                        return body.read()
            except _BrokenRead as error:  # botocore retries requests, but not the reading of their bodies
                if attempt == READ_ATTEMPTS - 1:
                    raise Unavailable(
                        f"{self.uri}/{key}: the connection broke while reading: {error}"
                    ) from error
        raise AssertionError("unreachable")


class _Connection:
    """One boto3 client per process, made when first used; copies sent to other processes start without one."""

    def __init__(self, access: S3Access | None):
        self.requests = Requests()
        self._access = access
        self._lock = threading.Lock()
        self._made: tuple[int, Any, Any] | None = None

    def __reduce__(self) -> tuple[type[_Connection], tuple[S3Access | None]]:
        return (_Connection, (self._access,))

    def client(self) -> Any:
        return self._session_and_client()[1]

    def _session_and_client(self) -> tuple[Any, Any]:
        made = self._made
        if made is None or made[0] != os.getpid():
            with self._lock:
                made = self._made
                if made is None or made[0] != os.getpid():
                    made = self._made = (os.getpid(), *self._connect())
        return made[1], made[2]

    def _connect(self) -> tuple[Any, Any]:
        import boto3

        with _typed_errors("S3"):
            if self._access:
                session = boto3.Session(
                    aws_access_key_id=self._access.access_key,
                    aws_secret_access_key=self._access.secret_key,
                    region_name=self._access.region,
                )
            else:
                session = boto3.Session()
            client = self._client_of(session)
            if not client.meta.endpoint_url.endswith(".amazonaws.com"):
                # Path-style, because a server on an address has no name per bucket; and no checksum trailers,
                # which are newer than many S3-compatible servers.
                client = self._client_of(
                    session,
                    s3={"addressing_style": "path"},
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                )
        client.meta.events.register("before-send.s3", self._count)
        return session, client

    def _client_of(self, session: Any, **more: Any) -> Any:
        from botocore.config import Config

        config = Config(
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": 5},
            max_pool_connections=POOL_CONNECTIONS,
            tcp_keepalive=True,
            **more,
        )
        return session.client(
            "s3",
            endpoint_url=self._access.endpoint if self._access else None,
            region_name=session.region_name or "us-east-1",
            config=config,
        )

    def _count(self, event_name: str, **_: object) -> None:
        self.requests.add(event_name.rpartition(".")[2])

    def lance_options(self) -> dict[str, str]:
        session, client = self._session_and_client()
        endpoint = client.meta.endpoint_url
        options = {"aws_region": client.meta.region_name}
        if not endpoint.endswith(".amazonaws.com"):
            options |= {"aws_endpoint": endpoint, "aws_virtual_hosted_style_request": "false"}
            if endpoint.startswith("http://"):
                options["allow_http"] = "true"
        with _typed_errors("S3"):
            credentials = session.get_credentials()
            if credentials is None:
                raise AccessDenied(f"no S3 credentials found for {endpoint}; {HOW_TO_GIVE_KEYS}")
            if credentials.method in SELF_REFRESHED:
                return options
            frozen = credentials.get_frozen_credentials()
        options |= {"aws_access_key_id": frozen.access_key, "aws_secret_access_key": frozen.secret_key}
        if frozen.token:
            options["aws_session_token"] = frozen.token
        return options


class _Conflict(StorageError): ...


class _BucketIsOurs(StorageError): ...


class _BrokenRead(StorageError): ...


@contextmanager
def _typed_errors(what: str) -> Iterator[None]:
    """Turn botocore's errors about `what` into ours."""
    from botocore import exceptions as boto

    try:
        yield
    except boto.ClientError as error:
        raise _from_answer(what, error) from error
    except (boto.ReadTimeoutError, boto.IncompleteReadError, boto.ResponseStreamingError) as error:
        raise _BrokenRead(f"{what}: {error}") from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError) as error:
        raise AccessDenied(f"{what}: {error}; {HOW_TO_GIVE_KEYS}") from error
    except (boto.ProfileNotFound, boto.ConfigParseError, boto.ParamValidationError, ValueError) as error:
        raise ConfigError(f"{what}: {error}") from error
    except (boto.HTTPClientError, boto.BotoCoreError) as error:
        raise Unavailable(f"{what}: {error}; check the endpoint and the network, then try again") from error


def _from_answer(what: str, error: Any) -> StorageError:
    code = error.response.get("Error", {}).get("Code", "")
    http = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    text = error.response.get("Error", {}).get("Message", "") or code
    if code == "NoSuchBucket":
        return StorageError(f"{what}: there is no such bucket; create it, or correct the URI")
    if code == "BucketAlreadyOwnedByYou":
        return _BucketIsOurs(f"{what}: {text}")
    if code in ("ConditionalRequestConflict", "OperationAborted"):
        return _Conflict(f"{what}: {text}")
    if http == 404 or code in ("NoSuchKey", "NotFound"):
        return NotFound(f"{what} does not exist")
    if http == 412:
        return Changed(f"{what} is not what it was when it was listed")
    if http in (401, 403) or code in ("InvalidAccessKeyId", "ExpiredToken", "InvalidToken"):
        return AccessDenied(f"{what}: {text}; {HOW_TO_GIVE_KEYS}")
    if http >= 500 or http == 429 or code in ("SlowDown", "RequestTimeout", "Throttling"):
        return Unavailable(f"{what}: the store answered {http} ({text}) after retries; try again later")
    return StorageError(f"{what}: the store answered {http} {code}: {text}")


def create_bucket(uri: str, access: S3Access | None = None) -> None:
    """Make the bucket of an s3:// URI; nothing happens when it is there and ours."""
    store = open_store(uri, access)
    if isinstance(store, S3Store):
        try:
            with _typed_errors(uri):
                store._client.create_bucket(Bucket=store._bucket)
        except _BucketIsOurs:
            pass


def probe_put_if_absent(store: Store) -> None:
    """Raise UnsafeStore unless exactly one of several rivals can create a key, and the key keeps what it wrote.

    Some eight requests; nothing is left behind. The promotion log stands on this property.
    """
    key = f"live/.probe-{secrets.token_hex(8)}"  # not a number: the log does not see it
    rivals = [f"rival {i}".encode() for i in range(4)]
    try:
        with ThreadPoolExecutor(len(rivals)) as pool:
            winners = [
                r for r, won in zip(rivals, pool.map(lambda r: store.put_if_absent(key, r), rivals)) if won
            ]
        late = store.put_if_absent(key, b"late")
        kept = store.get(key)
    finally:
        store.delete(key)
    if len(winners) > 1 or late or (winners and kept != winners[0]):
        raise UnsafeStore(
            f"{store.uri}: this store ignores If-None-Match ({len(winners) + late} of {len(rivals) + 1} writers "
            "created the same key), so two nights could both publish. Keep the catalogue on a store that honours "
            "conditional writes: AWS S3, Google Cloud Storage, Cloudflare R2, MinIO, Ceph, SeaweedFS, or a folder."
        )
