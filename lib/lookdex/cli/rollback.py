"""`lookdex rollback`: make an older release live."""

from __future__ import annotations

import click

from lookdex.cli.options import command, with_settings
from lookdex.config import SharedSettings


@command("rollback")
@with_settings(SharedSettings, "catalog")
@click.option(
    "--to",
    metavar="RELEASE",
    help="Release to make live (default: the parent of the live one).",
)
@click.option("--note", default="", metavar="TEXT", help="Reason, kept in the promotion log.")
def rollback_command(settings: SharedSettings, to: str | None, note: str) -> None:
    """Make an older release live and hold promotions until `lookdex resume`."""
    from lookdex.release import promote
    from lookdex.storage import open_store

    done = promote.rollback(open_store(settings.catalog), to=to, note=note)
    click.echo(f"live: release {done.entry.release_id} (entry {done.entry.n}); promotions are held")
    click.echo(
        f"logged after {done.seconds:.2f} s and {done.requests} requests; `lookdex resume` lifts the hold"
    )
