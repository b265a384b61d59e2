"""The service as operators start it: `lookdex serve` in its own process, on a free port."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from lookdex.config import ServiceSettings
from lookdex.search.catalog import Catalog
from lookdex.service import create_app
from lookdex.service.http.problems import ProblemKind
from lookdex.service.server import Server
from tests.support.verbs import TRUSTED

START_SECONDS = 90


@dataclass
class Service:
    """A running service. log: JSON lines. web: an HTTP client for it."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    web: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.web = httpx2.Client(base_url=self.url, timeout=60)

    def ask(self, photo: bytes, options: dict[str, Any] | None = None, **headers: str) -> httpx2.Response:
        form = {} if options is None else {"options": json.dumps(options)}
        return self.web.post("/v1/search", files={"photo": ("photo.jpg", photo)}, data=form, headers=headers)

    def lines(self) -> list[dict[str, Any]]:
        """The log so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def start(catalog: str, folder: Path, *options: str, **environment: str) -> Iterator[Service]:
    """`lookdex serve --catalog catalog options…`, once it is ready. folder: where its log is written."""
    log = folder / f"serve-{time.monotonic_ns()}.log"
    command = [
        sys.executable,
        "-m",
        "lookdex.cli.main",
        "serve",
        "--catalog",
        catalog,
        "--port",
        "0",
        *options,
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | TRUSTED | environment)
    try:
        service = Service(logged_url(process, log), process, log)
        with service.web:
            assert service.web.get("/readyz", timeout=START_SECONDS).text == "ready\n"
            yield service
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def served(server: Server) -> Iterator[tuple[int, asyncio.AbstractEventLoop]]:
    """Run a server in a thread of this process. Yields its port and event loop."""
    ready: Future[asyncio.AbstractEventLoop] = Future()

    class Started(type(server)):  # type: ignore[misc]  # the class is known only here
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready.set_result(asyncio.get_running_loop())

    server.__class__ = Started
    with socket.create_server(("127.0.0.1", 0)) as bound:
        thread = threading.Thread(target=server.run, args=([bound],))
        thread.start()
        try:
            yield bound.getsockname()[1], ready.result(START_SECONDS)
        finally:
            server.should_exit = True
            thread.join(20)


def responses(settings: ServiceSettings, catalog: Catalog, *paths: str) -> list[httpx2.Response]:
    """GET these paths of the application, in this process, one after the other."""
    app = create_app(settings, catalog)
    app.state.ready = True

    async def get() -> list[httpx2.Response]:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
            return [await client.get(path) for path in paths]

    return asyncio.run(get())


def logged_url(process: subprocess.Popen[bytes], log: Path, event: str = "ready") -> str:
    """Wait for a log line with this event, and return the URL that it names."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            if f'"event": "{event}"' in line:
                return str(json.loads(line)["url"])
        time.sleep(0.05)
    raise RuntimeError(f"lookdex serve did not start:\n{log.read_text()[-3000:]}")


def assert_problem(response: httpx2.Response, kind: ProblemKind, says: str = "") -> None:
    assert (response.status_code, response.headers["content-type"]) == (
        kind.status,
        "application/problem+json",
    )
    problem = response.json()
    assert (problem["type"], problem["title"], problem["status"]) == (kind.type, kind.title, kind.status)
    assert says in problem["detail"]
