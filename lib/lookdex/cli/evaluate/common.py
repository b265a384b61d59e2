"""Options that the commands share, and the models that they name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lookdex.cli.options import OutputFile
from lookdex.config import NightSettings
from lookdex.errors import ConfigError

if TYPE_CHECKING:
    from lookdex.evaluate.report import Report
    from lookdex.records import Recipe

# Absolute paths, because a Spark worker has another working directory.
FOLDER = click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path)
WORK = ("device", "batch", "shard_images", "master")  # settings of where the models run
SHOWN = 60  # rows of a printed table; the JSON has all

models_option = click.option(
    "--models", metavar="DIR|NAME",
    help="Both models: lookdex-tiny, or a folder with detector/ and embedder/. Or one model: a folder or name.",
)  # fmt: skip
crop_option = click.option(
    "--crop", type=click.Choice(["whole", "detected"]), default="whole", show_default=True,
    help="Embed the whole photo (or the box of the data set), or the most prominent detected object.",
)  # fmt: skip
skip_option = click.option(
    "--skip", multiple=True, metavar="LABEL", help="Skip items with this label; repeatable."
)
spark_option = click.option(
    "--spark", is_flag=True,
    help="Run the models in the tasks of a Spark session, where the photos must have the same paths.",
)  # fmt: skip
json_option = click.option(
    "--json", "as_json", type=OutputFile(".json"), metavar="FILE", help="Write all metrics."
)
markdown_option = click.option(
    "--markdown",
    type=OutputFile(".md", ".markdown", ".txt"),
    metavar="FILE",
    help="Write the printed tables.",
)
pictures_option = click.option(
    "--pictures", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Write plots and the worst mistakes as PNG files into this folder.",
)  # fmt: skip


def outputs(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options --json and --markdown."""
    return json_option(markdown_option(function))


def output(report: Report, as_json: Path | None, markdown: Path | None) -> None:
    """Print the report and write its files."""
    report.write(as_json, markdown)
    click.echo(report.text)


def ensure_folder(path: Path) -> Path:
    """Create the folder if it does not exist, and return it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot create the folder {path}: {error.strerror}; give another one") from error
    return path


def recipe_for(settings: NightSettings, models: str | None) -> Recipe:
    """The recipe with the models of --models and the settings."""
    from lookdex.pipeline.recipe import make_recipe

    detector, embedder = resolve_models(models, settings)
    return make_recipe(replace(settings, detector=detector, embedder=embedder))


def resolve_models(models: str | None, settings: NightSettings) -> tuple[str, str]:
    """(detector, embedder) of --models; a model that it does not name is that of the settings.

    Raises ConfigError for a folder without a model.
    """
    if models is None:
        return settings.detector, settings.embedder
    if models == "lookdex-tiny":
        return models, models
    folder = Path(models)
    if not folder.is_dir():
        kind, named, _ = models.partition(":")
        if not named:
            raise ConfigError(
                f"--models {models}: no such folder. Give a folder, or one model as in the settings detector and "
                "embedder (transformers:…, torchvision:…, hf-hub:…, open_clip:…)"
            )
        is_detector = kind in ("torchvision", "transformers")
        return (models, settings.embedder) if is_detector else (settings.detector, models)
    sides = [folder / "detector", folder / "embedder"]
    if not any(side.is_dir() for side in sides):
        sides = [folder, folder]
    detector, embedder = sides
    found = (
        _detector_name(detector),
        str(embedder) if (embedder / "open_clip_config.json").is_file() else None,
    )
    if found == (None, None):
        raise ConfigError(
            f"{folder} has no model: it needs detector/ and embedder/, or the files of one model (config.json with "
            "model.safetensors, or open_clip_config.json with its weights)"
        )
    return found[0] or settings.detector, found[1] or settings.embedder


def _detector_name(folder: Path) -> str | None:
    if not (folder / "config.json").is_file():
        return None
    kind = json.loads((folder / "config.json").read_text())
    return f"{'torchvision' if 'builder' in kind else 'transformers'}:{folder}"
