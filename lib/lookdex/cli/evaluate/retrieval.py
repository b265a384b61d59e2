"""`lookdex evaluate retrieval`."""

from __future__ import annotations

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
    from lookdex.evaluate.engine import Embedded
    from lookdex.evaluate.report import Report
    from lookdex.evaluate.retrieval import LabelledVectors, Retrieval

LAYOUTS = ("items", "folders", "in-shop", "deepfashion2", "online-products", "lookbench")


@click.command("retrieval", cls=Command)
@click.option("--images", required=True, type=FOLDER, help="Folder of the photos or the data set.")
@click.option("--layout", type=click.Choice(LAYOUTS),
              help="Layout of the data set. [items with --items, else folders]")  # fmt: skip
@click.option("--items", type=FILE, help="CSV or Parquet: a column image, and columns with labels.")
@click.option("--label", metavar="COLUMN", help="Columns that must match, separated by commas. "
              "[items: label; lookbench: item_ID]")  # fmt: skip
@click.option("--image-column", default="image", show_default=True, metavar="COLUMN",
              help="lookbench: column with the photos' bytes.")  # fmt: skip
@click.option("--exclude-same", metavar="COLUMN", help="Exclude results with the same value in this column.")
@click.option("--queries", type=FILE, help="Items to search with; the results are --items.")
@crop_option
@skip_option
@models_option
@with_settings(NightSettings, "detector", "embedder", "min_score", "crop_margin", *WORK)
@spark_option
@outputs
@pictures_option
def retrieval_command(
    settings: NightSettings, images: Path, layout: str | None, items: Path | None, label: str | None, image_column: str,
    exclude_same: str | None, queries: Path | None, crop: str, skip: Sequence[str], models: str | None, spark: bool,
    as_json: Path | None, markdown: Path | None, pictures: Path | None,
) -> None:  # fmt: skip
    """Search with each photo for the others: Recall@1, 5, 10, mAP, and the label of the nearest neighbour.

    \b
    items            --items: a column image (a file below --images, with or without its suffix), and labels
    folders          one folder per class
    in-shop          DeepFashion In-Shop: list_eval_partition.txt next to the photos
    deepfashion2     consumer to shop: the folders image and annos (of the validation half)
    online-products  Stanford Online Products: Ebay_test.txt next to the photos
    lookbench        one subset of LookBench: query*.parquet and gallery*.parquet (and noise*.parquet); its columns
                     are image, item_ID, category, main_attribute, other_attributes
    """
    from lookdex.evaluate import layouts
    from lookdex.evaluate.engine import create_engine, embed_items
    from lookdex.evaluate.retrieval import LabelledVectors, retrieve
    from lookdex.evaluate.work import Crop

    chosen = layouts.DatasetOptions(
        images, items, queries, layouts.Layout(layout) if layout else None, label, image_column, exclude_same,
        tuple(skip),
    )  # fmt: skip
    asking, answering = layouts.load(chosen)
    recipe = recipe_for(settings, models)
    engine = create_engine(settings, spark)
    held = embed_items(answering, recipe, Crop(crop), engine)
    asked = embed_items(asking, recipe, Crop(crop), engine) if asking else None

    def labelled(side: Embedded) -> LabelledVectors:
        groups = [item.group or "" for item in side.items] if exclude_same else None
        return LabelledVectors(side.vectors, [item.label for item in side.items], groups)

    sides = labelled(asked or held), labelled(held) if asked else None
    score = retrieve(*sides)
    if not score.queries:
        column = chosen.label_column or "label"
        raise ConfigError(f"no query has an answer: is {column!r} the column of labels that items share?")
    about = {
        "unreadable": sorted(str(p) for side in (held, asked) if side for p in side.unreadable),
        "layout": str(chosen.kind),
        "label": chosen.label_column,
        "exclude_same": exclude_same,
        "crop": crop,
        "detector": recipe.detector if crop == "detected" else None,
        "embedder": recipe.embedder,
    }
    output(_report(score, about, chosen.label_column or "class"), as_json, markdown)
    if pictures:
        _draw(ensure_folder(pictures), score, sides, asked or held, held)


def _report(score: Retrieval, about: dict[str, Any], label: str) -> Report:
    from lookdex.evaluate.report import Report, share, table
    from lookdex.evaluate.retrieval import interval

    low, high = interval(score.recall[1], score.queries)
    metrics = {
        **{f"recall@{k}": value for k, value in score.recall.items()},
        "recall@1_interval": [low, high],
        "mAP": score.mean_ap,
        "nearest_neighbour_accuracy": score.nearest,
        "queries": score.queries,
        "gallery": score.gallery,
        "unanswerable": score.unanswerable,
        "by_label": {k: {"recall@1": v, "queries": n} for k, (v, n) in score.by_label.items()},
        "confused": [list(one) for one in score.confused],
        **about,
    }
    measures = [
        ["Recall@1", f"{score.recall[1]:.3f} ({low:.3f} … {high:.3f})"],
        *([f"Recall@{k}", share(score.recall[k])] for k in (5, 10)),
        ["mAP", share(score.mean_ap)],
        ["queries", f"{score.queries:,}"],
        ["without an answer", f"{score.unanswerable:,}"],
        ["gallery", f"{score.gallery:,}"],
    ]
    labels = [
        [name, share(value), str(n), ", ".join([f"{b} {c}" for a, b, c in score.confused if a == name][:3])]
        for name, (value, n) in list(score.by_label.items())[:SHOWN]
    ]
    head = [label, "Recall@1", "queries", "taken for"]
    return Report(metrics, (table(["measure", "value"], measures), table(head, labels)))


def _draw(
    out: Path,
    score: Retrieval,
    sides: tuple[LabelledVectors, LabelledVectors | None],
    asked: Embedded,
    held: Embedded,
) -> None:
    from lookdex.evaluate.figures import confusion, mistakes
    from lookdex.evaluate.retrieval import mistakes as find_mistakes

    confusion.draw(confusion.count_nearest(score), "Label of the nearest neighbour").save(
        out / "confusion.png"
    )
    rows = [
        mistakes.make_row(
            one, asked.items[one.query], [held.items[i] for i, _ in one.wrong], held.items[one.right[0]]
        )
        for one in find_mistakes(*sides)
    ]  # fmt: skip
    if rows:
        mistakes.draw(rows, "Worst cases: wrong answers that are nearest by the widest margin").save(
            out / "worst.png"
        )
