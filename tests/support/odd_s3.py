"""A small S3 server with unusual behaviour: archives, no ETags, broken bodies, expiring credentials."""

from __future__ import annotations

import hashlib
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from typing import Any, cast
from xml.sax.saxutils import escape

from lookdex.storage import ReadOptions, S3Access, Store, open_store

ERROR = "<Error><Code>{}</Code><Message>{}</Message></Error>"
PAGE = 1000


@dataclass
class Stored:
    """An object. restored: of an archived object; None: no restore was requested."""

    data: bytes
    storage_class: str = "STANDARD"
    restored: bool | None = None
    etag: str | None = None  # None: the MD5 of the data
    archived_unseen: bool = False  # like a tier of Intelligent-Tiering that listings do not show
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    method: str
    key: str  # '' for a listing
    headers: dict[str, str]
    query: dict[str, str]


@dataclass(frozen=True)
class Response:
    """A response that replaces the object's. status: 0 sends nothing and waits."""

    status: int
    code: str = ""
    body: bytes | None = None  # None: the object's
    drip: float = 0.0  # seconds between bytes
    headers: bool = False  # whether the headers drip, too
    length: bool = True  # False: chunked, without a Content-Length


class OddS3:
    """objects: by key, in the bucket `shop`. respond: called for each GET; returns a replacement or None."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.etags = self.times = self.sizes = True
        self.weak = self.moved = False  # moved: every request is redirected without a target
        self.listing: bytes | None = None  # replaces all listings
        self.respond: Callable[[Request], Response | None] = lambda request: None
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self.port = 0

    def put(self, key: str, data: bytes, **more: Any) -> None:
        """more: fields of `Stored`."""
        self.objects[key] = Stored(data, **more)

    def etag(self, stored: Stored) -> str:
        text = stored.etag if stored.etag is not None else hashlib.md5(stored.data).hexdigest()
        return f'{"W/" if self.weak else ""}"{text}"'

    def gets(self, key: str | None = None) -> int:
        return sum(request.key == key if key else bool(request.key) for request in self.requests)

    @property
    def access(self) -> S3Access:
        return S3Access(f"http://127.0.0.1:{self.port}", "a", "b")

    @property
    def env(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.access.endpoint, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
        }  # fmt: skip

    def store(self, uri: str = "s3://shop/photos", options: ReadOptions = ReadOptions()) -> Store:  # noqa: B008
        return open_store(uri, self.access, options)


@contextmanager
def start() -> Iterator[OddS3]:
    odd = OddS3()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"odd": odd}))
    server.daemon_threads = True
    odd.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield odd
    finally:
        odd.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    odd: OddS3

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        bucket, _, key = urllib.parse.unquote(parts.path[1:]).partition("/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, key, headers, query)
        self.odd.requests.append(request)
        if self.odd.moved:
            self._error(301, "PermanentRedirect")
        elif bucket != "shop":
            self._error(404, "NoSuchBucket")
        elif key:
            self._object(request)
        else:
            self._listing(query)

    do_HEAD = do_GET

    def _object(self, request: Request) -> None:
        odd, response = self.odd, self.odd.respond(request)
        stored = odd.objects.get(request.key)
        if response is not None and response.status == 0:
            odd.closing.wait(30)
            self.close_connection = True
        elif response is not None and response.body is None:
            self._error(response.status, response.code)
        elif stored is None:
            self._error(404, "NoSuchKey")
        elif (
            stored.storage_class in ("GLACIER", "DEEP_ARCHIVE") and not stored.restored
        ) or stored.archived_unseen:
            self._error(403, "InvalidObjectState")
        elif request.headers.get("if-match") not in (None, odd.etag(stored)) or "W/" in request.headers.get(
            "if-match", ""
        ):
            self._error(412, "PreconditionFailed")
        else:
            body = stored.data if response is None or response.body is None else response.body
            headers = {"ETag": odd.etag(stored), **stored.headers}
            if response is not None and not response.length:
                headers["Transfer-Encoding"] = "chunked"
                body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            if response is not None and response.headers:
                self.wfile = cast(BufferedIOBase, _Dripping(self.wfile, response.drip, odd.closing))
                self.close_connection = True
            self._send(200, body, headers, response.drip if response else 0)

    def _listing(self, query: dict[str, str]) -> None:
        if self.odd.listing is not None:
            self._send(200, self.odd.listing, {"Content-Type": "application/xml"})
            return
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        found, prefixes = [], []
        for key in sorted(self.odd.objects, key=str.encode):
            if not key.startswith(prefix):
                continue
            if delimiter and delimiter in (rest := key[len(prefix) :]):
                below = prefix + rest.partition(delimiter)[0] + delimiter
                prefixes += [below] if below not in prefixes else []
            else:
                found.append(self._entry(key, self.odd.objects[key]))
        below = "".join(f"<CommonPrefixes><Prefix>{_quoted(p)}</Prefix></CommonPrefixes>" for p in prefixes)
        text = (
            f"<ListBucketResult><Name>shop</Name><Prefix>{_quoted(prefix)}</Prefix><EncodingType>url</EncodingType>"
            f"<IsTruncated>false</IsTruncated>{''.join(found)}{below}</ListBucketResult>"
        )
        self._send(200, text.encode(), {"Content-Type": "application/xml"})

    def _entry(self, key: str, stored: Stored) -> str:
        etag = f"<ETag>{escape(self.odd.etag(stored))}</ETag>" if self.odd.etags else ""
        modified = "<LastModified>2026-01-02T03:04:05.678Z</LastModified>" if self.odd.times else ""
        size = f"<Size>{len(stored.data)}</Size>" if self.odd.sizes else ""
        known = stored.restored is not None and "x-amz-optional-object-attributes" in self.headers
        restored = (
            "<RestoreStatus><IsRestoreInProgress>{}</IsRestoreInProgress>{}</RestoreStatus>".format(
                "false" if stored.restored else "true",
                "<RestoreExpiryDate>2027-01-01T00:00:00.000Z</RestoreExpiryDate>" if stored.restored else "",
            )
            if known
            else ""
        )
        return (
            f"<Contents><Key>{_quoted(key)}</Key>{modified}{etag}{size}"
            f"<StorageClass>{stored.storage_class}</StorageClass>{restored}</Contents>"
        )

    def _error(self, status: int, code: str) -> None:
        self._send(
            status, ERROR.format(code, f"this is {code}").encode(), {"Content-Type": "application/xml"}
        )

    def _send(self, status: int, body: bytes, headers: dict[str, str], drip: float = 0) -> None:
        self.send_response(status)
        length = {} if "Transfer-Encoding" in headers else {"Content-Length": str(len(body))}
        for name, value in {**length, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        with suppress(ConnectionError):
            if not drip:
                self.wfile.write(body)
            for at in range(len(body) if drip else 0):
                self.wfile.write(body[at : at + 1])
                if self.odd.closing.wait(drip):
                    return
        if int(headers.get("Content-Length", len(body))) != len(body):
            self.close_connection = True  # the body is shorter than its Content-Length


class _Dripping:
    """A file wrapper that writes byte by byte."""

    def __init__(self, file: Any, seconds: float, closing: threading.Event) -> None:
        self._file, self._seconds, self._closing = file, seconds, closing

    def write(self, data: bytes) -> None:
        for at in range(len(data)):
            self._file.write(data[at : at + 1])
            if self._closing.wait(self._seconds):
                return

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _quoted(key: str) -> str:
    return urllib.parse.quote(key, safe="/")
