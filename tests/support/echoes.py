"""A server with connection limits and an application that echoes requests, in a thread of the test process."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from lookdex.service.http.clients import trusted_networks
from lookdex.service.http.connections import CloseReason, ConnectionLimits, ConnectionTable
from lookdex.service.http.observe import Metrics
from lookdex.service.http.problems import ProblemKind
from lookdex.service.server import Server
from tests.support.services import served

LATER = 1000.0  # seconds after which every timeout has passed
GET = b"GET /echo HTTP/1.1\r\nHost: shop\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: shop\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
HALF = b"GET /echo HTTP/1.1\r\nHost: sh"


class Echo:
    """Echoes the request: path, client, header names, body. /held waits, /large returns a large response."""

    def __init__(self) -> None:
        self.hold: asyncio.Event | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                self.hold = asyncio.Event()
                await send({"type": message["type"] + ".complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        body, more = b"", scope["path"] not in ("/early", "/held")
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        if scope["path"] == "/held":
            assert self.hold
            await self.hold.wait()
        echo = {"path": scope["path"], "client": scope["client"][0], "body": body.decode("latin-1"),
                "headers": [name.decode() for name, _ in scope["headers"]]}  # fmt: skip
        answer = b"x" * (1 << 23) if scope["path"] == "/large" else json.dumps(echo).encode()
        length = (b"content-length", str(len(answer)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": answer})


@dataclass
class Running:
    server: Server
    app: Echo
    metrics: Metrics
    port: int
    loop: asyncio.AbstractEventLoop

    def connect(self, first: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
        connection = socket.create_connection(
            ("127.0.0.1", self.port), timeout=20, source_address=(source, 0)
        )
        connection.sendall(first)
        return connection

    def say(self, *pieces: bytes) -> bytes:
        """Send these pieces and return everything received until the connection closes."""
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
            return everything(connection)

    def later(self, seconds: float = LATER) -> None:
        """Sweep for timed-out connections as if this many seconds had passed."""
        done = threading.Event()

        def sweep() -> None:
            self.server.table.sweep(self.loop.time() + seconds)
            done.set()

        self.loop.call_soon_threadsafe(sweep)
        assert done.wait(20)

    def settle(self, connections: int, tasks: int = 0) -> None:
        """Wait until the server has this many connections, and at least this many requests in progress."""
        state, deadline = self.server.server_state, time.monotonic() + 20
        while len(self.server.table) != connections or len(state.tasks) < tasks:
            assert time.monotonic() < deadline, (len(self.server.table), len(state.tasks))
            time.sleep(0.005)

    def ended(self, why: CloseReason) -> float:
        name = "lookdex_connections_ended_total"
        return self.metrics.registry.get_sample_value(name, {"reason": why}) or 0.0


def everything(connection: socket.socket) -> bytes:
    received = b""
    while data := connection.recv(1 << 16):
        received += data
    return received


@contextmanager
def running(limits: ConnectionLimits | None = None, proxies: tuple[str, ...] = ()) -> Iterator[Running]:
    app, metrics = Echo(), Metrics()
    server = Server(
        app,
        ConnectionTable(limits or ConnectionLimits(), metrics),
        trusted_networks(proxies),
        drain_seconds=5,
    )
    with served(server) as (port, loop):
        yield Running(server, app, metrics, port, loop)
        assert app.hold
        loop.call_soon_threadsafe(app.hold.set)


def assert_problem(received: bytes, kind: ProblemKind, says: str = "") -> None:
    header, _, body = received.partition(b"\r\n\r\n")
    assert header.startswith(b"HTTP/1.1 %d " % kind.status), received[:200]
    assert b"content-type: application/problem+json" in header
    assert b"connection: close" in header
    problem = json.loads(body)
    assert (problem["type"], problem["status"]) == (kind.type, kind.status)
    assert says in problem["detail"]


def bodies(received: bytes) -> list[dict[str, object]]:
    """The bodies of the responses in `received`."""
    return [json.loads(part.partition(b"\r\n\r\n")[2]) for part in received.split(b"HTTP/1.1 200 OK")[1:]]
