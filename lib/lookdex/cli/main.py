"""`lookdex`: a table of verbs. Each imports its stage when called, so that --help answers at once.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 nothing published because the audit (or a hold) refused, 130 and 143
stopped by Ctrl-C and by SIGTERM.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lookdex import __version__
from lookdex.cli.evaluate import evaluate
from lookdex.cli.options import TRUST, OutputFile, Verb, settings
from lookdex.cli.output import built, print_audit, print_indexed, print_plan
from lookdex.cli.search import search
from lookdex.cli.serve import serve, token
from lookdex.cli.stopping import resumable
from lookdex.config import Config
from lookdex.runtime.wording import count_of

PRODUCTS = ("products", "products_encoding", "products_separator", "products_types", "product_columns")
SOURCE = ("source", "source_access", *PRODUCTS, "keep_unlisted", "pattern", "mapping")
MODELS = ("detector", "embedder", "device", "min_score", "nms_iou", "max_objects", "crop_margin")
DECODING = ("crop_pixels", "max_bytes", "max_pixels")
SAME = "the same command"
WORK = ("batch", "fetch_workers", "fetch_seconds", "master")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="lookdex")
def main() -> None:
    """Search by photo over a shop's own catalogue.

    \b
    Every night:  lookdex reindex --source s3://shop/photos --catalog s3://shop/lookdex
    Ask:          lookdex search photo.jpg --catalog s3://shop/lookdex
    Undo:         lookdex rollback --catalog s3://shop/lookdex

    Every setting (`python -m lookdex.config` lists them) can also be given as LOOKDEX_<NAME> in the environment or in
    lookdex.toml.
    """


run_id_option = click.option(
    "--run-id",
    required=True,
    metavar="ID",
    help="The night's name; a retry with the same id goes on where it was.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def verb(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    return main.command(name, cls=Verb)


# ── the nightly reindex and its parts ────────────────────────────────────────────────────────────────────────


@verb("reindex")
@settings(
    *SOURCE[:1],
    "catalog",
    *SOURCE[1:],
    *MODELS,
    "trusted_models",
    *DECODING,
    "shard_images",
    *WORK,
    "max_change",
    "thresholds",
    "keep_releases",
)
@click.option("--run-id", metavar="ID", help="Go on with this night instead of starting one.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Index at most N photos tonight.")
@click.option("--full", is_flag=True, help="Index every photo again, changed or not.")
@click.option(
    "--allow-mass-change",
    is_flag=True,
    help="Continue even if a large share vanished, is not in the products file or was rejected.",
)
@resumable(SAME)
def reindex_command(
    config: Config, run_id: str | None, limit: int | None, full: bool, allow_mass_change: bool
) -> None:
    """Plan, index, build, audit and promote, on local Spark, without Airflow."""
    from lookdex.catalog import runs
    from lookdex.pipeline import night
    from lookdex.runtime.progress import Progress

    night.check_device(config, config.detector, config.embedder)
    run = runs.run_slug(run_id) if run_id else runs.new_run_id()
    click.echo(f"run {run}")
    with resumable(f"lookdex reindex with --run-id {run}"):
        planned = night.plan_night(config, run, limit=limit, full=full, allow_mass_change=allow_mass_change)
        print_plan(planned)
        if planned.summary.empty:
            click.echo("Nothing changed since the live release: nothing to do.")
            return
        with Progress(planned.summary.planned) as progress:
            indexed = night.index_night(
                config, run, on_progress=progress, allow_mass_change=allow_mass_change
            )
        print_indexed(indexed)
        release = night.build_night(config, run, allow_mass_change=allow_mass_change)
        click.echo(f"built    {built(release)}")
        release = night.audit_night(config, run, allow_mass_change=allow_mass_change)
        print_audit(release)
        entry = night.promote_night(config, run)
    click.echo(f"live     release {entry.release_id} (entry {entry.n} of the promotion log)")


@verb("plan")
@settings("source", "catalog", *SOURCE[1:], *MODELS, *DECODING, "shard_images", "max_change", "thresholds")
@click.option("--run-id", metavar="ID", help="Store the plan as this night's; without it, plan is a dry run.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Plan at most N photos.")
@click.option("--full", is_flag=True, help="Plan every photo, changed or not.")
@click.option(
    "--allow-mass-change",
    is_flag=True,
    help="Plan even if a large share of the catalogue vanished or is not in the products file.",
)
@json_option
@resumable(SAME)
def plan_command(
    config: Config, run_id: str | None, limit: int | None, full: bool, allow_mass_change: bool, as_json: bool
) -> None:
    """List the source and say what a night would do; with --run-id, write it down for the stages that follow."""
    from lookdex.catalog import json_codec, runs
    from lookdex.pipeline import night

    run = runs.run_slug(run_id) if run_id else None
    planned = night.plan_night(config, run, limit=limit, full=full, allow_mass_change=allow_mass_change)
    if as_json:
        summary = json.loads(json_codec.to_json(planned.summary))
        found = planned.found and json.loads(json_codec.to_json(planned.found))
        click.echo(json.dumps(summary | {"products_file": found}, ensure_ascii=False))
        return
    print_plan(planned)
    click.echo(
        f"stored as run {run}" if run else "dry run: nothing was written (--run-id ID stores the plan)"
    )


@verb("index")
@settings("catalog", *TRUST, "device", *WORK, "max_change")
@run_id_option
@click.option(
    "--allow-mass-change",
    is_flag=True,
    help="Continue even if a large share of the photos was rejected or failed.",
)
@resumable(SAME)
def index_command(config: Config, run_id: str, allow_mass_change: bool) -> None:
    """Fetch, detect, crop and embed the planned photos on Spark; in finished shards, retry what failed."""
    from lookdex.catalog import runs
    from lookdex.pipeline import night
    from lookdex.runtime.progress import Progress

    run = runs.run_slug(run_id)
    if why := night.finished(config, run):
        click.echo(why)
        return
    summary = night.stored_plan(config, run)
    if not summary.planned:
        click.echo("Nothing to index: no photo changed.")
        return
    with Progress(summary.planned) as progress:
        indexed = night.index_night(config, run, on_progress=progress, allow_mass_change=allow_mass_change)
    print_indexed(indexed)


@verb("build")
@settings("catalog", "master", "max_change")
@run_id_option
@click.option(
    "--allow-mass-change", is_flag=True, help="Build although a large share of the photos was rejected."
)
@resumable(SAME)
def build_command(config: Config, run_id: str, allow_mass_change: bool) -> None:
    """Write the night's shards into the tables, as a candidate that nobody follows yet."""
    from lookdex.catalog import runs
    from lookdex.pipeline import night

    run = runs.run_slug(run_id)
    if why := night.finished(config, run):
        click.echo(why)
        return
    release = night.build_night(config, run, allow_mass_change=allow_mass_change)
    click.echo(f"built {built(release)}")


@verb("audit")
@settings("catalog", *TRUST, "device", "max_change")
@run_id_option
@click.option("--allow-mass-change", is_flag=True, help="Accept that many photos lost their objects.")
@json_option
@resumable(SAME)
def audit_command(config: Config, run_id: str, allow_mass_change: bool, as_json: bool) -> None:
    """Check the candidate; exit code 3 and the offending rows when a check refuses it."""
    from lookdex.catalog import json_codec, runs
    from lookdex.pipeline import night

    run = runs.run_slug(run_id)
    if why := night.finished(config, run):
        click.echo(why)
        return
    release = night.audit_night(config, run, allow_mass_change=allow_mass_change)
    click.echo(json_codec.to_json(release).decode()) if as_json else print_audit(release)


@verb("promote")
@settings("catalog", "keep_releases")
@run_id_option
@resumable(SAME)
def promote_command(config: Config, run_id: str) -> None:
    """Make the audited release live. Of two promoters one wins; the other gets an error."""
    from lookdex.catalog import runs
    from lookdex.pipeline import night

    run = runs.run_slug(run_id)
    if why := night.finished(config, run):
        click.echo(why)
        return
    entry = night.promote_night(config, run)
    click.echo(f"live: release {entry.release_id} (entry {entry.n} of the promotion log)")


# ── releases ─────────────────────────────────────────────────────────────────────────────────────────────────


@verb("rollback")
@settings("catalog")
@click.option(
    "--to",
    metavar="RELEASE",
    help="The release to make live (default: the one that the live one was built on).",
)
@click.option("--note", default="", metavar="TEXT", help="Why; kept in the promotion log.")
def rollback_command(config: Config, to: str | None, note: str) -> None:
    """Make an older release live, and hold promotions until `lookdex resume`."""
    from lookdex.pipeline import night

    done = night.rollback(config, to=to, note=note)
    click.echo(f"live: release {done.entry.release_id} (entry {done.entry.n}); promotions are held")
    click.echo(
        f"logged after {done.seconds:.2f} s and {done.requests} requests; `lookdex resume` lifts the hold"
    )


@verb("resume")
@settings("catalog")
def resume_command(config: Config) -> None:
    """Lift the hold of a rollback: the next audited night may be promoted again."""
    from lookdex.pipeline import night

    entry, held = night.resume(config)
    done = "resumed" if held else "promotions were not held: nothing to resume"
    click.echo(f"{done}; live: release {entry.release_id} (entry {entry.n})")


@verb("releases")
@settings("catalog")
@json_option
def releases_command(config: Config, as_json: bool) -> None:
    """List the releases, newest first, and which one is live."""
    from lookdex.catalog import json_codec, promotion_log
    from lookdex.errors import CorruptData, ReleaseNotFound
    from lookdex.release.promote import follow
    from lookdex.storage import open_store

    catalog = open_store(config.catalog)
    listed = promotion_log.list_releases(catalog)[::-1]
    try:
        entry, unknown = promotion_log.current(catalog), ""
    except CorruptData as error:  # the user needs this list to recover
        entry, unknown = None, str(error)
        click.secho(unknown, fg="red", err=True)
    else:
        follow(catalog)
    if entry is None and not unknown and not listed and not any(catalog.pages("runs/")):
        raise ReleaseNotFound(f"there is no catalogue in {config.catalog}; `lookdex reindex` makes one")
    been_live = {logged.release_id for logged in promotion_log.read_log(catalog)}
    if as_json:
        click.echo(json.dumps({
            "live": entry and json.loads(json_codec.to_json(entry)),
            "releases": [json.loads(json_codec.to_json(release)) for release in listed],
        }, ensure_ascii=False, indent=1))  # fmt: skip
        return
    if entry is None and not unknown:
        click.echo(f"nothing is live in {config.catalog} yet")
    for release in listed:
        here = entry is not None and entry.release_id == release.release_id
        photos = sum(release.images.values())
        never = "" if release.release_id in been_live else "  never live"
        click.echo(f"{'live' if here else '    '}  {release.release_id:<34} {release.created_at:%Y-%m-%d %H:%M}  "
                   f"{photos:>9,} photos {release.items:>10,} items  index {release.index.kind}{never}")  # fmt: skip
    if entry is not None and entry.hold:
        click.echo(
            f"held since {entry.at:%Y-%m-%d %H:%M}{f' ({entry.note})' if entry.note else ''}: promotions wait for "
            "`lookdex resume`"
        )


# ── for analysts ─────────────────────────────────────────────────────────────────────────────────────────────


@verb("report")
@settings("catalog", "source", "source_access", optional=("source",))
@click.option("--out", required=True, type=OutputFile(".html", ".htm"), help="The page to write.")
@click.option("--release", metavar="ID", help="Report on this release instead of the live one.")
def report_command(config: Config, out: Path, release: str | None) -> None:
    """Write what is in a release, and what is odd in it, as one page that loads nothing from anywhere.

    Photos that could not be indexed are shown if --source says where they lie.
    """
    from lookdex.pipeline.plan import open_source
    from lookdex.report import make_report
    from lookdex.report.render import render

    source = open_source(config) if config.source else None
    report = make_report(config.catalog, release, source=source)
    page = render(report)
    out.write_text(page, encoding="utf-8")
    for finding in report.findings:
        click.echo(f"  {finding.text}")
    click.echo(f"{out}: release {report.release.release_id}, {len(page.encode()) / 1e6:.1f} MB")


@verb("sample")
@click.option("--out", required=True, metavar="URI", help="A folder or s3://bucket/prefix.")
@click.option("--products", default=500, show_default=True, type=click.IntRange(1, 1_000_000), metavar="N")
@click.option("--looks", default=60, show_default=True, type=click.IntRange(0, 1_000_000), metavar="M")
@click.option("--seed", default=1, show_default=True, type=int, metavar="S")
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="Processes that render."
)
@click.option(
    "--force", is_flag=True, help="Write where files are already; what an earlier sample left is removed."
)
def sample_command(out: str, products: int, looks: int, seed: int, workers: int, force: bool) -> None:
    """Render a catalogue with known answers: product photos, look photos, products.parquet, truth.parquet."""
    from lookdex.runtime.progress import bar
    from lookdex.storage import open_store
    from lookdex_sample import write_sample
    from lookdex_sample.earlier import make_room

    store = open_store(out)
    if removed := make_room(store, force):
        click.echo(f"removed {count_of(removed, 'file')} of an earlier sample")
    with bar(products + looks, "render") as advance:
        write_sample(store, products=products, looks=looks, seed=seed, workers=workers, progress=advance)
    click.echo(f"{count_of(products, 'product')} and {count_of(looks, 'look')} in {out}")


main.add_command(serve)
main.add_command(token)
main.add_command(evaluate)
main.add_command(search)


if __name__ == "__main__":
    sys.exit(main())
