"""Failures around the service: a store that is down, hangs or is busy, and forked processes."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from infra.attacks.frame import Attack, Outcome, Place, Service
from infra.s3_server import start_s3
from infra.synthetic import publish
from lookdex.config import NightSettings
from lookdex.imaging.codec import encode_jpeg
from lookdex.pipeline.recipe import make_recipe
from lookdex.storage import create_bucket, open_store
from tests.support.proxy import Mode, before

SECONDS = 30.0  # during which the store is down
CLIENTS = 4
SOON = 2.0  # seconds for requests that need the store to fail
BACK = 5.0  # seconds until the store must be in use again
DRAIN, CHILDREN = 5.0, 20
SIMILAR, RELEASE = "/v1/products/P000001/similar", "/v1/release"
CROP = "/v1/crops/{:016x}"  # never in memory
PHOTO = encode_jpeg(np.random.default_rng(0).integers(0, 255, (400, 300, 3), np.uint8), 400)


@contextmanager
def behind_a_proxy(folder: Path) -> Iterator[Place]:
    """A release in a bucket, behind a proxy, which is the place's `control`."""
    made = folder / "made"
    if not (made / "live").exists():
        publish(made, make_recipe(NightSettings()), 20_000, 256)
    source = open_store(str(made))
    with start_s3(folder / "s3") as server, before(server.access) as (proxy, access):
        create_bucket("s3://attacked", server.access)
        store = open_store("s3://attacked/shop", server.access)
        for listed in source.list() if not store.exists("live/00000001.json") else ():
            store.put_file(listed.key, made / listed.key)
        environment = server.env() | {"AWS_ENDPOINT_URL": access.endpoint}
        yield Place("s3://attacked/shop", environment, proxy)


class Clients:
    """Ask continuously until closed. asked: (start, seconds taken, result)."""

    def __init__(self, service: Service) -> None:
        self.asked: list[tuple[float, float, str]] = []
        self._service, self._stop = service, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,), daemon=True) for n in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        questions: tuple[Callable[[], tuple[int, bytes]], ...] = (
            lambda: self._service.ask(PHOTO),
            lambda: self._service.get(SIMILAR, 60),
            lambda: self._service.get(RELEASE, 60),
            lambda: self._service.get(CROP.format(number), 60),
        )
        while not self._stop.wait(0.05):
            begun = time.monotonic()
            kind = number % len(questions)
            try:
                status, body = questions[kind]()
            except OSError as error:
                found = type(error).__name__
            else:
                found = (
                    str(status) if status == 200 else f"{status} {json.loads(body)['type'].split(':')[-1]}"
                )
            self.asked.append((begun, time.monotonic() - begun, found))
            number += 1


def away(mode: Mode) -> Callable[[Service], Outcome]:
    """The store goes down under load, and comes back."""

    def attack(service: Service) -> Outcome:
        assert service.place is not None
        outcome, proxy = Outcome(), service.place.control
        clients = Clients(service)
        time.sleep(3)
        proxy.mode = mode
        lost = time.monotonic()
        time.sleep(SECONDS / 2)
        ready, words = service.get("/readyz")
        time.sleep(SECONDS / 2)
        proxy.mode = Mode.PASS
        back = time.monotonic()
        good = 0
        while good < 3 and time.monotonic() < back + 60:
            good = good + 1 if service.get(CROP.format(good), 60)[0] == 200 else 0
            time.sleep(0.1)
        recovered = time.monotonic() - back
        time.sleep(3)
        clients.close()
        # Questions asked just before may still be answered from data that had arrived.
        during = [asked for asked in clients.asked if lost <= asked[0] < back]
        slowest = max(seconds for _, seconds, _ in during)
        outcome.statuses += Counter(found for _, _, found in during)
        outcome.statuses[f"slowest {slowest:.2f} s"] = outcome.statuses[f"back after {recovered:.2f} s"] = 1
        outcome.check(outcome.statuses["503 store-unavailable"] > 0, "no answer said that the store is down")
        wrong = {found for _, _, found in during} - {"200", "503 store-unavailable"}
        outcome.check(not wrong, f"other answers during the outage: {', '.join(sorted(wrong))}")
        outcome.check(slowest <= SOON, f"the slowest answer took {slowest:.1f} s")
        outcome.check(recovered <= BACK, f"the store was in use again only after {recovered:.1f} s")
        from_memory = ready == 200 and b"from memory" in words
        outcome.check(from_memory or ready == 503, f"/readyz said {ready} {words!r} during the outage")
        outcome.statuses[f"/readyz {ready}"] = 1
        after = [found for begun, _, found in clients.asked if begun > back + BACK]
        outcome.check(set(after) <= {"200"}, f"afterwards: {Counter(after)}")
        messages = [
            line["event"]
            for line in service.lines()
            if line.get("logger") == "lookdex.search.retrieval.watch"
        ]
        outcome.check(len(messages) == 2, f"the log has {len(messages)} lines about it: {messages[:4]}")
        return outcome

    return attack


def ended_while_it_hangs(service: Service) -> Outcome:
    """SIGTERM while the store hangs and questions wait for it."""
    assert service.place is not None
    assert service.process is not None
    outcome = Outcome()
    clients = Clients(service)
    service.place.control.mode = Mode.HANG
    time.sleep(0.5)
    service.ending = True
    begun = time.monotonic()
    service.process.terminate()
    try:
        code = service.process.wait(90)
    except subprocess.TimeoutExpired:
        code = None
    took = time.monotonic() - begun
    clients.close()
    service.place.control.mode = Mode.PASS
    outcome.statuses[f"exit {code} after {took:.1f} s"] += 1
    outcome.check(code == 0, f"exit code {code}")
    outcome.check(took <= DRAIN + 1, f"it ended after {took:.1f} s, with drain_seconds {DRAIN:g}")
    return outcome


FORKING = """
import os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore")
import lookdex
from lookdex.models.loading import Engine, Loader

uri, photo, children, engine = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]

def opened():
    return lookdex.open_catalog(uri, loader=Loader(Engine(engine), threads=2))

def answer(catalog):
    return [m.product_id for lane in catalog.search(photo, k=3).lanes for m in lane.matches]

catalog = opened()
wanted = answer(catalog)
threads = [threading.Thread(target=lambda: [answer(catalog) for _ in range(9999)], daemon=True) for _ in range(2)]
for thread in threads:
    thread.start()

def use(ask):
    try:
        return 1 if ask() == wanted else 3
    except Exception as error:
        return 2 if type(error).__name__ == "ForkedProcess" else 4

def ended(pid):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            code = os.waitstatus_to_exitcode(status)
            return {1: "answered", 2: "ForkedProcess", 3: "WRONG ANSWER", 4: "other error"}.get(code, f"died: {code}")
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "HUNG"

def fork(then, leave):
    pid = os.fork()
    if pid:
        return ended(pid)
    leave(then())

def fork_again():
    found = fork(lambda: use(lambda: answer(catalog)), os._exit)
    return {"answered": 1, "ForkedProcess": 2}.get(found, 4)

USES = (lambda: use(lambda: answer(catalog)), lambda: use(lambda: answer(opened())), fork_again)
found = []
for n in range(children):
    time.sleep(0.02 * (n % 5))
    found.append(fork(USES[n % 3], sys.exit if n % 4 == 3 else os._exit))
print(found, flush=True)
os._exit(0)
"""


def forked(engine: str) -> Callable[[Service], Outcome]:
    """Forked children of a process with busy threads: they use its catalogue, open their own, or fork again."""

    def attack(service: Service) -> Outcome:
        assert service.place is not None
        assert service.process is not None
        outcome = Outcome()
        photo = Path(service.place.uri) / "attack.jpg"
        photo.write_bytes(PHOTO)
        path = psutil.Process(service.process.pid).environ()["PYTHONPATH"]
        done = subprocess.run(
            [sys.executable, "-c", FORKING, service.place.uri, str(photo), str(CHILDREN), engine],
            env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True,
        )  # fmt: skip
        outcome.check(done.returncode == 0, f"the parent exited with {done.returncode}: {done.stderr[-500:]}")
        outcome.statuses += Counter(ast.literal_eval(done.stdout or "[]"))
        wrong = set(outcome.statuses) - {"answered", "ForkedProcess"}
        outcome.check(not wrong, f"children without an answer or an error: {', '.join(sorted(wrong))}")
        return outcome

    return attack


ATTACKS = (
    Attack("store-stopped", away(Mode.REFUSE), place=behind_a_proxy),
    Attack("store-hangs", away(Mode.HANG), place=behind_a_proxy),
    Attack("store-busy", away(Mode.BUSY), place=behind_a_proxy),
    Attack(
        "sigterm-store-hangs", ended_while_it_hangs, {"drain_seconds": str(DRAIN)},
        place=behind_a_proxy, ends=True,
    ),
    Attack("forks-torch", forked("torch"), {"engine": "torch"}),
    Attack("forks-openvino", forked("openvino"), {"engine": "torch"}),
)  # fmt: skip
