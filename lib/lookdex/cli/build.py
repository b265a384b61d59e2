"""`lookdex build`: build a candidate from the night's shards."""

from __future__ import annotations

import click

from lookdex.cli.options import command, run_id_option, with_settings
from lookdex.cli.output import describe_release
from lookdex.cli.stopping import resumable
from lookdex.config import NightSettings


@command("build")
@with_settings(NightSettings, "catalog", "master", "max_change")
@run_id_option
@click.option(
    "--allow-mass-change", is_flag=True, help="Build even if a large share of the photos was rejected."
)
@resumable()
def build_command(settings: NightSettings, run_id: str, allow_mass_change: bool) -> None:
    """Write the night's shards into the tables as a candidate, which is not live yet."""
    from lookdex.pipeline.build import build_night
    from lookdex.pipeline.night import Night

    night = Night.open(settings, run_id, allow_mass_change=allow_mass_change)
    if why := night.finished():
        click.echo(why)
        return
    release = build_night(night)
    click.echo(f"built {describe_release(release)}")
