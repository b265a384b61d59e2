"""Promote and roll back under load: no request may fail, and every answer must come from a single release.

    PYTHONPATH=lib python -m infra.swap_releases [--swaps 200] [--clients 4] [--items 20000] [--seconds 0.5]

Two releases of synthetic vectors, with the built-in models. Every title names its release.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from infra.bench_serve import CORES, TYPE, make_queries, service
from infra.synthetic import publish
from lookdex.catalog import promotion_log
from lookdex.config import NightSettings
from lookdex.models.loading import Engine, Loader
from lookdex.pipeline.recipe import make_recipe
from lookdex.storage import open_store


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--swaps", type=int, default=200)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=0.5, help="between two swaps")
    options = parser.parse_args()
    recipe, loader = make_recipe(NightSettings()), Loader(Engine.AUTO, threads=CORES)
    bodies = [query.body for query in make_queries(6, recipe, loader)]
    statuses, seen = Counter[int](), Counter[str | None]()
    wrong: list[object] = []
    stop = threading.Event()
    with tempfile.TemporaryDirectory(prefix="lookdex-swaps-") as folder:
        dim = Loader().embedder_of(recipe, "cpu").dim
        publish(Path(folder), recipe, options.items, dim, "night-1")
        publish(Path(folder), recipe, options.items * 2, dim, "night-2")
        store = open_store(folder)

        def ask(port: int, number: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            while not stop.is_set():
                number += 1
                body = bodies[number % len(bodies)]
                try:
                    connection.request("POST", "/v1/search", body, {"Content-Type": TYPE})
                    response = connection.getresponse()
                    answer = json.loads(response.read())
                except (OSError, http.client.HTTPException, ValueError) as error:
                    wrong.append(repr(error))
                    return
                statuses[response.status] += 1
                lanes = [*answer.get("objects", []), answer.get("whole") or {}]
                titles = {
                    m["columns"]["title"].split()[-1] for lane in lanes for m in lane.get("matches", [])
                }
                seen[answer.get("release_id")] += 1
                if response.status != 200 or titles != {answer.get("release_id")}:
                    wrong.append((response.status, answer.get("release_id"), titles))

        with service(Path(folder), "auto", "--poll-seconds", str(min(0.2, options.seconds / 3))) as (port, _):
            clients = [threading.Thread(target=ask, args=(port, n)) for n in range(options.clients)]
            for client in clients:
                client.start()
            begun = time.perf_counter()
            for swap in range(options.swaps):
                back = swap % 2 == 0
                promotion_log.append(
                    store,
                    release_id="night-1" if back else "night-2",
                    action="rollback" if back else "promote",
                    expected=promotion_log.current(store),
                )
                time.sleep(options.seconds)
            stop.set()
            for client in clients:
                client.join()
            took = time.perf_counter() - begun
    print(f"{options.swaps} swaps in {took:.0f} s, {options.clients} clients, load {os.getloadavg()[0]:.1f}")
    print(f"requests: {dict(statuses)}, answered from {dict(seen)}; wrong: {len(wrong)} {wrong[:3]}")
    return 1 if wrong or set(seen) != {"night-1", "night-2"} else 0


if __name__ == "__main__":
    raise SystemExit(main())
