"""`lookdex resume`: allow promotions again after a rollback."""

from __future__ import annotations

import click

from lookdex.cli.options import settings, verb
from lookdex.config import Config


@verb("resume")
@settings("catalog")
def resume_command(config: Config) -> None:
    """Lift the hold of a rollback: the next audited night may be promoted again."""
    from lookdex.pipeline import night

    entry, held = night.resume(config)
    done = "resumed" if held else "promotions were not held"
    click.echo(f"{done}; live: release {entry.release_id} (entry {entry.n})")
