"""`lookdex audit`: check a candidate."""

from __future__ import annotations

import click

from lookdex.cli.options import TRUST, json_option, run_id_option, verb, with_settings
from lookdex.cli.output import print_audit
from lookdex.cli.stopping import resumable
from lookdex.config import NightSettings


@verb("audit")
@with_settings(NightSettings, "catalog", *TRUST, "device", "max_change")
@run_id_option
@click.option(
    "--allow-mass-change", is_flag=True, help="Accept that a large share of the photos lost their objects."
)
@json_option
@resumable()
def audit_command(settings: NightSettings, run_id: str, allow_mass_change: bool, as_json: bool) -> None:
    """Check the candidate. If a check fails, print the offending rows and exit with code 3."""
    from lookdex.catalog import json_codec, runs
    from lookdex.pipeline import night

    run = runs.run_slug(run_id)
    if why := night.finished(settings, run):
        click.echo(why)
        return
    release = night.audit_night(settings, run, allow_mass_change=allow_mass_change)
    click.echo(json_codec.to_json(release).decode()) if as_json else print_audit(release)
