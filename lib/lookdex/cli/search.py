"""`lookdex search`: search from the command line, with the answer as text, pictures, JSON or an image file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lookdex.cli.options import TRUST, OutputFile, grouped_option, with_settings
from lookdex.cli.question import QuestionCommand
from lookdex.config import SharedSettings

if TYPE_CHECKING:
    from lookdex.search.answer.answer import Answer
    from lookdex.search.catalog import Catalog
    from lookdex.search.query.options import Options

PHOTO = click.Path(exists=True, dir_okay=False)
output = grouped_option("Output")


@click.command("search", cls=QuestionCommand)
@click.argument("photos", nargs=-1, metavar="[PHOTO]...", type=PHOTO)
@grouped_option("Products")("--release", metavar="ID", help="Search this release instead of the live one.")
@output("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@output(
    "--vectors", is_flag=True,
    help="With --json: include the query vector of each lane.",
)  # fmt: skip
@output("--png", type=OutputFile(".png", ".jpg", ".webp"), help="Write the answer as an image file.")
@output(
    "--thumbnails",
    type=click.Choice(["auto", "kitty", "sixel", "blocks", "none"]),
    default="auto",
    show_default=True,
    help="How to show pictures in the terminal. auto: the best way that it supports.",
)
@with_settings(SharedSettings, "catalog", *TRUST, "device")
def search(
    settings: SharedSettings, photos: tuple[str, ...], release: str | None, as_json: bool, vectors: bool,
    png: Path | None, thumbnails: str, **question: Any,
) -> None:  # fmt: skip
    """Find the objects in a photo and the most similar products for each.

    Several photos must show the same item. Without a photo, give --text or --product.
    """
    import lookdex
    from lookdex.models.trust import TrustedModels
    from lookdex.search.query.options import Crops, Options

    if not photos and question["text"] is None and question["product"] is None:
        raise click.UsageError("Give a photo, --text or --product.")
    picked = any(question[name] is not None for name in ("object", "box", "label"))
    if picked and len(photos) != 1:
        raise click.UsageError("--object, --box and --label go with one photo.")
    if png and len(photos) != 1:
        raise click.UsageError("--png goes with one photo.")
    if vectors and not as_json:
        raise click.UsageError("--vectors goes with --json.")
    how = None if as_json else _choose_renderer(thumbnails)
    options = Options(crops=Crops.ALL if png or how else Crops.NONE, **question)
    # Do not poll for new releases: the vectors must be those of the release that answered.
    catalog = lookdex.open_catalog(
        settings.catalog,
        release=release,
        device=settings.device,
        trusted_models=TrustedModels.from_settings(settings).names,
        poll_seconds=math.inf,
    )
    answer = catalog.ask(*photos, options=options)
    if png:
        from lookdex.search.render.sheet import draw_answer

        draw_answer(photos[0], answer).save(png)
    if as_json:
        click.echo(_with_vectors(catalog, answer, photos, options) if vectors else answer.to_json())
    elif how is not None:
        from lookdex.search.render.thumbnails import show

        show(answer, how)
    else:
        click.echo(answer.to_table())
    if not as_json and options.goes_with and not answer.goes_with:
        click.echo(f"no other objects were found in the photos of {options.product}")


def _choose_renderer(mode: str) -> Any:
    """How to draw pictures on this terminal, or None for a text table."""
    from lookdex.search.render.thumbnails import ThumbnailMode, choose_renderer

    return choose_renderer(ThumbnailMode(mode))


def _with_vectors(catalog: Catalog, answer: Answer, photos: tuple[str, ...], options: Options) -> str:
    result = answer.as_dict()
    lanes = [*result["objects"], *([result["whole"]] if result["whole"] else []), *result["goes_with"]]
    for lane, vector in zip(lanes, catalog.vectors(*photos, options=options), strict=True):
        lane["vector"] = [round(float(value), 7) for value in vector]
    return json.dumps(result, ensure_ascii=False, indent=1, allow_nan=False)
