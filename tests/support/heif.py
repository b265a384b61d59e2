"""Build HEIC and AVIF files box by box, around the coded picture of another file."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from lookdex.imaging import isobmff
from tests.support.paths import GOLDEN

# 64 × 96 pixels in six plain tiles; made by pillow-heif 1.8.1 (x265), quality 90, 4:4:4.
TILES = (GOLDEN / "tiles.heic").read_bytes()
TILES_ALPHA = (GOLDEN / "tiles-alpha.heic").read_bytes()
TILES_10BIT = (GOLDEN / "tiles-10bit.heic").read_bytes()
TILES_GREY_10BIT = (GOLDEN / "tiles-grey10.heic").read_bytes()  # from black to white in equal steps


@dataclass(frozen=True)
class Coded:
    """The primary picture of a file: its item type, decoder configuration box, and bitstream."""

    kind: bytes
    setup: bytes
    data: bytes


@dataclass(frozen=True)
class Item:
    kind: bytes
    data: bytes
    properties: tuple[bytes, ...]
    tiles: tuple[int, ...] = ()  # the numbers of other items, from 1


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def full(kind: bytes, body: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags) + body)


def ispe(width: int, height: int) -> bytes:
    return full(b"ispe", struct.pack(">II", width, height))


def irot(quarters: int) -> bytes:
    return box(b"irot", bytes([quarters]))


def imir(axis: int) -> bytes:
    return box(b"imir", bytes([axis]))


def clap(width: int, height: int) -> bytes:
    """Crop to the centre."""
    return box(b"clap", struct.pack(">IIIIIIII", width, 1, height, 1, 0, 1, 0, 1))


def coded(data: bytes) -> Coded:
    """The primary picture of a file in which it is the first item, in one extent."""
    meta = isobmff._first(data, 0, len(data), b"meta")
    assert meta is not None
    items = isobmff._items(data, meta)
    setup = next(b for b in items.properties[items.primary] if b.kind in (b"hvcC", b"av1C"))
    locations = isobmff._first(data, meta.start + 4, meta.end, b"iloc")
    assert locations is not None
    version, base_size = data[locations.start], data[locations.start + 5] >> 4
    at = locations.start + 8 + (2 if version in (1, 2) else 0) + 4
    base = int.from_bytes(data[at : at + base_size], "big")
    offset, length = struct.unpack_from(">II", data, at + base_size + 2)
    offset += base
    whole = data[setup.start - 8 : setup.end]
    return Coded(items.kinds[items.primary], whole, data[offset : offset + length])


def write(items: Sequence[Item], primary: int = 1, brand: bytes = b"heic") -> bytes:
    """A file of these items, numbered from 1."""
    kinds = b"".join(
        full(b"infe", struct.pack(">HH4s", n, 0, item.kind) + b"\0", version=2)
        for n, item in enumerate(items, 1)
    )
    properties = [box for item in items for box in item.properties]
    associations, seen = b"", 0
    for n, item in enumerate(items, 1):
        numbers = range(seen + 1, seen + 1 + len(item.properties))
        associations += struct.pack(">HB", n, len(numbers)) + b"".join(
            struct.pack(">H", 0x8000 | k) for k in numbers
        )
        seen += len(numbers)
    references = b"".join(
        box(b"dimg", struct.pack(f">HH{len(item.tiles)}H", n, len(item.tiles), *item.tiles))
        for n, item in enumerate(items, 1)
        if item.tiles
    )

    ipco = box(b"ipco", b"".join(properties))
    ipma = full(b"ipma", struct.pack(">I", len(items)) + associations, flags=1)

    def meta(start: int) -> bytes:
        extents, at = b"", start
        for n, item in enumerate(items, 1):
            extents += struct.pack(">HHHII", n, 0, 1, at, len(item.data))
            at += len(item.data)
        return full(b"meta", b"".join((
            full(b"hdlr", struct.pack(">I4s12x", 0, b"pict") + b"\0"),
            full(b"pitm", struct.pack(">H", primary)),
            full(b"iinf", struct.pack(">H", len(items)) + kinds),
            full(b"iref", references) if references else b"",
            box(b"iprp", ipco + ipma),
            full(b"iloc", struct.pack(">HH", 0x4400, len(items)) + extents),
        )))  # fmt: skip

    head = box(b"ftyp", brand + bytes(4) + b"mif1" + brand)
    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + box(b"mdat", b"".join(item.data for item in items))


def single(part: Coded, width: int, height: int, *properties: bytes, brand: bytes = b"heic") -> bytes:
    """A single picture with further properties."""
    return write([Item(part.kind, part.data, (part.setup, ispe(width, height), *properties))], brand=brand)


def grid(
    part: Coded, side: tuple[int, int], columns: int, rows: int, size: tuple[int, int], *properties: bytes,
    brand: bytes = b"heic",
) -> bytes:  # fmt: skip
    """A picture repeated in a grid, `side` pixels per tile, cropped to `size` pixels."""
    count = columns * rows
    layout = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, *size)
    tiles = [Item(part.kind, part.data, (part.setup, ispe(*side))) for _ in range(count)]
    whole = Item(b"grid", layout, (ispe(*size), *properties), tuple(range(2, count + 2)))
    return write([whole, *tiles], brand=brand)
