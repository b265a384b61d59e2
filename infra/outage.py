"""Runs during a bucket outage: python -m infra.outage. Real S3, real Spark, the tests' models without weights.

A proxy in front of the S3 server answers 503 in one of the ways of OUTAGES while `index` runs. Then the same run
continues, and its release is compared with that of a run without an outage. Prints the requests to the bucket.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow.parquet as pq

from infra.s3_server import start_s3
from lookdex.catalog import promotion_log, runs, tables
from lookdex.records import Release, Status
from lookdex.storage import S3Access, Store, open_store
from tests.support import photos
from tests.support.nights import item_table

PHOTOS = 200
SHARE = 30  # %
FAKES = (
    "--detector",
    "python:tests.fakes:detector",
    "--embedder",
    "python:tests.fakes:embedder",
)


@dataclass(frozen=True)
class Outage:
    """An outage of the source."""

    name: str
    one_by_one: bool
    """SHARE of the GETs fail, regardless of the photo; else all GETs of SHARE of the photos."""
    lasts: int
    """Number of photos affected by the outage; later ones succeed, and so do retries if the outage ends with its photos
    (`ends`) rather than with the first run of `index`.
    """
    ends: bool
    index: tuple[str, ...] = ()  # extra arguments of the first `index`


OUTAGES = (
    Outage("30 % of the photos, all night, under the budget", one_by_one=False, lasts=PHOTOS, ends=False),
    Outage(
        "30 % of the photos of the first half, and no end",
        one_by_one=False, lasts=PHOTOS // 2, ends=False, index=("--allow-mass-change",),
    ),
    Outage(
        "30 % of the GETs of the first half, and no end",
        one_by_one=True, lasts=PHOTOS // 2, ends=False, index=("--allow-mass-change",),
    ),
    Outage(
        "30 % of the photos, until half of the night is done",
        one_by_one=False, lasts=PHOTOS // 2, ends=True, index=("--allow-mass-change",),
    ),
)  # fmt: skip


class FailingProxy(ThreadingHTTPServer):
    """Forwards requests to `behind` (host:port), except for GETs of photos during an outage."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = behind
        self.outage: Outage | None = None
        self.answered: Counter[str] = Counter()  # photo → successful GETs
        self.refused: Counter[str] = Counter()
        self.lock = threading.Lock()

    def begin(self, outage: Outage | None) -> None:
        """Reset the counters for this outage."""
        self.outage = outage
        self.answered.clear()
        self.refused.clear()

    def fails(self, path: str) -> bool:
        """Count a GET of a photo, and return whether it fails."""
        if "/photos/" not in path:
            return False
        photo = path.partition("/photos/")[2]
        with self.lock:
            bad = self.outage is not None and self._fails(photo, self.outage)
            (self.refused if bad else self.answered)[photo] += 1
        return bad

    def _fails(self, photo: str, outage: Outage) -> bool:
        asked_for = self.answered.keys() | self.refused.keys()
        over = len(asked_for) > outage.lasts if outage.ends else int(photo[1:6]) >= outage.lasts
        seed = f"{photo} {self.refused[photo] + self.answered[photo]}" if outage.one_by_one else photo
        return not over and int(hashlib.md5(seed.encode()).hexdigest(), 16) % 100 < SHARE


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FailingProxy

    def log_message(self, *_: object) -> None: ...

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command == "GET" and self.server.fails(unquote(urlsplit(self.path).path)):
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        behind = http.client.HTTPConnection(self.server.behind, timeout=60)
        # With the original Host header, which is signed.
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


def lookdex(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "lookdex.cli.main", command, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"LOOKDEX_TRUSTED_MODELS": ",".join(FAKES[1::2])},
    )
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith(("index ", "p0"))]
    print(
        f"$ lookdex {command}: exit {done.returncode}",
        *done.stdout.splitlines()[:2],
        *(lines if done.returncode == 3 else lines[-1:]),
        sep="\n    ",
    )
    return done


def publish(catalog: str) -> tuple[Store, Release]:
    """Run the stages after `index`; returns the live release."""
    for command in ("build", "audit", "promote"):
        assert lookdex(command, "--catalog", catalog, "--run-id", "night").returncode == 0
    store = open_store(catalog)
    current = promotion_log.live_release(store)
    assert current is not None
    return store, current[1]


def failed_photos(catalog: str) -> set[str]:
    """Keys of the photos that are `failed` in the run's finished shards, or in no finished shard."""
    store = open_store(catalog)
    plan = runs.load_plan(store, "night")
    table = runs.load_plan_table(store, plan)
    done: dict[str, str] = {}
    for report in runs.load_reports(store, "night", runs.shard_ids(table)).values():
        rows = pq.read_table(io.BytesIO(runs.read_stored(store, report.images)))
        done |= dict(zip(rows["image_key"].to_pylist(), rows["status"].to_pylist(), strict=True))
    return {key for key in table["image_key"].to_pylist() if done.get(key, Status.FAILED) == Status.FAILED}


def has_same_rows(clean: tuple[Store, Release], mended: tuple[Store, Release]) -> bool:
    """Compare items and ledger, except for the time at which each photo was read."""
    ledgers = [
        tables.ledger(store, release).drop(["first_seen", "indexed_at"]).sort_by("image_key")
        for store, release in (clean, mended)
    ]
    return bool(item_table(*clean).equals(item_table(*mended)) and ledgers[0].equals(ledgers[1]))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, start_s3(Path(folder) / "s3") as server:
        uri = server.create_bucket("shop")
        front = FailingProxy(urlsplit(server.endpoint).netloc)
        threading.Thread(target=front.serve_forever, daemon=True).start()
        access = S3Access(f"http://127.0.0.1:{front.server_port}", server.access_key, server.secret_key)
        os.environ |= {**server.env(), "AWS_ENDPOINT_URL": access.endpoint}
        source = f"{uri}/photos"
        photos.fill(open_store(source), PHOTOS)
        pattern = ("--pattern", "{product_id}/{name}.png", "--shard-images", "25")
        stage = ("--run-id", "night", "--master", "local[2,4]")

        def plan(catalog: str) -> None:
            done = lookdex(
                "plan", "--source", source, "--run-id", "night", *FAKES, *pattern, "--catalog", catalog
            )
            assert done.returncode == 0

        plan(f"{folder}/clean")
        assert lookdex("index", *stage, "--catalog", f"{folder}/clean").returncode == 0
        clean = publish(f"{folder}/clean")
        good = True
        for number, outage in enumerate(OUTAGES):
            print(f"\n== {outage.name}")
            catalog = f"{folder}/mended-{number}"
            plan(catalog)
            front.begin(outage)
            lookdex("index", *stage, *outage.index, "--catalog", catalog)
            failed = failed_photos(catalog)
            print(f"outage: {front.refused.total()} of {front.refused.total() + front.answered.total()} GETs refused, "
                  f"of {len(front.refused)} photos; {len(failed)} photos failed or not tried")  # fmt: skip
            front.begin(None)
            assert lookdex("index", *stage, "--catalog", catalog).returncode == 0
            only = dict(front.answered) == dict.fromkeys(failed, 1)
            print(f"same run id: {front.answered.total()} GETs of {len(front.answered)} photos; each photo that failed "
                  f"once, and no other: {only}")  # fmt: skip
            mended = publish(catalog)
            same = has_same_rows(clean, mended)
            print(f"{mended[1].items} items and {sum(mended[1].images.values())} photos; equal to a clean night's: "
                  f"{same}")  # fmt: skip
            good = good and only and same
        sys.exit(not good)


if __name__ == "__main__":
    main()
