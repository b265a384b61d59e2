"""`lookdex evaluate text`."""

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
    models_option,
    output,
    outputs,
    recipe_for,
    spark_option,
)
from lookdex.cli.options import Columns, Command, with_settings
from lookdex.config import NightSettings
from lookdex.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from lookdex.evaluate.engine import Embedded
    from lookdex.evaluate.report import Report
    from lookdex.evaluate.retrieval import Retrieval
    from lookdex.evaluate.texts import TextQuery, TextScore
    from lookdex.models.embed import Embedder


@click.command("text", cls=Command)
@click.option("--images", required=True, type=FOLDER, help="Folder of the photos.")
@click.option(
    "--items",
    required=True,
    type=FILE,
    help="CSV or Parquet: a column image, and columns with what it shows.",
)
@click.option(
    "--text", "caption", metavar="COLUMN", help="Column with captions: measures texts to photos and back."
)
@click.option("--queries", type=FILE, metavar="FILE",
              help="CSV or Parquet: text, and columns of --items that must match: measures precision@k.")  # fmt: skip
@click.option("--from", "generate_queries", type=Columns(), metavar="COLUMNS",
              help="Make the queries from the values of these columns: colour,category gives “red dress”.")  # fmt: skip
@click.option("--language", type=click.Choice(["en", "ko"]), default="en", show_default=True,
              help="Language of the queries of --from; ko supports the columns colour and category.")  # fmt: skip
@click.option(
    "-k", default=10, show_default=True, type=click.IntRange(1, 1000), help="Results per query to judge."
)
@crop_option
@models_option
@with_settings(NightSettings, "detector", "embedder", "min_score", "crop_margin", *WORK)
@spark_option
@outputs
def text_command(
    settings: NightSettings, images: Path, items: Path, caption: str | None, queries: Path | None,
    generate_queries: tuple[str, ...] | None, language: str, k: int, crop: str, models: str | None, spark: bool,
    as_json: Path | None, markdown: Path | None,
) -> None:  # fmt: skip
    """Search photos by text.

    \b
    --text COLUMN            Recall@1, 5, 10 from each caption to its photo, and from each photo to its caption
    --queries FILE           precision@k: the share of the first k photos that have the values of the query
    --from colour,category   the same, with queries made from these columns; queries with fewer than k right photos
                             do not count
    """
    from lookdex.evaluate import datasets, texts
    from lookdex.evaluate.engine import create_engine, embed_items
    from lookdex.evaluate.labelled_photos import Item
    from lookdex.evaluate.work import Crop, embedder_of

    if sum(1 for way in (caption, queries, generate_queries) if way) != 1:
        raise click.UsageError("Give one of --text, --queries and --from.")
    columns = (caption,) if caption else generate_queries or ()
    rows = datasets.read_table(items, ("image", *columns))
    asked: list[TextQuery] = []
    nameless: list[str] = []
    if queries:
        table = datasets.read_table(queries, ("text",))
        columns = tuple(name for name in table[0] if name != "text")
        datasets.read_table(items, columns)
        asked = texts.read_queries(table, columns)
    elif generate_queries:
        asked, nameless = texts.generate_queries(rows, generate_queries, texts.Language(language))
        if not asked:
            raise ConfigError(
                f"the columns {', '.join(generate_queries)} of {items} give no query in {language!r}"
            )
    if caption:
        rows = [row for row in rows if row[caption]]
    if not rows:
        raise ConfigError(f"{items} has no captions in its column {caption!r}")
    if asked and (most := texts.max_answers(asked, rows)) < k:
        raise ConfigError(
            f"no query has {k} right photos in {items}; the most is {most}: use -k {most} or smaller"
            if most
            else f"no photo of {items} has the values of a query of {queries}"
        )
    find = datasets.Photos(images)
    read = [Item(find(row["image"]), str(number)) for number, row in enumerate(rows)]
    recipe = recipe_for(settings, models)
    embedder = embedder_of(recipe, settings.device)
    in_words = _embed(embedder, [row[caption] for row in rows] if caption else [q.text for q in asked])
    embedded = embed_items(read, recipe, Crop(crop), create_engine(settings, spark))
    numbers = [int(item.label) for item in embedded.items]
    about = {
        "unreadable": sorted(map(str, embedded.unreadable)),
        "crop": crop,
        "embedder": recipe.embedder,
    }
    if caption:
        report = _there_and_back(embedded, in_words[numbers], [rows[n][caption] for n in numbers], about)
    else:
        score = texts.score_texts(k, asked, in_words, [rows[n] for n in numbers], embedded.vectors)
        if not score.queries:
            raise ConfigError(
                f"no query has {k} right photos that can be read ({len(embedded.unreadable)} cannot): use a smaller -k"
            )
        report = _precision(
            score, about | {"nameless": nameless, "language": language if generate_queries else None}
        )
    output(report, as_json, markdown)


def _embed(embedder: Embedder, texts: Sequence[str]) -> np.ndarray:
    """Embed texts in chunks: float32 (n, dim)."""
    import numpy as np

    return np.concatenate([embedder.embed_texts(texts[n : n + 256]) for n in range(0, len(texts), 256)])


def _there_and_back(
    embedded: Embedded, texts: np.ndarray, captions: Sequence[str], about: dict[str, Any]
) -> Report:
    """Report retrieval in both directions. Items with the same caption are right answers for each other."""
    from lookdex.evaluate.report import Report, share, table
    from lookdex.evaluate.retrieval import LabelledVectors, retrieve

    photos = LabelledVectors(embedded.vectors, captions)
    first = sorted({caption: n for n, caption in reversed(list(enumerate(captions)))}.values())
    words = LabelledVectors(texts[first], [captions[n] for n in first])
    ways: dict[str, Retrieval] = {
        "text_to_image": retrieve(words, photos),
        "image_to_text": retrieve(photos, words),
    }
    metrics = {
        name: {
            **{f"recall@{k}": v for k, v in one.recall.items()},
            "mAP": one.mean_ap,
            "queries": one.queries,
        }
        for name, one in ways.items()
    }
    rows = [
        [
            name.replace("_", " "),
            *(share(v) for v in one.recall.values()),
            share(one.mean_ap),
            f"{one.queries:,}",
        ]
        for name, one in ways.items()
    ]
    head = ["from", *(f"Recall@{k}" for k in ways["text_to_image"].recall), "mAP", "queries"]
    return Report({**metrics, "images": len(captions), "texts": len(first), **about}, (table(head, rows),))


def _precision(score: TextScore, about: dict[str, Any]) -> Report:
    from lookdex.evaluate.report import Report, share, table

    metrics = {
        f"precision@{score.k}": score.precision,
        "k": score.k,
        "queries": len(score.queries),
        "too_few_answers": len(score.short),
        "by_query": [
            {
                "text": one.query.text,
                "wanted": dict(one.query.wanted),
                "precision": one.precision,
                "right": one.right,
            }
            for one in score.queries
        ],
        **about,
    }
    measures = [
        [f"precision@{score.k}", share(score.precision)],
        ["queries", str(len(score.queries))],
        [f"left out: fewer than {score.k} right photos", str(len(score.short))],
        *(
            [["left out: values without a Korean name", ", ".join(about["nameless"])]]
            if about["nameless"]
            else []
        ),
    ]
    ordered = sorted(score.queries, key=lambda one: (one.precision, one.query.text))
    rows = [[one.query.text, share(one.precision), str(one.right)] for one in ordered[:SHOWN]]
    return Report(
        metrics,
        (
            table(["measure", "value"], measures),
            table(["query", f"precision@{score.k}", "right photos"], rows),
        ),
    )
