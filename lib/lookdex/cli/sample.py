"""`lookdex sample`: a rendered catalogue with known answers."""

from __future__ import annotations

import click

from lookdex.cli.options import command
from lookdex.runtime.wording import pluralize


@command("sample")
@click.option("--out", required=True, metavar="URI", help="Folder or s3://bucket/prefix to write to.")
@click.option("--products", default=500, show_default=True, type=click.IntRange(1, 1_000_000), metavar="N")
@click.option("--looks", default=60, show_default=True, type=click.IntRange(0, 1_000_000), metavar="M")
@click.option("--seed", default=1, show_default=True, type=int, metavar="S")
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="Processes to render with."
)
@click.option(
    "--force", is_flag=True, help="Write into a place with files. Files of an earlier sample are removed."
)
def sample_command(out: str, products: int, looks: int, seed: int, workers: int, force: bool) -> None:
    """Render a catalogue with known answers: product photos, look photos, products.parquet, truth.parquet."""
    from lookdex.runtime.progress import bar
    from lookdex.storage import open_store
    from lookdex_sample import write_sample
    from lookdex_sample.earlier import make_room

    store = open_store(out)
    if removed := make_room(store, force):
        click.echo(f"removed {pluralize(removed, 'file')} of an earlier sample")
    with bar(products + looks, "render") as advance:
        write_sample(store, products=products, looks=looks, seed=seed, workers=workers, progress=advance)
    click.echo(f"{pluralize(products, 'product')} and {pluralize(looks, 'look')} in {out}")
