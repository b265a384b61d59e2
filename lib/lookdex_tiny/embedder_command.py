"""Train lookdex-tiny's embedder from a data folder: render, generate boxes, train, refine.

    python -m lookdex_tiny embedder --data DIR --work DIR --out DIR

Finished stages are skipped, and an interrupted training continues with --resume.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import click

from lookdex.models.device import open_device
from lookdex.training import rendered
from lookdex.training.embedder.fit import Options
from lookdex.training.embedder.losses import TEMPERATURE
from lookdex_tiny import refine
from lookdex_tiny.embedder import ALIKE, Settings, train
from lookdex_tiny.pace import CPU, GPU, choose_pace
from lookdex_tiny.pseudo import TAGGED, boxes_file, find_boxes

SEED, HELD_SEED = 3_000_000, 900_000_000
STAGES = ("render", "boxes", "train", "look", "refine")
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--data", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Folder with ccp/ and clothing/.")  # fmt: skip
@click.option(
    "--work", required=True, type=FOLDER, help="Folder for rendered photos, boxes, checkpoints and logs."
)
@click.option("--out", required=True, type=FOLDER, help="The model's folder.")
@click.option("--start", type=FOLDER, help="Folder of a trained model to continue from. [ImageNet weights]")
@click.option(
    "--keep", default=0.0, show_default=True, help="Share of --start's weights in the model, 0 … 1."
)
@click.option("--alike", is_flag=True, help="Batches of rendered products that look alike to --start.")
@click.option(
    "--minutes", default=85.0, show_default=True, help="Training time before the projection is solved for."
)
@click.option(
    "--batch",
    type=click.IntRange(min=8),
    metavar="PICTURES",
    help=f"Pictures per step, from all sources. [{CPU.mix.pictures}; on a GPU {GPU.mix.pictures}]",
)
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True),
    help=f"Peak learning rate. [{CPU.rate:g}; on a GPU {GPU.rate:g}, from --start {GPU.rate_on:g}]",
)  # fmt: skip
@click.option("--products", default=3000, show_default=True, help="Number to render.")
@click.option("--looks", default=3600, show_default=True, help="Number to render.")
@click.option("--held-products", default=600, show_default=True, help="Number rendered for evaluation.")
@click.option("--held-looks", default=60, show_default=True, help="Number rendered for evaluation.")
@click.option("--text-steps", default=1500, show_default=True, help="Steps of the text tower at the end.")
@click.option("--resume", is_flag=True, help="Continue from the checkpoint.")
@click.option("--device", default="cpu", show_default=True, help="Training device: cpu, cuda or cuda:N.")
@click.option("--seed", default=0, show_default=True)
@click.option("--only", type=click.Choice(STAGES), help="Run one stage; earlier ones must be finished.")
def main(
    data: Path, work: Path, out: Path, start: Path | None, keep: float, alike: bool, minutes: float, batch: int | None,
    rate: float | None, products: int, looks: int, held_products: int, held_looks: int, text_steps: int, resume: bool,
    device: str, seed: int, only: str | None,
) -> None:  # fmt: skip
    """Train lookdex-tiny's embedder on clothing/, ccp/ and rendered photos."""
    if alike and start is None:
        raise click.UsageError("--alike needs --start, whose model finds the similar products")
    pace, tagged = choose_pace(open_device(device)), boxes_file(work, TAGGED)
    settings = Settings(
        out, work / "embedder", data, work / "rendered", SEED, work / "held", start, keep,
        Options(
            minutes=minutes, rate=rate or (pace.rate_on if start else pace.rate), device=device, resume=resume,
            seed=seed, average=pace.average, memory=pace.memory, temperature=ALIKE if alike else TEMPERATURE,
        ),
        pace.mix.sized(batch) if batch else pace.mix, pace.scales, tagged, alike=alike,
    )  # fmt: skip
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        if only in (None, "render"):
            tasks = [
                pool.submit(rendered.render, settings.rendered, SEED, products, looks, part, cores)
                for part in range(cores)
            ]
            tasks.append(pool.submit(rendered.render, settings.held, HELD_SEED, held_products, held_looks))
            print(f"{sum(task.result() for task in tasks)} photos rendered", flush=True)
        if only in (None, "boxes"):
            count = find_boxes(data, work, (TAGGED,), device)[TAGGED]
            print(f"{count} street photos have boxes by their tags", flush=True)
        if only in (None, "train"):
            train(settings)
        if only in (None, "look"):
            for task in [pool.submit(refine.look, settings, part, cores) for part in range(cores)]:
                task.result()
        if only in (None, "refine"):
            refine.refine(settings, text_steps)


if __name__ == "__main__":
    main()
