"""Flip one bit at a time in every kind of file of a candidate and of a live release, and record what detects it.

    PYTHONPATH=lib python -m infra.flip_bits [--flips 1000] [--seed 1] [--seconds 60] [--only live] [--keep DIR]

Uses a small catalogue of the tests' fakes, with an index, deleted rows, several fragments and products. Each flip is
made in a copy, in a separate process that may hang or crash:

- candidate: a run is indexed (half of the flips) or built; the remaining stages run, then the release is queried.
- live: the catalogue is opened and queried.

Prints a table of file kinds and outcomes. `silent` is a wrong answer without an error; it fails the run, as do `hung`,
`crashed` and `untyped` (an error that is not a LookdexError).
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import json
import logging
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, fields
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pyarrow as pa

from lookdex.catalog import integrity, promotion_log, runs
from lookdex.catalog.lance_errors import reading
from lookdex.errors import AuditFailed, LookdexError
from lookdex.records import Release, Scope
from lookdex.release import ann, retention
from lookdex.release.audit import audit_release
from lookdex.release.build import build_release
from lookdex.release.candidates import load_candidate
from lookdex.release.promote import promote
from lookdex.search.answer.lanes import Match
from lookdex.search.catalog import Catalog, open_catalog
from lookdex.storage import Store, open_store
from tests import fakes
from tests.support import nights

PHOTOS = 120
RUN = "night3"
INDEXED, BUILT, LIVE = "indexed", "built", "live"  # states of the catalogue; folders of that name
VERSIONED = ("data", "deletions", "index", "transactions", "manifest")  # kinds of versioned files
BAD = ("silent", "hung", "crashed", "untyped")


@dataclass(frozen=True)
class Flip:
    """One trial."""

    state: str
    """Of the catalogue."""
    file: str
    """Relative path."""
    bit: int
    """Index in the file."""
    name: str


@dataclass(frozen=True)
class Outcome:
    """The outcome of a trial."""

    how: str
    """harmless, refused, or one of BAD."""
    by: str = ""
    """What detected it."""


# ── the catalogue ────────────────────────────────────────────────────────────────────────────────────────────


def source(night: int) -> list[nights.Photo]:
    """Photos that are added, removed and changed; a third of them have a picture."""
    kept = range(4 * (night - 1), PHOTOS + 10 * night)
    return [
        nights.Photo(
            f"p{n:04d}/a.jpg",
            etag=str(night) if n % 40 == night else "1",
            labels=("top", "shoes") if n % 5 == 0 else ("top",),
            product=f"p{n:04d}",
            look=f"look {n}" if n % 3 == 0 else "",
        )
        for n in kept
    ]


def products() -> pa.Table:
    numbers = range(PHOTOS + 40)
    return pa.table(
        {
            "product_id": [f"p{n:04d}" for n in numbers],
            "title": [f"thing {n}" for n in numbers],
            "category": ["top" if n % 2 else "shoes" for n in numbers],
            "price": [float(n) for n in numbers],
        }
    )


def make_catalogs(folder: Path) -> None:
    """Publish two runs; the third one is indexed, then built, then published, with a copy of each state."""
    store = open_store(str(folder / "catalog"))
    recipe = fakes.recipe()
    for night in (1, 2):
        nights.publish(
            store, f"night{night}", source(night), recipe=recipe, shard_images=40, products=products()
        )
    third = nights.index_night(store, RUN, source(3), recipe=recipe, shard_images=20, products=products())
    for report in third.reports.values():
        runs.save_report(store, RUN, report)
    for state in (INDEXED, BUILT, LIVE):
        if state == BUILT:
            build(store)
        if state == LIVE:
            publish(store)
        shutil.copytree(folder / "catalog", folder / state)


def build(store: Store) -> Release:
    """Run as `lookdex build`: rereads everything from the store."""
    plan = runs.load_plan(store, RUN)
    table = runs.load_plan_table(store, plan)
    reports = runs.load_reports(store, RUN, runs.shard_ids(table))
    return build_release(store, plan, table, reports, nights.in_a_loop)


def publish(store: Store) -> None:
    """Run as `lookdex audit` and `lookdex promote`."""
    release = audit_release(store, build(store), smoke)
    promote(store, release.release_id)
    retention.clean_up(store, apply=True)


def smoke(release: Release) -> str:
    return "asked afterwards"


# ── what is asked ────────────────────────────────────────────────────────────────────────────────────────────


def open_with_fakes(store: Store) -> Catalog:
    return open_catalog(
        store, detector=fakes.FakeDetector(), embedder=fakes.FakeEmbedder(), read_seconds=20.0
    )


def answers(store: Store) -> str:
    """Digest of the live release's answers."""
    catalog = open_with_fakes(store)
    rng = np.random.default_rng(0)
    parts: list[object] = [catalog.release.release_id]
    for number in range(6):
        for scope in (Scope.OBJECT, Scope.IMAGE):
            where = ("price < 60", None, "category = 'shoes' and price > 10")[number % 3]
            vector = rng.standard_normal(nights.DIM)
            answer = catalog.search_vector(vector, k=5, where=where, scope=scope)
            parts.append([summarize(match) for match in answer.objects[0].matches])
    for product in ("p0021", "p0033"):
        answer = catalog.similar(product, k=5)
        parts.append([summarize(match) for match in answer.objects[0].matches])
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


def summarize(match: Match) -> list[object]:
    values = {field.name: getattr(match, field.name) for field in fields(match)}
    crop = values.pop("crop")
    return [hashlib.sha256(crop or b"").hexdigest(), repr(values)]


# ── a trial ──────────────────────────────────────────────────────────────────────────────────────────────────


def attempt(folder: Path, flip: Flip, right: str) -> Outcome:
    """Flip the bit in a copy, continue like a run or a reader, and return the outcome."""
    place = Path(tempfile.mkdtemp(dir=folder, prefix="trial-"))
    try:
        copy = place / "catalog"
        # Hard links suffice, because catalogue files are never changed in place.
        shutil.copytree(folder / flip.state, copy, copy_function=os.link)
        data = bytearray((copy / flip.file).read_bytes())
        data[flip.bit // 8] ^= 1 << flip.bit % 8
        (copy / flip.file).unlink()
        (copy / flip.file).write_bytes(data)
        store, stage = open_store(str(copy)), "publish"
        try:
            if flip.state != LIVE:
                with reading(f"a table of {store.uri}", lance_only=True):
                    publish(store)
            stage = "ask"
            found = answers(store)
        except AuditFailed as error:
            return Outcome("refused", f"audit: {', '.join(error.offenders)}")
        except LookdexError as error:
            return Outcome("refused", f"{stage}: {type(error).__name__}")
        except BaseException as error:
            return Outcome("untyped", f"{stage}: {type(error).__name__}: {str(error)[:150]}")
        return Outcome("harmless") if found == right else Outcome("silent", "another answer")
    finally:
        shutil.rmtree(place, ignore_errors=True)


def work(folder: str, right: str, pipe: Connection) -> None:
    """Process loop: attempt the flips it receives."""
    small_index()
    logging.disable(logging.CRITICAL)
    while True:
        pipe.send(attempt(Path(folder), pipe.recv(), right))


class Worker:
    """The worker process, replaced after a hang or a crash."""

    def __init__(self, folder: Path, right: str, seconds: float) -> None:
        self._folder, self._right, self._seconds = folder, right, seconds
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=work, args=(str(self._folder), self._right, theirs), daemon=True
        )
        self._process.start()
        theirs.close()

    def attempt(self, flip: Flip) -> Outcome:
        try:
            self._pipe.send(flip)
            if self._pipe.poll(self._seconds):
                end: Outcome = self._pipe.recv()
                return end
            end = Outcome("hung", f"no answer in {self._seconds:g} s")
        except (EOFError, ConnectionError):
            self._process.join(5)
            end = Outcome("crashed", f"exit code {self._process.exitcode}")
        self.close()
        self._start()
        return end

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


# ── the run ──────────────────────────────────────────────────────────────────────────────────────────────────


def small_index() -> None:
    """Lower the limits so that these small tables get an index."""
    ann.EXACT_BELOW, ann.PARTITION_ROWS = 100, 64


def name_kind(file: str) -> str:
    """'items: index', 'plan', 'shards' …"""
    parts = Path(file).parts
    if parts[0] == "tables":
        folders = {
            "data": "data", "_deletions": "deletions", "_indices": "index", "_transactions": "transactions",
            "_versions": "manifest", "_refs": "tag",
        }  # fmt: skip
        kind = "version hint" if parts[-1].endswith("hint.json") else folders[parts[2]]
        return f"{parts[1].removesuffix('.lance')}: {kind}"
    if parts[0] == "live":
        return "promotion log"
    if parts[0] == "releases":
        return "release"
    return f"run: {parts[2].partition('-')[0].partition('.')[0]}"


def list_used(folder: Path, state: str) -> set[str]:
    """Files of the table versions that the state's release names: the candidate or the live one."""
    store = open_store(str(folder / state))
    if state == BUILT:
        release = load_candidate(store, runs.load_plan(store, RUN))
    elif current := promotion_log.live_release(store):
        release = current[1]
    else:
        return set()
    return {file.key for file in integrity.load_files(store, release) or ()}


def draw(folder: Path, states: Iterable[str], count: int, seed: int) -> list[Flip]:
    """Draw flips, the same number for each kind of file, in random files and bits.

    Files that only other releases name are separate kinds.
    """
    rng = random.Random(seed)
    kinds: dict[str, list[tuple[str, str]]] = collections.defaultdict(list)
    for state in states:
        used = list_used(folder, state)
        for path in sorted((folder / state).rglob("*")):
            file = str(path.relative_to(folder / state))
            if path.is_file() and path.stat().st_size:
                name = name_kind(file)
                old = name.endswith(VERSIONED) and file not in used
                kinds[f"{name}, others'" if old else name].append((state, file))
    names = sorted(kinds)
    flips = []
    for number in range(count):
        name = names[number % len(names)]
        state, file = rng.choice(kinds[name])
        flips.append(Flip(state, file, rng.randrange(8 * (folder / state / file).stat().st_size), name))
    return flips


def run(folder: Path, what: str, flips: list[Flip], right: str, seconds: float) -> dict[str, int]:
    """Attempt all flips and print the outcomes. Returns the counts by outcome."""
    ends: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    caught: collections.Counter[str] = collections.Counter()
    worker = Worker(folder, right, seconds)
    done = 0
    for flip in flips:
        try:
            end = worker.attempt(flip)
        except KeyboardInterrupt:  # on Ctrl-C, report the results so far
            break
        done += 1
        ends[flip.name][end.how] += 1
        caught[end.by] += end.how == "refused"
        if end.how in BAD:
            print(f"  {end.how}: {flip.state} {flip.file}, bit {flip.bit}: {end.by}", flush=True)
    worker.close()
    hows = ("harmless", "refused", *BAD)
    print(f"\n{what}: {done} flips\n{'kind of file':<24}" + "".join(f"{how:>10}" for how in hows))
    for name in sorted(ends):
        print(f"{name:<24}" + "".join(f"{ends[name][how]:>10}" for how in hows))
    total = {how: sum(counts[how] for counts in ends.values()) for how in hows}
    print(f"{'in all':<24}" + "".join(f"{total[how]:>10}" for how in hows))
    for by, count in (+caught).most_common():
        print(f"  {count:>5} refused by {by}")
    return total


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--flips", type=int, default=1000, help="of each part")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0, help="after which a trial counts as hung")
    parser.add_argument("--only", choices=("candidate", "live"))
    parser.add_argument(
        "--keep", type=Path, help="folder of the catalogue: made when it is empty, used again when not"
    )
    options = parser.parse_args()
    small_index()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    started, bad = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="lookdex-flips-") as temporary:
        folder = options.keep or Path(temporary)
        if not (folder / LIVE).exists():
            make_catalogs(folder)
        right = answers(open_store(str(folder / LIVE)))
        for what, states in (("candidate", (INDEXED, BUILT)), ("live", (LIVE,))):
            if options.only in (None, what):
                flips = draw(folder, states, options.flips, options.seed)
                total = run(folder, what, flips, right, options.seconds)
                bad += sum(total[how] for how in BAD)
    print(f"\n{time.monotonic() - started:.0f} s; {bad} flips ended badly")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
