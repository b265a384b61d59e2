"""What the verbs share: their options, and which models they name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lookdex.cli.options import OutputFile
from lookdex.config import Config
from lookdex.errors import ConfigError

if TYPE_CHECKING:
    from lookdex.evaluate.report import Report
    from lookdex.records import Recipe

# Whole paths: a Spark worker's own folder is another one.
FOLDER = click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path)
WORK = ("device", "batch", "shard_images", "master")  # settings of where the models run
SHOWN = 60  # rows of a printed table; the JSON has all

models_option = click.option(
    "--models", metavar="DIR|NAME",
    help="A pair: lookdex-tiny, or a folder with detector/ and embedder/. Or one model: its folder or its name.",
)  # fmt: skip
crop_option = click.option(
    "--crop", type=click.Choice(["whole", "detected"]), default="whole", show_default=True,
    help="Embed all of a photo (or the box that the data set gives), or the most prominent object found.",
)  # fmt: skip
skip_option = click.option("--skip", multiple=True, metavar="LABEL", help="Leave out; may be given again.")
spark_option = click.option(
    "--spark", is_flag=True,
    help="Run the models in the tasks of a Spark session; the photos must lie where they see them.",
)  # fmt: skip
json_option = click.option(
    "--json", "as_json", type=OutputFile(".json"), metavar="FILE", help="Write all figures."
)
markdown_option = click.option(
    "--markdown",
    type=OutputFile(".md", ".markdown", ".txt"),
    metavar="FILE",
    help="Write the printed tables.",
)
pictures_option = click.option(
    "--pictures", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Draw what went wrong, as PNG files in this folder.",
)  # fmt: skip


def outputs(function: Callable[..., Any]) -> Callable[..., Any]:
    """--json and --markdown."""
    return json_option(markdown_option(function))


def tell(report: Report, as_json: Path | None, markdown: Path | None) -> None:
    report.write(as_json, markdown)
    click.echo(report.text)


def folder(path: Path) -> Path:
    """The folder, made where it is not there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"no folder can be made at {path}: {error.strerror}; name another one") from error
    return path


def recipe_for(config: Config, models: str | None) -> Recipe:
    """The recipe of the models that --models and the settings name."""
    from lookdex.pipeline.night import recipe_of

    detector, embedder = pair(models, config)
    return recipe_of(replace(config, detector=detector, embedder=embedder))


def pair(models: str | None, config: Config) -> tuple[str, str]:
    """(detector, embedder) that --models names; what it leaves open is the settings'.

    Raises:
        ConfigError: a folder that holds no model.
    """
    if models is None:
        return config.detector, config.embedder
    if models == "lookdex-tiny":
        return models, models
    folder = Path(models)
    if not folder.is_dir():
        kind, named, _ = models.partition(":")
        if not named:
            raise ConfigError(
                f"--models {models}: no such folder. Name a folder, or one model as the settings detector and "
                "embedder do (transformers:…, torchvision:…, hf-hub:…, open_clip:…)"
            )
        is_detector = kind in ("torchvision", "transformers")
        return (models, config.embedder) if is_detector else (config.detector, models)
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
            f"{folder} holds no model: it needs detector/ and embedder/, or one model's own files "
            "(config.json with model.safetensors, or open_clip_config.json with its weights)"
        )
    return found[0] or config.detector, found[1] or config.embedder


def _detector_name(folder: Path) -> str | None:
    if not (folder / "config.json").is_file():
        return None
    kind = json.loads((folder / "config.json").read_text())
    return f"{'torchvision' if 'builder' in kind else 'transformers'}:{folder}"
