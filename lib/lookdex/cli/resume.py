"""`lookdex resume`: allow promotions again after a rollback."""

from __future__ import annotations

import click

from lookdex.cli.options import command, with_settings
from lookdex.config import SharedSettings


@command("resume")
@with_settings(SharedSettings, "catalog")
def resume_command(settings: SharedSettings) -> None:
    """Lift the hold of a rollback: the next audited night may be promoted again."""
    from lookdex.release import promote
    from lookdex.storage import open_store

    entry, held = promote.resume(open_store(settings.catalog))
    done = "resumed" if held else "promotions were not held"
    click.echo(f"{done}; live: release {entry.release_id} (entry {entry.n})")
