"""`lookdex plan`: plan a night."""

from __future__ import annotations

import json

import click

from lookdex.cli.options import DECODING, MODELS, SAME, SOURCE, json_option, settings, verb
from lookdex.cli.output import print_plan
from lookdex.cli.stopping import resumable
from lookdex.config import Config


@verb("plan")
@settings("source", "catalog", *SOURCE[1:], *MODELS, *DECODING, "shard_images", "max_change", "thresholds")
@click.option("--run-id", metavar="ID", help="Store the plan under this id. Without it, plan is a dry run.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Plan at most N photos.")
@click.option("--full", is_flag=True, help="Plan every photo, even unchanged ones.")
@click.option(
    "--allow-mass-change",
    is_flag=True,
    help="Plan even if a large share of the catalogue vanished or is not in the products file.",
)
@json_option
@resumable(SAME)
def plan_command(
    config: Config, run_id: str | None, limit: int | None, full: bool, allow_mass_change: bool, as_json: bool
) -> None:
    """List the source and print what a night would do. With --run-id, store the plan for the next stages."""
    from lookdex.catalog import json_codec, runs
    from lookdex.pipeline import night

    run = runs.run_slug(run_id) if run_id else None
    planned = night.plan_night(config, run, limit=limit, full=full, allow_mass_change=allow_mass_change)
    if as_json:
        summary = json.loads(json_codec.to_json(planned.summary))
        found = planned.found and json.loads(json_codec.to_json(planned.found))
        click.echo(json.dumps(summary | {"products_file": found}, ensure_ascii=False))
        return
    print_plan(planned)
    click.echo(
        f"stored as run {run}" if run else "dry run: nothing was written (--run-id ID stores the plan)"
    )
