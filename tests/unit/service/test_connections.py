"""Limits on connections: how long they may idle or stall, and how many there may be."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Scope

from lookdex.config import ServiceSettings
from lookdex.errors import ConfigError
from lookdex.service.http import connections, protocol
from lookdex.service.http.connections import CloseReason, ConnectionLimits, connection_limit, read_limits
from lookdex.service.http.middleware import ClientShareLimit
from lookdex.service.http.pace import MinimumRate
from lookdex.service.http.problems import ProblemKind
from lookdex.service.http.protocol import LINGER_BYTES
from tests.support.echoes import (
    GET,
    HALF,
    LATER,
    POST,
    Echo,
    Running,
    assert_problem,
    bodies,
    everything,
    running,
)

HELD = b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n"


def test_stalled_connections_are_closed(echo: Running) -> None:
    echo.settle(0)
    with echo.connect() as idle, echo.connect(HALF) as half, echo.connect(GET) as kept:
        assert kept.recv(1 << 16)
        with echo.connect(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n") as unfinished:
            assert unfinished.recv(1 << 16)
            echo.settle(4)
            echo.later()
            assert (everything(idle), everything(kept), everything(unfinished)) == (b"", b"", b"")
            assert_problem(everything(half), ProblemKind.SLOW_REQUEST, "10 s")
    echo.settle(0)
    reasons = (CloseReason.IDLE, CloseReason.SLOW_HEADER, CloseReason.KEEP_ALIVE, CloseReason.UNUSED_BODY)
    assert all(echo.ended(reason) for reason in reasons)


def test_a_request_in_progress_does_not_time_out(echo: Running) -> None:
    with echo.connect(b"GET /held HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") as busy:
        echo.settle(1, tasks=1)
        echo.later()
        assert echo.app.hold
        echo.loop.call_soon_threadsafe(echo.app.hold.set)
        assert b"200 OK" in everything(busy)


def test_a_client_that_does_not_read_is_disconnected(echo: Running) -> None:
    with echo.connect(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n" * 3) as lazy:
        assert lazy.recv(1)
        sweeps = 1
        while len(echo.server.table):  # one sweep notes the unread bytes, a later one finds them unchanged
            echo.later(sweeps * LATER)
            sweeps += 1
        with pytest.raises(ConnectionResetError):
            everything(lazy)
    assert echo.ended(CloseReason.UNREAD) == 1


def test_a_client_that_keeps_sending_after_its_response_is_disconnected(echo: Running) -> None:
    before = echo.ended(CloseReason.UNUSED_BODY)
    head = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"
    with echo.connect(head) as connection:
        assert connection.recv(1 << 16)
        with pytest.raises(OSError):  # noqa: PT012 - the reset comes while it sends, or right after
            for _ in range(4 * LINGER_BYTES >> 16):
                connection.sendall(b"a" * (1 << 16))
            everything(connection)
    assert echo.ended(CloseReason.UNUSED_BODY) == before + 1


def test_a_new_connection_displaces_the_longest_idle_one_of_its_client() -> None:
    with running(ConnectionLimits(max_connections=4, share=3)) as small:
        first = small.connect(GET)
        assert first.recv(1 << 16)
        others = [small.connect(HALF, "127.0.0.2") for _ in range(3)]
        small.settle(4)
        last = small.connect(GET, "127.0.0.2")  # its client has used up its share
        assert b"200 OK" in last.recv(1 << 16)
        assert everything(others[0]) == b""
        first.sendall(GET)
        assert b"200 OK" in first.recv(1 << 16)
        assert small.ended(CloseReason.DISPLACED) == 1
        for connection in (first, last, *others):
            connection.close()


def test_a_new_connection_is_refused_when_all_are_busy() -> None:
    with running(ConnectionLimits(max_connections=3, share=2)) as small:
        clients = [small.connect(HELD, source) for source in ("127.0.0.2", "127.0.0.2", "127.0.0.3")]
        small.settle(3, tasks=3)
        for source, reason in (("127.0.0.4", CloseReason.FULL), ("127.0.0.2", CloseReason.CLIENT_SHARE)):
            with small.connect(GET, source) as late:
                received = everything(late)
                assert_problem(received, ProblemKind.BUSY, "too many requests")
                assert b"retry-after: 1" in received
            assert small.ended(reason) == 1
        clients.pop().close()
        small.settle(2)
        with small.connect(GET, "127.0.0.2") as third:  # there is room, but not within its client's share
            assert_problem(everything(third), ProblemKind.BUSY, "this client")
        with small.connect(GET, "127.0.0.4") as other:
            assert b"200 OK" in other.recv(1 << 16)
        for client in clients:
            client.close()


def test_only_trusted_proxies_may_name_the_client(echo: Running) -> None:
    request = GET[:-2] + b"X-Forwarded-For: 9.9.9.9, 203.0.113.7\r\nConnection: close\r\n\r\n"
    assert bodies(echo.say(request))[0]["client"] == "127.0.0.1"
    with running(ConnectionLimits(max_connections=3, share=1), ("127.0.0.0/8",)) as behind:
        assert bodies(behind.say(request))[0]["client"] == "203.0.113.7"
        held = [behind.connect(HELD) for _ in range(3)]  # a proxy's connections serve many clients
        behind.settle(3)
        assert behind.ended(CloseReason.CLIENT_SHARE) == 0
        for connection in held:
            connection.close()


def test_each_client_behind_a_proxy_has_a_share() -> None:
    async def run() -> None:
        echo = Echo()
        statuses: list[int] = []
        echo.hold = asyncio.Event()
        shared = ClientShareLimit(echo, share=1)

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def ask(path: str, client: str) -> None:
            async def send(message: Message) -> None:
                statuses.extend([message["status"]] if "status" in message else [])

            scope: Scope = {
                "type": "http",
                "path": path,
                "headers": [],
                "client": (client, 1),
                "state": {"fields": {}},
            }
            await shared(scope, receive, send)

        held = asyncio.ensure_future(ask("/held", "203.0.113.7"))
        await asyncio.sleep(0)
        await ask("/", "203.0.113.7")
        await ask("/", "203.0.113.8")
        echo.hold.set()
        await held
        await ask("/", "203.0.113.7")
        assert statuses == [503, 200, 200, 200]
        assert not shared._in_progress

    asyncio.run(run())


def test_a_request_is_answered_without_a_minimum_rate() -> None:
    with running(ConnectionLimits(pace=MinimumRate(0.0))) as server:
        received = server.say(POST + b"Connection: close\r\nContent-Length: 7\r\n\r\n", b"a" * 7)
    assert bodies(received)[0]["body"] == "a" * 7


def test_idle_connections_do_not_delay_shutdown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LAST_SECONDS", 0.0)
    with running() as server:
        idle = [server.connect(first) for first in (b"", GET) for _ in range(5)]
        server.settle(10)
    assert len(server.server.table) == 0
    for connection in idle:
        connection.close()


def test_a_connection_during_shutdown_does_not_delay_it() -> None:
    with running() as server:
        server.server.table.stopping = True
        with server.connect() as idle, server.connect(HELD) as busy:
            server.settle(2, tasks=1)
            server.later()
            assert everything(idle) == b""
            assert server.app.hold
            server.loop.call_soon_threadsafe(server.app.hold.set)
            assert b"connection: close" in everything(busy)


@pytest.mark.parametrize(
    ("configured", "open_files", "limit"),
    [
        (0, None, 1000),
        (0, 1024, 1024 - connections.RESERVED),
        (0, 256, 256 - connections.RESERVED),
        (50, 256, 50),
    ],
)
def test_the_connection_limit_fits_the_open_file_limit(
    configured: int, open_files: int | None, limit: int
) -> None:
    assert connection_limit(configured, open_files) == limit


@pytest.mark.parametrize(("configured", "open_files"), [(0, 100), (500, 256)])
def test_an_open_file_limit_below_the_connection_limit_is_an_error(configured: int, open_files: int) -> None:
    with pytest.raises(ConfigError, match="ulimit -n"):
        connection_limit(configured, open_files)


def test_a_client_may_always_have_one_connection() -> None:
    assert read_limits(ServiceSettings(connections=10, client_share=0.01)).share == 1


def test_the_log_of_closed_connections_is_throttled() -> None:
    lines: list[dict[str, object]] = []
    log = connections._ThrottledLog(lines.append)
    for second in range(25):
        for _ in range(100):
            log.note(CloseReason.MALFORMED, "10.0.0.1", "not HTTP", float(second))
    log.note(CloseReason.FULL, "10.0.0.2", "", 25.0)
    log.flush(40.0)
    assert [(line["reason"], line["count"]) for line in lines] == [
        ("malformed", 1), ("malformed", 1000), ("malformed", 1000), ("full", 1), ("malformed", 499),
    ]  # fmt: skip
