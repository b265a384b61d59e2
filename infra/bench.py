"""`make bench`: the nightly reindex of rendered photos in a folder, with the built-in models on local Spark.

Prints images/s, the peak resident memory of a Spark Python worker, the seconds of a run without changes, and of a
rollback. Other load on the machine affects the figures.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lookdex.catalog import runs
from lookdex.records import ShardReport
from lookdex.storage import open_store


def main(images: int) -> None:
    with tempfile.TemporaryDirectory(prefix="lookdex-bench-") as folder:
        shop, catalog = Path(folder) / "shop", Path(folder) / "catalog"
        lookdex("sample", "--out", shop, "--products", max(1, images * 2 // 3), "--looks", 0, "--seed", 1)
        photos = sorted((shop / "photos").rglob("*.jpg"))
        night = [
            "reindex",
            "--source",
            shop / "photos",
            "--catalog",
            catalog,
            "--pattern",
            "{product_id}/{name}.jpg",
        ]
        first = lookdex(*night)
        reports = read_reports(catalog)
        done = sum(sum(report.counts.values()) for report in reports)
        steps = {
            step: sum(report.seconds.get(step, 0.0) for report in reports)
            for step in ("fetch", "decode", "detect", "embed", "write")
        }
        items = sum(report.items for report in reports)
        peak = max(report.peak_rss_bytes for report in reports)
        unchanged = lookdex(*night)
        photos[0].write_bytes(photos[1].read_bytes())
        lookdex(*night)
        rollback = lookdex("rollback", "--catalog", catalog)

    print(f"first run           {done} images, {items} items in {first:.1f} s: {done / first:.1f} images/s")
    print(
        "  ms per image      "
        + ", ".join(f"{step} {1000 * seconds / done:.1f}" for step, seconds in steps.items())
    )
    print(f"  peak worker RSS   {peak / 2**20:.0f} MiB")
    print(f"run, no changes     {unchanged:.1f} s")
    print(f"rollback            {rollback:.1f} s, including Python's start-up")
    print(f"machine             {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


def lookdex(*arguments: object) -> float:
    """Run a command and return its seconds. Its output goes to stderr."""
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "lookdex.cli.main", *map(str, arguments)],
        check=True,
        stdout=sys.stderr,
        stdin=subprocess.DEVNULL,
    )
    return time.monotonic() - started


def read_reports(catalog: Path) -> list[ShardReport]:
    store = open_store(str(catalog))
    ids = [folder.removeprefix("runs/").rstrip("/") for folder in store.prefixes("runs/")]
    found = [runs.load_reports(store, run, runs.done_shards(store, run)) for run in ids]
    return [report for reports in found for report in reports.values()]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
