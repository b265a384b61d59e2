"""The parts of an answer as text: a table of its lanes, and lines on its look, facets and release."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from lookdex.runtime.wording import pluralize
from lookdex.search.answer.facets import Facet, FacetKind, Facets
from lookdex.search.answer.kinds import LaneKind, Other
from lookdex.search.answer.lanes import FoundObject, Match
from lookdex.search.answer.look import Look

NO_OBJECT = "No object found: these are the matches of the whole photo."
NO_MATCH = "no product fits"
OTHER_NAMES = {Other.KIND: "other category", Other.COLOUR: "other colour"}
_OTHER_HEADINGS = {Other.KIND: "other categories:", Other.COLOUR: "other colours:"}
PRICE = "price"  # the product column
MAX_LISTED = 12  # values of a facet
WEAK = "–: below the similarity from which matches of the category are mostly right"


def as_table(
    lanes: Sequence[FoundObject], above: Sequence[str], below: Sequence[str], width: int | None = None
) -> str:
    """The lanes as a table of `width` columns (default: this terminal's), between other lines."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = _shown_columns(lanes)
    out = io.StringIO()
    console = Console(
        file=out,
        width=width or shutil.get_terminal_size((120, 24)).columns,
        color_system=None,
        highlight=False,
    )
    table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=False)
    for name in ("object", "#", "product", "similarity", *columns):
        right = name in ("#", "similarity", PRICE)
        table.add_column(name, justify="right" if right else "left", no_wrap=name in ("#", "similarity"))
    for lane, heading in zip(lanes, headings(lanes), strict=True):
        for first, row in enumerate(_rows(lane, columns)):
            table.add_row(*map(Text, ("" if first else heading, *row)))
        table.add_section()
    for line in above:
        console.print(Text(line))
    console.print(table)
    if any(match.good is False for lane in lanes for match in lane.matches):
        console.print(WEAK)
    for line in below:
        console.print(Text(line))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _rows(lane: FoundObject, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The table's rows for a lane, without its heading."""
    if not lane.matches:
        return [("", NO_MATCH)]
    rows: list[tuple[str, ...]] = []
    for other, matches in groupby(lane.matches, key=lambda match: match.other):
        if other is not None:
            rows.append(("", _OTHER_HEADINGS[other]))
        for match in matches:
            values = (_cell(name, match.columns.get(name)) for name in columns)
            rows.append((str(match.rank), match.product_id or match.image_key, _similarity(match), *values))
    return rows


def describe(lane: FoundObject) -> str:
    """A lane in a few words: “red dress 0.87”, “whole photo”."""
    name = " ".join(filter(None, (lane.colour, lane.label)))
    words = {
        LaneKind.OBJECT: name if lane.score is None else f"{name} {lane.score:.2f}",
        LaneKind.BOX: name if lane.label else " ".join(filter(None, (lane.colour, "drawn box"))),
        LaneKind.PHOTOS: f"{lane.label or 'item'} of {len(lane.parts)} photos",
        LaneKind.IMAGE: "whole photo",
        LaneKind.TEXT: f"“{lane.text}”",
        LaneKind.PRODUCT: f"like {lane.product_id}",
        LaneKind.WORN: f"{lane.label} with {lane.product_id}",
        LaneKind.VECTOR: "vector",
    }[lane.kind]
    return words if lane.text is None or lane.kind is LaneKind.TEXT else f"{words} + “{lane.text}”"


def warning(lane: FoundObject) -> str:
    """Why the lane's matches may be of no use; '' if there is no reason."""
    if lane.understood is False:
        return "no word of it describes a product"
    return "no good match" if lane.no_good_match else ""


def headings(lanes: Sequence[FoundObject]) -> list[str]:
    """The lanes in a few words, with warnings; objects of a photo with their numbers, as for `--object 0`."""
    texts = (": ".join(filter(None, (describe(lane), warning(lane)))) for lane in lanes)
    return [
        f"{n} {text}" if lane.kind is LaneKind.OBJECT else text
        for n, (lane, text) in enumerate(zip(lanes, texts, strict=True))
    ]


def notes(look: Look | None, facets: Facets | None) -> list[str]:
    """The look in a line, and each facet: “category: dress 12, top 5”, “price: 5 to 89.9”."""
    lines = [_look_line(look)] if look is not None and look.pieces else []
    if facets is not None:
        lines.append(f"facets of {pluralize(facets.products, 'product')}")
        lines += [f"  {facet.column}: {_counts(facet)}" for facet in facets.columns]
    return lines


def release_line(release_id: str, released_at: datetime, seconds: Mapping[str, float]) -> str:
    """The release, and the time the answer took."""
    return f"release {release_id} of {released_at:%Y-%m-%d %H:%M} · {sum(seconds.values()) * 1000:.0f} ms"


def amount(price: object) -> str:
    """A price with the decimals of the shop's number: 872,000 and 49.5; a text as it is."""
    if isinstance(price, Decimal):
        return f"{price:,}"
    return f"{round(price, 2):,}".removesuffix(".0") if isinstance(price, int | float) else str(price)


def _look_line(look: Look) -> str:
    products = ", ".join(piece.product_id for piece in look.pieces)
    if look.total is None:
        return f"the look: {products}"
    unpriced = f" ({look.unpriced} without a price)" if look.unpriced else ""
    return f"the look: {products}, {amount(look.total)} in total{unpriced}"


def _counts(facet: Facet) -> str:
    if facet.kind is FacetKind.RANGE:
        return "none" if facet.least is None else f"{_limit(facet.least)} to {_limit(facet.most)}"
    listed = [f"{one.value} {one.products:,}" for one in facet.values[:MAX_LISTED]]
    hidden = len(facet.values) - len(listed)
    more = [f"and {hidden:,} more"] if hidden else [f"others {facet.others:,}"] if facet.others else []
    return ", ".join([*listed, *more]) or "none"


def _limit(value: object) -> str:
    return amount(value) if isinstance(value, int | float | Decimal) else str(value)


def _similarity(match: Match) -> str:
    """Matches below the threshold are marked."""
    return f"{match.similarity:.3f}{' –' if match.good is False else ''}"


def _shown_columns(lanes: Sequence[FoundObject]) -> list[str]:
    """At most four product columns, those that most shops have first."""
    present = dict.fromkeys(name for lane in lanes for match in lane.matches for name in match.columns)
    usual = [name for name in ("title", "category", "colour", PRICE) if name in present]
    return (usual + [name for name in present if name not in usual and name != "url"])[:4]


def _cell(column: str, value: object) -> str:
    if value is None:
        return ""
    if column == PRICE:
        return amount(value)
    return f"{value:.15g}" if isinstance(value, float) else str(value)
