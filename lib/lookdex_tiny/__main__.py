"""Train lookdex-tiny from a data folder: `python -m lookdex_tiny detector` or `… embedder`.

Finished stages are skipped, and an interrupted training continues with --resume. Both commands share the rendered
photos in --work.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import click

from lookdex.cli.options import Command
from lookdex.training import rendered
from lookdex_tiny import detector as tiny_detector
from lookdex_tiny import pseudo
from lookdex_tiny.detector import HELD_SEED, SEED, Recipe
from lookdex_tiny.embedder_command import main as embedder

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def main() -> None:
    """Train lookdex-tiny's models from a folder with ccp/ and clothing/."""


main.add_command(embedder, "embedder")


@main.command("detector", cls=Command)
@click.option("--data", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Folder with ccp/ and clothing/.")  # fmt: skip
@click.option(
    "--work", required=True, type=FOLDER, help="Folder for rendered photos, boxes, checkpoints and logs."
)
@click.option("--out", required=True, type=FOLDER, help="The model's folder.")
@click.option("--start", type=FOLDER, help="Folder of a trained model to continue from. [ImageNet weights]")
@click.option("--minutes", default=105.0, show_default=True, help="Training time.")
@click.option("--products", default=3000, show_default=True, help="Number to render.")
@click.option("--looks", default=3600, show_default=True, help="Number to render.")
@click.option("--held-products", default=600, show_default=True, help="Number rendered for evaluation.")
@click.option("--held-looks", default=60, show_default=True, help="Number rendered for evaluation.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@click.option("--resume", is_flag=True, help="Continue from the checkpoint.")
@click.option("--seed", default=0, show_default=True)
def detector(
    data: Path, work: Path, out: Path, start: Path | None, minutes: float, products: int, looks: int,
    held_products: int, held_looks: int, device: str, resume: bool, seed: int,
) -> None:  # fmt: skip
    """Train lookdex-tiny's detector on clothing/, ccp/ and rendered photos."""
    recipe = Recipe(data, work, out, start, minutes, device, resume, seed)
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        tasks = [
            pool.submit(rendered.render, work / "rendered", SEED, products, looks, part, cores)
            for part in range(cores)
        ]
        tasks.append(pool.submit(rendered.render, work / "held", HELD_SEED, held_products, held_looks))
        print(f"{sum(task.result() for task in tasks)} photos rendered", flush=True)
    for name, count in pseudo.find_boxes(data, work, device=device).items():
        print(f"{count} {name} photos have boxes", flush=True)
    tiny_detector.train_detector(recipe)


if __name__ == "__main__":
    main()
