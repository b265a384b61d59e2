"""An S3 bucket as a store. The only module that imports boto3."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from lookdex.errors import AccessDenied, Changed, ConfigError, NotFound, StorageError, TooLarge, Unavailable
from lookdex.storage.base import Digest, Level, Listed, Names, Page, Requests, S3Access

POOL_CONNECTIONS = 64  # at least as many as any caller has threads
READ_ATTEMPTS = 3
CONFLICT_ATTEMPTS = 6
CHUNK = 1 << 20
# Credentials from these providers expire within hours; Lance's own AWS chain finds and refreshes them.
SELF_REFRESHED = ("iam-role", "container-role", "assume-role-with-web-identity")
HOW_TO_GIVE_KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or run with a role that may"


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

    def digest(self, key: str) -> Digest:
        for attempt in range(READ_ATTEMPTS):
            digest, size = hashlib.sha256(), 0
            try:
                with self._errors(key):
                    answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
                    with closing(answer["Body"]) as body:
                        for chunk in body.iter_chunks(CHUNK):
                            digest.update(chunk)
                            size += len(chunk)
                return Digest(digest.hexdigest(), size)
            except _BrokenRead as error:
                if attempt == READ_ATTEMPTS - 1:
                    raise Unavailable(
                        f"{self.uri}/{key}: the connection broke while reading: {error}"
                    ) from error
        raise AssertionError("unreachable")

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

    def pages(self, prefix: str = "") -> Iterator[Page]:
        for page in self._list_pages(prefix, None):
            yield self._listed(page)

    def level(self, prefix: str = "", max_pages: int | None = None) -> Level:
        objects: Page = []
        prefixes: Names = []
        for number, page in enumerate(self._list_pages(prefix, "/"), start=1):
            objects += self._listed(page)
            prefixes += [item["Prefix"].removeprefix(self._prefix) for item in page.get("CommonPrefixes", ())]
            if number == max_pages and page.get("IsTruncated"):
                return Level(objects, prefixes, complete=False)
        return Level(objects, prefixes)

    def prefixes(self, prefix: str = "", delimiter: str = "/") -> Names:
        pages = self._list_pages(prefix, delimiter)
        found = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", ())]
        return sorted(name.removeprefix(self._prefix) for name in found)

    def last_written(self, prefix: str) -> datetime | None:
        times = [
            item["LastModified"]
            for page in self._list_pages(prefix, None)
            for item in page.get("Contents", ())
        ]
        return max(times, default=None)

    def discard_unfinished(self, before: datetime) -> int:
        count = 0
        with self._errors(""):
            paginator = self._client.get_paginator("list_multipart_uploads")
            for page in paginator.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"] < before:
                        self._client.abort_multipart_upload(
                            Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                        )
                        count += 1
        return count

    def create_bucket(self) -> None:
        """Nothing happens when the bucket is there and ours."""
        with suppress(_BucketIsOurs), self._errors(""):
            self._client.create_bucket(Bucket=self._bucket)

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

    def _listed(self, page: dict[str, Any]) -> Page:
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
    text = error.response.get("Error", {}).get("Message", "").rstrip(".") or code
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
