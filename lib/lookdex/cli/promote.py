"""`lookdex promote`: make an audited release live."""

from __future__ import annotations

import click

from lookdex.cli.options import command, run_id_option, with_settings
from lookdex.cli.stopping import resumable
from lookdex.config import NightSettings


@command("promote")
@with_settings(NightSettings, "catalog", "keep_releases")
@run_id_option
@resumable()
def promote_command(settings: NightSettings, run_id: str) -> None:
    """Make the audited release live. If two runs promote at the same time, one of them fails."""
    from lookdex.pipeline.night import Night
    from lookdex.pipeline.promote import promote_night

    night = Night.open(settings, run_id)
    if why := night.finished():
        click.echo(why)
        return
    entry = promote_night(night)
    click.echo(f"live: release {entry.release_id} (entry {entry.n} of the promotion log)")
