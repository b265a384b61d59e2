"""An S3 bucket as a store."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from lookdex.errors import Changed, ConfigError, NotFound, StorageError, Unavailable
from lookdex.storage import etags, s3_deadline
from lookdex.storage.base import Digest, Level, Listed, Page, ReadOptions, S3Access, Signing
from lookdex.storage.s3_connection import Client, Connection, Response
from lookdex.storage.s3_errors import BrokenReadError, BucketIsOursError, ConflictError, translate_errors
from lookdex.storage.s3_read import ObjectReader, ReadRequest

R = TypeVar("R")

READ_ATTEMPTS = 3
CONFLICT_ATTEMPTS = 6
ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")  # storage classes; GLACIER_IR can be read at once
CHUNK = 1 << 20


class S3Store:
    """A bucket, or a prefix of one."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        access: S3Access | None = None,
        options: ReadOptions = ReadOptions(),  # noqa: B008  # frozen
    ) -> None:
        if not bucket:
            raise ConfigError(f"s3:///{prefix} names no bucket; give s3://bucket/prefix")
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._bucket = bucket
        self._connection = Connection(access, options)
        self._reader = ObjectReader(self._connection)

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
        return self._connection.lance_options(self._bucket)

    def lance_uri(self, key: str) -> str:
        return f"{self.uri}/{key}"

    def child(self, prefix: str) -> S3Store:
        child = S3Store(self._bucket, self._prefix + prefix)
        child._connection, child._reader = self._connection, self._reader
        return child

    def ping(self, key: str, seconds: float) -> None:
        client = self._connection.reader()
        with s3_deadline.until(time.monotonic() + seconds), self._translate_errors(key):
            answer = client.get_object(Bucket=self._bucket, Key=self._prefix + key, **self._payer)
            with closing(answer["Body"]) as body:
                body.read()

    def get(self, key: str) -> bytes:
        return self._get_whole(key, lambda body: bytes(body.read()))

    def get_limited(
        self, key: str, max_bytes: int, etag: str | None = None, size: int | None = None
    ) -> bytes:
        return self._reader.read(ReadRequest(self._bucket, self._prefix + key, max_bytes, etag, size))

    def digest(self, key: str) -> Digest:
        def digest_body(body: Any) -> Digest:
            digest, size = hashlib.sha256(), 0
            for chunk in body.iter_chunks(CHUNK):
                digest.update(chunk)
                size += len(chunk)
            return Digest(digest.hexdigest(), size)

        return self._get_whole(key, digest_body)

    def _get_whole(self, key: str, read: Callable[[Any], R]) -> R:
        """Call `read` with the object's body and return its result; repeat when the connection breaks."""
        for attempt in range(READ_ATTEMPTS):
            try:
                with self._translate_errors(key):
                    answer = self._client.get_object(
                        Bucket=self._bucket, Key=self._prefix + key, **self._payer
                    )
                    with closing(answer["Body"]) as body:
                        return read(body)
            except BrokenReadError as error:  # botocore retries requests, but not reading their bodies
                if attempt == READ_ATTEMPTS - 1:
                    raise Unavailable(
                        f"{self.uri}/{key}: the connection broke while reading: {error}"
                    ) from error
        raise AssertionError("unreachable")

    def put(self, key: str, data: bytes) -> None:
        with self._translate_errors(key):
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data)

    def put_file(self, key: str, path: str | Path) -> None:
        with self._translate_errors(key), open(path, "rb") as file:
            self._client.upload_fileobj(file, self._bucket, self._prefix + key)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        for attempt in range(CONFLICT_ATTEMPTS):
            try:
                with self._translate_errors(key):
                    self._client.put_object(
                        Bucket=self._bucket, Key=self._prefix + key, Body=data, IfNoneMatch="*"
                    )
                return True
            except Changed:
                return False
            except ConflictError:  # 409: another writer is writing this key; try again to see who won
                time.sleep(0.05 * 2**attempt * (1 + random.random()))
        raise Unavailable(f"{self.uri}/{key}: other writers kept writing this key; try again")

    def delete(self, key: str) -> None:
        with self._translate_errors(key):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def exists(self, key: str) -> bool:
        try:
            with self._translate_errors(key):
                self._client.head_object(Bucket=self._bucket, Key=self._prefix + key, **self._payer)
            return True
        except NotFound:
            return False

    def list(self, prefix: str = "") -> Iterator[Listed]:
        # S3 lists keys in byte order, but SeaweedFS and S3 Express do not.
        found = [listed for page in self.pages(prefix) for listed in page]
        return iter(sorted(found, key=lambda listed: listed.key))

    def pages(self, prefix: str = "", markers: bool = False) -> Iterator[Page]:
        for page in self._list_pages(prefix, None):
            yield self._to_listed(page, markers)

    def level(self, prefix: str = "", max_pages: int | None = None, markers: bool = False) -> Level:
        objects: Page = []
        prefixes: list[str] = []
        for number, page in enumerate(self._list_pages(prefix, "/"), start=1):
            objects += self._to_listed(page, markers)
            prefixes += [item["Prefix"].removeprefix(self._prefix) for item in page.get("CommonPrefixes", ())]
            if number == max_pages and page.get("IsTruncated"):
                return Level(objects, prefixes, complete=False)
        return Level(objects, prefixes)

    def prefixes(self, prefix: str = "", delimiter: str = "/") -> Sequence[str]:
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
        with self._translate_errors(""):
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
        """Create the bucket. Does nothing if it exists and is ours."""
        with suppress(BucketIsOursError), self._translate_errors(""):
            self._client.create_bucket(Bucket=self._bucket)

    @property
    def _client(self) -> Client:
        return self._connection.client()

    def _translate_errors(self, key: str) -> AbstractContextManager[None]:
        return translate_errors(f"{self.uri}/{key}" if key else self.uri)

    @property
    def _payer(self) -> dict[str, str]:
        pays = self._connection.options.signing is Signing.REQUESTER_PAYS
        return {"RequestPayer": "requester"} if pays else {}

    def _list_pages(self, prefix: str, delimiter: str | None) -> Iterator[Response]:
        more: dict[str, str] = {"Delimiter": delimiter} if delimiter else {}
        with self._translate_errors(prefix):
            paginator = self._client.get_paginator("list_objects_v2")
            for page in paginator.paginate(
                Bucket=self._bucket,
                Prefix=self._prefix + prefix,
                OptionalObjectAttributes=["RestoreStatus"],
                **more,
                **self._payer,
            ):
                self._check_page(page)
                yield page

    def _check_page(self, page: Response) -> None:
        """Raise StorageError for an invalid or partial listing, which would look like removed photos."""
        if not page.keys() & {"Name", "KeyCount", "IsTruncated", "Contents", "CommonPrefixes"}:
            raise StorageError(f"{self.uri}: the store's answer is not a listing; check the endpoint")
        if page.get("IsTruncated") and not page.get("NextContinuationToken"):
            raise StorageError(
                f"{self.uri}: the store truncated its listing without a continuation token; use a store that "
                "implements ListObjectsV2"
            )
        if not all({"Key", "Size"} <= item.keys() for item in page.get("Contents", ())):
            raise StorageError(
                f"{self.uri}: the store lists objects without a key or size; use a store that implements ListObjectsV2"
            )

    def _to_listed(self, page: Response, markers: bool = False) -> Page:
        return [
            Listed(
                item["Key"].removeprefix(self._prefix),
                self._find_etag(item),
                item["Size"],
                _is_archived(item),
            )
            for item in page.get("Contents", ())
            if markers or not item["Key"].endswith("/")
        ]

    def _find_etag(self, item: Response) -> str:
        if etag := item.get("ETag"):
            return etags.unquote(etag)
        if modified := item.get("LastModified"):
            return etags.make_substitute(modified, item["Size"])
        raise StorageError(
            f"{self.uri}: the store lists {item['Key']!r} without an ETag or a time, so changed photos cannot be "
            "detected; keep the photos in a store that lists one of them"
        )


def _is_archived(item: Response) -> bool:
    restored = item.get("RestoreStatus", {})
    readable = restored.get("RestoreExpiryDate") and not restored.get("IsRestoreInProgress")
    return item.get("StorageClass") in ARCHIVES and not readable
