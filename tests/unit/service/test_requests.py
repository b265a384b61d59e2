"""Requests over a connection: malformed, oversized, pipelined, in pieces."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from lookdex.service.http.connections import CloseReason
from lookdex.service.http.problems import ProblemKind
from lookdex.service.http.protocol import HEADER_BYTES
from tests.support.echoes import CHUNKED, GET, HALF, POST, Running, assert_problem, bodies


def headers_of(echoed: dict[str, object]) -> list[str]:
    """The header names of the request that the echo server received."""
    headers = echoed["headers"]
    assert isinstance(headers, list)
    return headers


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
def test_endless_requests_are_refused(echo: Running, begin: bytes, piece: bytes, kind: ProblemKind) -> None:
    assert_problem(echo.say(begin, piece * (2 * HEADER_BYTES // len(piece))), kind)


def test_more_than_128_headers_are_refused(echo: Running) -> None:
    many = b"".join(b"X-%d: a\r\n" % n for n in range(200))
    assert_problem(echo.say(GET[:-2] + many + b"\r\n"), ProblemKind.HEADER_TOO_LARGE, "128 headers")


def test_a_long_header_is_accepted(echo: Running) -> None:
    long = b"X-A: " + b"a" * 40_000 + b"\r\nConnection: close\r\n\r\n"
    assert "x-a" in headers_of(bodies(echo.say(GET[:-2] + long))[0])


@pytest.mark.parametrize(
    "request_bytes",
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
def test_malformed_requests_get_a_problem_document(echo: Running, request_bytes: bytes) -> None:
    before = echo.ended(CloseReason.MALFORMED)
    assert_problem(echo.say(request_bytes), ProblemKind.MALFORMED)
    assert echo.ended(CloseReason.MALFORMED) == before + 1


def test_pipelined_requests_are_answered_in_order(echo: Running) -> None:
    requests = [b"GET /%d HTTP/1.1\r\nHost: shop\r\n\r\n" % n for n in range(999)]
    last = (
        b"POST /last HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: 90000\r\n\r\n"
        + b"a" * 90_000
    )
    responses = bodies(echo.say(b"".join(requests), last))
    assert [response["path"] for response in responses] == [*(f"/{n}" for n in range(999)), "/last"]
    assert len(str(responses[-1]["body"])) == 90_000


@pytest.mark.parametrize("malformed", [b"nonsense\r\n\r\n", CHUNKED + b"zz\r\n"])
def test_requests_before_a_malformed_one_are_answered(echo: Running, malformed: bytes) -> None:
    received = echo.say(GET * 3 + malformed)
    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert_problem(received[received.index(b"HTTP/1.1 400") :], ProblemKind.MALFORMED)


def test_trailers_do_not_become_headers(echo: Running) -> None:
    with_trailer = CHUNKED + b"1\r\na\r\n0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"
    responses = bodies(echo.say(with_trailer + GET[:-2] + b"Connection: close\r\n\r\n"))
    assert [response["body"] for response in responses] == ["a", ""]
    assert "x-forwarded-for" not in headers_of(responses[0])


# Java's client offers an HTTP/2 upgrade with its first request.
UPGRADE_OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
)
def test_a_body_is_read_despite_an_upgrade_offer(echo: Running, framing: bytes) -> None:
    request = POST + UPGRADE_OFFER + framing
    for cut in (len(request), len(POST + UPGRADE_OFFER) + 24, 40):
        received = echo.say(request[:cut], request[cut:])
        assert [response["body"] for response in bodies(received)] == ["hello"]


def test_a_connection_is_kept_after_an_upgrade_offer(echo: Running) -> None:
    received = echo.say(GET[:-2] + UPGRADE_OFFER + b"\r\n" + GET[:-2] + b"Connection: close\r\n\r\n")
    assert received.count(b"HTTP/1.1 200 OK") == 2


def test_body_lengths_are_counted_per_request(echo: Running) -> None:
    first = POST + b"Content-Length: 100000\r\n\r\n" + b"a" * 100_000
    last = POST + b"Connection: close\r\nContent-Length: 9000\r\n\r\n" + b"b" * 9000
    responses = bodies(echo.say(first, first, last))
    assert [len(str(response["body"])) for response in responses] == [100_000, 100_000, 9000]


def test_requests_may_be_split_anywhere(echo: Running) -> None:
    chunked = (
        CHUNKED + b"".join(b"%x\r\n%b\r\n" % (n, b"c" * n) for n in (1, 300, 9000)) + b"0\r\nX-A: b\r\n\r\n"
    )
    last = POST + b"Connection: close\r\nContent-Length: 7000\r\n\r\n" + b"d" * 7000
    whole, rng = GET * 3 + chunked + GET * 60 + chunked + last, random.Random(0)
    sizes = [0, 0, 0, 9301, *[0] * 60, 9301, 7000]
    for pieces in (1, 2, 3, 10, 30, 100):
        cuts = [0, *sorted(rng.sample(range(1, len(whole)), pieces - 1)), len(whole)]
        received = echo.say(*(whole[a:b] for a, b in pairwise(cuts)))
        assert [len(str(response["body"])) for response in bodies(received)] == sizes


def test_an_http_1_0_request_is_answered_and_its_connection_closed(echo: Running) -> None:
    assert bodies(echo.say(b"GET /old HTTP/1.0\r\n\r\n"))[0]["path"] == "/old"
