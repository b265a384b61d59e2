"""The service under overload, with slow uploads, and during release changes and shutdown."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from lookdex.service.http.problems import ProblemKind
from lookdex.storage import Store, open_store
from tests.support.catalogs import go_live, picture, publish, recipe_with_digests, stock, write_release
from tests.support.photos import encode
from tests.support.services import Service, assert_problem, start

RED = encode(picture("red"), "JPEG")
LOOK = encode(picture("red", "blue"), "JPEG")


@pytest.fixture(scope="module")
def narrow(shop: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that answers one question at a time, with a queue of one."""
    options = ("--places", "1", "--queue", "1", "--receive-seconds", "3", "--deadline-seconds", "30")
    with start(shop, tmp_path_factory.mktemp("narrow"), *options) as service:
        yield service


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, Service]]:
    """A catalogue with two releases, and a service that polls often."""
    folder = tmp_path_factory.mktemp("moving")
    store = open_store(str(folder / "shop"))
    publish(store, "night-1", stock(), recipe=recipe_with_digests())
    write_release(store, "night-2", stock(products=9), recipe=recipe_with_digests())
    with start(str(folder / "shop"), folder, "--poll-seconds", "0.02") as service:
        yield store, service


def test_stalled_upload_times_out(narrow: Service) -> None:
    host, port = narrow.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as slow:
        slow.sendall(
            b"POST /v1/search HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            b"Content-Length: 5000\r\n\r\n--x\r\n"
        )
        assert b"408" in slow.recv(4096)
    assert narrow.ask(RED).status_code == 200


def test_concurrent_uploads_are_limited(narrow: Service) -> None:
    """Large uploads take memory. One client may have four while one question runs and one waits."""
    host, port = narrow.url.removeprefix("http://").split(":")
    head = (
        b"POST /v1/search HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: 500000\r\n\r\n"
        b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n'
    )
    with contextlib.ExitStack() as stack:
        connect = socket.create_connection
        uploads = [stack.enter_context(connect((host, int(port)), timeout=30)) for _ in range(8)]
        for upload in uploads:
            upload.sendall(head + b"a" * 100_000)
        answers = sorted(upload.recv(4096)[9:12] for upload in uploads)
    assert answers == [b"408"] * 4 + [b"503"] * 4
    assert narrow.ask(RED).status_code == 200


def test_overload_is_refused_with_retry_after(narrow: Service) -> None:
    def ask(_: int) -> httpx2.Response:
        return httpx2.post(f"{narrow.url}/v1/search", files={"photo": LOOK}, timeout=60)

    with ThreadPoolExecutor(24) as clients:
        answers = list(clients.map(ask, range(72)))
    assert {answer.status_code for answer in answers} == {200, 503}
    for refused in (answer for answer in answers if answer.status_code == 503):
        assert_problem(refused, ProblemKind.BUSY)
        assert int(refused.headers["retry-after"]) >= 1
    assert narrow.ask(RED).status_code == 200


def test_release_changes_cause_no_failed_or_mixed_answers(moving: tuple[Store, Service]) -> None:
    """Every title names the release that it was written for."""
    store, service = moving
    stop = threading.Event()
    seen: set[str] = set()
    wrong: list[tuple[object, ...]] = []
    products = {"night-1": 12, "night-2": 9}

    def ask() -> None:
        with httpx2.Client(base_url=service.url, timeout=60) as web:
            while not stop.is_set():
                response = web.post("/v1/search", files={"photo": LOOK}, data={"options": '{"k": 4}'})
                answer = response.json()
                lanes = [*answer.get("objects", []), *filter(None, [answer.get("whole")])]
                titles = {m["columns"]["title"].split()[-1] for lane in lanes for m in lane["matches"]}
                if response.status_code != 200 or titles != {answer["release_id"]}:
                    wrong.append((response.status_code, answer.get("release_id"), titles))
                seen.add(answer.get("release_id"))
                release = web.get("/v1/release").json()
                if release["facets"]["products"] != products[release["release_id"]]:
                    wrong.append((release["release_id"], release["facets"]["products"]))

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    for turn in range(12):
        go_live(store, f"night-{turn % 2 + 1}")
        stop.wait(0.15)
    stop.set()
    for client in clients:
        client.join()
    assert not wrong
    assert seen == {"night-1", "night-2"}
    swaps = [line for line in service.lines() if line["event"] == "another release answers"]
    assert {(line["before"], line["release"]) for line in swaps} == {
        ("night-1", "night-2"),
        ("night-2", "night-1"),
    }
    assert {line["by"] for line in swaps} == {"promote"}


def test_sigterm_finishes_open_requests(moving: tuple[Store, Service]) -> None:
    _, service = moving
    with ThreadPoolExecutor(8) as clients:
        requests = [
            clients.submit(httpx2.post, f"{service.url}/v1/search", files={"photo": LOOK}, timeout=60)
            for _ in range(8)
        ]
        while not any(future.done() for future in requests):
            time.sleep(0.002)
        assert service.stop() == 0
        statuses = [future.result().status_code for future in requests if future.exception() is None]
    assert set(statuses) == {200}
    assert len(statuses) >= 2
    with pytest.raises(httpx2.TransportError):
        service.ask(RED)
