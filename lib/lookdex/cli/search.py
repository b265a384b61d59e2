"""`lookdex search`: search from the command line, with the answer as text, pictures, JSON or an image file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lookdex.cli.options import TRUST, GroupedVerb, OutputFile, option_of, settings
from lookdex.config import Config

if TYPE_CHECKING:
    from lookdex.search.answer.answer import Answer
    from lookdex.search.catalog import Catalog
    from lookdex.search.query.options import Options

PHOTO = click.Path(exists=True, dir_okay=False)
ask = option_of("Question")
among = option_of("Products")
ranked = option_of("Ranking")
beside = option_of("Additional results")
output = option_of("Output")


class BoxType(click.ParamType):
    """x0,y0,x1,y1"""

    name = "box"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            x0, y0, x1, y1 = map(int, value.split(",")) if isinstance(value, str) else value
        except (TypeError, ValueError):
            self.fail("four whole numbers: x0,y0,x1,y1", param, ctx)
        return x0, y0, x1, y1


@click.command("search", cls=GroupedVerb)
@click.argument("photos", nargs=-1, metavar="[PHOTO]...", type=PHOTO)
@ask("--text", metavar="WORDS", help="Text, alone or with a photo or product: “in red”, 빨간색 원피스.")
@ask("--product", metavar="ID", help="Find products similar to this one.")
@ask(
    "--object", "number", type=click.IntRange(min=0), metavar="N",
    help="Search only this object of the photo: its number in the full answer, from 0.",
)  # fmt: skip
@ask(
    "--box",
    type=BoxType(),
    metavar="X0,Y0,X1,Y1",
    help="Search only this box of the photo, in pixels of the upright photo.",
)
@ask("--label", metavar="NAME", help="Label of the box, such as dress: products of that category first.")
@among("-k", "k", default=5, show_default=True, type=click.IntRange(1, 1000), help="Products per object.")
@among(
    "--where", metavar="SQL",
    help="Filter on product columns: \"price < 50 and 'M' in sizes and launched >= '2026-01-01'\".",
)  # fmt: skip
@among(
    "--widen",
    type=click.Choice(["auto", "never", "always"]),
    default="auto",
    show_default=True,
    help="Allow other categories than the object's: if its label is uncertain, never, or always.",
)
@among(
    "--fold/--no-fold", default=True, show_default=True,
    help="Hide matches with nearly the same picture as a better match.",
)  # fmt: skip
@among(
    "--offset", type=click.IntRange(min=0), metavar="N", default=0, show_default=True,
    help="Products per object to skip, to get further pages with the same -k.",
)  # fmt: skip
@among("--release", metavar="ID", help="Search this release instead of the live one.")
@ranked(
    "--text-weight", type=click.FloatRange(0, 1), metavar="0-1", default=0.6, show_default=True,
    help="Weight of the text against the photo: 0 ignores the text, 1 the photo.",
)  # fmt: skip
@ranked(
    "--colour", type=click.FloatRange(0, 1), metavar="0-1", default=0.0, show_default=True,
    help="Weight of colour similarity: 0 ignores colour, 1 ranks by colour only.",
)  # fmt: skip
@ranked(
    "--sort", metavar="COLUMN",
    help="Sort by a product column instead of by score: ascending (price) or descending (-price).",
)  # fmt: skip
@ranked(
    "--pool", type=click.IntRange(1, 1000), metavar="N",
    help="With --sort: how many of the most similar products to sort [-k].",
)  # fmt: skip
@beside("--whole/--no-whole", default=True, show_default=True, help="Search the whole photo too.")
@beside("--goes-with", is_flag=True, help="With --product: products like the other objects in its photos.")
@beside(
    "--look-photos", type=click.IntRange(0, 100), metavar="N", default=0, show_default=True,
    help="Catalogue photos that show such an outfit.",
)  # fmt: skip
@beside(
    "--facets", metavar="A,B,…",
    help="Count the products that pass --where by the values of these columns, such as category,price.",
)  # fmt: skip
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
@settings("catalog", *TRUST, "device")
def search(
    config: Config, photos: tuple[str, ...], release: str | None, facets: str | None, as_json: bool, vectors: bool,
    png: Path | None, thumbnails: str, **question: Any,
) -> None:  # fmt: skip
    """Find the objects in a photo and the most similar products for each.

    Several photos must show the same item. Without a photo, give --text or --product.
    """
    import lookdex
    from lookdex.models.trust import TrustedModels
    from lookdex.search.query.options import Crops, Options, Widen

    if not photos and question["text"] is None and question["product"] is None:
        raise click.UsageError("Give a photo, --text or --product.")
    meant = [name for name in ("number", "box", "label") if question[name] is not None]
    if meant and len(photos) != 1:
        raise click.UsageError("--object, --box and --label go with one photo.")
    if png and len(photos) != 1:
        raise click.UsageError("--png goes with one photo.")
    if vectors and not as_json:
        raise click.UsageError("--vectors goes with --json.")
    how = None if as_json else _drawing(thumbnails)
    pictures = bool(png or how)
    options = Options(
        object=question.pop("number"),
        box=_box(question.pop("box")),
        widen=Widen(question.pop("widen")),
        crops=Crops.ALL if pictures else Crops.NONE,
        facets=tuple(facets.split(",")) if facets else False,
        **question,
    )
    # Do not poll for new releases: the vectors must be those of the release that answered.
    catalog = lookdex.open_catalog(
        config.catalog,
        release=release,
        device=config.device,
        trusted_models=TrustedModels.of_config(config).names,
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


def _box(corners: tuple[int, int, int, int] | None) -> Any:
    from lookdex.records import Box

    return None if corners is None else Box(*corners)


def _drawing(mode: str) -> Any:
    """How to draw pictures on this terminal; None for a text table."""
    from lookdex.search.render.thumbnails import ThumbnailMode, choose_renderer

    return choose_renderer(ThumbnailMode(mode))


def _with_vectors(catalog: Catalog, answer: Answer, photos: tuple[str, ...], options: Options) -> str:
    result = answer.as_dict()
    lanes = [*result["objects"], *([result["whole"]] if result["whole"] else []), *result["goes_with"]]
    for lane, vector in zip(lanes, catalog.vectors(*photos, options=options), strict=True):
        lane["vector"] = [round(float(value), 7) for value in vector]
    return json.dumps(result, ensure_ascii=False, indent=1, allow_nan=False)
