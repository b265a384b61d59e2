"""An answer as a table for terminals."""

from __future__ import annotations

import io
import shutil
from decimal import Decimal
from typing import TYPE_CHECKING

from lookdex.runtime.wording import count_of
from lookdex.search.answer.facets import Facet, FacetKind
from lookdex.search.answer.kinds import Kind, Other

if TYPE_CHECKING:
    from lookdex.search.answer.answer import Answer, FoundObject, Look, Match

OTHERS = {Other.KIND: "other kinds:", Other.COLOUR: "other colours:"}
PRICE = "price"  # the product column
MOST_LISTED = 12  # values of a facet
WEAK = "– below the similarity from which matches of such a thing are mostly right"


def as_table(answer: Answer, width: int | None = None) -> str:
    """The answer as text of `width` columns (default: this terminal's)."""
    from itertools import groupby

    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = _shown_columns(answer)
    out = io.StringIO()
    console = Console(
        file=out,
        width=width or shutil.get_terminal_size((120, 24)).columns,
        color_system=None,
        highlight=False,
    )
    table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=False)
    for name in ("object", "#", "product", "similarity", *shown):
        right = name in ("#", "similarity", PRICE)
        table.add_column(name, justify="right" if right else "left", no_wrap=name in ("#", "similarity"))
    lanes = (*answer.lanes, *answer.goes_with)
    for lane, name in zip(lanes, names(answer), strict=True):
        told = [Text(name)]
        for other, matches in groupby(lane.matches, key=lambda match: match.other):
            if other is not None:
                table.add_row(*told, "", Text(OTHERS[other]))
                told = [Text("")]
            for match in matches:
                values = (_cell(match.columns.get(name), price=name == PRICE) for name in shown)
                product = match.product_id or match.image_key
                table.add_row(*told, *map(Text, (str(match.rank), product, _nearness(match), *values)))
                told = [Text("")]
        if not lane.matches:
            table.add_row(*told, "", "no product fits")
        table.add_section()
    if answer.no_object:
        console.print("No object found: the whole photo answers.")
    console.print(table)
    if any(match.good is False for lane in lanes for match in lane.matches):
        console.print(WEAK)
    if answer.look is not None and answer.look.pieces:
        console.print(Text(look_line(answer.look)))
    for line in facet_lines(answer):
        console.print(Text(line))
    console.print(Text(release_line(answer)))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def describe(lane: FoundObject) -> str:
    """A lane in a few words: “red dress 0.87”, “whole photo”."""
    named = " ".join(filter(None, (lane.colour, lane.label)))
    words = {
        Kind.OBJECT: named if lane.score is None else f"{named} {lane.score:.2f}",
        Kind.BOX: named if lane.label else " ".join(filter(None, (lane.colour, "drawn box"))),
        Kind.PHOTOS: f"{lane.label or 'item'} of {len(lane.parts)} photos",
        Kind.IMAGE: "whole photo",
        Kind.TEXT: f"“{lane.text}”",
        Kind.PRODUCT: f"like {lane.product_id}",
        Kind.WORN: f"{lane.label} with {lane.product_id}",
        Kind.VECTOR: "vector",
    }[lane.kind]
    return words if lane.text is None or lane.kind is Kind.TEXT else f"{words} + “{lane.text}”"


def heading(lane: FoundObject) -> str:
    """A lane in a few words, and whether anything good was found for it."""
    told = "no good match" if lane.no_good_match else ""
    if lane.understood is False:
        told = "no word of it tells of a product"
    return f"{describe(lane)}: {told}" if told else describe(lane)


def names(answer: Answer) -> list[str]:
    """The headings of all lanes: the objects of a photo with the numbers that ask for one of them (`--object 0`)."""
    lanes = (*answer.lanes, *answer.goes_with)
    return [
        f"{n} {heading(lane)}" if lane.kind is Kind.OBJECT else heading(lane) for n, lane in enumerate(lanes)
    ]


def release_line(answer: Answer) -> str:
    """What answered, and how fast."""
    total = sum(answer.seconds.values())
    return f"release {answer.release_id} of {answer.released_at:%Y-%m-%d %H:%M} · {total * 1000:.0f} ms"


def facet_lines(answer: Answer) -> list[str]:
    """The facets, a line for each column: “category: dress 12, top 5”, “price: 5 to 89.9”."""
    if answer.facets is None:
        return []
    return [
        f"facets of {count_of(answer.facets.products, 'product')}",
        *(f"  {facet.column}: {_counted(facet)}" for facet in answer.facets.columns),
    ]


def _counted(facet: Facet) -> str:
    if facet.kind is FacetKind.RANGE:
        return "none" if facet.least is None else f"{_ended(facet.least)} to {_ended(facet.most)}"
    listed = [f"{one.value} {one.products:,}" for one in facet.values[:MOST_LISTED]]
    hidden = len(facet.values) - len(listed)
    more = [f"and {hidden:,} more"] if hidden else [f"others {facet.others:,}"] if facet.others else []
    return ", ".join([*listed, *more]) or "none"


def _ended(value: object) -> str:
    return amount(value) if isinstance(value, int | float | Decimal) else str(value)


def _nearness(match: Match) -> str:
    """A match below the threshold is marked."""
    return f"{match.similarity:.3f}{' –' if match.good is False else ''}"


def look_line(look: Look) -> str:
    """The set of products in a line."""
    names = ", ".join(piece.product_id for piece in look.pieces)
    total = "" if look.total is None else f", {amount(look.total)} in all"
    without = f" ({look.unpriced} without a price)" if look.total is not None and look.unpriced else ""
    return f"the look: {names}{total}{without}"


def _shown_columns(answer: Answer) -> list[str]:
    """At most four product columns: those every shop has first."""
    present: dict[str, None] = {}
    for lane in answer.lanes:
        for match in lane.matches:
            present.update(dict.fromkeys(match.columns))
    usual = [name for name in ("title", "category", "colour", PRICE) if name in present]
    return (usual + [name for name in present if name not in usual and name != "url"])[:4]


def _cell(value: object, *, price: bool) -> str:
    if price:
        return "" if value is None else amount(value)
    return "" if value is None else f"{value:.15g}" if isinstance(value, float) else str(value)


def amount(price: object) -> str:
    """A price with the decimals that the shop's number has: 872,000 and 49.5; a text as it is."""
    if isinstance(price, Decimal):
        return f"{price:,}"
    return f"{round(price, 2):,}".removesuffix(".0") if isinstance(price, int | float) else str(price)
