"""`lookdex evaluate …`: the verbs. Each prints a Markdown table and, with --json, writes every figure."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lookdex.config import Config
from lookdex.errors import ConfigError
from lookdex.options import OutputFile, Verb, settings

if TYPE_CHECKING:
    from lookdex.evaluate.datasets import Item
    from lookdex.evaluate.pictures import Embedded
    from lookdex.records import Recipe

LOWEST_SCORE = 0.05  # boxes below it change no average precision worth having
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
json_option = click.option(
    "--json", "out", type=OutputFile(".json"), metavar="FILE", help="Write all figures."
)
models_option = click.option(
    "--models", metavar="DIR|NAME",
    help="A pair: lookdex-tiny, or a folder with detector/ and embedder/. Or one model: its folder or its name.",
)  # fmt: skip
skip_option = click.option("--skip", multiple=True, metavar="LABEL", help="Leave out; may be given again.")


@click.group("evaluate")
def evaluate() -> None:
    """Measure models and catalogues against known answers.

    \b
    lookdex evaluate retrieval --images photos --items items.csv --label label --exclude-same sender_id
    lookdex evaluate detection --images photos --coco boxes.json --json out.json
    """


@evaluate.command("retrieval", cls=Verb)
@click.option("--images", required=True, type=FOLDER, help="The folder of photos.")
@click.option(
    "--items", type=FILE, help="CSV or Parquet: a column image, and labels. [a folder for each class]"
)
@click.option("--label", default="label", show_default=True, metavar="COLUMN", help="What must agree.")
@click.option("--exclude-same", metavar="COLUMN", help="Never answer with an item that shares this value.")
@click.option("--queries", type=FILE, help="Ask with these items instead, and for --items.")
@click.option("--crop", type=click.Choice(["whole", "detected"]), default="whole", show_default=True,
              help="Embed all of a photo, or the most prominent object found in it.")  # fmt: skip
@skip_option
@models_option
@settings("detector", "embedder", "device", "min_score", "crop_margin", "batch")
@json_option
def retrieval_command(
    config: Config, images: Path, items: Path | None, label: str, exclude_same: str | None, queries: Path | None,
    crop: str, skip: Sequence[str], models: str | None, out: Path | None,
) -> None:  # fmt: skip
    """Ask with each photo for the others: Recall@1, 5, 10, mAP, and the nearest neighbour's label."""
    from lookdex.evaluate import datasets
    from lookdex.evaluate.retrieval import Labelled, interval, retrieve

    def read(table: Path | None) -> list[Item]:
        if table is None:
            return datasets.read_folders(images, skip)
        return datasets.read_items(table, images, label, exclude_same, skip)

    recipe = _recipe(config, models)
    embed = _embedding(recipe, config, crop)
    held = embed(read(items))
    asked = embed(read(queries)) if queries else None

    def labelled(side: Embedded) -> Labelled:
        groups = [item.group or "" for item in side.items] if exclude_same else None
        return Labelled(side.vectors, [item.label for item in side.items], groups)

    score = retrieve(labelled(asked), labelled(held)) if asked else retrieve(labelled(held))
    if not score.queries:
        raise ConfigError(f"no query has an answer: is {label!r} the column of labels that items share?")
    low, high = interval(score.recall[1], score.queries)
    figures: dict[str, Any] = {
        **{f"recall@{k}": value for k, value in score.recall.items()},
        "recall@1_interval": [low, high],
        "mAP": score.mean_ap,
        "nearest_neighbour_accuracy": score.nearest,
        "queries": score.queries,
        "gallery": score.gallery,
        "unanswerable": score.unanswerable,
        "unreadable": sorted(str(p) for side in (held, asked) if side for p in side.unreadable),
        "by_label": {k: {"recall@1": v, "queries": n} for k, (v, n) in score.by_label.items()},
        "confused": [list(one) for one in score.confused],
        "label": label,
        "exclude_same": exclude_same,
        "crop": crop,
        "detector": recipe.detector if crop == "detected" else None,
        "embedder": recipe.embedder,
    }
    _write(out, figures)
    click.echo(table(["measure", "value"], [
        ["Recall@1", f"{score.recall[1]:.3f} ({low:.3f} … {high:.3f})"],
        *([f"Recall@{k}", f"{score.recall[k]:.3f}"] for k in (5, 10)),
        ["mAP", f"{score.mean_ap:.3f}"],
        ["queries", f"{score.queries:,}"],
        ["without an answer", f"{score.unanswerable:,}"],
        ["gallery", f"{score.gallery:,}"],
    ]))  # fmt: skip
    click.echo()
    click.echo(table([label, "Recall@1", "queries", "taken for"], [
        [name, f"{value:.3f}", str(n), ", ".join([f"{b} {c}" for a, b, c in score.confused if a == name][:3])]
        for name, (value, n) in list(score.by_label.items())[:60]
    ]))  # fmt: skip


@evaluate.command("detection", cls=Verb)
@click.option("--images", required=True, type=FOLDER, help="The folder of photos.")
@click.option("--coco", required=True, type=FILE, help="Boxes in COCO's layout.")
@models_option
@settings("detector", "device", "min_score", "nms_iou", "batch")
@json_option
def detection_command(config: Config, images: Path, coco: Path, models: str | None, out: Path | None) -> None:
    """Average precision by the COCO protocol, and what is found at the operating threshold."""
    from lookdex.evaluate import datasets
    from lookdex.evaluate.detection import MAX_DETECTIONS, score_detections
    from lookdex.evaluate.pictures import in_batches
    from lookdex.models.loading import detector_of
    from lookdex.progress import bar

    truths = datasets.read_coco(coco)
    find = datasets.Photos(images)
    recipe = _recipe(config, models)
    name, point = recipe.detector, recipe.min_score
    low = replace(recipe, min_score=min(LOWEST_SCORE, point), max_objects=MAX_DETECTIONS)
    detector = detector_of(low, config.device)
    kept, detected, unreadable = [], [], []
    with bar(len(truths), "detect") as advance:
        for group in in_batches(truths, lambda truth: find(truth.image), config.batch):
            good = [(truth, pixels) for truth, pixels in group if pixels is not None]
            unreadable += [truth.image for truth, pixels in group if pixels is None]
            detected += detector.detect([pixels for _, pixels in good])
            kept += [truth for truth, _ in good]
            advance(len(kept) + len(unreadable))
    score = score_detections(kept, detected, point)
    figures = {
        "AP": score.ap,
        "AP50": score.ap50,
        "AP75": score.ap75,
        "by_size": score.ap_by_size,
        "found": score.found,
        "wrong_per_photo": score.wrong,
        "min_score": score.min_score,
        "photos": score.photos,
        "objects": score.objects,
        "unreadable": unreadable,
        "by_category": {
            name: {
                "AP": c.ap,
                "AP50": c.ap50,
                "found": c.found,
                "precision": c.precision,
                "objects": c.objects,
            }
            for name, c in score.by_category.items()
        },
        "detector": name,
    }
    _write(out, figures)
    click.echo(table(["measure", "value"], [
        ["AP", f"{score.ap:.3f}"], ["AP50", f"{score.ap50:.3f}"], ["AP75", f"{score.ap75:.3f}"],
        *([f"AP, {size}", "–" if value is None else f"{value:.3f}"] for size, value in score.ap_by_size.items()),
        [f"found at {point:g}", f"{score.found:.3f} of {score.objects:,}"],
        ["wrong boxes a photo", f"{score.wrong:.2f}"],
        ["photos", f"{score.photos:,}"],
    ]))  # fmt: skip
    click.echo()
    click.echo(table(["category", "AP", "AP50", f"found at {point:g}", "precision", "objects"], [
        [name, f"{c.ap:.3f}", f"{c.ap50:.3f}", f"{c.found:.3f}", f"{c.precision:.3f}", str(c.objects)]
        for name, c in score.by_category.items()
    ]))  # fmt: skip


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


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown, aligned to be read as it is: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            c.ljust(w) if not i else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join([first, *others]) + " |"

    rule = "| " + " | ".join("-" * w if not i else "-" * (w - 1) + ":" for i, w in enumerate(widths)) + " |"
    return "\n".join([line(head), rule, *map(line, rows)])


def _recipe(config: Config, models: str | None) -> Recipe:
    from lookdex.nightly import recipe_of

    detector, embedder = pair(models, config)
    return recipe_of(replace(config, detector=detector, embedder=embedder))


def _embedding(recipe: Recipe, config: Config, crop: str) -> Callable[[list[Item]], Embedded]:
    """Embeds items with progress; the models are loaded here, once."""
    from lookdex.evaluate.pictures import embed_items
    from lookdex.models.loading import detector_of, embedder_of
    from lookdex.progress import bar

    finder = detector_of(recipe, config.device) if crop == "detected" else None
    embedder = embedder_of(recipe, config.device)

    def embed(items: list[Item]) -> Embedded:
        with bar(len(items), "embed") as advance:
            return embed_items(items, embedder, recipe.crop_margin, config.batch, finder, advance)

    return embed


def _write(out: Path | None, figures: dict[str, Any]) -> None:
    if out is not None:
        out.write_text(json.dumps(figures, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
