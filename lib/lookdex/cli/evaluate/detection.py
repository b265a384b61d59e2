"""`lookdex evaluate detection`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lookdex.cli.evaluate.common import (
    FILE,
    FOLDER,
    WORK,
    ensure_folder,
    models_option,
    output,
    outputs,
    pictures_option,
    recipe_for,
    spark_option,
)
from lookdex.cli.options import Command, OutputFile, with_settings
from lookdex.config import NightSettings
from lookdex.errors import ConfigError

if TYPE_CHECKING:
    from lookdex.evaluate.detection import DetectionScore
    from lookdex.evaluate.report import Report
    from lookdex.records import Trust

LOWEST_SCORE = 0.05  # boxes below it make no difference to a useful average precision


@click.command("detection", cls=Command)
@click.option("--images", required=True, type=FOLDER, help="Folder of the photos.")
@click.option("--coco", required=True, type=FILE, help="Boxes in COCO format.")
@models_option
@with_settings(NightSettings, "detector", "min_score", "nms_iou", "max_objects", *WORK)
@click.option("--trust", "trust_file", type=OutputFile(".json"), metavar="FILE",
              help="Write the score from which each label is right, for the setting `thresholds`.")  # fmt: skip
@spark_option
@outputs
@pictures_option
def detection_command(
    settings: NightSettings, images: Path, coco: Path, models: str | None, trust_file: Path | None, spark: bool,
    as_json: Path | None, markdown: Path | None, pictures: Path | None,
) -> None:  # fmt: skip
    """Average precision by COCO's protocol, and recall at the operating threshold.

    COCO evaluates each category alone: for AP, boxes of different labels do not suppress each other. Recall, precision
    and wrong boxes per photo are counted on the boxes that lookdex shows: with at least --min-score, without overlaps
    whatever the labels (--nms-iou), at most --max-objects. So each photo is processed twice.

    For each label, --trust stores the score from which it is right for 99 % of the objects that have a box. From this
    score on, a search tries products of the label's category first.
    """
    from lookdex.catalog import json_codec
    from lookdex.evaluate import calibration, datasets, detection
    from lookdex.evaluate.coco import MAX_DETECTIONS
    from lookdex.evaluate.detection import score_detections
    from lookdex.evaluate.engine import create_engine, detect_objects

    truths = datasets.read_coco(coco)
    if not truths:
        raise ConfigError(f"{coco} names no photos")
    find = datasets.Photos(images)
    paths = [find(truth.image) for truth in truths]
    recipe = recipe_for(settings, models)
    point = recipe.min_score
    alone = replace(recipe, min_score=min(LOWEST_SCORE, point), nms_iou=1.0, max_objects=MAX_DETECTIONS)
    found = detect_objects(paths, (alone, recipe), create_engine(settings, spark))
    seen = [(n, objects) for n, objects in enumerate(found) if objects is not None]
    kept = [truths[n] for n, _ in seen]
    score = score_detections(kept, [o[0] for _, o in seen], point, shown=[o[1] for _, o in seen])
    believed = calibration.calibrate_labels(detection.find_labelled(kept, [o[1] for _, o in seen]), recipe)
    if trust_file:
        if believed is None:
            raise ConfigError("no object was found, so there is no label to measure")
        trust_file.write_bytes(json_codec.to_json(believed))
    about = {
        "unreadable": [truths[n].image for n, objects in enumerate(found) if objects is None],
        "nms_iou": recipe.nms_iou,
        "max_objects": recipe.max_objects,
        "detector": recipe.detector,
        "trust": asdict(believed.trust) if believed and believed.trust else None,
    }
    output(_report(score, believed.trust if believed else None, about), as_json, markdown)
    if pictures:
        from lookdex.evaluate.figures import curves, worst_photos

        out = ensure_folder(pictures)
        if score.by_category:
            curves.draw(score).save(out / "precision-recall.png")
        if sheet := worst_photos.draw_worst([paths[n] for n, _ in seen], kept, score.by_photo):
            sheet.save(out / "worst.png")


def _report(score: DetectionScore, believed: Trust | None, about: dict[str, Any]) -> Report:
    from lookdex.evaluate.report import Report, share, table

    metrics = {
        "AP": score.ap,
        "AP50": score.ap50,
        "AP75": score.ap75,
        "by_size": score.ap_by_size,
        "found": score.found,
        "wrong_per_photo": score.wrong,
        "min_score": score.min_score,
        "photos": score.photos,
        "objects": score.objects,
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
        **about,
    }
    measures = [
        ["AP", share(score.ap)], ["AP50", share(score.ap50)], ["AP75", share(score.ap75)],
        *([f"AP, {size}", share(value)] for size, value in score.ap_by_size.items()),
        [f"found at {score.min_score:g}", f"{score.found:.3f} of {score.objects:,}"],
        ["wrong boxes per photo", f"{score.wrong:.2f}"],
        ["photos", f"{score.photos:,}"],
    ]  # fmt: skip
    categories = [
        [name, share(c.ap), share(c.ap50), share(c.found), share(c.precision), str(c.objects),
         "–" if believed is None else believed.shown(name)]
        for name, c in score.by_category.items()
    ]  # fmt: skip
    head = [
        "category",
        "AP",
        "AP50",
        f"found at {score.min_score:g}",
        "precision",
        "objects",
        "label right from",
    ]
    return Report(metrics, (table(["measure", "value"], measures), table(head, categories)))
