"""`lookdex reindex`: run the whole night in one command."""

from __future__ import annotations

import click

from lookdex.cli.options import command, with_settings
from lookdex.cli.output import describe_release, print_audit, print_indexed, print_plan
from lookdex.cli.stopping import resumable
from lookdex.config import NightSettings


@command("reindex")
@with_settings(NightSettings)
@click.option("--run-id", metavar="ID", help="Continue this run instead of starting a new one.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Index at most N photos tonight.")
@click.option("--full", is_flag=True, help="Index every photo again, even unchanged ones.")
@click.option(
    "--allow-mass-change",
    is_flag=True,
    help="Continue even if a large share of the catalogue vanished, is not in the products file or was rejected.",
)
@resumable()
def reindex_command(
    settings: NightSettings, run_id: str | None, limit: int | None, full: bool, allow_mass_change: bool
) -> None:
    """Plan, index, build, audit and promote on local Spark, without Airflow."""
    from lookdex.catalog import runs
    from lookdex.pipeline.audit import audit_night
    from lookdex.pipeline.build import build_night
    from lookdex.pipeline.index import check_device, index_night
    from lookdex.pipeline.night import Night
    from lookdex.pipeline.plan import plan_night
    from lookdex.pipeline.promote import promote_night
    from lookdex.runtime.progress import Progress

    check_device(settings, settings.detector, settings.embedder)
    night = Night.open(settings, run_id or runs.new_run_id(), allow_mass_change=allow_mass_change)
    click.echo(f"run {night.run_id}")
    with resumable(f"lookdex reindex with --run-id {night.run_id}"):
        planned = plan_night(night, limit=limit, full=full)
        print_plan(planned)
        if planned.summary.empty:
            click.echo("Nothing changed since the live release: nothing to do.")
            return
        with Progress(planned.summary.planned) as progress:
            indexed = index_night(night, progress)
        print_indexed(indexed)
        click.echo(f"built    {describe_release(build_night(night))}")
        print_audit(audit_night(night))
        entry = promote_night(night)
    click.echo(f"live     release {entry.release_id} (entry {entry.n} of the promotion log)")
