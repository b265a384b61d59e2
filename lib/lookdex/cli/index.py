"""`lookdex index`: index the planned photos on Spark."""

from __future__ import annotations

import click

from lookdex.cli.options import TRUST, run_id_option, verb, with_settings
from lookdex.cli.output import print_indexed
from lookdex.cli.stopping import resumable
from lookdex.config import NightSettings


@verb("index")
@with_settings(
    NightSettings,
    *("catalog", *TRUST, "device", "batch", "fetch_workers", "fetch_seconds", "master", "max_change"),
)
@run_id_option
@click.option(
    "--allow-mass-change",
    is_flag=True,
    help="Continue even if a large share of the photos was rejected or failed.",
)
@resumable()
def index_command(settings: NightSettings, run_id: str, allow_mass_change: bool) -> None:
    """Fetch, detect, crop and embed the planned photos on Spark, and retry failed photos of finished shards."""
    from lookdex.catalog import runs
    from lookdex.pipeline import night
    from lookdex.runtime.progress import Progress

    run = runs.run_slug(run_id)
    if why := night.finished(settings, run):
        click.echo(why)
        return
    summary = night.stored_plan(settings, run)
    if not summary.planned:
        click.echo("Nothing to index: no photo changed.")
        return
    with Progress(summary.planned) as progress:
        indexed = night.index_night(settings, run, on_progress=progress, allow_mass_change=allow_mass_change)
    print_indexed(indexed)
