"""Attacks by connections: endless headers, idle and partial requests, trickling uploads, unread responses."""

from __future__ import annotations

import contextlib
import http.client
import resource
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil

from infra.attacks.frame import BOUNDARY, Attack, Outcome, Service, form
from tests.support import hostile

ELSEWHERE = "127.0.0.66"  # a local address that good clients do not use
MEGABYTES = 300
PROBLEM = b"application/problem+json"
HALF_SENT = b"GET /v1/text?q=red HTTP/1.1\r\nHost: shop\r\nX-A: "


def connect(service: Service, source: str = "", timeout: float = 20) -> socket.socket:
    return socket.create_connection(
        service.address, timeout=timeout, source_address=(source, 0) if source else None
    )


def answer(connection: socket.socket, most: int = 1 << 16) -> bytes:
    """Everything received until the connection ends, or b""."""
    received = b""
    with contextlib.suppress(OSError):
        while len(received) < most and (data := connection.recv(1 << 16)):
            received += data
    return received


def read_status(received: bytes) -> int | str:
    return int(received[9:12]) if received.startswith(b"HTTP/1.1 ") else "closed"


def check_refused(outcome: Outcome, received: bytes, name: str, *statuses: int) -> None:
    """Count a response, which must be a problem document with one of the statuses."""
    status = read_status(received)
    outcome.statuses[status] += 1
    outcome.check(status in statuses and PROBLEM in received, f"{name}: {received[:24]!r}")


@contextlib.contextmanager
def crowd(
    service: Service, count: int, first: bytes = b"", source: str = ""
) -> Iterator[list[socket.socket]]:
    """Open connections that send `first` and then nothing."""
    allow_files()
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(count):
            with contextlib.suppress(OSError):  # the service may close some
                connections.append(stack.enter_context(connect(service, source)))
                connections[-1].sendall(first)
        yield connections


def allow_files() -> None:
    """Raise this process's open-file limit to its maximum."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def is_closed(connection: socket.socket, seconds: float) -> bool:
    """Whether the service closes the connection within that time."""
    connection.settimeout(max(0.01, seconds))
    try:
        while connection.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def keep_asking(service: Service, times: int, source: str = "") -> Counter[int | str]:
    """Statuses of good questions, asked one after the other."""
    statuses: Counter[int | str] = Counter()
    for _ in range(times):
        try:
            statuses[service.ask(hostile.photo(), timeout=30, source=source)[0]] += 1
        except (OSError, http.client.HTTPException) as error:
            statuses[type(error).__name__] += 1
    return statuses


# ── headers ────────────────────────────────────────────────────────────────────────────────────────────────────


def endless(begin: bytes, piece: bytes, *statuses: int) -> Callable[[Service], Outcome]:
    """Send `piece` repeatedly, MEGABYTES in all. The service must stop it with one of the statuses."""

    def run(service: Service) -> Outcome:
        outcome, sent, before = Outcome(), 0, service.cpu()
        with connect(service, timeout=300) as connection:
            block = piece * ((1 << 20) // len(piece))
            with contextlib.suppress(OSError):
                connection.sendall(begin)
                while sent < MEGABYTES:
                    connection.sendall(block)
                    sent += 1
            connection.settimeout(30)
            check_refused(outcome, answer(connection), "answer", *statuses)
        spent = service.cpu() - before
        outcome.check(sent < MEGABYTES, f"all {sent} MB were read")
        outcome.check(spent < 3, f"{spent:.1f} CPU seconds")
        return outcome

    return run


POST = b"POST /v1/search HTTP/1.1\r\nHost: shop\r\nContent-Type: " + (
    f"multipart/form-data; boundary={BOUNDARY}\r\n".encode()
)
PART = form(b"").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
MALFORMED = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "bad request line": b"GET  /  HTTP/9.9\r\n\r\n",
    "both lengths": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "negative length": POST + b"Content-Length: -1\r\n\r\n",
    "another coding": POST + b"Transfer-Encoding: gzip\r\n\r\nabc",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "space before the colon": b"GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n",
    "bare line feeds": b"GET /healthz HTTP/1.1\nHost: a\n\n",
    "bad chunk": CHUNKED + b"zz\r\n",
}


def malformed(service: Service) -> Outcome:
    """Send each malformed request 100 times. The log must not have a line for each."""
    outcome, before = Outcome(), len(service.lines())
    for name, request in MALFORMED.items():
        for _ in range(100):
            with connect(service, ELSEWHERE) as connection:
                with contextlib.suppress(OSError):
                    connection.sendall(request)
                    connection.shutdown(socket.SHUT_WR)
                check_refused(outcome, answer(connection), name, 400)
    outcome.wrong = sorted(set(outcome.wrong))
    lines = len(service.lines()) - before
    outcome.check(lines < 300, f"{lines} lines in the log")
    return outcome


def pipelined(service: Service) -> Outcome:
    """1,000 pipelined requests: all are answered in order."""
    outcome = Outcome()
    with connect(service) as connection:
        last = b"GET /readyz HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n" * 999 + last)
        received = answer(connection, 1 << 24)
    outcome.statuses[200] = received.count(b"HTTP/1.1 200 ")
    outcome.check(outcome.statuses[200] == 1000, "not all were answered")
    outcome.check(received.endswith(b"ready\n"), "not in order")
    return outcome


# ── many connections ───────────────────────────────────────────────────────────────────────────────


def idle_and_half_sent(service: Service) -> Outcome:
    """400 idle connections and 400 partial requests, next to good questions from two addresses."""
    outcome = Outcome()
    with crowd(service, 400), crowd(service, 400, HALF_SENT):
        for source in ("", ELSEWHERE):
            outcome.statuses += keep_asking(service, 10, source)
        files = psutil.Process(service.process.pid).num_fds() if service.process else 0
    outcome.check(set(outcome.statuses) == {200}, "good questions were refused")
    outcome.statuses[f"of {files} open files"] += 1
    said = [line for line in service.lines() if "open files" in str(line)]
    outcome.check(not said, f"the log says: {said[:1]}")
    return outcome


def silent(service: Service) -> Outcome:
    """Idle, partial and kept-alive connections are closed after 2, 2 and 3 seconds."""
    outcome = Outcome()
    asked = b"GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n"
    with crowd(service, 5) as idle, crowd(service, 5, HALF_SENT) as half, crowd(service, 5, asked) as kept:
        end = time.monotonic() + 8
        for name, connections in (("idle", idle), ("half-sent", half), ("kept", kept)):
            done = sum(is_closed(connection, end - time.monotonic()) for connection in connections)
            outcome.statuses[f"{name} closed"] += done
            outcome.check(done == 5, f"{5 - done} of 5 {name} connections are still open")
    return outcome


def slow_header(service: Service) -> Outcome:
    """An endless header, one byte per second."""
    outcome, end = Outcome(), time.monotonic() + 20
    with connect(service) as connection:
        connection.sendall(HALF_SENT)
        while not is_closed(connection, 1.0):
            if time.monotonic() > end:
                outcome.check(False, "the connection is still open")
                return outcome
            with contextlib.suppress(OSError):
                connection.sendall(b"a")
    outcome.statuses["closed"] += 1
    return outcome


def unread(service: Service) -> Outcome:
    """20 clients that request the OpenAPI document repeatedly and read nothing."""
    outcome = Outcome()
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: shop\r\n\r\n"
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(20):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(20)
            connection.connect(service.address)
            connection.sendall(asked * 400)
            connections.append(connection)
        end = time.monotonic() + 20
        open_now = list(connections)
        while open_now and time.monotonic() < end:
            time.sleep(0.5)
            open_now = [connection for connection in open_now if not is_reset(connection)]
    outcome.statuses["closed"] = len(connections) - len(open_now)
    outcome.check(not open_now, f"{len(open_now)} connections are still open")
    return outcome


def is_reset(connection: socket.socket) -> bool:
    """Whether the peer has reset the connection, without reading from it."""
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0 or _state(connection) != 1


def _state(connection: socket.socket) -> int:
    """The TCP state on Linux; 1 is established."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


# ── uploads ──────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def trickle(service: Service, count: int, source: str, rate: float = 20) -> Iterator[Counter[int | str]]:
    """Repeat uploads at `rate` bytes per second each. Returns their statuses."""
    stop, statuses = threading.Event(), Counter[int | str]()
    step = max(1, round(rate / 4))

    def one() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError), connect(service, source) as connection:
                connection.sendall(POST + b"Content-Length: 200000\r\n\r\n" + PART)
                connection.settimeout(0.25)
                while not stop.is_set():
                    try:
                        received = connection.recv(4096)
                    except TimeoutError:
                        connection.sendall(b"a" * step)
                        continue
                    statuses[read_status(received)] += 1
                    break
            stop.wait(0.1)

    threads = [threading.Thread(target=one, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def trickles(source: str, rate: float) -> Callable[[Service], Outcome]:
    """60 trickling uploads for 15 s, next to good questions from the usual address."""

    def run(service: Service) -> Outcome:
        outcome = Outcome()
        with trickle(service, 60, source, rate) as theirs:
            time.sleep(3)
            end = time.monotonic() + 12
            while time.monotonic() < end:
                outcome.statuses += keep_asking(service, 1)
                time.sleep(0.2)
        outcome.check(set(outcome.statuses) == {200}, "good questions were refused")
        outcome.statuses.update({f"trickle {status}": count for status, count in theirs.items()})
        return outcome

    return run


def no_body(service: Service) -> Outcome:
    """10 clients wait for `100 Continue` and then send nothing."""
    outcome = Outcome()
    head = POST + b"Content-Length: 5000\r\nExpect: 100-continue\r\n\r\n"
    with crowd(service, 10, head, ELSEWHERE) as connections:
        end = time.monotonic() + 15
        for connection in connections:
            done = is_closed(connection, end - time.monotonic())
            outcome.statuses["closed" if done else "open"] += 1
    outcome.check("open" not in outcome.statuses, "connections are still open")
    return outcome


def tiny_chunks(service: Service) -> Outcome:
    """A body of 20 MB in chunks of one byte."""
    outcome, before = Outcome(), service.cpu()
    with connect(service, timeout=60) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(CHUNKED)
            for _ in range(200):
                connection.sendall(b"1\r\na\r\n" * 100_000)
        check_refused(outcome, answer(connection), "answer", 400)
    spent = service.cpu() - before
    outcome.check(spent < 2, f"{spent:.1f} CPU seconds")
    return outcome


# ── shutdown ──────────────────────────────────────────────────────────────────────────────────────────────────


def sigterm(service: Service) -> Outcome:
    """SIGTERM with idle, partial and trickling clients, and four that ask continuously. drain_seconds is 10."""
    outcome = Outcome()
    process = service.process
    assert process is not None

    def ask() -> Counter[int | str]:
        statuses: Counter[int | str] = Counter()
        while True:
            try:
                statuses[service.ask(hostile.photo())[0]] += 1
            except (OSError, http.client.HTTPException):
                if service.ending:
                    return statuses
                statuses["no answer"] += 1

    with (
        crowd(service, 50), crowd(service, 50, HALF_SENT), trickle(service, 10, ELSEWHERE),
        ThreadPoolExecutor(4) as clients,
    ):  # fmt: skip
        asked = [clients.submit(ask) for _ in range(4)]
        time.sleep(2)
        service.ending, begun = True, time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        took = time.monotonic() - begun
        for future in asked:
            outcome.statuses += future.result()
    outcome.check(code == 0, f"exit code {code}")
    outcome.check(took < 12, f"it took {took:.1f} s")
    outcome.check(set(outcome.statuses) <= {200, 503} and 200 in outcome.statuses, "questions were lost")
    return outcome


ATTACKS = (
    Attack("endless-header", endless(HALF_SENT, b"a", 431, 400)),
    Attack("endless-headers", endless(b"GET / HTTP/1.1\r\n", b"a: b\r\n", 431, 400)),
    Attack("endless-path", endless(b"GET /", b"a", 414, 431, 400)),
    Attack("endless-extension", endless(CHUNKED + b"1;", b"a", 431, 400)),
    Attack("endless-trailer", endless(CHUNKED + b"0\r\nX-A: ", b"a", 431, 400)),
    Attack("malformed", malformed),
    Attack("pipelined", pipelined),
    Attack("tiny-chunks", tiny_chunks),
    Attack("trickles-elsewhere", trickles(ELSEWHERE, 20)),
    Attack("trickles-beside", trickles("", 20)),
    Attack("trickles-faster", trickles("", 4000)),
    Attack("no-body", no_body),
    Attack("slow-header", slow_header),
    Attack("idle-and-half-sent", idle_and_half_sent, open_files=256),
    Attack(
        "silent", silent, {"header_seconds": "2", "keep_alive_seconds": "3"}
    ),
    Attack("unread", unread),
    Attack("sigterm", sigterm, {"drain_seconds": "10"}, ends=True),
)  # fmt: skip
