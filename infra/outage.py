"""A night during a bucket outage: python infra/outage.py. Real S3, real Spark, the tests' models that need no weights.

A front before the S3 server answers 503 for 30 % of the photos until the outage ends. Then the same run continues, and
its release is compared with that of a night without an outage. Prints what was asked of the bucket.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lookdex import live, tables
from lookdex.devserver import start_s3
from lookdex.storage import S3Access, open_store
from tests import photos
from tests.nights import item_table

PHOTOS = 200
SHARE = 30  # % of the photos
FAKES = ("--detector", "python:tests.fakes:detector", "--embedder", "python:tests.fakes:embedder")


class Front(ThreadingHTTPServer):
    """Passes requests on to `behind` (host:port), but for GETs of photos while there is an outage."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, behind: str):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.outage = behind, False
        self.answered: Counter[str] = Counter()  # photo → GETs with its bytes
        self.refused: Counter[str] = Counter()
        self.lock = threading.Lock()

    def fails(self, path: str) -> bool:
        """Count a GET of a photo, and say whether it fails."""
        if "/photos/" not in path:
            return False
        bad = self.outage and int(hashlib.md5(path.encode()).hexdigest(), 16) % 100 < SHARE
        with self.lock:
            (self.refused if bad else self.answered)[path] += 1
        return bad


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def log_message(self, *_: object) -> None: ...

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command == "GET" and self.server.fails(unquote(urlsplit(self.path).path)):
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        behind = http.client.HTTPConnection(self.server.behind, timeout=60)
        # With its own Host, for which it was signed.
        behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            behind.putheader(name, value)
        behind.endheaders(body or None)
        answer = behind.getresponse()
        data = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(data)))
        self.end_headers()
        with suppress(BrokenPipeError):
            self.wfile.write(data)
        behind.close()

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = forward


def lookdex(verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "lookdex.cli", verb, *arguments], capture_output=True, text=True
    )
    said = [line for line in done.stderr.splitlines() if line and not line.startswith(("index ", "p0"))]
    print(
        f"$ lookdex {verb}: exit {done.returncode}", *done.stdout.splitlines()[:2], *said[-1:], sep="\n    "
    )
    return done


def night(source: str, catalog: str) -> None:
    """The stages of a night that is planned and indexed."""
    for verb in ("build", "audit", "promote"):
        assert lookdex(verb, "--catalog", catalog, "--run-id", "night").returncode == 0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, start_s3(Path(folder) / "s3") as server:
        uri = server.create_bucket("shop")
        front = Front(urlsplit(server.endpoint).netloc)
        threading.Thread(target=front.serve_forever, daemon=True).start()
        access = S3Access(f"http://127.0.0.1:{front.server_port}", server.access_key, server.secret_key)
        os.environ |= {**server.env(), "AWS_ENDPOINT_URL": access.endpoint}
        source = f"{uri}/photos"
        photos.fill(open_store(source), PHOTOS)
        plan = ("--source", source, "--run-id", "night", *FAKES, "--pattern", "{product_id}/{name}.png")
        stage = ("--run-id", "night", "--master", "local[2,4]")
        for catalog in ("clean", "mended"):
            assert lookdex("plan", *plan, "--catalog", f"{folder}/{catalog}").returncode == 0
        assert lookdex("index", *stage, "--catalog", f"{folder}/clean").returncode == 0
        night(source, f"{folder}/clean")
        front.answered.clear()

        front.outage = True
        lookdex("index", *stage, "--catalog", f"{folder}/mended")
        before = Counter(front.answered)
        print(f"outage: {len(before)} photos answered, {len(front.refused)} refused "
              f"({front.refused.total()} times)")  # fmt: skip
        front.outage = False
        assert lookdex("index", *stage, "--catalog", f"{folder}/mended").returncode == 0
        after = front.answered - before
        print(
            f"same run id: {after.total()} GETs; of photos that were answered before: {len(after & before)}"
        )
        night(source, f"{folder}/mended")
        stores = [open_store(f"{folder}/{catalog}") for catalog in ("clean", "mended")]
        releases = [live.live_release(store)[1] for store in stores]
        items = [item_table(store, release) for store, release in zip(stores, releases, strict=True)]
        ledgers = [
            tables.ledger(store, release).drop(["first_seen", "indexed_at"]).sort_by("image_key")
            for store, release in zip(stores, releases, strict=True)
        ]
        same = items[0].equals(items[1]) and ledgers[0].equals(ledgers[1])
        print(f"{items[1].num_rows} items and {ledgers[1].num_rows} photos; equal to a clean night's: {same}")
        sys.exit(not same)


if __name__ == "__main__":
    main()
