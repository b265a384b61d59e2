"""Read one object with retries, a time limit, and checks of size and MD5."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from lookdex.errors import Changed, DamagedInTransit, StorageError, TooLarge, Unavailable
from lookdex.storage import etags, s3_deadline
from lookdex.storage.base import Signing
from lookdex.storage.s3_connection import Connection, Response
from lookdex.storage.s3_errors import BrokenReadError, translate_errors

ATTEMPTS = 5
PAUSE = 0.2  # seconds after the first attempt; twice as long after each further one
PIECE = 1 << 20  # bytes
WITNESSES = 3  # other objects to read, to find out whether a store's ETags are MD5s
WITNESS_BYTES = 10_000_000
# With customer keys, ETags have 32 hex digits but are not MD5s.
_PLAIN_ENCRYPTION = (None, "AES256")


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """An object to read."""

    bucket: str
    key: str
    max_bytes: int
    etag: str | None = None
    """As listed; None accepts any."""
    bytes: int | None = None
    """As listed; None accepts any."""

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class ObjectReader:
    """Reads objects within `options.seconds` each, over all attempts. Thread-safe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._etags_are_md5: bool | None = None  # None: no ETag has been compared with its body yet

    def __reduce__(self) -> tuple[type[ObjectReader], tuple[Connection]]:
        return (ObjectReader, (self._connection,))

    def read(self, request: ReadRequest) -> bytes:
        """Read an object.

        Raises NotFound, Changed, AccessDenied, Archived, TooLarge; and after the last attempt or the time limit,
        DamagedInTransit or Unavailable.
        """
        seconds = self._connection.options.seconds
        deadline = time.monotonic() + seconds
        with s3_deadline.until(deadline):
            return self._read(request, seconds, deadline)

    def _read(self, request: ReadRequest, seconds: float, deadline: float) -> bytes:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._attempt(request)
            except (BrokenReadError, DamagedInTransit, Unavailable) as error:
                pause = PAUSE * 2 ** (attempt - 1) * (0.5 + random.random())
                spent = time.monotonic() + pause >= deadline
                if isinstance(error, DamagedInTransit) and (spent or attempt == ATTEMPTS):
                    raise
                if spent:
                    raise Unavailable(
                        f"{request.uri} did not arrive within {seconds:g} s ({attempt} attempts; {_describe(error)})"
                    ) from error
                if attempt == ATTEMPTS:
                    raise Unavailable(
                        f"{request.uri} did not arrive in {attempt} attempts ({_describe(error)})"
                    ) from error
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _attempt(self, request: ReadRequest) -> bytes:
        match = {"IfMatch": f'"{request.etag}"'} if request.etag and etags.is_strong(request.etag) else {}
        payer = (
            {"RequestPayer": "requester"}
            if self._connection.options.signing is Signing.REQUESTER_PAYS
            else {}
        )
        with translate_errors(request.uri):
            answer = self._connection.reader().get_object(
                Bucket=request.bucket, Key=request.key, **match, **payer
            )
            with closing(answer["Body"]) as body:
                size = answer.get("ContentLength")  # None: chunked, as some gateways send
                if request.etag and not etags.matches(
                    request.etag, answer.get("ETag"), answer.get("LastModified"), size
                ):
                    raise Changed(f"{request.uri} changed since it was listed")
                if size is not None and size > request.max_bytes:
                    raise _size_error(request, size)
                data = bytearray()
                while piece := body.read(PIECE):
                    data += piece
                    if len(data) > request.max_bytes:
                        raise _size_error(request, len(data))
        self._check(request, answer, data)
        return bytes(data)

    def _check(self, request: ReadRequest, answer: Response, data: bytearray) -> None:
        """Raise DamagedInTransit when the data are not the stored bytes."""
        expected = answer.get("ContentLength") if request.bytes is None else request.bytes
        # The ETag is the listed one, so the object itself has not changed.
        if expected is not None and len(data) != expected:
            raise DamagedInTransit(f"{request.uri}: {len(data):,} of {expected:,} bytes arrived")
        md5 = _find_md5(answer)
        if md5 is None or self._etags_are_md5 is False:
            return
        if _digest(data) == md5:
            self._etags_are_md5 = True
        elif self._are_etags_md5(request):
            raise DamagedInTransit(f"{request.uri}: the bytes that arrived do not have the MD5 of the ETag")

    def _are_etags_md5(self, request: ReadRequest) -> bool:
        """Whether this store's ETags are MD5s; some stores use 32 other digits.

        Checked when a body does not match. If no other object can be read, the store is assumed to follow S3's rule.
        """
        with self._lock:
            if self._etags_are_md5 is None:
                seen = [_digest(body) == md5 for md5, body in self._witnesses(request)]
                self._etags_are_md5 = any(seen) or not seen
            return self._etags_are_md5

    def _witnesses(self, request: ReadRequest) -> Iterator[tuple[str, bytes]]:
        """(MD5 of the ETag, body) of some other objects near it."""
        client, folder = self._connection.reader(), request.key.rpartition("/")[0].rpartition("/")[0]
        payer = (
            {"RequestPayer": "requester"}
            if self._connection.options.signing is Signing.REQUESTER_PAYS
            else {}
        )
        found = 0
        try:
            with translate_errors(request.uri):
                listed = client.list_objects_v2(
                    Bucket=request.bucket, Prefix=folder and folder + "/", MaxKeys=50, **payer
                )
                for item in listed.get("Contents", ()):
                    if item["Key"] == request.key or not 0 < item["Size"] <= WITNESS_BYTES:
                        continue
                    answer = client.get_object(Bucket=request.bucket, Key=item["Key"], **payer)
                    with closing(answer["Body"]) as body:
                        md5, data = _find_md5(answer), body.read()
                    if md5 is not None:
                        yield md5, data
                        found += 1
                    if found == WITNESSES:
                        return
        except StorageError:
            return  # use those that were read


def _size_error(request: ReadRequest, size: int) -> StorageError:
    """The error for too many bytes. An object of an allowed size did not grow, because its ETag is the listed one."""
    if request.bytes is not None and request.bytes <= request.max_bytes:
        return DamagedInTransit(f"{request.uri}: {size:,} bytes arrived instead of {request.bytes:,}")
    return TooLarge(f"{request.uri} has {size} bytes, more than {request.max_bytes}")


def _find_md5(answer: Response) -> str | None:
    """The MD5 in the response's ETag, if it can be one."""
    own_keys = answer.get("ServerSideEncryption") not in _PLAIN_ENCRYPTION or answer.get(
        "SSECustomerAlgorithm"
    )
    return None if own_keys else etags.find_md5(etags.unquote(answer.get("ETag", "")))


def _digest(data: bytes | bytearray) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _describe(error: StorageError) -> str:
    return f"the last: {error}"
