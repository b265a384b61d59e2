"""Stored crops as thumbnails for the page, with captions."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lookdex.imaging import codec
from lookdex.report.reader import ReleaseReader, Row
from lookdex.report.records import Picture

QUALITY = 72


def encode_data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def make_thumbnail(crop: bytes | None, side: int) -> str | None:
    """Encode a stored crop as a data: URI whose longer side is at most `side` pixels."""
    pixels = codec.decode_crop(crop)
    return None if pixels is None else encode_data_uri(codec.encode_jpeg(pixels, side, QUALITY))


def make_title(row: Row) -> str:
    """The product's title, else its id, else the photo's key."""
    for name in ("title", "name"):
        if row.get(name):
            return str(row[name])
    return str(row.get("product_id") or row["image_key"])


@dataclass(frozen=True, slots=True)
class ItemPictures:
    """Thumbnails of a set of items, read in one go."""

    rows: Mapping[str, Row]
    sources: Mapping[str, str | None]

    def picture(self, item_id: str, note: str = "", mark: str = "") -> Picture:
        row = self.rows[item_id]
        return Picture(self.sources[item_id], make_title(row), note, mark)

    def pictures(self, item_ids: Iterable[str]) -> tuple[Picture, ...]:
        return tuple(self.picture(item_id) for item_id in item_ids if item_id in self.rows)


def load_pictures(reader: ReleaseReader, item_ids: Iterable[str]) -> ItemPictures:
    titles = [name for name in ("title", "name") if name in reader.product_columns]
    side = reader.limits.thumb
    rows = reader.items(item_ids, ["product_id", "image_key", "crop", *titles])
    sources = {item_id: make_thumbnail(row.pop("crop"), side) for item_id, row in rows.items()}
    return ItemPictures(rows, sources)
