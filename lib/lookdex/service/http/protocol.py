"""uvicorn's HTTP protocol with limits on what a client may send, and how slowly.

Why not another server: server CPU time for a small request on a kept-alive connection, and for an upload of 200 kB, was
0.04 and 0.26 ms with uvicorn on httptools, 0.04 and 0.16 ms with this class, and 0.12 and 0.62 ms with uvicorn on h11.
h11 (also used by Hypercorn) limits headers. None of them limits how slowly a client sends or reads, how many
connections it has, or the overhead of a body's framing, and none answers with problem documents.
"""

from __future__ import annotations

import re
import socket
import struct
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from lookdex.service.http import problems
from lookdex.service.http.clients import Network, client_key, is_trusted
from lookdex.service.http.connection_problems import (
    ConnectionProblemError,
    check_codings,
    malformed,
    no_room,
    stopping,
)
from lookdex.service.http.connections import CloseReason, ConnectionTable
from lookdex.service.http.pace import MinimumRate
from lookdex.service.http.problems import ProblemKind

HEADER_BYTES = 48 << 10  # request line and headers: a `where` of 3,000 characters is 27 kB, escaped
HEADER_FIELDS = 128
FRAMING_BYTES = 16 << 10  # chunk sizes, extensions and trailers of a body, plus an eighth of the body
SLICE = 4096  # bytes parsed at a time: bounds how far PIPELINED is exceeded
PIPELINED = 32  # queued requests per connection
LINGER_SECONDS, LINGER_BYTES = 2.0, 4 << 20  # for a client that still sends after its response
LAST_SECONDS = 1.0  # a stopping server waits for the request of a connected client
_ALLOW = {"Allow": "GET, HEAD, POST"}
_AT_ONCE = struct.pack("ii", 1, 0)
_HOST = re.compile(rb"(?:\[[\w.~:%-]+\]|[\w.~%!$&'()*+,;=-]*)(?::\d*)?")
_ORIGIN = re.compile(rb"https?://[^/?#]*(?=(/?))", re.IGNORECASE)


class BoundedProtocol(HttpToolsProtocol):
    """The protocol of one connection. table: all connections. proxies: trusted ones.

    uvicorn creates one per connection and passes the remaining arguments.
    """

    def __init__(
        self, table: ConnectionTable, proxies: tuple[Network, ...], *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.client_key, self.proxy = "", False
        self._table, self._proxies, self._limits = table, proxies, table.limits
        self._since = 0.0  # event loop time at which the current wait began
        self._had_request = False
        self._running: Any = None  # the request in progress, or the last one
        self._in_header = self._in_body = False
        self._header = self._fed = self._taken = 0  # bytes of the header; after it; of these, in the body
        self._hosts: list[bytes] = []
        self._codings: list[bytes] = []  # in Transfer-Encoding
        self._held = b""  # received but not parsed while the pipeline is full
        self._refusal: ConnectionProblemError | None = None  # sent after the responses before it
        self._lingering, self._discarded = False, 0
        self._read_pace = _ReadPace()

    @property
    def _busy(self) -> bool:
        return self._running is not None and not self._running.response_complete

    # ── connection events ─────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        self.client_key, self.proxy = client_key(host), is_trusted(host, self._proxies)
        self._since = self.loop.time()
        why = self._table.admit(self)
        if why is not None:
            self._refuse(no_room(why))

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
        self._read_pace.reset()
        super().resume_writing()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self._since, self._discarded = self.loop.time(), 0
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._table.mark_idle(self)
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
            self._ignore_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            refusal = error.__context__ if isinstance(error.__context__, ConnectionProblemError) else None
            self._break_off(refusal or malformed(f"the request is not HTTP/1.1: {error}"))
            return
        if self._in_header:
            self._header += len(data)
            if self._header > HEADER_BYTES:
                detail = f"request line and headers exceed {HEADER_BYTES:,} bytes"
                self._break_off(
                    ConnectionProblemError(CloseReason.LARGE_HEADER, ProblemKind.HEADER_TOO_LARGE, detail)
                )
        elif self._in_body:
            self._fed += len(data)
            if self._fed - self._taken > FRAMING_BYTES + self._taken // 8:
                detail = "the body's chunks are too small, or its extensions or trailers too long"
                self._break_off(malformed(detail))
            elif not self._busy:  # already answered
                self._discard(len(data))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_header, self._header, self._hosts, self._codings = True, 0, [], []
        if not self._busy:
            self._since = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_header:
            return  # a trailer must not become a header, least of all one that a proxy sets
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
            raise malformed("the request is not HTTP/1.1 or HTTP/1.0")
        if method == b"CONNECT":
            detail = "CONNECT is not supported: this is not a proxy"
            raise ConnectionProblemError(CloseReason.MALFORMED, ProblemKind.METHOD, detail, _ALLOW)
        # The target may be an absolute URI, with an empty path (RFC 9112, 3.2.2).
        self.url = _ORIGIN.sub(lambda found: b"" if found[1] else b"/", self.url, count=1)
        if len(self.headers) > HEADER_FIELDS:
            detail = f"a request may have at most {HEADER_FIELDS} headers"
            raise ConnectionProblemError(CloseReason.LARGE_HEADER, ProblemKind.HEADER_TOO_LARGE, detail)
        hosts = self._hosts
        if len(hosts) != 1 and (hosts or version == "1.1"):
            raise malformed("a request must have exactly one Host header")
        if hosts and not _HOST.fullmatch(hosts[0]):
            raise malformed("the Host header is invalid")
        if self._codings:
            check_codings(self._codings, version)
        if version == "1.0":
            self.expect_100_continue = False
        if not self._table.mark_busy(self):
            raise no_room(CloseReason.CLIENT_SHARE)
        super().on_headers_complete()
        if self._table.stopping:
            self.cycle.keep_alive = False
        self._in_header, self._in_body, self._had_request = False, True, True
        self._fed = self._taken = 0

    def _expect(self, value: bytes) -> None:
        if any(one.strip(b" \t").lower() not in (b"", b"100-continue") for one in value.split(b",")):
            detail = "the only supported expectation is 100-continue"
            raise ConnectionProblemError(CloseReason.MALFORMED, ProblemKind.EXPECTATION, detail)
        self.expect_100_continue = self.expect_100_continue or bool(value.strip(b" \t,"))

    def on_body(self, body: bytes) -> None:
        if self._in_body:
            self._taken += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Continue after a header that offers an upgrade (h2c, websocket), which a server may decline.

        httptools assumes that such a request has no body. Java's client sends one with its photo, so the body is parsed
        separately. Nothing after it is parsed, and the connection is closed after the response.
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

    # ── closing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _break_off(self, refusal: ConnectionProblemError) -> None:
        """Stop parsing, and refuse once the earlier requests are answered."""
        if self._in_body and self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline.popleft()  # not started yet
            self.cycle = self.pipeline[0][0] if self.pipeline else self._running
        elif self._in_body and self._running is self.cycle:
            if self._busy and not self.cycle.response_started:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
                self._refuse(refusal)
            else:  # its response has begun or is complete
                self._table.record_close(refusal.why, self, refusal.detail)
                self.transport.abort()
            return
        if self._busy:
            self._refusal = refusal
            self.flow.pause_reading()
        else:
            self._refuse(refusal)

    def _refuse(self, refusal: ConnectionProblemError) -> None:
        """Send a problem and close. Further input is dropped for a while, so that the client can read the response."""
        self._table.record_close(refusal.why, self, refusal.detail)
        self._lingering, self._since, self._discarded, self._held = True, self.loop.time(), 0, b""
        if self.transport.is_closing():
            return
        self.transport.write(self._document(refusal))
        if self._table.linger(self) and self.transport.can_write_eof():
            self.transport.write_eof()
            self.flow.resume_reading()
        else:
            self.transport.close()

    def _document(self, refusal: ConnectionProblemError) -> bytes:
        response = problems.build_response(
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
                self._table.record_close(CloseReason.UNUSED_BODY, self)
            self.transport.abort()

    def displace(self) -> None:
        """Close the connection, which has no request in progress."""
        self._end(CloseReason.DISPLACED)

    def _end(self, why: CloseReason) -> None:
        self._table.record_close(why, self)
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # close() would wait until the client has read everything
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """Close after the requests in progress, or soon if the client has only connected."""
        if self._busy:
            self.cycle.keep_alive = False  # of the last request
        elif self._had_request and not (self._lingering or self._in_header or self._in_body):
            self.transport.close()
        else:
            self.sweep(self.loop.time())

    def sweep(self, now: float) -> None:
        """Close the connection if it timed out. now: event loop time."""
        limits, waited = self._limits, now - self._since
        if self._read_pace.stuck(self.transport.get_write_buffer_size(), limits.pace, now):
            self._table.record_close(CloseReason.UNREAD, self)
            # Otherwise the kernel keeps the unsent data for a client that may never read it.
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.transport.abort()
        elif self._lingering:
            if waited > LINGER_SECONDS:
                self.transport.abort()
        elif self._busy or self.transport.is_closing():
            pass
        elif self._table.stopping and not self._in_body and waited > LAST_SECONDS:
            self._refuse(stopping()) if self._in_header else self.transport.close()
        elif self._in_body:
            if waited > LINGER_SECONDS:
                self._end(CloseReason.UNUSED_BODY)
        elif self._in_header:
            if waited > limits.header_seconds:
                detail = f"the header did not arrive within {limits.header_seconds:g} s"
                self._refuse(
                    ConnectionProblemError(CloseReason.SLOW_HEADER, ProblemKind.SLOW_REQUEST, detail)
                )
        elif waited > (limits.keep_alive_seconds if self._had_request else limits.header_seconds):
            self._end(CloseReason.KEEP_ALIVE if self._had_request else CloseReason.IDLE)


class _Body:
    """Callbacks of a parser that gets only a body."""

    def __init__(self, connection: BoundedProtocol) -> None:
        self.on_body, self.on_message_complete = connection.on_body, connection.on_message_complete


class _ReadPace:
    """Measure how fast a client reads its responses."""

    def __init__(self) -> None:
        self._begun, self._size, self._read = 0.0, 0, 0

    def reset(self) -> None:
        """The client has read enough."""
        self._begun = 0.0

    def stuck(self, size: int, pace: MinimumRate, now: float) -> bool:
        """Whether the client reads too slowly. size: bytes in the write buffer."""
        if not size:
            self._begun = 0.0
            return False
        if not self._begun:
            self._begun, self._read = now, 0
        else:
            self._read += max(0, self._size - size)
        self._size = size
        return now > pace.due(self._begun, self._read)
