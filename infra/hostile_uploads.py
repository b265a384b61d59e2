"""Send hostile uploads to a running service: each must end as an answer or a 4xx problem, in time, without leaks.

    PYTHONPATH=lib python -m infra.hostile_uploads --catalog CATALOG [--files FOLDER …]

Sends every file in the folders, and those of `tests.support.hostile`: truncations, flipped bytes, bombs, wrong types,
polyglots. Prints the statuses, the slowest requests, and the service's resident memory before and after.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from infra.bench_serve import resident
from tests.support import hostile
from tests.support.services import start

MOST_SECONDS, MOST_MIB = 2.0, 200.0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--catalog", required=True)
    parser.add_argument("--files", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    uploads = [(str(path), path.read_bytes()) for folder in options.files
               for path in sorted(folder.rglob("*")) if path.is_file()]  # fmt: skip
    uploads += hostile.uploads(large=True)
    wrong: list[tuple[str, int, str]] = []
    times: list[tuple[float, str, int]] = []
    statuses = Counter[int]()
    with tempfile.TemporaryDirectory() as folder, start(options.catalog, Path(folder)) as service:
        process = psutil.Process(service.process.pid)
        good = hostile.photo()
        for _ in range(20):
            assert service.ask(good).status_code == 200
        before = resident(process)
        for name, data in uploads:
            begun = time.perf_counter()
            response = service.ask(data)
            times.append((time.perf_counter() - begun, name, response.status_code))
            statuses[response.status_code] += 1
            kind = response.headers["content-type"]
            fine = (
                kind == "application/json"
                if response.status_code == 200
                else kind == "application/problem+json"
            )
            if not fine or not 200 <= response.status_code < 500:
                wrong.append((name, response.status_code, kind))
        for _ in range(20):
            assert service.ask(good).status_code == 200
        after = resident(process)
        lost = [
            line
            for line in service.web.get("/metrics").text.splitlines()
            if line.startswith("lookdex_decoders_lost_total")
        ]
    times.sort(reverse=True)
    print(f"{len(uploads)} uploads: {dict(statuses)}; load {os.getloadavg()[0]:.1f}")
    print(
        "slowest:",
        *(f"{seconds:.2f} s {status} {Path(name).name}" for seconds, name, status in times[:5]),
        sep="\n  ",
    )
    print(f"resident {before:.0f} MiB before, {after:.0f} after;", *lost)
    late = [entry for entry in times if entry[0] > MOST_SECONDS]
    print("wrong:", wrong, "late:", late)
    return 1 if wrong or late or after - before > MOST_MIB else 0


if __name__ == "__main__":
    sys.exit(main())
