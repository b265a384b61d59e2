"""`lookdex evaluate zero-shot`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lookdex.cli.evaluate.common import (
    FILE,
    FOLDER,
    SHOWN,
    WORK,
    crop_option,
    ensure_folder,
    models_option,
    output,
    outputs,
    pictures_option,
    recipe_for,
    skip_option,
    spark_option,
)
from lookdex.cli.options import Command, with_settings
from lookdex.config import NightSettings
from lookdex.errors import ConfigError

if TYPE_CHECKING:
    from lookdex.evaluate.report import Report
    from lookdex.evaluate.zero_shot import ZeroShot


@click.command("zero-shot", cls=Command)
@click.option("--images", required=True, type=FOLDER, help="Folder of the photos.")
@click.option("--items", required=True, type=FILE, help="CSV or Parquet: a column image, and classes.")
@click.option(
    "--label", default="label", show_default=True, metavar="COLUMN", help="Column with the classes."
)
@click.option("--template", "templates", multiple=True, metavar="TEXT",
              help="A text with {} for the name of the class; repeatable. [a photo of a {}]")  # fmt: skip
@click.option("--names", type=FILE, metavar="FILE",
              help="CSV or Parquet: label, name; a label may have several rows. [labels]")  # fmt: skip
@crop_option
@skip_option
@models_option
@with_settings(NightSettings, "detector", "embedder", "min_score", "crop_margin", *WORK)
@spark_option
@outputs
@pictures_option
def zero_shot_command(
    settings: NightSettings, images: Path, items: Path, label: str, templates: Sequence[str], names: Path | None,
    crop: str, skip: Sequence[str], models: str | None, spark: bool, as_json: Path | None, markdown: Path | None,
    pictures: Path | None,
) -> None:  # fmt: skip
    """Classify photos by texts that name the classes: accuracy, overall and by class, and confusions."""
    from lookdex.evaluate import datasets, zero_shot
    from lookdex.evaluate.engine import create_engine, embed_items
    from lookdex.evaluate.work import Crop, embedder_of

    read = datasets.read_items(items, images, label, skip=skip)
    if not read:
        raise ConfigError(f"{items} has no rows with a {label}")
    classes = sorted({item.label for item in read})
    called = _names(names, classes)
    recipe = recipe_for(settings, models)
    texts = zero_shot.class_vectors(
        embedder_of(recipe, settings.device), called, templates or zero_shot.TEMPLATES
    )
    embedded = embed_items(read, recipe, Crop(crop), create_engine(settings, spark))
    score = zero_shot.classify(embedded.vectors, [item.label for item in embedded.items], texts, classes)
    about = {
        "unreadable": sorted(map(str, embedded.unreadable)),
        "templates": list(templates or zero_shot.TEMPLATES),
        "names": {name: list(own) for name, own in called.items()},
        "label": label,
        "crop": crop,
        "embedder": recipe.embedder,
    }
    output(_report(score, about, label), as_json, markdown)
    if pictures:
        from lookdex.evaluate.figures import confusion

        confusion.draw(confusion.count_classes(score), "Classes by their names").save(
            ensure_folder(pictures) / "confusion.png"
        )


def _names(table: Path | None, classes: Sequence[str]) -> dict[str, list[str]]:
    """The names of each class."""
    from lookdex.evaluate.datasets import read_table

    if table is None:
        return {name: [name] for name in classes}
    named: dict[str, list[str]] = defaultdict(list)
    for row in read_table(table, ("label", "name")):
        named[row["label"]].append(row["name"])
    if missing := [name for name in classes if not named[name]]:
        raise ConfigError(f"{table} names no {', '.join(map(repr, missing))}: every class needs a row")
    return {name: named[name] for name in classes}


def _report(score: ZeroShot, about: dict[str, Any], label: str) -> Report:
    from lookdex.evaluate.report import Report, share, table
    from lookdex.evaluate.retrieval import interval

    photos = int(score.counts.sum())
    low, high = interval(score.accuracy, photos)
    metrics = {
        "accuracy": score.accuracy,
        "accuracy_interval": [low, high],
        "balanced_accuracy": score.balanced,
        "photos": photos,
        "by_class": {
            name: {"recall": c.recall, "precision": c.precision, "photos": c.photos}
            for name, c in score.by_class.items()
        },
        "confused": [list(one) for one in score.confused],
        **about,
    }
    measures = [
        ["accuracy", f"{score.accuracy:.3f} ({low:.3f} … {high:.3f})"],
        ["mean of the classes", share(score.balanced)],
        ["classes", str(len(score.classes))],
        ["photos", f"{photos:,}"],
    ]
    rows = [
        [name, share(c.recall), share(c.precision), str(c.photos),
         ", ".join([f"{b} {n}" for a, b, n in score.confused if a == name][:3])]
        for name, c in list(score.by_class.items())[:SHOWN]
    ]  # fmt: skip
    head = [label, "recall", "precision", "photos", "taken for"]
    return Report(metrics, (table(["measure", "value"], measures), table(head, rows)))
