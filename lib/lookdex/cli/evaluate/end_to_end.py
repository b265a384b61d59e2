"""`lookdex evaluate end-to-end`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lookdex.cli.evaluate.common import (
    FILE,
    FOLDER,
    ensure_folder,
    output,
    outputs,
    pictures_option,
    spark_option,
)
from lookdex.cli.options import TRUST, Command, OutputFile, with_settings
from lookdex.config import NightSettings
from lookdex.errors import ConfigError
from lookdex.runtime.wording import pluralize

if TYPE_CHECKING:
    from lookdex.evaluate.label_trust import RankedDetection
    from lookdex.evaluate.lanes import Lane, LaneScore, Outcome
    from lookdex.evaluate.report import Report
    from lookdex.records import Recipe, Thresholds


@click.command("end-to-end", cls=Command)
@with_settings(NightSettings, "catalog", *TRUST, "device", "shard_images", "master")
@click.option("--queries", required=True, type=FILE, metavar="FILE",
              help="CSV or Parquet: image, product_id, category, and x0, y0, x1, y1 if true boxes are known; or the "
              "truth.parquet of `lookdex sample`.")  # fmt: skip
@click.option("--images", type=FOLDER, help="Folder of the photos. [that of the table]")
@click.option("-k", default=10, show_default=True, type=click.IntRange(5, 1000), help="Products per lane.")
@click.option("--release", metavar="ID", help="Search this release instead of the live one.")
@click.option("--thresholds", type=OutputFile(".json"), metavar="FILE",
              help="Write the similarity from which a match of each category is good.")  # fmt: skip
@click.option("--keep", default=0.95, show_default=True, type=click.FloatRange(0, 1, min_open=True),
              help="Share of right matches that a threshold must keep.")  # fmt: skip
@spark_option
@outputs
@pictures_option
def end_to_end_command(
    settings: NightSettings, queries: Path, images: Path | None, k: int, release: str | None, thresholds: Path | None,
    keep: float, spark: bool, as_json: Path | None, markdown: Path | None, pictures: Path | None,
) -> None:  # fmt: skip
    """Search products by photos through the query library: Recall@1, 5 and k of the right product.

    Each object is searched in four lanes: the whole photo; the detected object of its category (with an IoU of at least
    0.5 if its true box is known); the object with the highest score; its true box. Every lane is evaluated over all
    objects and over those that the detector found, which shows the loss by detection.

    If true boxes are known, detected objects are also searched among products of all categories and of their label, and
    the score is measured from which a label is right for 99 % of the objects (--thresholds stores it). From this score
    on, a search tries the category first.
    """
    from lookdex.catalog import json_codec
    from lookdex.evaluate import ask, lanes
    from lookdex.evaluate.engine import create_engine
    from lookdex.models.trust import TrustedModels
    from lookdex.storage import open_store

    catalog = open_store(settings.catalog)
    photos = ask.read_queries(queries, images)
    asked = ask.load_release(catalog, release)
    trusted = TrustedModels.from_settings(settings)
    trusted.check_recipe(f"release {asked.release_id}", asked.recipe)
    photos, strange = ask.drop_unknown(photos, ask.list_products(catalog, asked))
    if not photos:
        raise ConfigError(
            f"release {asked.release_id} has none of the products in {queries}, such as {strange[0]!r}: "
            "are these its ids?"
        )
    names = tuple(sorted(trusted.names))
    task = ask.AskTask(tuple(photos), catalog.uri, asked.release_id, k, settings.device, names)
    results = create_engine(settings, spark).run(task, ask.ask, ask.AskResult, "ask")
    outcomes = [one for result in results for one in result.outcomes]
    seen = [one for result in results for one in result.seen]
    calibrated = _thresholds(outcomes, seen, asked.recipe, keep)
    if thresholds:
        if calibrated is None:
            raise ConfigError(
                "no detected object got its right product first: there is nothing to calibrate on"
            )
        thresholds.write_bytes(json_codec.to_json(calibrated))
        warn_if_few(calibrated)
    about = {
        "release": asked.release_id,
        "photos": len(photos),
        "unreadable": [name for result in results for name in result.unreadable],
        "not_in_catalogue": strange,
        "detector": asked.recipe.detector,
        "embedder": asked.recipe.embedder,
    }
    output(_report(outcomes, lanes.score(outcomes), seen, k, calibrated, about), as_json, markdown)
    if pictures:
        from lookdex.evaluate.figures import worst_answers

        open_release = ask.open_catalog_once(catalog.uri, asked.release_id, settings.device, names)
        if sheet := worst_answers.draw_worst(outcomes, open_release):
            sheet.save(ensure_folder(pictures) / "worst.png")


def warn_if_few(calibrated: Thresholds) -> None:
    """Warn if all categories together have fewer right matches than one should have."""
    right = calibrated.all.right if calibrated.all else 0
    if right < calibrated.least:
        click.secho(
            f"these thresholds are based on {pluralize(right, 'right match', 'right matches')}, but one category alone "
            f"should have {calibrated.least}: use more query photos before you publish them",
            fg="yellow",
            err=True,
        )


def _thresholds(
    outcomes: Sequence[Outcome], seen: Sequence[RankedDetection], recipe: Recipe, keep: float
) -> Thresholds | None:
    """Thresholds measured on detected objects, as in answers."""
    from lookdex.evaluate import label_trust
    from lookdex.evaluate.calibration import Case, calibrate
    from lookdex.evaluate.lanes import Lane

    found = [(one.asked.category, one.lanes[Lane.DETECTED]) for one in outcomes if one.found]
    cases = [
        Case(category, placed.right if placed.rank == 1 else None, placed.wrong) for category, placed in found
    ]
    return calibrate(cases, recipe, label_trust.calibrate(seen), keep)


def _report(
    outcomes: Sequence[Outcome], scores: dict[Lane, LaneScore], seen: Sequence[RankedDetection], k: int,
    calibrated: Thresholds | None,
    about: dict[str, Any],
) -> Report:  # fmt: skip
    from lookdex.evaluate import label_trust, lanes
    from lookdex.evaluate.report import Report, share, table

    groups: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        groups[one.asked.category].append(one)
    each = {category: lanes.score(own) for category, own in sorted(groups.items())}
    believed = calibrated.trust if calibrated else None
    policies = label_trust.compare(seen, believed) if believed else []
    metrics = {
        "objects": len(outcomes),
        "found": sum(one.found for one in outcomes) / max(1, len(outcomes)),
        "k": k,
        "lanes": {lane: asdict(score) for lane, score in scores.items()},
        "by_category": {
            category: {lane: asdict(score) for lane, score in own.items()} for category, own in each.items()
        },
        "thresholds": asdict(calibrated) if calibrated else None,
        "categories": [asdict(policy) for policy in policies],
        **about,
    }
    cutoffs = ["first", "among 5", f"among {k}"]
    head = ["lane", "objects", "answered", *cutoffs, *(f"{name}, of found" for name in cutoffs)]
    rows = [
        [str(lane), str(s.of_all.objects), str(s.answered),
         *(share(v) for v in (s.of_all.first, s.of_all.among_5, s.of_all.among_k)),
         *(share(v) if s.of_found.objects else "–" for v in (s.of_found.first, s.of_found.among_5, s.of_found.among_k))]
        for lane, s in scores.items()
    ]  # fmt: skip
    categories = []
    for category, own in each.items():
        detected, true = own[lanes.Lane.DETECTED], own.get(lanes.Lane.TRUE)
        limit = calibrated.by_category.get(category) if calibrated else None
        categories.append([
            category, str(detected.of_all.objects), share(detected.answered / detected.of_all.objects),
            share(detected.of_all.first), share(detected.of_found.first if detected.of_found.objects else None),
            share(true.of_all.first if true else None),
            *(["–"] * 3 if limit is None else [f"{limit.similarity:.3f}{' (all)' if limit.pooled else ''}",
                                               share(limit.kept), share(limit.false_accepts)]),
        ])  # fmt: skip
        categories[-1].append("–" if believed is None else believed.shown(category))
    category_head = ["category", "objects", "found", "first", "first, of found", "first, true box",
                     "threshold", "right kept", "wrong let by", "label right from"]  # fmt: skip
    tables = [table(head, rows), table(category_head, categories)]
    if policies:
        policy_head = ["products that answer a found object", "objects", "asked alone", *cutoffs]
        tables.append(table(policy_head, [
            [policy.name, str(policy.recall.objects), share(policy.own),
             *map(share, (policy.recall.first, policy.recall.among_5, policy.recall.among_k))]
            for policy in policies
        ]))  # fmt: skip
    return Report(metrics, tuple(tables))
