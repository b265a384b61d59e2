"""Command line of jobs/train_detector.py."""

from __future__ import annotations

from pathlib import Path

import click

from lookdex.cli.options import Command

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW = click.Path(file_okay=False, path_type=Path)


@click.command(cls=Command)
@click.option("--coco", type=FILE, multiple=True, required=True, help="COCO file with boxes; repeatable.")
@click.option(
    "--images", type=FOLDER, multiple=True, required=True, help="Folder with its photos; one for each --coco."
)
@click.option(
    "--masks", type=FOLDER, help="Masks of some photos, as <photo's name>.png: each grey value is a label."
)
@click.option("--mask-names", type=FILE, help="JSON list of the labels, by grey value.")
@click.option(
    "--held-coco", type=FILE, multiple=True, help="COCO file of held-out photos to measure on; repeatable."
)
@click.option(
    "--held-images", type=FOLDER, multiple=True, help="Folder with its photos; one for each --held-coco."
)
@click.option(
    "--held",
    "held_share",
    default=0.1,
    show_default=True,
    help="Share of the photos to hold out, without --held-coco.",
)
@click.option("--rendered", type=FOLDER, help="Rendered photos of python -m lookdex.training.rendered.")
@click.option(
    "--garments",
    type=FOLDER,
    help="Photos of single garments: items.csv (image, label, sender_id) and images/.",
)
@click.option("--start", type=FOLDER, help="Folder of a trained model to start from.")
@click.option(
    "--network", type=FILE, help="A config.json with any torchvision detection builder and its labels."
)
@click.option("--out", type=NEW, required=True, help="Folder of the new model.")
@click.option("--run", type=NEW, help="Checkpoints and curves. [OUT.run]")
@click.option(
    "--minutes", default=60.0, show_default=True, help="Minutes of training; the schedule follows the clock."
)
@click.option("--batch", default=8, show_default=True, help="Windows per step, in each process.")
@click.option("--rate", default=1.2e-3, show_default=True, help="Peak learning rate.")
@click.option(
    "--measure-every",
    default=900.0,
    show_default=True,
    help="Seconds between measurements on held-out photos. 0: only at the end.",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@click.option("--workers", type=click.IntRange(min=0), metavar="N",
              help="Processes that prepare windows for a GPU. [its share of the cores minus one]")  # fmt: skip
@click.option("--resume", is_flag=True, help="Continue from the run's checkpoint.")
@click.option("--seed", default=0, show_default=True)
@click.option("--name", default="detector", show_default=True, help="For the model card.")
@click.option("--about", default="", help="For the model card: a description of the photos.")
@click.option("--licence", default="", help="For the model card.")
def main(
    coco: tuple[Path, ...], images: tuple[Path, ...], masks: Path | None, mask_names: Path | None,
    held_coco: tuple[Path, ...], held_images: tuple[Path, ...], held_share: float, rendered: Path | None,
    garments: Path | None, start: Path | None, network: Path | None, out: Path, run: Path | None, minutes: float,
    batch: int, rate: float, measure_every: float, device: str, workers: int | None, resume: bool, seed: int, name: str,
    about: str, licence: str,
) -> None:  # fmt: skip
    """Train a detector on your own photos with boxes."""
    from lookdex.training.card import Card
    from lookdex.training.detector import Settings, train
    from lookdex.training.mixture import Files, read_mixture
    from lookdex.training.network import load_config

    mixture = read_mixture(
        Files(coco, images, masks, mask_names, held_coco, held_images, held_share, rendered, garments)
    )
    train(
        Settings(
            out, run or out.with_name(f"{out.name}.run"), load_config(network, start, mixture.labels()), start,
            minutes, batch, rate, measure_every, device, resume, seed, card=Card(name, about, licence), workers=workers,
        ),
        mixture,
    )  # fmt: skip
