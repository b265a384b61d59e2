"""HTTP/1.1 as the server speaks it: targets, hosts, transfer codings, `100 Continue`, shutdown."""

from __future__ import annotations

import socket
import threading

import pytest

from lookdex.service import server as servers
from lookdex.service.http import protocol
from lookdex.service.http.connections import CloseReason
from lookdex.service.http.problems import ProblemKind
from lookdex.service.http.protocol import LAST_SECONDS
from tests.support.echoes import GET, HALF, POST, Running, assert_problem, bodies, everything, running

CLOSE = b"Connection: close\r\n"
END = b"\r\n2\r\nab\r\n0\r\n\r\n"


# ── the target, the host, the method ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"http://shop/echo", "/echo"),
        (b"HTTP://shop/echo?x=1", "/echo"),
        (b"https://shop:8080/echo", "/echo"),
        (b"http://shop", "/"),
        (b"http://shop?x=http://a/b", "/"),
        (b"/echo?to=http://shop", "/echo"),
    ],
)
def test_a_target_may_be_an_absolute_url(echo: Running, target: bytes, path: str) -> None:
    received = echo.say(b"GET " + target + b" HTTP/1.1\r\nHost: shop\r\n" + CLOSE + b"\r\n")
    assert bodies(received)[0]["path"] == path


@pytest.mark.parametrize("host", [b"a:x", b"a:1:2", b"[::1", b"a b", b"a/b", b"::1"])
def test_an_invalid_host_is_refused(echo: Running, host: bytes) -> None:
    assert_problem(echo.say(b"GET /echo HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"), ProblemKind.MALFORMED)


@pytest.mark.parametrize("host", [b"a", b"a:80", b"a:", b"[::1]", b"[::1]:80", b"10.0.0.7:80", b""])
def test_a_valid_host_is_accepted(echo: Running, host: bytes) -> None:
    received = echo.say(b"GET /echo HTTP/1.1\r\n" + CLOSE + b"Host: " + host + b"\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("version", [b" HTTP/2.0", b" HTTP/0.9", b""])
def test_other_http_versions_are_refused(echo: Running, version: bytes) -> None:
    assert_problem(echo.say(b"GET /echo" + version + b"\r\nHost: a\r\n\r\n"), ProblemKind.MALFORMED)


def test_the_method_connect_is_refused(echo: Running) -> None:
    received = echo.say(b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n")
    assert_problem(received, ProblemKind.METHOD, "CONNECT")
    assert b"allow: get, head, post" in received.lower()


def test_the_problem_of_a_head_request_has_no_body(echo: Running) -> None:
    received = echo.say(b"HEAD /echo HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 417")
    assert received.endswith(b"\r\n\r\n")


# ── transfer codings ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("coding", [b"chunked", b"Chunked", b"\tchunked "])
def test_a_chunked_body_is_read(echo: Running, coding: bytes) -> None:
    received = echo.say(POST + CLOSE + b"Transfer-Encoding: " + coding + b"\r\n" + END)
    assert bodies(received)[0]["body"] == "ab"


@pytest.mark.parametrize(
    ("codings", "kind"),
    [
        ((b"gzip, chunked",), ProblemKind.TRANSFER_CODING),
        ((b"GZIP,chunked",), ProblemKind.TRANSFER_CODING),
        ((b"gzip", b"chunked"), ProblemKind.TRANSFER_CODING),
        ((b"x, chunked",), ProblemKind.TRANSFER_CODING),
        ((b"gzip",), ProblemKind.MALFORMED),
        ((b"identity",), ProblemKind.MALFORMED),
        ((b"chunked, identity",), ProblemKind.MALFORMED),
        ((b"chunked, gzip",), ProblemKind.MALFORMED),
        ((b"chunked, chunked",), ProblemKind.MALFORMED),
        ((b"chunked", b"chunked"), ProblemKind.MALFORMED),
        ((b"chunked,",), ProblemKind.MALFORMED),
        ((b",chunked",), ProblemKind.MALFORMED),
        ((b"chunked;a=b",), ProblemKind.MALFORMED),
        ((b"xchunked",), ProblemKind.MALFORMED),
        ((b"",), ProblemKind.MALFORMED),
    ],
)
def test_other_transfer_codings_are_refused(
    echo: Running, codings: tuple[bytes, ...], kind: ProblemKind
) -> None:
    header = b"".join(b"Transfer-Encoding: " + coding + b"\r\n" for coding in codings)
    assert_problem(echo.say(POST + header + END), kind)


@pytest.mark.parametrize(
    "head",
    [
        b"POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n",
        POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        POST + b"Content-Length: 2\r\nContent-Length: 2\r\n",
        POST + b"Content-Length: 2, 2\r\n",
        POST + b"Content-Length: +2\r\n",
    ],
)
def test_a_body_with_an_ambiguous_end_is_refused(echo: Running, head: bytes) -> None:
    assert_problem(echo.say(head + END), ProblemKind.MALFORMED)


# ── expectations ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "expectation", [b"200-ok", b"100-continue, tea", b"100-continue=1", b"a\r\nExpect: 100-continue"]
)
def test_an_unknown_expectation_is_refused(echo: Running, expectation: bytes) -> None:
    received = echo.say(POST + b"Content-Length: 2\r\nExpect: " + expectation + b"\r\n\r\n")
    assert_problem(received, ProblemKind.EXPECTATION)


def test_100_continue_is_sent_when_the_body_is_read(echo: Running) -> None:
    head = CLOSE + b"Content-Length: 2\r\nExpect: 100-Continue\r\n\r\n"
    with echo.connect(POST + head) as client:
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"ab")
        assert bodies(everything(client))[0]["body"] == "ab"


def test_100_continue_is_not_sent_when_the_body_is_not_read(echo: Running) -> None:
    head = CLOSE + b"Content-Length: 2\r\nExpect: 100-Continue\r\n\r\n"
    with echo.connect(b"POST /early HTTP/1.1\r\nHost: a\r\n" + head) as client:
        assert everything(client).startswith(b"HTTP/1.1 200")


def test_100_continue_is_not_sent_to_an_http_1_0_client(echo: Running) -> None:
    old = b"POST /echo HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab"
    assert echo.say(old).startswith(b"HTTP/1.1 200")


# ── shutdown ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("passes", [0, 3])
def test_connected_clients_are_answered_on_shutdown(passes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 0 passes the connections are still in the kernel's backlog when the listener is closed."""
    monkeypatch.setattr(servers, "_PASSES", passes)
    monkeypatch.setattr(protocol, "LAST_SECONDS", 20.0)
    clients: list[socket.socket] = []
    stopping = threading.Event()
    with running() as server:

        async def stop(counter: int) -> bool:
            clients.extend(server.connect(first) for first in (GET, GET, GET[:-2], b"GET /", b"") * 4)
            stopping.set()
            return True

        monkeypatch.setattr(server.server, "on_tick", stop)
        assert stopping.wait(20)
        for client, rest in zip(clients, [b"", b"", b"\r\n", GET[5:], GET] * 4, strict=True):
            client.sendall(rest)
        for client in clients:
            with client:
                received = everything(client)
                assert received.startswith(b"HTTP/1.1 200 OK")
                assert b"connection: close" in received
        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_a_request_received_during_shutdown_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as server, server.connect(GET) as kept:
        first = b""
        while not first.endswith(b"}"):
            first += kept.recv(1 << 16)
        assert b"connection: close" not in first

        async def stop(counter: int) -> bool:
            kept.sendall(GET)
            return True

        monkeypatch.setattr(server.server, "on_tick", stop)
        received = everything(kept)
        assert received.startswith(b"HTTP/1.1 200 OK")
        assert b"connection: close" in received


def test_shutdown_waits_for_silent_clients_only_briefly() -> None:
    with running() as server:
        server.server.table.stopping = True
        with server.connect() as silent, server.connect(HALF) as half:
            server.settle(2)
            server.later(LAST_SECONDS / 2)
            server.settle(2)
            server.later(LAST_SECONDS + 1)
            assert everything(silent) == b""
            assert_problem(everything(half), ProblemKind.STOPPING, "try again")
        assert server.ended(CloseReason.STOPPING) == 1
