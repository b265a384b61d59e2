"""A connection within bounds: uvicorn's own protocol, with limits on what a client may send, and how slowly.

Why this and not another server: CPU milliseconds of the server for a small request on a kept connection, and for an
upload of 200 kB, were 0.04 and 0.26 with uvicorn on httptools, 0.04 and 0.16 with this class, and 0.12 and 0.62 with
uvicorn on h11. h11, which Hypercorn parses with, too, limits headers. None of them limits how slowly a client may send
or read, how many connections it may have, or what a body's framing may cost, nor answers with problem documents.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Mapping
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from lookdex.service.http import problems
from lookdex.service.http.clients import Network, client_key, is_trusted
from lookdex.service.http.connections import Connections, Ended
from lookdex.service.http.pace import Pace
from lookdex.service.http.problems import Kind

HEADER_BYTES = 48 << 10  # request line and headers: a `where` of 3,000 characters is 27 kB, escaped
HEADER_FIELDS = 128
FRAMING_BYTES = 16 << 10  # of a body's chunk sizes, extensions and trailers, beside an eighth of the body
SLICE = 4096  # bytes parsed at a time, so that few pipelined requests are held beyond PIPELINED
PIPELINED = 32  # requests of a connection that wait for their turn
LINGER_SECONDS, LINGER_BYTES = 2.0, 4 << 20  # of a client that goes on sending after its answer
_ALLOW = {"Allow": "GET, HEAD, POST"}
LAST_SECONDS = 1.0  # of a stopping server, for the request of a client that has connected
_AT_ONCE = struct.pack("ii", 1, 0)
_HOST = re.compile(rb"(?:\[[\w.~:%-]+\]|[\w.~%!$&'()*+,;=-]*)(?::\d*)?")
_ABSOLUTE = re.compile(rb"https?://[^/?#]*(?=(/?))", re.IGNORECASE)


class Refusal(Exception):
    """Ends a connection with a problem document."""

    def __init__(self, why: Ended, kind: Kind, detail: str, headers: Mapping[str, str] | None = None):
        super().__init__(detail)
        self.why, self.kind, self.detail, self.headers = why, kind, detail, dict(headers or {})


def _no_room(why: Ended) -> Refusal:
    whose = "this client has" if why is Ended.CLIENT_SHARE else "the service has"
    detail = f"{whose} as many requests in progress as it may: try again later"
    return Refusal(why, Kind.BUSY, detail, {"Retry-After": "1"})


def _stopping() -> Refusal:
    return Refusal(Ended.STOPPING, Kind.STOPPING, "the service is stopping: try again", {"Retry-After": "1"})


def _check_codings(codings: list[bytes], version: str) -> None:
    """Raises Refusal: no reader agrees where such a body ends, or it is coded as well (RFC 9112, 6.1 and 7)."""
    if version == "1.0" or codings[-1] != b"chunked" or codings.count(b"chunked") > 1 or b"" in codings:
        detail = "Transfer-Encoding is chunked, once, and of HTTP/1.1"
        raise Refusal(Ended.MALFORMED, Kind.MALFORMED, detail)
    if codings != [b"chunked"]:
        raise Refusal(Ended.MALFORMED, Kind.TRANSFER_CODING, "Transfer-Encoding may be chunked alone")


class BoundedProtocol(HttpToolsProtocol):
    """One connection. table: of all connections. proxies: whose connections are of many clients.

    The rest is uvicorn's, which makes one for each connection.
    """

    def __init__(self, table: Connections, proxies: tuple[Network, ...], *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.client_key, self.proxy = "", False
        self._table, self._proxies, self._limits = table, proxies, table.limits
        self._since = 0.0  # of the event loop: when what is waited for now began
        self._asked = False  # a request has come
        self._running: Any = None  # the request that is answered now, or was answered last
        self._in_header = self._in_body = False
        self._header = self._fed = self._taken = 0  # bytes of a header; since it; of those, in the body
        self._hosts: list[bytes] = []
        self._codings: list[bytes] = []  # of Transfer-Encoding
        self._held = b""  # arrived and not parsed, while enough requests wait
        self._refusal: Refusal | None = None  # to be sent after the answers before it
        self._lingering, self._discarded = False, 0
        self._unread = _Unread()

    @property
    def _busy(self) -> bool:
        return self._running is not None and not self._running.response_complete

    # ── events of the connection ─────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        self.client_key, self.proxy = client_key(host), is_trusted(host, self._proxies)
        self._since = self.loop.time()
        why = self._table.admit(self)
        if why is not None:
            self._refuse(_no_room(why))

    def connection_lost(self, exc: Exception | None) -> None:
        self._table.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            self._discard(len(data))
        elif self._held:
            self._held += data
            self.flow.pause_reading()
        elif self._refusal is None:
            self._feed(data)

    def resume_writing(self) -> None:
        self._unread.reset()
        super().resume_writing()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self._since, self._discarded = self.loop.time(), 0
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._table.idle(self)
            if self._refusal is not None:
                self._refuse(self._refusal)
                return
        if self._held:
            self.loop.call_soon(self._feed_held)
        elif not self.pipeline:
            self.flow.resume_reading()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    # ── parsing ──────────────────────────────────────────────────────────────────────────────────────────────

    def _feed(self, data: bytes) -> None:
        if len(data) <= SLICE:
            self._parse(data)
            return
        for start in range(0, len(data), SLICE):
            if self._lingering or self._refusal is not None or self.transport.is_closing():
                return
            if len(self.pipeline) >= PIPELINED:
                self._held = data[start:]
                self.flow.pause_reading()
                return
            self._parse(data[start : start + SLICE])

    def _feed_held(self) -> None:
        if self.parser is None or len(self.pipeline) >= PIPELINED:
            return
        data, self._held = self._held, b""
        self._feed(data)
        if not self._held and not self.pipeline and not self.transport.is_closing():
            self.flow.resume_reading()

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._pass_over_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            mine = error.__context__ if isinstance(error.__context__, Refusal) else None
            self._break_off(
                mine or Refusal(Ended.MALFORMED, Kind.MALFORMED, f"the request is not HTTP/1.1: {error}")
            )
            return
        if self._in_header:
            self._header += len(data)
            if self._header > HEADER_BYTES:
                detail = f"request line and headers may have {HEADER_BYTES:,} bytes together"
                self._break_off(Refusal(Ended.LARGE_HEADER, Kind.HEADER_TOO_LARGE, detail))
        elif self._in_body:
            self._fed += len(data)
            if self._fed - self._taken > FRAMING_BYTES + self._taken // 8:
                detail = "the body's chunks are too small, or have too long extensions or trailers"
                self._break_off(Refusal(Ended.MALFORMED, Kind.MALFORMED, detail))
            elif not self._busy:  # answered already
                self._discard(len(data))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_header, self._header, self._hosts, self._codings = True, 0, [], []
        if not self._busy:
            self._since = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_header:
            return  # a trailer: it must not become a header, least of all one that a proxy vouches for
        name = name.lower()
        if name == b"host":
            self._hosts.append(value)
        elif name == b"transfer-encoding":
            self._codings += (coding.strip(b" \t").lower() for coding in value.split(b","))
        elif name == b"expect":
            self._expect(value)
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        version, method = self.parser.get_http_version(), self.parser.get_method()
        if version not in ("1.0", "1.1"):
            raise Refusal(Ended.MALFORMED, Kind.MALFORMED, "the request is not HTTP/1.1 or HTTP/1.0")
        if method == b"CONNECT":
            raise Refusal(Ended.MALFORMED, Kind.METHOD, "this is no proxy: CONNECT is not served", _ALLOW)
        # RFC 9112, 3.2.2: the target may be a whole address, and its path may be empty.
        self.url = _ABSOLUTE.sub(lambda found: b"" if found[1] else b"/", self.url, count=1)
        if len(self.headers) > HEADER_FIELDS:
            detail = f"a request may have {HEADER_FIELDS} headers"
            raise Refusal(Ended.LARGE_HEADER, Kind.HEADER_TOO_LARGE, detail)
        hosts = self._hosts
        if len(hosts) != 1 and (hosts or version == "1.1"):
            raise Refusal(Ended.MALFORMED, Kind.MALFORMED, "a request has one header Host")
        if hosts and not _HOST.fullmatch(hosts[0]):
            raise Refusal(Ended.MALFORMED, Kind.MALFORMED, "the header Host is not a host")
        if self._codings:
            _check_codings(self._codings, version)
        if version == "1.0":
            self.expect_100_continue = False
        if not self._table.busy(self):
            raise _no_room(Ended.CLIENT_SHARE)
        super().on_headers_complete()
        if self._table.stopping:
            self.cycle.keep_alive = False
        self._in_header, self._in_body, self._asked = False, True, True
        self._fed = self._taken = 0

    def _expect(self, value: bytes) -> None:
        if any(one.strip(b" \t").lower() not in (b"", b"100-continue") for one in value.split(b",")):
            detail = "the header Expect may say 100-continue, and nothing else"
            raise Refusal(Ended.MALFORMED, Kind.EXPECTATION, detail)
        self.expect_100_continue = self.expect_100_continue or bool(value.strip(b" \t,"))

    def on_body(self, body: bytes) -> None:
        if self._in_body:
            self._taken += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def _pass_over_upgrade(self, rest: bytes) -> None:
        """Go on after a header that asks for another protocol (h2c, websocket), which a server may decline.

        httptools takes the request for one without a body. Clients do send one with their photo (Java's), so it is
        parsed apart; what follows it is not, and the connection ends with the answer.
        """
        framing = [
            (name, value)
            for name, value in self.headers
            if name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
        ]
        if framing and not self.cycle.response_complete:
            self.cycle.more_body, self.cycle.keep_alive = True, False
            self.cycle.message_event.clear()
            self._in_body = True
            self.parser = httptools.HttpRequestParser(_Body(self))
            header = b"".join(b"%s: %s\r\n" % field for field in framing)
            self.parser.feed_data(b"POST / HTTP/1.1\r\nHost: a\r\n" + header + b"\r\n")
        if rest:
            self._feed(rest)

    # ── ends ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _break_off(self, refusal: Refusal) -> None:
        """Parse nothing more, and refuse once the requests before are answered."""
        if self._in_body and self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline.popleft()  # not begun yet
            self.cycle = self.pipeline[0][0] if self.pipeline else self._running
        elif self._in_body and self._running is self.cycle:
            if self._busy and not self.cycle.response_started:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
                self._refuse(refusal)
            else:  # its answer is out, or half of it
                self._table.ended(refusal.why, self, refusal.detail)
                self.transport.abort()
            return
        if self._busy:
            self._refusal = refusal
            self.flow.pause_reading()
        else:
            self._refuse(refusal)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer with a problem, and close; what the client still sends is dropped, so that it gets to read why."""
        self._table.ended(refusal.why, self, refusal.detail)
        self._lingering, self._since, self._discarded, self._held = True, self.loop.time(), 0, b""
        if self.transport.is_closing():
            return
        self.transport.write(self._document(refusal))
        if self._table.linger(self) and self.transport.can_write_eof():
            self.transport.write_eof()
            self.flow.resume_reading()
        else:
            self.transport.close()

    def _document(self, refusal: Refusal) -> bytes:
        response = problems.response_of(
            refusal.kind, refusal.detail, {**refusal.headers, "Connection": "close"}
        )
        headers = [*self.server_state.default_headers, *response.raw_headers, (b"cache-control", b"no-store")]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        body = b"" if self.parser.get_method() == b"HEAD" else bytes(response.body)
        return STATUS_LINE[refusal.kind.status] + lines + b"\r\n" + body

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > LINGER_BYTES:
            if not self._lingering:
                self._table.ended(Ended.UNUSED_BODY, self)
            self.transport.abort()

    def displace(self) -> None:
        """Close it, while it has no request in progress."""
        self._end(Ended.DISPLACED)

    def _end(self, why: Ended) -> None:
        self._table.ended(why, self)
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # it would stay open until its client has read all
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """Close it once what its client has begun to ask is answered, or soon if the client has only connected."""
        if self._busy:
            self.cycle.keep_alive = False  # of the last request that has come
        elif self._asked and not (self._lingering or self._in_header or self._in_body):
            self.transport.close()
        else:
            self.sweep(self.loop.time())

    def sweep(self, now: float) -> None:
        """Close it if its time is over. now: of the event loop."""
        limits, waited = self._limits, now - self._since
        if self._unread.stuck(self.transport.get_write_buffer_size(), limits.pace, now):
            self._table.ended(Ended.UNREAD, self)
            # Without this the kernel keeps what it has taken for the client, which may never read it.
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.transport.abort()
        elif self._lingering:
            if waited > LINGER_SECONDS:
                self.transport.abort()
        elif self._busy or self.transport.is_closing():
            pass
        elif self._table.stopping and not self._in_body and waited > LAST_SECONDS:
            self._refuse(_stopping()) if self._in_header else self.transport.close()
        elif self._in_body:
            if waited > LINGER_SECONDS:
                self._end(Ended.UNUSED_BODY)
        elif self._in_header:
            if waited > limits.header_seconds:
                detail = f"the header did not arrive within {limits.header_seconds:g} s"
                self._refuse(Refusal(Ended.SLOW_HEADER, Kind.SLOW_REQUEST, detail))
        elif waited > (limits.keep_alive_seconds if self._asked else limits.header_seconds):
            self._end(Ended.KEEP_ALIVE if self._asked else Ended.IDLE)


class _Body:
    """Of a parser that is fed a body alone: where it goes."""

    def __init__(self, connection: BoundedProtocol):
        self.on_body, self.on_message_complete = connection.on_body, connection.on_message_complete


class _Unread:
    """How fast a client reads what waits for it."""

    def __init__(self) -> None:
        self._begun, self._size, self._read = 0.0, 0, 0

    def reset(self) -> None:
        """It has read enough."""
        self._begun = 0.0

    def stuck(self, size: int, pace: Pace, now: float) -> bool:
        """Whether it reads too slowly. size: bytes that wait now."""
        if not size:
            self._begun = 0.0
            return False
        if not self._begun:
            self._begun, self._read = now, 0
        else:
            self._read += max(0, self._size - size)
        self._size = size
        return now > pace.due(self._begun, self._read)
