"""Command line of jobs/train_embedder.py."""

from __future__ import annotations

from pathlib import Path

import click

from lookdex.cli.options import Command

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
PAIRS, GPU_PAIRS = 16, 64  # pairs of pictures per step; more pairs mean more negatives for each


@click.command(cls=Command)
@click.option("--catalog", metavar="URI", help="Train on the crops and product columns of its live release.")
@click.option("--images", type=FOLDER, help="Or train on the photos of this folder …")
@click.option(
    "--items",
    type=FILE,
    help="… listed in this CSV or Parquet file, with a column image and one of the product.",
)
@click.option(
    "--product",
    default="product_id",
    show_default=True,
    metavar="COLUMN",
    help="The product's column of --items.",
)
@click.option("--text", "texts", multiple=True, metavar="PATTERN",
              help="Caption such as '{title}' or '{colour} {category}'; repeatable.")  # fmt: skip
@click.option("--label", metavar="COLUMN", help="A column with classes to tell apart.")
@click.option(
    "--model",
    default="lookdex-tiny",
    show_default=True,
    help="Model to start from, as in the setting embedder.",
)
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the new model."
)
@click.option(
    "--run", type=click.Path(file_okay=False, path_type=Path), help="Checkpoints and curves. [OUT.run]"
)
@click.option(
    "--minutes", default=60.0, show_default=True, help="Minutes of training; the schedule follows the clock."
)
@click.option("--rate", default=3e-4, show_default=True, help="Peak learning rate.")
@click.option("--pairs", type=click.IntRange(2), help=f"Pairs per step. [{PAIRS}; {GPU_PAIRS} on a GPU]")
@click.option(
    "--unlock", type=int, metavar="N", help="Layer groups of the image tower to train, from its end. [all]"
)
@click.option("--held", default=0.1, show_default=True, help="Share of the products to hold out.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@click.option("--resume", is_flag=True, help="Continue from the run's checkpoint.")
@click.option("--seed", default=0, show_default=True)
@click.option("--licence", default="", help="For the model card.")
def main(
    catalog: str | None, images: Path | None, items: Path | None, product: str, texts: tuple[str, ...],
    label: str | None, model: str, out: Path, run: Path | None, minutes: float, rate: float, pairs: int | None,
    unlock: int | None, held: float, device: str, resume: bool, seed: int, licence: str,
) -> None:  # fmt: skip
    """Fine-tune an open_clip model on a shop's own products."""
    if (catalog is None) == (images is None) or (images is None) != (items is None):
        raise click.UsageError("Give --catalog, or --images and --items.")
    from lookdex.evaluate.datasets import Photos, read_table
    from lookdex.training.embedder import shop
    from lookdex.training.embedder.finetune import Settings, finetune
    from lookdex.training.embedder.fit import Options

    if catalog is not None:
        pictures, data = shop.read_release(catalog, texts, label), catalog
    else:
        assert images is not None
        assert items is not None
        pictures, data = (
            shop.read_pictures(read_table(items, ()), Photos(images), texts, label, product),
            items.name,
        )
    if pairs is None:
        pairs = PAIRS if device == "cpu" else GPU_PAIRS
    options = Options(minutes=minutes, rate=rate, device=device, resume=resume, seed=seed)
    judged = finetune(
        Settings(
            model, out, run or out.with_name(f"{out.name}.run"), held, unlock, pairs, licence, data, options
        ),
        pictures,
    )
    if judged:
        before, after = judged.before.recall[1], judged.after.recall[1]
        click.echo(f"Recall@1 on held-out products: {before:.3f} before, {after:.3f} after")
    click.echo(f"{out}: use it with --embedder {out}")
