"""Parse AVIF and HEIC without a decoder: the primary picture's properties from the ISO base media file boxes.

ISO/IEC 14496-12 (boxes), 23008-12 (HEIF: items and their properties), AVIF 1.1. A picture may be a grid of tiles, each
a picture of its own. A sequence (AVIS) also has tracks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

MAX_BOXES = 20_000  # per level; an iPhone photo has some 50 items and some 20 boxes per level
_BRANDS = frozenset(
    (b"mif1", b"mif2", b"msf1", b"miaf", b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc")
)
_CODINGS = {b"av01": "AVIF", b"hvc1": "HEIC", b"hev1": "HEIC"}
_DERIVED = frozenset((b"grid", b"iden", b"iovl"))
# (irot, imir) → EXIF orientation: rotated counter-clockwise by quarter turns, then mirrored (0 swaps top and bottom,
# 1 left and right).
_ORIENTATIONS = {
    (0, None): 1, (0, 0): 4, (0, 1): 2,
    (1, None): 8, (1, 0): 5, (1, 1): 7,
    (2, None): 3, (2, 0): 2, (2, 1): 4,
    (3, None): 6, (3, 0): 7, (3, 1): 5,
}  # fmt: skip


class BrokenError(Exception):
    """The file starts like HEIF, but its boxes violate the format."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The primary picture of a file."""

    format: str
    """AVIF or HEIC."""
    width: int
    """As stored; so is `height`."""
    height: int
    orientation: int
    coded: int
    """Pixels that the decoder holds, over all tiles."""
    alpha: bool
    """Another picture is its alpha channel."""
    bits: int
    """Per channel."""


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int
    """Of the body; so is `end`."""
    end: int


@dataclass(slots=True)
class _Items:
    """Items of a meta box: types, properties, derivations (dimg) and auxiliary items (auxl)."""

    primary: int
    kinds: dict[int, bytes]
    properties: dict[int, list[_Box]]
    parts: dict[int, list[int]]
    auxiliary: dict[int, list[int]]  # item → its auxiliary items


def is_heif(data: bytes) -> bool:
    """Whether the file starts as an HEIF still picture or sequence. Videos (MP4, QuickTime) do not."""
    if data[4:8] != b"ftyp":
        return False
    (size,) = struct.unpack_from(">I", data)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, min(size, len(data), 256), 4))]
    return not _BRANDS.isdisjoint(brands)


def read(data: bytes) -> Picture | None:
    """Read the primary picture; None if its codec is unsupported.

    Raises:
        BrokenError; struct.error, IndexError: the file is truncated.
    """
    meta = _first(data, 0, len(data), b"meta")
    if meta is None:
        raise BrokenError("no meta box")
    items = _items(data, meta)
    kind = items.kinds.get(items.primary)
    tiles = items.parts.get(items.primary, []) if kind in _DERIVED else [items.primary]
    if kind is None or not tiles:
        raise BrokenError("no primary picture")
    codings = {_CODINGS.get(items.kinds.get(tile, b"")) for tile in tiles}
    if len(codings) > 1 or None in codings:
        return None
    width, height = _size(data, items, items.primary)
    alphas = [
        item
        for item in items.auxiliary.get(items.primary, ())
        if _is_alpha(data, items.properties.get(item, []))
    ]
    areas = [w * h for w, h in (_size(data, items, tile) for tile in tiles)]
    turn, mirror, bits = 0, None, 8
    properties = items.properties.get(items.primary, [])
    for box in [*properties, *items.properties.get(tiles[0], [])]:
        if box.kind == b"pixi" and box.end > box.start + 5:
            bits = max(bits, *data[box.start + 5 : box.end])
    for box in properties:
        if box.kind == b"irot":
            turn = data[box.start] & 3
        elif box.kind == b"imir":
            mirror = data[box.start] & 1
        elif box.kind == b"clap" and codings == {"HEIC"}:  # libheif applies the crop, libavif does not
            across, whole_across, down, whole_down = struct.unpack_from(">IIII", data, box.start)
            width = min(width, across // max(whole_across, 1))
            height = min(height, down // max(whole_down, 1))
    coded = max(sum(areas), *(w * h for w, h in _tracks(data)), width * height)
    (format,) = codings
    return Picture(format or "", width, height, _ORIENTATIONS[turn, mirror], coded, bool(alphas), bits)


def count_frames(data: bytes) -> int:
    """Frames of the longest track; 1 for a still picture."""
    counts = [1]
    for track in _each_track(data):
        place: _Box | None = track
        for kind in (b"mdia", b"minf", b"stbl", b"stsz"):
            place = _first(data, place.start, place.end, kind) if place else None
        if place is not None:
            counts.append(struct.unpack_from(">I", data, place.start + 8)[0])
    return max(counts)


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    for _ in range(MAX_BOXES):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        stop = end if size == 0 else min(start + size, end)
        if stop < body:
            raise BrokenError("a box that is shorter than its header")
        yield _Box(kind, body, stop)
        start = stop
    raise BrokenError(f"more than {MAX_BOXES:,} boxes")


def _first(data: bytes, start: int, end: int, kind: bytes) -> _Box | None:
    return next((box for box in _boxes(data, start, end) if box.kind == kind), None)


def _items(data: bytes, meta: _Box) -> _Items:
    inside = {box.kind: box for box in _boxes(data, meta.start + 4, meta.end)}
    if missing := [name for name in (b"pitm", b"iinf", b"iprp") if name not in inside]:
        raise BrokenError(f"no {missing[0].decode()}")
    place = inside[b"pitm"].start
    wide = data[place] > 0
    (primary,) = struct.unpack_from(">I" if wide else ">H", data, place + 4)
    parts: dict[int, list[int]] = {}
    auxiliary: dict[int, list[int]] = {}
    if b"iref" in inside:
        for kind, item, others in _references(data, inside[b"iref"]):
            if kind == b"dimg":
                parts.setdefault(item, []).extend(others)
            elif kind == b"auxl":
                for other in others:
                    auxiliary.setdefault(other, []).append(item)
    return _Items(
        primary, _kinds(data, inside[b"iinf"]), _properties(data, inside[b"iprp"]), parts, auxiliary
    )


def _kinds(data: bytes, info: _Box) -> dict[int, bytes]:
    kinds: dict[int, bytes] = {}
    for box in _boxes(data, info.start + (8 if data[info.start] else 6), info.end):
        version = data[box.start]
        if box.kind == b"infe" and version in (2, 3):
            item, _, kind = struct.unpack_from(">HH4s" if version == 2 else ">IH4s", data, box.start + 4)
            kinds.setdefault(item, kind)
    return kinds


def _properties(data: bytes, block: _Box) -> dict[int, list[_Box]]:
    boxes: list[_Box] = []
    found: dict[int, list[_Box]] = {}
    for box in _boxes(data, block.start, block.end):
        if box.kind == b"ipco":
            boxes = list(_boxes(data, box.start, box.end))
        elif box.kind == b"ipma":
            version, wide = data[box.start], data[box.start + 3] & 1
            (count,) = struct.unpack_from(">I", data, box.start + 4)
            at = box.start + 8
            for _ in range(min(count, MAX_BOXES)):
                (item,) = struct.unpack_from(">H" if version < 1 else ">I", data, at)
                at += 2 if version < 1 else 4
                number, at = data[at], at + 1
                for _ in range(number):
                    index = struct.unpack_from(">H", data, at)[0] & 0x7FFF if wide else data[at] & 0x7F
                    at += 2 if wide else 1
                    if 0 < index <= len(boxes):
                        found.setdefault(item, []).append(boxes[index - 1])
    return found


def _references(data: bytes, block: _Box) -> Iterator[tuple[bytes, int, list[int]]]:
    """(kind, from, to) of each reference between items."""
    letter, size = ("I", 4) if data[block.start] else ("H", 2)
    for box in _boxes(data, block.start + 4, block.end):
        item, count = struct.unpack_from(f">{letter}H", data, box.start)
        yield box.kind, item, list(struct.unpack_from(f">{count}{letter}", data, box.start + size + 2))


def _size(data: bytes, items: _Items, item: int) -> tuple[int, int]:
    for box in items.properties.get(item, ()):
        if box.kind == b"ispe":
            width, height = struct.unpack_from(">II", data, box.start + 4)
            return width, height
    raise BrokenError("a picture without a size")


def _is_alpha(data: bytes, properties: list[_Box]) -> bool:
    names = [data[box.start + 4 : box.end].partition(b"\0")[0] for box in properties if box.kind == b"auxC"]
    return any(name.endswith((b":alpha", b"auxid:1")) for name in names)


def _each_track(data: bytes) -> Iterator[_Box]:
    movie = _first(data, 0, len(data), b"moov")
    if movie is not None:
        yield from (box for box in _boxes(data, movie.start, movie.end) if box.kind == b"trak")


def _tracks(data: bytes) -> Iterator[tuple[int, int]]:
    """(width, height) of each track."""
    yield 0, 0
    for track in _each_track(data):
        head = _first(data, track.start, track.end, b"tkhd")
        if head is not None:
            width, height = struct.unpack_from(">II", data, head.end - 8)  # 16.16 fixed point
            yield width >> 16, height >> 16
