"""An answer as a picture: the photo with its boxes on the left, a row of products per lane on the right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image, ImageDraw

from lookdex.records import Box
from lookdex.runtime.wording import pluralize
from lookdex.search.answer.answer import Answer
from lookdex.search.answer.lanes import FoundObject, Match
from lookdex.search.answer.text import NO_OBJECT, OTHER_NAMES
from lookdex.search.engine.photo import Photo, read_photo
from lookdex.search.render import lettering, paint
from lookdex.search.render.captions import lane_caption, product_caption
from lookdex.search.render.theme import (
    CARD,
    EDGE,
    INK,
    LANE_COLOURS,
    MUTED,
    PAPER,
    RGB,
    SMALL,
    TEXT,
    TRACK,
    WHOLE_COLOUR,
)

MARGIN = 48
GAP = 18
PHOTO_WIDTHS = (500, 640)  # beside few rows, beside many
FEW_ROWS = 4
MIN_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class LaneRow:
    """A lane in the picture."""

    lane: FoundObject
    colour: RGB
    badge: str  # the object's number in the answer, from 0; '' for other lanes


@dataclass(frozen=True, slots=True)
class Measures:
    """Sizes in pixels, the same for all rows."""

    tile: int  # side of a square picture
    columns: int  # products in a row

    @property
    def card(self) -> tuple[int, int]:
        return self.tile + 20, self.tile + 116

    @property
    def row(self) -> int:
        return self.card[1] + GAP

    @property
    def rows_width(self) -> int:
        return GAP + self.tile + 54 + self.columns * (self.card[0] + GAP)


def draw_answer(
    photo: Photo | None, answer: Answer, crops: Mapping[str, bytes] | None = None, *, columns: int = 5
) -> Image.Image:
    """Draw the answer (RGB, about 2,000 pixels wide, as high as needed).

    photo: as for `Catalog.search`; None for a text or a vector. crops: JPEGs by item id, for an answer without crops.
    columns: products per lane, at most. Raises BadQuery if the photo cannot be read.
    """
    rows = rows_of(answer)
    most = max((len(row.lane.matches) for row in rows), default=1)
    measures = Measures(
        tile=196 if len(rows) <= FEW_ROWS else 164, columns=max(1, min(columns, max(most, MIN_COLUMNS)))
    )
    rows_height = len(rows) * (measures.row + GAP) - GAP
    shown, photo_width = None, PHOTO_WIDTHS[len(rows) > FEW_ROWS]
    if photo is not None:
        room = (photo_width, max(rows_height, 780))
        shown = boxed_photo(Image.fromarray(read_photo(photo)), rows, room)
    left = MARGIN + (shown.width + 2 * GAP if shown else 0)
    height = max(rows_height, shown.height if shown else 0, measures.row)
    sheet = Image.new("RGB", (left + measures.rows_width + MARGIN, height + MARGIN * 2 + 44), PAPER)
    if shown:
        sheet.paste(shown, (MARGIN, MARGIN), paint.rounded(*shown.size, 22))
    for n, row in enumerate(rows):
        draw_row(sheet, (left, MARGIN + n * (measures.row + GAP)), row, measures, crops or {})
    _footer(sheet, answer)
    return sheet


def rows_of(answer: Answer) -> list[LaneRow]:
    """The rows, in the order of the answer's lanes."""
    rows = [
        LaneRow(lane, LANE_COLOURS[n % len(LANE_COLOURS)], str(n) if lane.box else "")
        for n, lane in enumerate(answer.objects)
    ]
    return rows if answer.whole is None else [*rows, LaneRow(answer.whole, WHOLE_COLOUR, "")]


# ── the photo ────────────────────────────────────────────────────────────────────────────────────────────────


def boxed_photo(photo: Image.Image, rows: list[LaneRow], room: tuple[int, int]) -> Image.Image:
    """Scale the photo into `room` (to its full width, unless it is very tall), and draw each object's box and tag."""
    scale = min(room[0] / photo.width, room[1] / photo.height)
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    picture = Image.new("RGB", (max(size[0], 240), max(size[1], 120)), EDGE)
    corner = (picture.width - size[0]) // 2, (picture.height - size[1]) // 2
    picture.paste(photo.resize(size, Image.Resampling.LANCZOS), corner)
    taken: list[Box] = []
    marked = [(row, _scaled(row.lane.box, scale, corner, size)) for row in rows if row.badge and row.lane.box]
    for row, box in marked:
        at, extent = (box.x0, box.y0), (box.x1 - box.x0, box.y1 - box.y0)
        paint.outline(picture, (at[0] - 2, at[1] - 2), (extent[0] + 4, extent[1] + 4), 10, 8, CARD)
        paint.outline(picture, at, extent, 8, 4, row.colour)
    for row, box in marked:
        taken.append(_tag(picture, row, box, taken))
    return picture


def _scaled(box: Box, scale: float, corner: tuple[int, int], size: tuple[int, int]) -> Box:
    x0, y0, x1, y1 = (round(value * scale) for value in (box.x0, box.y0, box.x1, box.y1))
    x0, y0 = min(max(x0, 2), size[0] - 12), min(max(y0, 2), size[1] - 12)
    x1, y1 = min(max(x1, x0 + 10), size[0] - 2), min(max(y1, y0 + 10), size[1] - 2)
    return Box(corner[0] + x0, corner[1] + y0, corner[0] + x1, corner[1] + y1)


def _tag(picture: Image.Image, row: LaneRow, box: Box, taken: list[Box]) -> Box:
    """Draw the object's number and label at a corner of its box, clear of other tags. Returns the tag's box."""
    text = f"{row.badge}  {row.lane.label}" if row.lane.label else row.badge
    text = lettering.shorten(text, SMALL, picture.width - 40)
    wide, high = round(lettering.width(text, SMALL)) + 24, 36
    corners = [
        (box.x0 - 4, box.y0 - high - 4), (box.x1 - wide + 4, box.y0 - high - 4), (box.x0 - 4, box.y1 + 4),
        (box.x1 - wide + 4, box.y1 + 4), (box.x0 - 4, box.y0 - 4), (box.x1 - wide + 4, box.y0 - 4),
        (box.x0 - 4, box.y1 - high + 4), (box.x1 - wide + 4, box.y1 - high + 4),
    ]  # fmt: skip
    corners += [(box.x0, y) for y in range(box.y0, picture.height, high + 2)]
    placed = []
    for x, y in corners:
        x, y = max(0, min(x, picture.width - wide)), max(0, min(y, picture.height - high))
        placed.append(Box(x, y, x + wide, y + high))
    spot = next((p for p in placed if not any(_touch(p, t) for t in taken)), placed[0])
    paint.panel(picture, (spot.x0, spot.y0), (wide, high), 10, row.colour)
    lettering.write(ImageDraw.Draw(picture), (spot.x0 + 12, spot.y0 + 26), text, SMALL, CARD, weight=0.4)
    return spot


def _touch(a: Box, b: Box) -> bool:
    return a.x0 < b.x1 and b.x0 < a.x1 and a.y0 < b.y1 and b.y0 < a.y1


# ── a row ────────────────────────────────────────────────────────────────────────────────────────────────────


def draw_row(
    sheet: Image.Image, at: tuple[int, int], row: LaneRow, measures: Measures, crops: Mapping[str, bytes]
) -> None:
    """Draw the lane's crop, then its products."""
    x, y = at
    draw = ImageDraw.Draw(sheet)
    tile = measures.tile
    paint.panel(sheet, (x, y), (6, measures.row), 3, row.colour)
    left, top = x + GAP + 8, y + GAP // 2 + 10
    _picture(sheet, (left, top), tile, paint.read(row.lane.crop), (row.lane.text or "?")[0])
    paint.outline(sheet, (left - 4, top - 4), (tile + 8, tile + 8), 18, 5, row.colour)
    heading, detail = lane_caption(row.lane)
    baseline = top + tile + 38
    if row.badge:
        paint.panel(sheet, (left, baseline - 24), (32, 32), 16, row.colour)
        lettering.write(draw, (left + 16, baseline), row.badge, SMALL, CARD, anchor="ms", weight=0.4)
    indent = 42 if row.badge else 0
    size = next((s for s in (26, 24, 22) if lettering.width(heading, s) <= tile - indent), 20)
    name = lettering.shorten(heading, size, tile - indent)
    lettering.write(draw, (left + indent, baseline), name, size, INK, weight=0.5)
    for n, line in enumerate(lettering.wrap(detail, SMALL, tile, 2)):
        lettering.write(draw, (left, baseline + 34 + 28 * n), line, SMALL, MUTED)
    arrow = left + tile + 17, top + tile // 2
    draw.line(
        [(arrow[0], arrow[1] - 11), (arrow[0] + 11, arrow[1]), (arrow[0], arrow[1] + 11)],
        row.colour,
        4,
        "curve",
    )
    first = left + tile + 48
    for n, match in enumerate(row.lane.matches[: measures.columns]):
        _card(sheet, (first + n * (measures.card[0] + GAP), y + GAP // 2), match, row, measures, crops)
    if not row.lane.matches:
        lettering.write(draw, (first, top + tile // 2 + 8), "No product fits.", TEXT, MUTED)


def _card(
    sheet: Image.Image,
    at: tuple[int, int],
    match: Match,
    row: LaneRow,
    measures: Measures,
    crops: Mapping[str, bytes],
) -> None:
    x, y = at
    wide, high = measures.card
    draw = ImageDraw.Draw(sheet)
    paint.panel(sheet, (x, y + 3), (wide, high), 20, EDGE)
    paint.panel(sheet, (x, y), (wide, high), 20, CARD)
    best = match.rank == 1 and match.good is not False
    paint.outline(sheet, (x, y), (wide, high), 20, 4 if best else 1, row.colour if best else EDGE)
    title, price = product_caption(match)
    _picture(
        sheet, (x + 10, y + 10), measures.tile, paint.read(match.crop or crops.get(match.item_id)), title[:1]
    )
    if match.other is not None:
        _flag(sheet, (x + 10, y + 10), OTHER_NAMES[match.other])
    room, top = measures.tile - 8, y + measures.tile + 10
    for n, line in enumerate(lettering.wrap(title, SMALL, room, 2)):
        lettering.write(draw, (x + 14, top + 32 + 26 * n), line, SMALL, INK)
    similarity = f"{match.similarity:.2f}"
    base = y + high - 16
    lettering.write(draw, (x + 14 + room, base), similarity, SMALL, row.colour, anchor="rs", weight=0.3)
    rest = lettering.shorten(price, SMALL, room - lettering.width(similarity, SMALL) - 14)
    lettering.write(draw, (x + 14, base), rest, SMALL, MUTED)


def _flag(sheet: Image.Image, at: tuple[int, int], text: str) -> None:
    """Draw a few words over the corner of a picture."""
    wide = round(lettering.width(text, SMALL)) + 20
    paint.panel(sheet, at, (wide, 32), 14, CARD)
    lettering.write(ImageDraw.Draw(sheet), (at[0] + 10, at[1] + 23), text, SMALL, INK)


def _picture(
    sheet: Image.Image, at: tuple[int, int], side: int, picture: Image.Image | None, letter: str
) -> None:
    """Draw a square picture with rounded corners, or a letter if there is none."""
    mask = paint.rounded(side, side, 14)
    if picture is not None:
        sheet.paste(paint.fitted(picture, (side, side)), at, mask)
        return
    sheet.paste(TRACK, at, mask)
    middle = at[0] + side / 2, at[1] + side / 2
    lettering.write(ImageDraw.Draw(sheet), middle, letter, 64, MUTED, anchor="mm")


def _footer(sheet: Image.Image, answer: Answer) -> None:
    products = {(m.product_id or m.image_key) for lane in answer.lanes for m in lane.matches}
    counts = f"{pluralize(len(answer.objects), 'object')}, {pluralize(len(products), 'product')}"
    left = NO_OBJECT if answer.no_object else f"{counts}, {sum(answer.seconds.values()):.2f} s"
    right = f"release {answer.release_id} of {answer.released_at:%Y-%m-%d %H:%M}"
    draw, base = ImageDraw.Draw(sheet), sheet.height - 32
    lettering.write(draw, (MARGIN, base), left, SMALL, MUTED)
    room = sheet.width - 2 * MARGIN - lettering.width(left, SMALL) - 40
    lettering.write(
        draw, (sheet.width - MARGIN, base), lettering.shorten(right, SMALL, room), SMALL, MUTED, anchor="rs"
    )
