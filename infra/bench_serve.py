"""`make bench-serve`: the service on a release of 200,000 items, compared with a bare loop over the same two models.

    PYTHONPATH=lib python -m infra.bench_serve [--items 200000] [--seconds 8] [--rounds 4] [--engine auto]
    PYTHONPATH=lib python -m infra.bench_serve --memory 5000          # resident memory over requests of mixed sizes

The release has synthetic vectors and the built-in models. Queries are rendered looks as JPEGs of 1,000 × 1,333 pixels
in which the detector finds three objects, with default options. The bare loop decodes nothing and searches nothing: it
calls the detector with the photo's pixels and the embedder with its three objects and the whole photo, one photo after
the other, each call with all cores. A second loop runs one such loop per core, each call with one core. Loops and
service take turns, so that other load affects them equally. Figures are medians of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import psutil

from infra.synthetic import publish
from lookdex.config import NightSettings
from lookdex.imaging.codec import crop, encode_jpeg
from lookdex.models.loading import Engine, Loader
from lookdex.pipeline.recipe import recipe_of
from lookdex.records import Recipe
from lookdex_sample.photos import render_look
from lookdex_sample.products import make_product

WIDTH, HEIGHT, OBJECTS = 1000, 1333, 3
CORES = len(os.sched_getaffinity(0))


# ── queries ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Query:
    """A query: pixels, the crops that the models see, and the request body."""

    pixels: np.ndarray
    parts: list[np.ndarray]
    body: bytes


BOUNDARY = "bench-serve"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def make_query(pixels: np.ndarray, parts: list[np.ndarray]) -> Query:
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="look.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    jpeg = encode_jpeg(pixels, max(pixels.shape), quality=90)
    return Query(pixels, parts, head.encode() + jpeg + f"\r\n--{BOUNDARY}--\r\n".encode())


def make_queries(count: int, recipe: Recipe, loader: Loader) -> list[Query]:
    """Photos of people wearing three things, in which the detector finds three."""
    detector, number = loader.detector_of(recipe, "cpu"), 0
    found: list[Query] = []
    while len(found) < count:
        number += 1
        outfit = [make_product(number, n, name) for n, name in enumerate(("top", "pants", "shoes"))]
        pixels = np.asarray(render_look(outfit, number, (WIDTH, HEIGHT)).image).astype(np.int16)
        noise = np.random.default_rng(number).normal(0, 4, pixels.shape)  # camera noise; 250 kB as JPEG
        photo = np.clip(pixels + noise, 0, 255).astype(np.uint8)
        objects = detector.detect([photo])[0]
        if len(objects) == OBJECTS:
            found.append(
                make_query(photo, [*(crop(photo, o.box, recipe.crop_margin) for o in objects), photo])
            )
    return found


# ── the bare loop, and the service ───────────────────────────────────────────────────────────────────────────


class BareLoop:
    """The two models alone, called from several threads."""

    def __init__(self, recipe: Recipe, loader: Loader, queries: Sequence[Query]) -> None:
        self._detector, self._embedder, self._asked = (
            loader.detector_of(recipe, "cpu"),
            loader.embedder_of(recipe, "cpu"),
            queries,
        )

    def once(self, number: int) -> None:
        queries = self._asked[number % len(self._asked)]
        self._detector.detect([queries.pixels])
        self._embedder.embed_images(queries.parts)


@dataclass
class LoadResult:
    """Clients' measurements."""

    seconds: list[float] = field(default_factory=list)
    """Of each response with status 200."""
    statuses: dict[int, int] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)  # seconds until each 503
    wall: float = 0.0
    """Total seconds."""

    @property
    def p50(self) -> float:
        return median(self.seconds)

    @property
    def rate(self) -> float:
        return len(self.seconds) / self.wall

    def count(self, status: int, seconds: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status in (200, 503):
            (self.seconds if status == 200 else self.late).append(seconds)


def closed_loop(threads: int, seconds: float, once: Callable[[int], int]) -> LoadResult:
    """Closed loop: each thread calls `once` again and again."""
    load, numbers, lock = LoadResult(), iter(range(1 << 30)), threading.Lock()
    end = time.perf_counter() + seconds

    def work() -> None:
        while time.perf_counter() < end:
            with lock:
                number = next(numbers)
            start = time.perf_counter()
            status = once(number)
            with lock:
                load.count(status, time.perf_counter() - start)

    run(load, [threading.Thread(target=work) for _ in range(threads)])
    return load


def open_loop(rate: float, seconds: float, once: Callable[[int], int]) -> LoadResult:
    """Open loop: `rate` calls per second, evenly, regardless of earlier ones."""
    load, lock = LoadResult(), threading.Lock()
    begin = time.perf_counter()

    def work(number: int) -> None:
        time.sleep(max(0.0, begin + number / rate - time.perf_counter()))
        start = time.perf_counter()
        status = once(number)
        with lock:
            load.count(status, time.perf_counter() - start)

    run(load, [threading.Thread(target=work, args=(number,)) for number in range(int(rate * seconds))])
    return load


def run(load: LoadResult, threads: list[threading.Thread]) -> None:
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    load.wall = time.perf_counter() - start


class Client:
    """A client of the service with one connection per thread."""

    def __init__(self, port: int, bodies: Sequence[bytes]) -> None:
        self._port, self._bodies, self._own = port, bodies, threading.local()

    def once(self, number: int) -> int:
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = http.client.HTTPConnection(
                "127.0.0.1", self._port, timeout=60
            )
        connection.request(
            "POST", "/v1/search", self._bodies[number % len(self._bodies)], {"Content-Type": TYPE}
        )
        answer = connection.getresponse()
        answer.read()
        return answer.status


@contextmanager
def service(catalog: Path, engine: str, *more: str) -> Iterator[tuple[int, psutil.Process]]:
    """Run `lookdex serve` in its own process; yields its port and process."""
    command = [sys.executable, "-m", "lookdex.cli.main", "serve", "--catalog", str(catalog), "--port", "0",
               "--engine", engine, *more]  # fmt: skip
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stderr=log, env=os.environ | {"PYTHONUNBUFFERED": "1"})
        try:
            port = 0
            while not port:
                if process.poll() is not None:
                    log.seek(0)
                    raise SystemExit(log.read().decode())
                time.sleep(0.2)
                log.seek(0)
                for line in log.read().splitlines():
                    event = json.loads(line) if line.startswith(b"{") else {"event": ""}
                    port = int(event["url"].rpartition(":")[2]) if event["event"] == "ready" else port
            probe = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            probe.request("GET", "/readyz")
            probe.getresponse().read()
            yield port, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


def resident(process: psutil.Process) -> float:
    """Resident memory in MiB, including child processes."""
    return float(sum(p.memory_info().rss for p in [process, *process.children(recursive=True)])) / 2**20


# ── what is measured ─────────────────────────────────────────────────────────────────────────────────────────


def speed(
    port: int, one_call: BareLoop, calls: BareLoop, queries: Sequence[Query], options: argparse.Namespace
) -> None:
    """Measure the service beside the bare loop.

    Args:
        one_call: models that use all cores per call.
        calls: models for concurrent calls, one core each.
    """
    client = Client(port, [a.body for a in queries])
    bare, shared = make_answerer(one_call), make_answerer(calls)
    for once in (client.once, bare, shared):
        closed_loop(2, 2, once)
    cost, throughput, against_all, strained, shed = [], [], [], [], []
    for turn in range(options.rounds):
        loop = closed_loop(1, options.seconds, bare)
        before = stages(port)
        one = closed_loop(1, options.seconds, client.once)
        stage_seconds = mean_seconds(before, stages(port))
        again = closed_loop(1, options.seconds, bare)
        loops = closed_loop(CORES, options.seconds, shared)
        eight = closed_loop(8, options.seconds, client.once)
        loops_again = closed_loop(CORES, options.seconds, shared)
        over = open_loop(2 * eight.rate, 3 * options.seconds, client.once)
        time.sleep(3)  # let the queue drain
        cost.append(2 * one.p50 / (loop.p50 + again.p50) - 1)
        throughput.append(2 * eight.rate / (loop.rate + again.rate))
        against_all.append(2 * eight.rate / (loops.rate + loops_again.rate))
        strained.append(over.p50 / one.p50)
        shed.append(over.statuses.get(503, 0) / sum(over.statuses.values()))
        print(
            f"round {turn + 1}: loop {1000 * loop.p50:.0f} ms, {loop.rate:.1f}/s; one client {1000 * one.p50:.0f} ms "
            f"({', '.join(f'{name} {1000 * value:.1f}' for name, value in stage_seconds.items())}); "
            f"{CORES} loops {loops.rate:.1f}/s, 8 clients {eight.rate:.1f}/s {eight.statuses}; "
            f"at {2 * eight.rate:.0f}/s: p50 {1000 * over.p50:.0f} ms, {over.statuses}, "
            f"503 after {1000 * median(over.late or [0]):.0f} ms; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    print(f"one client: p50 relative to the bare loop's        {median(cost):+.0%}")
    print(f"8 clients: throughput / bare loop's                {median(throughput):.2f}")
    print(f"8 clients: throughput / that of {CORES} parallel loops    {median(against_all):.2f}")
    print(
        f"twice that load: p50 of 200s / unloaded p50        {median(strained):.1f}; 503: {median(shed):.0%}"
    )


def make_answerer(bare: BareLoop) -> Callable[[int], int]:
    def once(number: int) -> int:
        bare.once(number)
        return 200

    return once


def stages(port: int) -> dict[str, tuple[float, float]]:
    """Total seconds and count per stage so far."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    found: dict[str, list[float]] = {}
    for line in connection.getresponse().read().decode().splitlines():
        for n, what in enumerate(("sum", "count")):
            if line.startswith(f"lookdex_stage_seconds_{what}{{"):
                found.setdefault(line.split('"')[1], [0.0, 0.0])[n] = float(line.split()[-1])
    connection.close()
    return {name: (total, count) for name, (total, count) in found.items()}


def mean_seconds(
    before: dict[str, tuple[float, float]], after: dict[str, tuple[float, float]]
) -> dict[str, float]:
    """Mean seconds per stage between two snapshots."""
    means = {}
    for name, (total, count) in after.items():
        base = before.get(name, (0.0, 0.0))
        if count > base[1]:
            means[name] = (total - base[0]) / (count - base[1])
    return means


def memory(port: int, process: psutil.Process, queries: Sequence[Query], requests: int) -> None:
    """Print resident memory while four clients send photos of many sizes."""
    rng = np.random.default_rng(0)
    bodies = []
    for number in range(200):
        longest = int(np.exp(rng.uniform(np.log(64), np.log(3000))))
        width, height = (longest, max(20, int(longest * rng.uniform(0.4, 1))))[:: rng.choice((1, -1))]
        pixels = cv2.resize(
            queries[number % len(queries)].pixels, (width, height), interpolation=cv2.INTER_AREA
        )
        bodies.append(make_query(pixels, []).body)
    client, done = Client(port, bodies), 0
    print(f"{0:>6} requests  {resident(process):6.0f} MiB (started)", flush=True)
    while done < requests:
        end = min(done + 500, requests)
        with ThreadPoolExecutor(4) as clients:
            assert set(clients.map(client.once, range(done, end))) == {200}
        done = end
        print(f"{done:>6} requests  {resident(process):6.0f} MiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=8.0, help="duration of each part of a round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--engine", default="auto", choices=[*Engine])
    parser.add_argument(
        "--memory", type=int, default=0, metavar="REQUESTS", help="measure resident memory instead"
    )
    parser.add_argument("--catalog", type=Path, help="folder to keep the release in and reuse it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lookdex-bench-") as folder:
        catalog = options.catalog or Path(folder)
        recipe, loader = recipe_of(NightSettings()), Loader(Engine(options.engine), threads=CORES)
        if not (catalog / "live").exists():
            publish(catalog, recipe, options.items, Loader().embedder_of(recipe, "cpu").dim)
        queries = make_queries(12, recipe, loader)
        size = mean(len(a.body) for a in queries)
        print(
            f"{options.items:,} items, {len(queries)} photos of {size / 1000:.0f} kB, {CORES} cores",
            flush=True,
        )
        with service(catalog, options.engine) as (port, process):
            if options.memory:
                memory(port, process, queries, options.memory)
            else:
                alone = BareLoop(recipe, Loader(Engine(options.engine)), queries)
                speed(port, alone, BareLoop(recipe, loader, queries), queries, options)


if __name__ == "__main__":
    main()
