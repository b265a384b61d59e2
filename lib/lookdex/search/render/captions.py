"""What a picture of an answer says of its lanes and products."""

from __future__ import annotations

from lookdex.search.answer.kinds import LaneKind
from lookdex.search.answer.lanes import FoundObject, Match
from lookdex.search.answer.text import amount, warning
from lookdex.search.render import lettering
from lookdex.search.render.theme import SMALL


def lane_caption(lane: FoundObject) -> tuple[str, str]:
    """What the lane is, and details of it."""
    heading = {
        LaneKind.OBJECT: lane.label or "object",
        LaneKind.BOX: lane.label or "drawn box",
        LaneKind.PHOTOS: lane.label or "item",
        LaneKind.IMAGE: "whole photo",
        LaneKind.PRODUCT: "more like it",
        LaneKind.WORN: lane.label or "worn with it",
    }.get(lane.kind, str(lane.kind))
    score = "" if lane.score is None else f"{lane.score:.2f}"
    return heading, " · ".join(filter(None, (lane.colour, score, lane.text, warning(lane))))


def product_caption(match: Match) -> tuple[str, str]:
    """Title and price. Without a title: the product id, or the file name of a photo without a product."""
    name = match.product_id or match.image_key.rsplit("/", 1)[-1]
    columns = {key.lower(): value for key, value in match.columns.items() if value is not None}
    title = str(columns.get("title") or columns.get("name") or "").strip()
    if not lettering.setting(title, SMALL)[0].strip("?…. "):  # no font has its letters
        title = name
    price = columns.get("price")
    if price is None:
        return title, "" if title == name else name
    return title, " ".join(filter(None, (amount(price), str(columns.get("currency", "")))))
