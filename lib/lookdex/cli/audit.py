"""`lookdex audit`: check a candidate."""

from __future__ import annotations

import click

from lookdex.cli.options import TRUST, command, json_option, run_id_option, with_settings
from lookdex.cli.output import print_audit
from lookdex.cli.stopping import resumable
from lookdex.config import NightSettings


@command("audit")
@with_settings(NightSettings, "catalog", *TRUST, "device", "max_change")
@run_id_option
@click.option(
    "--allow-mass-change", is_flag=True, help="Accept that a large share of the photos lost their objects."
)
@json_option
@resumable()
def audit_command(settings: NightSettings, run_id: str, allow_mass_change: bool, as_json: bool) -> None:
    """Check the candidate. If a check fails, print the offending rows and exit with code 3."""
    from lookdex.catalog import json_codec
    from lookdex.pipeline.audit import audit_night
    from lookdex.pipeline.night import Night

    night = Night.open(settings, run_id, allow_mass_change=allow_mass_change)
    if why := night.finished():
        click.echo(why)
        return
    release = audit_night(night)
    click.echo(json_codec.to_json(release).decode()) if as_json else print_audit(release)
