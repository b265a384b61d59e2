"""`lookdex search`: a question on the command line, its answer as text, pictures in the terminal, JSON or a sheet."""

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
ask = option_of("What to ask with")
among = option_of("Which products answer")
ranked = option_of("How they are ranked")
beside = option_of("What else is answered")
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
@ask("--text", metavar="WORDS", help="Words, alone or beside a photo or a product: “in red”, 빨간색 원피스.")
@ask("--product", metavar="ID", help="More like this product of the catalogue, without itself.")
@ask(
    "--object", "number", type=click.IntRange(min=0), metavar="N",
    help="Of a photo only this object: its number in the answer without it, from 0.",
)  # fmt: skip
@ask(
    "--box",
    type=BoxType(),
    metavar="X0,Y0,X1,Y1",
    help="Of a photo only what is in this box, in pixels of the upright photo.",
)
@ask("--label", metavar="NAME", help="What the box shows, such as dress: products of that category first.")
@among("-k", "k", default=5, show_default=True, type=click.IntRange(1, 1000), help="Products per object.")
@among(
    "--where", metavar="SQL",
    help="Only products for which this holds: \"price < 50 and 'M' in sizes and launched >= '2026-01-01'\".",
)  # fmt: skip
@among(
    "--widen",
    type=click.Choice(["auto", "never", "always"]),
    default="auto",
    show_default=True,
    help="Other categories than the object's: where its label is uncertain, never, or always.",
)
@among(
    "--fold/--no-fold", default=True, show_default=True,
    help="Leave out photos that show nearly the same picture as a better one.",
)  # fmt: skip
@among(
    "--offset", type=click.IntRange(min=0), metavar="N", default=0, show_default=True,
    help="Products per object to skip: a further page, with the same -k.",
)  # fmt: skip
@among("--release", metavar="ID", help="Ask this release instead of the live one.")
@ranked(
    "--text-weight", type=click.FloatRange(0, 1), metavar="0-1", default=0.6, show_default=True,
    help="What the words count beside a photo: 0 nothing, 1 alone.",
)  # fmt: skip
@ranked(
    "--colour", type=click.FloatRange(0, 1), metavar="0-1", default=0.0, show_default=True,
    help="What likeness of colour counts: 0 nothing, 1 alone.",
)  # fmt: skip
@ranked(
    "--sort", metavar="COLUMN",
    help="By a product column, lowest first (price) or highest first (-price), instead of by score.",
)  # fmt: skip
@ranked(
    "--pool", type=click.IntRange(1, 1000), metavar="N",
    help="With --sort: how many of the nearest products are sorted [-k].",
)  # fmt: skip
@beside("--whole/--no-whole", default=True, show_default=True, help="The whole photo as one more question.")
@beside("--goes-with", is_flag=True, help="With --product: what is worn with it in its own photos.")
@beside(
    "--look-photos", type=click.IntRange(0, 100), metavar="N", default=0, show_default=True,
    help="Catalogue photos of such an outfit.",
)  # fmt: skip
@beside(
    "--facets", metavar="A,B,…",
    help="Count the products that --where leaves by the values of these columns, such as category,price.",
)  # fmt: skip
@output("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@output(
    "--vectors", is_flag=True,
    help="With --json: beside each object the `vector` it was asked with, for other readers of the table.",
)  # fmt: skip
@output("--png", type=OutputFile(".png", ".jpg", ".webp"), help="Write the answer as a picture.")
@output(
    "--thumbnails",
    type=click.Choice(["auto", "kitty", "sixel", "blocks", "none"]),
    default="auto",
    show_default=True,
    help="Pictures in the terminal: as it can, by a protocol, as half blocks. Never where the output is none.",
)
@settings("catalog", *TRUST, "device")
def search(
    config: Config, photos: tuple[str, ...], release: str | None, facets: str | None, as_json: bool, vectors: bool,
    png: Path | None, thumbnails: str, **question: Any,
) -> None:  # fmt: skip
    """Find the objects in a photo and the most similar products for each.

    Several photos show one item. Without a photo, --text or --product asks.
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
    # Never looks again: the vectors are those of the release that answered.
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
        click.echo(f"nothing else was seen in the photos of {options.product}")


def _box(corners: tuple[int, int, int, int] | None) -> Any:
    from lookdex.records import Box

    return None if corners is None else Box(*corners)


def _drawing(wish: str) -> Any:
    """How to draw on this terminal; None for a table."""
    from lookdex.search.render.thumbnails import Wish, drawing, fits

    how = drawing(Wish(wish))
    return how if fits(how) else None


def _with_vectors(catalog: Catalog, answer: Answer, photos: tuple[str, ...], options: Options) -> str:
    told = answer.as_dict()
    lanes = [*told["objects"], *([told["whole"]] if told["whole"] else []), *told["goes_with"]]
    for lane, vector in zip(lanes, catalog.vectors(*photos, options=options), strict=True):
        lane["vector"] = [round(float(value), 7) for value in vector]
    return json.dumps(told, ensure_ascii=False, indent=1, allow_nan=False)
