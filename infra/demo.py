"""`make demo`: a rendered catalogue in a real bucket, the nightly DAG over it, and an answered look photo.

With --source, the same on your photos. Everything it creates is in demo/; a second run starts afresh and says so.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

import lookdex
from infra.s3_server import start_s3
from lookdex.catalog import promotion_log
from lookdex.catalog.tables import duckdb_connection
from lookdex.cli.options import read_environment
from lookdex.config import SharedSettings
from lookdex.errors import LookdexError
from lookdex.evaluate.answers import KnownObject, Tally, judge
from lookdex.imaging.formats import AND_FORMATS
from lookdex.models.trust import TrustedModels
from lookdex.pipeline.night import stage_seconds
from lookdex.planning.listing import list_source
from lookdex.records import Box, Status
from lookdex.runtime import progress
from lookdex.search.answer.answer import Answer
from lookdex.search.catalog import Catalog
from lookdex.search.render.sheet import draw_answer
from lookdex.storage import Store, open_store
from lookdex_sample import write_sample

ROOT = Path(__file__).resolve().parent.parent
CREATED = (
    "bucket",
    "catalog",
    "airflow",
    "airflow.log",
    "report.json",
)  # any of these identifies a demo folder
STEP = re.compile(  # in Airflow's log: the start of a stage, or its progress
    r"Spark-Submit cmd: .* --name lookdex-(\w+)|Running command: \['lookdex', '(\w+)'|\] (index \d.+?) \[airflow"
)
SAMPLE, CATALOG = "s3://sample", "s3://lookdex/catalog"


@dataclass
class Report:
    """`demo/report.json`. The first three are None without ground truth (--source)."""

    objects: int | None = None
    objects_found: float | None = None
    right_product_top1: float | None = None
    right_product_top5: float | None = None
    looks: int = 0
    images: int = 0
    items: int = 0
    rejected: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    images_per_s: float = 0.0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", default="", help="photos to index instead of rendered ones")
    parser.add_argument("--products", type=int, default=500, help="products to render (default 500)")
    parser.add_argument("--looks", type=int, default=60, help="looks to render and query with (default 60)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, help="index at most this many photos")
    parser.add_argument("--out", type=Path, default=ROOT / "demo")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        demo(options)
    except LookdexError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted; `make demo` starts afresh", file=sys.stderr)
        return 130
    return 0


def demo(options: argparse.Namespace) -> None:
    out: Path = options.out.resolve()
    if options.source and not list_source(open_store(options.source)).photos.num_rows:
        raise LookdexError(f"{options.source} has no photos ({AND_FORMATS})")
    make_room(out, options.source)
    out.mkdir(parents=True)
    report = Report()
    own_bucket = options.source.startswith("s3://")  # then the user's store and credentials are used
    with start_s3(out / "bucket") if not own_bucket else no_server() as server:
        if server:
            os.environ.update(server.env())
            server.create_bucket("sample")
            server.create_bucket("lookdex")
            print(f"S3       SeaweedFS at {server.endpoint}, its data in {out / 'bucket'}")
        catalog_uri = CATALOG if server else str(out / "catalog")
        source, conf = options.source, {"source": options.source, "catalog": catalog_uri}
        if not source:
            with (
                measure_time(report, "render"),
                progress.bar(options.products + options.looks, "render") as advance,
            ):
                render(open_store(SAMPLE), options, advance)
            conf |= {
                "source": f"{SAMPLE}/photos",
                "products": f"{SAMPLE}/products.parquet",
                "pattern": "{product_id}/{name}.jpg",
            }
            os.environ["LOOKDEX_THRESHOLDS"] = f"{SAMPLE}/thresholds.json"
        if options.limit:
            conf["limit"] = options.limit
        with measure_time(report, "dag"):
            run_dag(out, conf)
        measure_night(report, open_store(catalog_uri))
        with measure_time(report, "query"):
            if source:
                shown, photo = ask_one(catalog_uri, source, out)
            else:
                shown, photo = ask_looks(report, catalog_uri, options.looks, out)
        draw_answer(photo, shown).save(out / "answer.png")
        print(shown.to_table())
    (out / "report.json").write_text(json.dumps(asdict(report), indent=1) + "\n")
    print_report(report, out, catalog_uri, served=server is not None)


def make_room(out: Path, source: str) -> None:
    """Remove an earlier demo, and say so. Refuses other folders, and a demo that contains the source."""
    if not out.exists():
        return
    if source and "://" not in source and Path(source).resolve().is_relative_to(out):
        raise LookdexError(
            f"the source {source} is in {out}, which the demo removes first: move it elsewhere"
        )
    if any(out.iterdir()) and not any((out / name).exists() for name in CREATED):
        raise LookdexError(f"{out} is not a demo folder: choose another --out")
    print(f"demo     removed an earlier demo in {out}")
    shutil.rmtree(out)


@contextmanager
def no_server() -> Iterator[None]:
    yield None


@contextmanager
def measure_time(report: Report, stage: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    report.seconds[stage] = round(time.monotonic() - start, 2)


def render(store: Store, options: argparse.Namespace, advance: Callable[[int, int], None]) -> None:
    write_sample(
        store, products=options.products, looks=options.looks, seed=options.seed, workers=os.cpu_count() or 1,
        progress=advance,
    )  # fmt: skip


def run_dag(out: Path, conf: dict[str, object]) -> None:
    """Run the DAG in Airflow's own environment; its log goes to demo/airflow.log, its tail into the error.

    Prints each stage as it starts, and the progress of indexing.
    """
    log = out / "airflow.log"
    run = str(ROOT / "infra/airflow/run")
    command = [run, "--home", str(out / "airflow"), "dags", "test", "nightly_reindex"]
    print(f"Airflow  nightly_reindex: plan >> index >> build >> audit >> promote (log: {log})")
    with log.open("w", errors="replace") as sink:
        child = subprocess.Popen(
            [*command, "--conf", json.dumps(conf)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
        assert child.stdout is not None
        try:
            for line in child.stdout:
                sink.write(line)
                if found := STEP.search(line):
                    print(f"         {found[1] or found[2] or found[3]}", flush=True)
            code = child.wait()
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait(timeout=30)
    if code:
        tail = log.read_text(errors="replace").splitlines()[-30:]
        raise LookdexError("the DAG run failed; the end of its log:\n  " + "\n  ".join(tail))


def measure_night(report: Report, catalog: Store) -> None:
    """Fill in the figures of the published release and its run."""
    current = promotion_log.live_release(catalog)
    if current is None:
        raise LookdexError("the DAG run ended without a live release; see demo/airflow.log")
    _, release = current
    report.images = sum(release.images.values())
    report.items = release.items
    report.rejected = release.images.get(Status.REJECTED, 0)
    for name, seconds in stage_seconds(catalog, release.release_id).items():
        report.seconds[name] = round(seconds, 2)
    if report.seconds.get("index"):
        report.images_per_s = round(report.images / report.seconds["index"], 2)


def open_demo_catalog(catalog_uri: str) -> Catalog:
    """Open the catalogue with the models named in the environment."""
    trusted = TrustedModels.from_settings(read_environment(SharedSettings, catalog=catalog_uri))
    return lookdex.open_catalog(catalog_uri, trusted_models=trusted.names)


def ask_looks(report: Report, catalog_uri: str, looks: int, out: Path) -> tuple[Answer, bytes]:
    """Query with every look, and return the answer with the most objects. The looks are copied to demo/looks."""
    store = open_store(SAMPLE)
    truth: dict[str, list[KnownObject]] = {}
    for row in pq.read_table(io.BytesIO(store.get("truth.parquet"))).to_pylist():
        if row["kind"] == "look":
            box = Box(row["x0"], row["y0"], row["x1"], row["y1"])
            worn = KnownObject(box, row["category"], row["product_id"])
            truth.setdefault(row["image_key"], []).append(worn)
    catalog = open_demo_catalog(catalog_uri)
    (out / "looks").mkdir()
    total, best = Tally(), None
    with progress.bar(len(truth), "ask") as advance:
        for done, (key, known) in enumerate(sorted(truth.items()), start=1):
            photo = store.get(key)
            (out / key).write_bytes(photo)
            answer = catalog.search(photo, k=5)
            tally = judge(known, answer)
            total += tally
            if best is None or tally.right_first > best[0]:
                best = (tally.right_first, answer, photo)
            advance(done)
    if best is None:
        raise LookdexError("no look was rendered: --looks must be at least 1")
    report.looks, report.objects = len(truth), total.objects
    report.objects_found = round(total.objects_found, 4)
    report.right_product_top1 = round(total.right_product_top1, 4)
    report.right_product_top5 = round(total.right_among / total.found, 4) if total.found else 0.0
    return best[1], best[2]


def ask_one(catalog_uri: str, source: str, out: Path) -> tuple[Answer, bytes]:
    """Query with the indexed photo that has the most objects."""
    key = richest_photo(catalog_uri)
    catalog = open_demo_catalog(catalog_uri)
    photo = open_store(source).get(key)
    (out / f"query{Path(key).suffix}").write_bytes(photo)
    return catalog.search(photo, k=5), photo


def richest_photo(catalog_uri: str) -> str:
    """Key of the photo with the most objects; any photo if there are none."""
    richest = duckdb_connection(catalog_uri).sql(
        "SELECT image_key FROM items GROUP BY image_key ORDER BY count(*) DESC, image_key LIMIT 1"
    ).fetchall()  # fmt: skip
    if not richest:
        raise LookdexError("no photo of the source could be indexed, so there is nothing to query with")
    return str(richest[0][0])


def print_report(report: Report, out: Path, catalog_uri: str, served: bool) -> None:
    here = Path.cwd()
    shown = out.relative_to(here) if out.is_relative_to(here) else out
    print(f"\n{report.images:,} photos, {report.items:,} items, {report.rejected:,} rejected; "
          f"{report.images_per_s} images/s")  # fmt: skip
    if report.objects is not None:
        print(f"{report.looks} looks with {report.objects} objects: {report.objects_found:.1%} found; "
              f"of those, the right product first for {report.right_product_top1:.1%}")  # fmt: skip
    print(f"\nLook at    {shown}/answer.png and {shown}/report.json\nType next:")
    lookdex_ = ".venv/jobs/bin/lookdex"
    server = f".venv/jobs/bin/python -m infra.s3_server --dir {shown}/bucket -- " if served else ""
    photo = next(iter(sorted((out / "looks").glob("*.jpg"))), None) if (out / "looks").is_dir() else None
    query = photo or next(out.glob("query.*"), None)
    if query:
        at = query.relative_to(here) if query.is_relative_to(here) else query
        print(f"  {server}{lookdex_} search {at} --catalog {catalog_uri} --png {shown}/another.png")
    print(f"  {server}{lookdex_} releases --catalog {catalog_uri}")
    print("  make demo SOURCE=<a folder of your photos, or s3://bucket/prefix>")


if __name__ == "__main__":
    sys.exit(main())
