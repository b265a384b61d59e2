"""Peak resident size of a Spark Python worker that indexes N photos, for growing N.

    PYTHONPATH=lib .venv/jobs/bin/python -m infra.bench_memory                      # 1,000 and 10,000, built-in models
    PYTHONPATH=lib .venv/jobs/bin/python -m infra.bench_memory --fakes 1000 10000   # with the tests' fakes

Renders `--distinct` photos once and repeats them under new keys (hard links), which makes no difference for memory.
Each N runs on a fresh local Spark with fresh workers. Prints both figures and their ratio.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from lookdex.catalog import runs
from lookdex.catalog.schemas import PLAN_SCHEMA
from lookdex.index.job import IndexOptions
from lookdex.models import digests
from lookdex.pipeline import spark
from lookdex.records import PlanSummary, Recipe, StoredFile
from lookdex.storage import open_store
from lookdex_sample import write_sample

SHARD_IMAGES = 256
TINY = "lookdex-tiny"


def make_recipe(fakes: bool) -> Recipe:
    if fakes:
        from tests import fakes as models

        return models.recipe(max_pixels=100_000_000, crop_pixels=256)
    return Recipe(
        detector=TINY, detector_digest=digests.detector_digest(TINY), embedder=TINY,
        embedder_digest=digests.embedder_digest(TINY), min_score=digests.detector_defaults(TINY).min_score,
        nms_iou=0.6, max_objects=20, crop_margin=digests.embedder_defaults(TINY).crop_margin, crop_pixels=256,
        max_bytes=50_000_000, max_pixels=100_000_000,
    )  # fmt: skip


def measure(rendered: Path, count: int, fakes: bool) -> None:
    """Index `count` photos and print one line; runs in its own process."""
    photos = sorted(rendered.rglob("*.jpg"))
    with tempfile.TemporaryDirectory(prefix="lookdex-bench-") as folder:
        source, catalog = Path(folder) / "source", open_store(Path(folder) / "catalog")
        rows = []
        for n in range(count):
            path = source / f"{n // 1000:04d}" / f"{n:07d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(photos[n % len(photos)], path)
        for n, listed in enumerate(open_store(source).list()):
            rows.append(
                {
                    "shard_id": f"{n // SHARD_IMAGES:06d}", "image_key": listed.key, "etag": listed.etag,
                    "bytes": listed.bytes, "product_ids": [], "category": None, "change": "new",
                }
            )  # fmt: skip
        summary = PlanSummary(
            run_id="bench", live=0, release_id=None, source=str(source), recipe=make_recipe(fakes),
            changes={"new": count}, shards=-(-count // SHARD_IMAGES), created_at=datetime.now(UTC),
            plan=StoredFile("", "", count, 0),
        )  # fmt: skip
        plan = runs.save_plan(catalog, pa.Table.from_pylist(rows, PLAN_SCHEMA), summary)
        start = time.monotonic()
        with spark.session(app="bench-memory") as session:
            reports = spark.index_run(session, catalog, plan, IndexOptions())
        seconds = time.monotonic() - start
    peaks: dict[str, int] = {}
    for report in reports:
        peaks[report.worker] = max(peaks.get(report.worker, 0), report.peak_rss_bytes)
    items = sum(report.items for report in reports)
    print(
        f"{max(peaks.values()) / 2**20:.1f} MiB peak of {len(peaks)} workers; "
        f"{count:,} photos, {items:,} items, {seconds:.0f} s, {count / seconds:.1f} photos/s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("counts", nargs="*", type=int, default=[1_000, 10_000])
    parser.add_argument("--fakes", action="store_true", help="use the tests' models, which need no weights")
    parser.add_argument("--distinct", type=int, default=200, metavar="N", help="photos to render [200]")
    parser.add_argument(
        "--rendered", type=Path, help="folder to keep rendered photos in, instead of a temporary one"
    )
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return measure(options.rendered, options.one, options.fakes)
    with tempfile.TemporaryDirectory(prefix="lookdex-rendered-") as folder:
        rendered = options.rendered or Path(folder)
        if not list(rendered.rglob("*.jpg")):
            write_sample(open_store(rendered), products=options.distinct * 3 // 4, looks=0, seed=1, workers=1)
        peaks = []
        for count in options.counts:
            command = [
                sys.executable,
                "-m",
                "infra.bench_memory",
                "--one",
                str(count),
                "--rendered",
                str(rendered),
            ]
            command += ["--fakes"] if options.fakes else []
            line = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
            print(line, flush=True)
            peaks.append(float(line.split()[0]))
        if len(peaks) > 1:
            print(f"ratio of the last to the first: {peaks[-1] / peaks[0]:.3f}")
    return None


if __name__ == "__main__":
    main()
