"""`lookdex index`: index the planned photos on Spark."""

from __future__ import annotations

import click

from lookdex.cli.options import TRUST, command, run_id_option, with_settings
from lookdex.cli.output import print_indexed
from lookdex.cli.stopping import resumable
from lookdex.config import NightSettings


@command("index")
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
    from lookdex.pipeline.index import index_night
    from lookdex.pipeline.night import Night
    from lookdex.runtime.progress import Progress

    night = Night.open(settings, run_id, allow_mass_change=allow_mass_change)
    if why := night.finished():
        click.echo(why)
        return
    planned = night.load_plan().planned
    if not planned:
        click.echo("Nothing to index: no photo changed.")
        return
    with Progress(planned) as progress:
        indexed = index_night(night, progress)
    print_indexed(indexed)
