"""Limits on connections and uploads: number, header size and rate, and the responses of refused clients."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from itertools import pairwise

import pytest
from starlette.types import Message, Receive

from lookdex.config import ServiceSettings
from lookdex.errors import ConfigError
from lookdex.service.http import connections, protocol
from lookdex.service.http.arrivals import SMALL, UploadSlots
from lookdex.service.http.clients import client_key, is_trusted, trusted_networks
from lookdex.service.http.connections import CloseReason, ConnectionLimits, connection_limit, limits_of
from lookdex.service.http.middleware import ClientShareLimit
from lookdex.service.http.pace import MinimumRate
from lookdex.service.http.prefix import checked_prefix
from lookdex.service.http.problems import ProblemError, ProblemKind
from lookdex.service.http.protocol import HEADER_BYTES, LINGER_BYTES
from tests.support.echoes import (
    CHUNKED,
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


@pytest.fixture(scope="module")
def echo() -> Iterator[Running]:
    with running() as server:
        yield server


# ── what a client sends ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("begin", "piece", "kind"),
    [
        (b"GET /", b"a", ProblemKind.HEADER_TOO_LARGE),
        (HALF, b"a", ProblemKind.HEADER_TOO_LARGE),
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n", ProblemKind.HEADER_TOO_LARGE),
        (b"GET / HTTP/1.1\r\nX-", b"a", ProblemKind.HEADER_TOO_LARGE),
        (CHUNKED + b"1;", b"a", ProblemKind.MALFORMED),
        (CHUNKED + b"0\r\nX: ", b"a", ProblemKind.MALFORMED),
        (CHUNKED, b"1\r\na\r\n", ProblemKind.MALFORMED),
    ],
)
def test_endless_requests_are_cut_off(echo: Running, begin: bytes, piece: bytes, kind: ProblemKind) -> None:
    assert_problem(echo.say(begin, piece * (2 * HEADER_BYTES // len(piece))), kind)


def test_many_headers_are_refused_and_long_ones_accepted(echo: Running) -> None:
    many = b"".join(b"X-%d: a\r\n" % n for n in range(200))
    assert_problem(echo.say(GET[:-2] + many + b"\r\n"), ProblemKind.HEADER_TOO_LARGE, "128 headers")
    long = b"X-A: " + b"a" * 40_000 + b"\r\nConnection: close\r\n\r\n"
    assert "x-a" in bodies(echo.say(GET[:-2] + long))[0]["headers"]


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /  /echo HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /echo HTTP/1.1\nHost: a\n\n",
        b"GET /echo HTTP/1.1\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        POST + b"Transfer-Encoding: gzip\r\n\r\nabc",
        CHUNKED + b"zz\r\n",
    ],
)
def test_malformed_requests_get_a_problem_document(echo: Running, request_: bytes) -> None:
    before = echo.ended(CloseReason.MALFORMED)
    assert_problem(echo.say(request_), ProblemKind.MALFORMED)
    assert echo.ended(CloseReason.MALFORMED) == before + 1


def test_the_log_is_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_pipelined_requests_are_answered_in_order(echo: Running) -> None:
    asked = [b"GET /%d HTTP/1.1\r\nHost: shop\r\n\r\n" % n for n in range(999)]
    last = (
        b"POST /last HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: 90000\r\n\r\n"
        + b"a" * 90_000
    )
    told = bodies(echo.say(b"".join(asked), last))
    assert [answer["path"] for answer in told] == [*(f"/{n}" for n in range(999)), "/last"]
    assert len(str(told[-1]["body"])) == 90_000


def test_answers_before_a_broken_request_come_first(echo: Running) -> None:
    received = echo.say(GET * 3 + b"nonsense\r\n\r\n")
    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert_problem(received[received.index(b"HTTP/1.1 400") :], ProblemKind.MALFORMED)
    received = echo.say(GET * 2 + CHUNKED + b"zz\r\n")
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert_problem(received[received.index(b"HTTP/1.1 400") :], ProblemKind.MALFORMED)


def test_trailers_do_not_become_headers(echo: Running) -> None:
    told = bodies(
        echo.say(
            CHUNKED
            + b"1\r\na\r\n0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"
            + GET[:-2]
            + b"Connection: close\r\n\r\n"
        )
    )
    assert [answer["body"] for answer in told] == ["a", ""]
    assert "x-forwarded-for" not in told[0]["headers"]


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
)
def test_a_body_is_read_despite_an_upgrade_offer(echo: Running, framing: bytes) -> None:
    """Java's client offers an HTTP/2 upgrade with its first request."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    for cut in (len(POST + offer + framing), len(POST + offer) + 24, 40):
        whole = POST + offer + framing
        received = echo.say(whole[:cut], whole[cut:])
        assert [answer["body"] for answer in bodies(received)] == ["hello"]
    received = echo.say(GET[:-2] + offer + b"\r\n" + GET[:-2] + b"Connection: close\r\n\r\n")
    assert received.count(b"HTTP/1.1 200 OK") == 2


def test_framing_is_counted_per_body(echo: Running) -> None:
    first = POST + b"Content-Length: 100000\r\n\r\n" + b"a" * 100_000
    last = POST + b"Connection: close\r\nContent-Length: 9000\r\n\r\n" + b"b" * 9000
    assert [len(str(answer["body"])) for answer in bodies(echo.say(first, first, last))] == [
        100_000,
        100_000,
        9000,
    ]


def test_requests_may_arrive_in_any_pieces(echo: Running) -> None:
    chunked = (
        CHUNKED + b"".join(b"%x\r\n%b\r\n" % (n, b"c" * n) for n in (1, 300, 9000)) + b"0\r\nX-A: b\r\n\r\n"
    )
    last = POST + b"Connection: close\r\nContent-Length: 7000\r\n\r\n" + b"d" * 7000
    whole, rng = GET * 3 + chunked + GET * 60 + chunked + last, random.Random(0)
    sizes = [0, 0, 0, 9301, *[0] * 60, 9301, 7000]
    for pieces in (1, 2, 3, 10, 30, 100):
        cuts = [0, *sorted(rng.sample(range(1, len(whole)), pieces - 1)), len(whole)]
        received = echo.say(*(whole[a:b] for a, b in pairwise(cuts)))
        assert [len(str(answer["body"])) for answer in bodies(received)] == sizes


def test_http_1_0_is_answered_and_closed(echo: Running) -> None:
    assert bodies(echo.say(b"GET /old HTTP/1.0\r\n\r\n"))[0]["path"] == "/old"


# ── how long, and how many ───────────────────────────────────────────────────────────────────────────────────


def test_connections_time_out(echo: Running) -> None:
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
    assert all(
        echo.ended(why)
        for why in (
            CloseReason.IDLE,
            CloseReason.SLOW_HEADER,
            CloseReason.KEEP_ALIVE,
            CloseReason.UNUSED_BODY,
        )
    )


def test_a_request_in_progress_is_not_cut(echo: Running) -> None:
    with echo.connect(b"GET /held HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") as busy:
        echo.settle(1, tasks=1)
        echo.later()
        assert echo.app.hold
        echo.loop.call_soon_threadsafe(echo.app.hold.set)
        assert b"200 OK" in everything(busy)


def test_a_client_that_does_not_read_is_disconnected(echo: Running) -> None:
    with echo.connect(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n" * 3) as lazy:
        assert lazy.recv(1)
        turn = 1
        while len(echo.server.table):  # one sweep notes the unread bytes, a later one finds them unchanged
            echo.later(turn * LATER)
            turn += 1
        with pytest.raises(ConnectionResetError):
            everything(lazy)
    assert echo.ended(CloseReason.UNREAD) == 1


def test_a_client_that_sends_on_after_its_response_is_disconnected(echo: Running) -> None:
    before = echo.ended(CloseReason.UNUSED_BODY)
    head = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"
    with echo.connect(head) as connection:
        assert connection.recv(1 << 16)
        with pytest.raises(OSError):  # noqa: PT012 - the reset comes while it sends, or right after
            for _ in range(4 * LINGER_BYTES >> 16):
                connection.sendall(b"a" * (1 << 16))
            everything(connection)
    assert echo.ended(CloseReason.UNUSED_BODY) == before + 1


def test_the_longest_idle_connection_makes_room(echo: Running) -> None:
    with running(ConnectionLimits(max_connections=4, share=3)) as small:
        first = small.connect(GET)
        assert first.recv(1 << 16)
        others = [small.connect(HALF, "127.0.0.2") for _ in range(3)]
        small.settle(4)
        last = small.connect(GET, "127.0.0.2")  # its client has its share, so one of its own is closed
        assert b"200 OK" in last.recv(1 << 16)
        assert everything(others[0]) == b""
        first.sendall(GET)
        assert b"200 OK" in first.recv(1 << 16)
        assert small.ended(CloseReason.DISPLACED) == 1
        for connection in (first, last, *others):
            connection.close()


def test_a_new_connection_is_refused_when_all_are_busy(echo: Running) -> None:
    held = b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n"
    with running(ConnectionLimits(max_connections=3, share=2)) as small:
        clients = [small.connect(held, source) for source in ("127.0.0.2", "127.0.0.2", "127.0.0.3")]
        small.settle(3, tasks=3)
        for source, why in (("127.0.0.4", CloseReason.FULL), ("127.0.0.2", CloseReason.CLIENT_SHARE)):
            with small.connect(GET, source) as late:
                received = everything(late)
                assert_problem(received, ProblemKind.BUSY, "too many requests")
                assert b"retry-after: 1" in received
            assert small.ended(why) == 1
        clients.pop().close()
        small.settle(2)
        with small.connect(
            GET, "127.0.0.2"
        ) as third:  # there is room, but its client has its share in progress
            assert_problem(everything(third), ProblemKind.BUSY, "this client")
        with small.connect(GET, "127.0.0.4") as other:
            assert b"200 OK" in other.recv(1 << 16)
        for client in clients:
            client.close()


def test_only_trusted_proxies_may_name_the_client(echo: Running) -> None:
    asked = GET[:-2] + b"X-Forwarded-For: 9.9.9.9, 203.0.113.7\r\nConnection: close\r\n\r\n"
    assert bodies(echo.say(asked))[0]["client"] == "127.0.0.1"
    with running(ConnectionLimits(max_connections=3, share=1), ("127.0.0.0/8",)) as behind:
        assert bodies(behind.say(asked))[0]["client"] == "203.0.113.7"
        held = [
            behind.connect(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n") for _ in range(3)
        ]  # for many clients
        behind.settle(3)
        assert behind.ended(CloseReason.CLIENT_SHARE) == 0
        for connection in held:
            connection.close()


def test_clients_behind_a_proxy_have_a_share() -> None:
    async def run() -> None:
        echo, statuses = Echo(), []
        echo.hold = asyncio.Event()
        shared = ClientShareLimit(echo, share=1)

        async def ask(path: str, client: str) -> None:
            async def send(message: Message) -> None:
                statuses.extend([message["status"]] if "status" in message else [])

            scope = {
                "type": "http",
                "path": path,
                "headers": [],
                "client": (client, 1),
                "state": {"fields": {}},
            }
            await shared(scope, piece(0, more=False), send)

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
        with server.connect() as idle, server.connect(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n") as busy:
            server.settle(2, tasks=1)
            server.later()
            assert everything(idle) == b""
            assert server.app.hold
            server.loop.call_soon_threadsafe(server.app.hold.set)
            assert b"connection: close" in everything(busy)


def test_the_connection_limit_fits_the_open_file_limit() -> None:
    assert connection_limit(0, None) == 1000
    assert connection_limit(0, 1024) == 1024 - connections.RESERVED
    assert connection_limit(0, 256) == 256 - connections.RESERVED
    assert connection_limit(50, 256) == 50
    for wanted, files in ((0, 100), (500, 256)):
        with pytest.raises(ConfigError, match="ulimit -n"):
            connection_limit(wanted, files)
    assert limits_of(ServiceSettings(connections=10, client_share=0.01)).share == 1


def test_client_keys() -> None:
    assert client_key("203.0.113.7") == "203.0.113.7"
    assert client_key("2001:db8::1") == client_key("2001:db8::2:3") != client_key("2001:db8:0:1::1")
    assert client_key("fe80::1%eth0") == "fe80::/64"
    assert client_key("::ffff:203.0.113.7") == "203.0.113.7"
    networks = trusted_networks(("10.0.0.0/8", "::1"))
    assert [is_trusted(host, networks) for host in ("10.1.2.3", "::1", "11.0.0.1", "", "x")] == [
        True,
        True,
        *[False] * 3,
    ]
    for wrong in ("*", "proxy", "10.0.0.1/8"):
        with pytest.raises(ConfigError, match="trusted_proxies"):
            trusted_networks((wrong,))


# ── uploads ──────────────────────────────────────────────────────────────────────────────────────────────────


class Clock:
    """An event loop clock that the test advances."""

    def __init__(self, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead, now = 0.0, loop.time
        monkeypatch.setattr(loop, "time", lambda: now() + self.ahead)


async def never() -> Message:
    return await asyncio.get_running_loop().create_future()


def piece(size: int, more: bool = True) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"a" * size, "more_body": more}

    return receive


def test_a_trickling_upload_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        clock = Clock(asyncio.get_running_loop(), monkeypatch)
        with UploadSlots(1, 1, MinimumRate(1000.0, grace=5.0)).upload("a") as upload:
            await upload.paced(piece(1000))()
            waiting = asyncio.ensure_future(upload.paced(never)())
            clock.ahead = 5.9
            await asyncio.sleep(0)
            assert not waiting.done()
            clock.ahead = 6.1
            with pytest.raises(ProblemError, match="1000 bytes per second") as refused:
                await waiting
            assert (refused.value.kind, refused.value.headers["Connection"]) == (
                ProblemKind.SLOW_UPLOAD,
                "close",
            )

    asyncio.run(run())


def test_without_a_minimum_rate_uploads_may_be_slow() -> None:
    with running(ConnectionLimits(pace=MinimumRate(0.0))) as server:

        async def run() -> int:
            with UploadSlots(1, 1, MinimumRate(0.0)).upload("a") as upload:
                return len((await upload.paced(piece(7))())["body"])

        assert asyncio.run_coroutine_threadsafe(run(), server.loop).result(20) == 7


def test_slow_uploads_make_room_and_fast_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        clock = Clock(asyncio.get_running_loop(), monkeypatch)
        arrivals, large = UploadSlots(3, 2, MinimumRate(2000.0)), SMALL + 1
        with arrivals.upload("a") as slow, arrivals.upload("a") as fast, arrivals.upload("b") as third:
            for upload in (slow, fast):
                await upload.paced(piece(large))()
            with arrivals.upload("a") as small:  # needs no slot
                await small.paced(piece(SMALL))()
                with pytest.raises(ProblemError, match="this client") as refused:
                    await small.paced(piece(SMALL))()
            assert (refused.value.kind, refused.value.headers["Retry-After"]) == (ProblemKind.BUSY, "1")
            await third.paced(piece(large))()
            await fast.paced(piece(10 * large))()
            waiting = asyncio.ensure_future(slow.paced(never)())
            await asyncio.sleep(0)
            clock.ahead = 4.0
            with arrivals.upload("c") as newcomer:  # ends the slow upload of the client with the most
                await newcomer.paced(piece(large))()
                with pytest.raises(ProblemError, match="the upload was slow"):
                    await waiting
                await fast.paced(piece(1))()
        assert not arrivals._large

    asyncio.run(run())


def test_path_prefixes_are_checked() -> None:
    assert [checked_prefix(path) for path in ("", "/", "/lookdex", "shop/lookdex/")] == [
        "",
        "",
        "/lookdex",
        "/shop/lookdex",
    ]
    for wrong in ("https://a.example/x", "/a//b", "/..", "/a b", "/v1", "/page/x"):
        with pytest.raises(ConfigError, match="root_path"):
            checked_prefix(wrong)
