"""The picture of an answer: the photo with its boxes at the left, a row of products per object at the right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image, ImageDraw

from lookdex.records import Box
from lookdex.search.answer.answer import Answer, FoundObject, Match
from lookdex.search.answer.kinds import Kind
from lookdex.search.answer.text import OTHERS, amount
from lookdex.search.engine.photo import Photo, read_photo
from lookdex.search.render.sheet import lettering, paint

RGB = tuple[int, int, int]

# Of the objects in turn: far apart in hue, and dark enough for white letters.
LANE_COLOURS: tuple[RGB, ...] = (
    (214, 78, 48), (37, 121, 171), (38, 140, 88), (132, 84, 184), (188, 126, 14),
    (204, 62, 122), (16, 130, 136), (64, 84, 196), (112, 122, 30), (130, 82, 56),
)  # fmt: skip
WHOLE_COLOUR: RGB = (92, 100, 112)
PAPER: RGB = (246, 244, 240)
CARD: RGB = (255, 255, 255)
EDGE: RGB = (228, 224, 216)
TRACK: RGB = (236, 233, 227)
INK: RGB = (32, 33, 36)
MUTED: RGB = (122, 120, 116)

MARGIN = 48
GAP = 18
PHOTO_WIDTHS = (500, 640)  # beside few rows, beside many
FEW_ROWS = 4
TEXT = 24
SMALL = 22


@dataclass(frozen=True, slots=True)
class Row:
    """A lane with its colour and its name in the picture."""

    lane: FoundObject
    colour: RGB
    badge: str  # the object's number in the answer, from 0; '' for a lane that is none


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
    """The answer as a picture (RGB, about 2,000 pixels wide; as high as it needs).

    photo: what was asked with (as for `Catalog.search`); None for a text or a vector. crops: JPEG by item id, for
    answers that were asked for without their crops. columns: products shown per object, at most.
    Raises BadQuery when the photo cannot be read.
    """
    rows = rows_of(answer)
    most = max((len(row.lane.matches) for row in rows), default=1)
    measures = Measures(tile=196 if len(rows) <= FEW_ROWS else 164, columns=max(1, min(columns, most)))
    measures = Measures(measures.tile, max(measures.columns, min(columns, 3)))
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


def rows_of(answer: Answer) -> list[Row]:
    """Objects in the order of the answer, then the whole photo."""
    rows = [
        Row(lane, LANE_COLOURS[n % len(LANE_COLOURS)], str(n) if lane.box else "")
        for n, lane in enumerate(answer.objects)
    ]
    return rows if answer.whole is None else [*rows, Row(answer.whole, WHOLE_COLOUR, "")]


# ── the photo ────────────────────────────────────────────────────────────────────────────────────────────────


def boxed_photo(photo: Image.Image, rows: list[Row], room: tuple[int, int]) -> Image.Image:
    """The photo scaled into `room` (its full width, unless it is very tall), with each object's box and tag."""
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


def _tag(picture: Image.Image, row: Row, box: Box, taken: list[Box]) -> Box:
    """Write the object's number and label at a corner of its box where no other tag is; returns where."""
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
    sheet: Image.Image, at: tuple[int, int], row: Row, measures: Measures, crops: Mapping[str, bytes]
) -> None:
    """The crop that was searched with, then its products."""
    x, y = at
    draw = ImageDraw.Draw(sheet)
    tile = measures.tile
    paint.panel(sheet, (x, y), (6, measures.row), 3, row.colour)
    left, top = x + GAP + 8, y + GAP // 2 + 10
    _picture(sheet, (left, top), tile, paint.read(row.lane.crop), (row.lane.text or "?")[0])
    paint.outline(sheet, (left - 4, top - 4), (tile + 8, tile + 8), 18, 5, row.colour)
    heading, detail = captions(row)
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


def captions(row: Row) -> tuple[str, str]:
    """What the lane is, and what is known of it."""
    lane = row.lane
    known = [lane.colour or "", "" if lane.score is None else f"{lane.score:.2f}", lane.text or ""]
    if lane.no_good_match:
        known.append("no good match")
    if lane.understood is False:
        known.append("no word of it tells of a product")
    heading = {
        Kind.OBJECT: lane.label or "object",
        Kind.BOX: lane.label or "drawn box",
        Kind.PHOTOS: lane.label or "item",
        Kind.IMAGE: "whole photo",
        Kind.PRODUCT: "more like it",
        Kind.WORN: lane.label or "worn with it",
    }.get(lane.kind, str(lane.kind))
    return heading, " · ".join(filter(None, known))


def _card(
    sheet: Image.Image,
    at: tuple[int, int],
    match: Match,
    row: Row,
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
    title, price = words(match)
    _picture(
        sheet, (x + 10, y + 10), measures.tile, paint.read(match.crop or crops.get(match.item_id)), title[:1]
    )
    if match.other is not None:
        _flag(sheet, (x + 10, y + 10), OTHERS[match.other].removesuffix("s:"))
    room, top = measures.tile - 8, y + measures.tile + 10
    for n, line in enumerate(lettering.wrap(title, SMALL, room, 2)):
        lettering.write(draw, (x + 14, top + 32 + 26 * n), line, SMALL, INK)
    similarity = f"{match.similarity:.2f}"
    base = y + high - 16
    lettering.write(draw, (x + 14 + room, base), similarity, SMALL, row.colour, anchor="rs", weight=0.3)
    rest = lettering.shorten(price, SMALL, room - lettering.width(similarity, SMALL) - 14)
    lettering.write(draw, (x + 14, base), rest, SMALL, MUTED)


def _flag(sheet: Image.Image, at: tuple[int, int], text: str) -> None:
    """A few words over the corner of a picture."""
    wide = round(lettering.width(text, SMALL)) + 20
    paint.panel(sheet, at, (wide, 32), 14, CARD)
    lettering.write(ImageDraw.Draw(sheet), (at[0] + 10, at[1] + 23), text, SMALL, INK)


def words(match: Match) -> tuple[str, str]:
    """Title and price as written; a product without a title shows its id, a photo without a product its name."""
    name = match.product_id or match.image_key.rsplit("/", 1)[-1]
    columns = {key.lower(): value for key, value in match.columns.items() if value is not None}
    title = str(columns.get("title") or columns.get("name") or "").strip()
    if not lettering.setting(title, SMALL)[0].strip("?…. "):
        title = name
    price = columns.get("price")
    if price is None:
        return title, "" if title == name else name
    return title, " ".join(filter(None, (amount(price), str(columns.get("currency", "")))))


def _picture(
    sheet: Image.Image, at: tuple[int, int], side: int, picture: Image.Image | None, letter: str
) -> None:
    """A square picture with rounded corners; without one, a letter on a plain ground."""
    mask = paint.rounded(side, side, 14)
    if picture is not None:
        sheet.paste(paint.fitted(picture, (side, side)), at, mask)
        return
    sheet.paste(TRACK, at, mask)
    middle = at[0] + side / 2, at[1] + side / 2
    lettering.write(ImageDraw.Draw(sheet), middle, letter, 64, MUTED, anchor="mm")


def _footer(sheet: Image.Image, answer: Answer) -> None:
    products = {(m.product_id or m.image_key) for lane in answer.lanes for m in lane.matches}
    count = len(answer.objects)
    left = f"{count} object{'' if count == 1 else 's'}, {len(products)} products, {sum(answer.seconds.values()):.2f} s"
    if answer.no_object:
        left = "No object found: the whole photo answers"
    right = f"release {answer.release_id} of {answer.released_at:%Y-%m-%d %H:%M}"
    draw, base = ImageDraw.Draw(sheet), sheet.height - 32
    lettering.write(draw, (MARGIN, base), left, SMALL, MUTED)
    room = sheet.width - 2 * MARGIN - lettering.width(left, SMALL) - 40
    lettering.write(
        draw, (sheet.width - MARGIN, base), lettering.shorten(right, SMALL, room), SMALL, MUTED, anchor="rs"
    )
