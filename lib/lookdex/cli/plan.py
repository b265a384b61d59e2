"""`lookdex plan`: plan a night."""

from __future__ import annotations

import json

import click

from lookdex.cli.options import command, json_option, with_settings
from lookdex.cli.output import print_plan
from lookdex.cli.stopping import resumable
from lookdex.config import NightSettings


@command("plan")
@with_settings(
    NightSettings,
    *("source", "catalog", "source_access"),
    *("products", "products_encoding", "products_separator", "products_types", "product_columns"),
    *("keep_unlisted", "pattern", "mapping"),
    *("detector", "embedder", "device", "min_score", "nms_iou", "max_objects", "crop_margin"),
    *("crop_pixels", "max_bytes", "max_pixels", "shard_images", "max_change", "thresholds"),
)
@click.option("--run-id", metavar="ID", help="Store the plan under this id. Without it, plan is a dry run.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Plan at most N photos.")
@click.option("--full", is_flag=True, help="Plan every photo, even unchanged ones.")
@click.option(
    "--allow-mass-change",
    is_flag=True,
    help="Plan even if a large share of the catalogue vanished or is not in the products file.",
)
@json_option
@resumable()
def plan_command(
    settings: NightSettings,
    run_id: str | None,
    limit: int | None,
    full: bool,
    allow_mass_change: bool,
    as_json: bool,
) -> None:
    """List the source and print what a night would do. With --run-id, store the plan for the next stages."""
    from lookdex.catalog import json_codec
    from lookdex.pipeline.night import Night
    from lookdex.pipeline.plan import plan_night

    night = Night.open(settings, run_id or None, allow_mass_change=allow_mass_change)
    planned = plan_night(night, limit=limit, full=full)
    if as_json:
        summary = json.loads(json_codec.to_json(planned.summary))
        found = planned.found and json.loads(json_codec.to_json(planned.found))
        click.echo(json.dumps(summary | {"products_file": found}, ensure_ascii=False))
        return
    print_plan(planned)
    if night.run_id:
        click.echo(f"stored as run {night.run_id}")
    else:
        click.echo("dry run: nothing was written (--run-id ID stores the plan)")
