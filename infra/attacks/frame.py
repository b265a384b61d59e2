"""Shared by all attacks: the service under test, a probe of `/healthz`, and outcomes."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import psutil

from tests.support.services import logged_url

ROOT = Path(__file__).resolve().parent.parent.parent
EVERY, TIMEOUT = 0.05, 20.0  # seconds between probes of /healthz, and for one probe
BOUNDARY = "attack-service"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


# ── attacks and outcomes ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Place:
    """The location of a catalogue."""

    uri: str
    environment: Mapping[str, str] = field(default_factory=dict)
    control: Any = None
    """Lets an attack stop or hang its store."""


@dataclass
class Service:
    """A running service."""

    url: str
    process: subprocess.Popen[bytes] | None
    """None if started elsewhere."""
    log: Path | None
    place: Place | None = None
    ending: bool = False
    """Set when the attack is about to stop it."""

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "127.0.0.1", parts.port or 80

    def get(self, path: str, timeout: float = TIMEOUT, source: str = "") -> tuple[int, bytes]:
        """Status and body of a GET on a new connection.

        Args:
            source: the client's address.
        """
        return self.request("GET", path, timeout=timeout, source=source)

    def ask(
        self, photo: bytes, options: dict[str, Any] | None = None, *, timeout: float = 60, source: str = ""
    ) -> tuple[int, bytes]:
        """Status and body of a question with a photo."""
        return self.request(
            "POST", "/v1/search", form(photo, options), {"Content-Type": TYPE}, timeout=timeout, source=source
        )

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        *,
        timeout: float = TIMEOUT,
        source: str = "",
    ) -> tuple[int, bytes]:
        host, port = self.address
        connection = http.client.HTTPConnection(
            host, port, timeout=timeout, source_address=(source, 0) if source else None
        )
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def lines(self) -> list[dict[str, Any]]:
        """The log so far."""
        text = self.log.read_text(errors="replace") if self.log else ""
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def cpu(self) -> float:
        """CPU seconds so far, including ended child processes."""
        if self.process is None:
            return 0.0
        total = 0.0
        try:
            own = psutil.Process(self.process.pid)
            for process in [own, *own.children(recursive=True)]:
                times = process.cpu_times()
                total += times.user + times.system
            total += own.cpu_times().children_user + own.cpu_times().children_system
        except psutil.NoSuchProcess:
            pass
        return total


def form(photo: bytes, options: dict[str, Any] | None = None) -> bytes:
    """The form body of a question with a photo."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="photo"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
        + photo
    ]
    if options is not None:
        parts.append(
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="options"\r\n\r\n{json.dumps(options)}'.encode()
        )
    return b"\r\n".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


@dataclass
class Outcome:
    """The outcome of an attack."""

    statuses: Counter[Any] = field(default_factory=Counter)
    """HTTP statuses or words such as "closed"."""
    wrong: list[str] = field(default_factory=list)
    """Failed checks."""

    def check(self, holds: bool, words: str) -> None:
        if not holds:
            self.wrong.append(words)


@dataclass(frozen=True)
class Attack:
    """A named attack. With settings, open_files or a place, it gets a service of its own."""

    name: str
    run: Callable[[Service], Outcome]
    settings: Mapping[str, str] = field(default_factory=dict)
    open_files: int = 0
    """RLIMIT_NOFILE of the service."""
    place: Callable[[Path], AbstractContextManager[Place]] | None = None
    ends: bool = False
    """It stops the service."""

    @property
    def alone(self) -> bool:
        return bool(self.settings or self.open_files or self.place or self.ends)


# ── the service and the probe of /healthz ──────────────────────────────────────────────────────────────────────


@contextmanager
def serve(
    place: Place,
    folder: Path,
    lib: Path,
    settings: Mapping[str, str] = MappingProxyType({}),
    open_files: int = 0,
) -> Iterator[Service]:
    """Start `lookdex serve` from the modules in `lib`.

    Args:
        settings: LOOKDEX_… variables without the prefix.
    """
    log = folder / f"serve-{time.monotonic_ns()}.log"
    command = [sys.executable, "-m", "lookdex.cli.main", "serve", "--catalog", place.uri, "--port", "0"]
    if open_files:
        command = ["sh", "-c", f'ulimit -n {open_files} && exec "$0" "$@"', *command]
    environment = {f"LOOKDEX_{name.upper()}": value for name, value in settings.items()}
    environment |= {"PYTHONPATH": os.pathsep.join([str(lib), str(ROOT)]), **place.environment}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | environment)
    try:
        yield Service(logged_url(process, log), process, log, place)
    finally:
        process.terminate()
        try:
            process.wait(45)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Pulse:
    """Probe /healthz continuously. slowest: in seconds. failed: probes without an answer."""

    def __init__(self, service: Service) -> None:
        self.slowest, self.failed, self.looks = 0.0, 0, 0
        self._service, self._stop = service, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self.looks or not self._stop.wait(EVERY):
            begun = time.perf_counter()
            try:
                fine = self._service.get("/healthz")[0] == 200
            except (OSError, http.client.HTTPException):
                fine = False
            if self._service.ending:
                return
            self.looks += 1
            self.failed += not fine
            self.slowest = max(self.slowest, time.perf_counter() - begun)


def report(attack: Attack, service: Service, most_seconds: float) -> bool:
    """Run an attack and print its result. Returns whether it passed."""
    before, begun = service.cpu(), time.perf_counter()
    with Pulse(service) as pulse:
        try:
            outcome = attack.run(service)
        except Exception as error:
            outcome = Outcome(wrong=[f"{type(error).__name__}: {error}"])
    took, spent = time.perf_counter() - begun, max(0.0, service.cpu() - before)
    outcome.check(pulse.failed == 0, f"/healthz failed {pulse.failed} of {pulse.looks} times")
    outcome.check(pulse.slowest <= most_seconds, f"/healthz took {pulse.slowest:.1f} s")
    statuses = ", ".join(f"{status} × {count}" for status, count in outcome.statuses.most_common(6))
    print(
        f"{attack.name:<22} {1000 * pulse.slowest:>8.0f} ms {spent if not attack.ends else float('nan'):>7.1f} s "
        f"{took:>6.1f} s  {'passed' if not outcome.wrong else 'FAILED'}  {statuses}",
        *(f"    {words}" for words in outcome.wrong),
        sep="\n",
        flush=True,
    )
    return not outcome.wrong
