"""`lookdex reindex`: run the whole night in one command."""

from __future__ import annotations

import click

from lookdex.cli.options import verb, with_settings
from lookdex.cli.output import built, print_audit, print_indexed, print_plan
from lookdex.cli.stopping import resumable
from lookdex.config import NightSettings


@verb("reindex")
@with_settings(NightSettings)
@click.option("--run-id", metavar="ID", help="Continue this night instead of starting a new one.")
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
    from lookdex.pipeline import night
    from lookdex.runtime.progress import Progress

    night.check_device(settings, settings.detector, settings.embedder)
    run = runs.run_slug(run_id) if run_id else runs.new_run_id()
    click.echo(f"run {run}")
    with resumable(f"lookdex reindex with --run-id {run}"):
        planned = night.plan_night(settings, run, limit=limit, full=full, allow_mass_change=allow_mass_change)
        print_plan(planned)
        if planned.summary.empty:
            click.echo("Nothing changed since the live release: nothing to do.")
            return
        with Progress(planned.summary.planned) as progress:
            indexed = night.index_night(
                settings, run, on_progress=progress, allow_mass_change=allow_mass_change
            )
        print_indexed(indexed)
        release = night.build_night(settings, run, allow_mass_change=allow_mass_change)
        click.echo(f"built    {built(release)}")
        release = night.audit_night(settings, run, allow_mass_change=allow_mass_change)
        print_audit(release)
        entry = night.promote_night(settings, run)
    click.echo(f"live     release {entry.release_id} (entry {entry.n} of the promotion log)")
