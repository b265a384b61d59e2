"""The container of a picture file, read without a decoder: format, size, orientation, and the parts that make pixels.

The size is known, and limits are checked, before a byte is decoded. What the decoder then gets is `essence(data)`:
the file without its EXIF, XMP, comments, thumbnails, animation and trailing bytes. None of these change the first
frame's pixels, and all of them have crashed, warned from or slowed down image libraries.

Formats: JPEG (ITU T.81), PNG (W3C PNG 3), WebP (RFC 9649), GIF (89a). Others are unknown on purpose.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

JPEG_MAX_SCANS = 100  # usual are 1 to 10; each costs a pass over all coefficients, however few bytes it takes
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"sRGB"))


class Malformed(Exception):
    """The bytes begin like a known format and then break its rules."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the file says of itself. width, height: of the first frame as stored, before orientation.

    orientation: EXIF 1 … 8 (1 is upright). components: colour components a pixel has in a JPEG (1, 3, 4), else 0.
    plain: a JPEG in YCbCr or grey, 8 bits a component.
    """

    format: str  # JPEG | PNG | WEBP | GIF
    width: int
    height: int
    orientation: int = 1
    components: int = 0
    plain: bool = False


def read_header(data: bytes) -> Header | None:
    """The header of a picture file, or None when the format is none of the four.

    Raises:
        Malformed: a known format, but its size cannot be read or is zero.
    """
    try:
        header = _read(data)
    except (struct.error, IndexError) as error:
        raise Malformed("the file ends within its header") from error
    if header and (header.width <= 0 or header.height <= 0):
        raise Malformed("the picture has no area")
    return header


def _read(data: bytes) -> Header | None:
    if data[:3] == b"\xff\xd8\xff":
        return _read_jpeg(data)
    if data[:8] == _PNG_SIGNATURE:
        return _read_png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _read_webp(data)
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return _read_gif(data)
    return None


def essence(data: bytes, header: Header) -> bytes:
    """The bytes that decide the first frame's pixels, as a file of the same format.

    Raises:
        Malformed: a progressive JPEG of more than `JPEG_MAX_SCANS` scans.
    """
    if header.format == "JPEG":
        return _jpeg_essence(data)
    if header.format == "PNG":
        kept = [data[start:end] for kind, start, end in _png_chunks(data) if kind in _PNG_KEPT]
        return _PNG_SIGNATURE + b"".join(kept)
    return data  # WebP and GIF decoders here read the first frame only


def frames(data: bytes, header: Header) -> int:
    """How many frames an animation has, by the marks in the file; 1 for a still picture. Decodes nothing."""
    try:
        if header.format == "GIF":
            return max(1, sum(_gif_frames(data)))
        if header.format == "WEBP":
            return max(1, sum(kind == b"ANMF" for kind in _webp_chunks(data)))
        if header.format == "PNG":
            control = next((start for kind, start, _ in _png_chunks(data) if kind == b"acTL"), None)
            return 1 if control is None else max(1, struct.unpack_from(">I", data, control + 8)[0])
    except (struct.error, IndexError):
        pass  # cut off: what decodes of it is the first frame
    return 1


def orientation_of(exif: bytes) -> int:
    """EXIF orientation 1 … 8 of a TIFF block, with or without the 'Exif' prefix; 1 where it has none or is broken."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (first,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, first)
        for at in range(first + 2, first + 2 + 12 * entries, 12):
            tag, kind, _ = struct.unpack_from(order + "HHI", exif, at)
            if tag == 0x0112:
                (value,) = struct.unpack_from(order + ("I" if kind == 4 else "H"), exif, at + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass  # a cut EXIF block is common in the wild and says nothing of the pixels
    return 1


# ── JPEG ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of each segment up to and including the first start of scan."""
    at = 2
    while True:
        if data[at] != 0xFF:
            at = data.find(b"\xff", at)  # junk between segments: decoders skip it too
            if at < 0:
                raise Malformed("no picture data")
        while data[at + 1] == 0xFF:
            at += 1
        marker = data[at + 1]
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 2
            continue
        if marker == 0xD9:
            raise Malformed("the picture ends before it began")
        (length,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + max(length, 2)
        yield marker, at, end
        if marker == 0xDA:
            return
        at = end


def _read_jpeg(data: bytes) -> Header:
    orientation, transform, frame = 1, -1, None
    for marker, start, end in _jpeg_segments(data):
        body = data[start + 4 : min(end, start + 64)]
        if marker == 0xE1 and body.startswith(b"Exif\0") and orientation == 1:
            orientation = orientation_of(data[start + 4 : end])
        elif marker == 0xEE and body.startswith(b"Adobe"):
            transform = body[11] if len(body) > 11 else -1
        elif marker in _JPEG_FRAMES and frame is None:
            frame = struct.unpack_from(">BHHB", data, start + 4)
    if frame is None:
        raise Malformed("a JPEG without a frame header")
    precision, height, width, components = frame
    plain = precision == 8 and (components == 1 or (components == 3 and transform != 0))
    return Header("JPEG", width, height, orientation, components, plain)


def jpeg_profile(data: bytes) -> bytes:
    """The ICC profile of a JPEG, joined from its parts; empty where it has none."""
    parts = {
        data[start + 16]: data[start + 18 : end]
        for marker, start, end in _jpeg_segments(data)
        if marker == 0xE2 and data[start + 4 : start + 16] == b"ICC_PROFILE\0" and end > start + 18
    }
    return b"".join(parts[number] for number in sorted(parts))


def _jpeg_essence(data: bytes) -> bytes:
    kept, end = [data[:2]], 2
    for marker, start, end in _jpeg_segments(data):
        # APP0 (JFIF), APP2 with ICC and APP14 (Adobe) decide colours; the other APPs and comments do not.
        icc = marker == 0xE2 and data[start + 4 : start + 16] == b"ICC_PROFILE\0"
        if marker < 0xE0 or marker in (0xE0, 0xEE) or icc:
            kept.append(data[start:end])
    scans = data[end:]
    if scans.count(b"\xff\xda") >= JPEG_MAX_SCANS:
        raise Malformed(f"more than {JPEG_MAX_SCANS} scans")
    return b"".join((*kept, scans))


# ── PNG ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start, end) of each chunk; a last one that is cut off ends where the file does."""
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = min(at + 12 + length, len(data))
        yield kind, at, end
        if kind == b"IEND":
            return
        at = end


def _read_png(data: bytes) -> Header:
    length, kind, width, height = struct.unpack_from(">I4sII", data, 8)
    if kind != b"IHDR" or length != 13:
        raise Malformed("a PNG without IHDR")
    orientation = 1
    for kind, start, end in _png_chunks(data):
        if kind == b"eXIf":
            orientation = orientation_of(data[start + 8 : end - 4])
            break
    return Header("PNG", width, height, orientation)


# ── WebP ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_webp(data: bytes) -> Header:
    kind = data[12:16]
    if kind == b"VP8 ":
        if data[23:26] != b"\x9d\x01\x2a":
            raise Malformed("a lossy WebP without its start code")
        width, height = struct.unpack_from("<HH", data, 26)
        return Header("WEBP", width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":
        signature, bits = struct.unpack_from("<BI", data, 20)
        if signature != 0x2F:
            raise Malformed("a lossless WebP without its signature")
        return Header("WEBP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8X":
        w, h = data[24:27], data[27:30]
        if len(h) < 3:
            raise Malformed("the file ends within its header")
        size = int.from_bytes(w, "little") + 1, int.from_bytes(h, "little") + 1
        return Header("WEBP", *size, _webp_orientation(data))
    raise Malformed("a WebP of an unknown kind")


def _webp_orientation(data: bytes) -> int:
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind == b"EXIF":
            return orientation_of(data[at + 8 : at + 8 + length])
        at += 8 + length + (length & 1)
    return 1


def _webp_chunks(data: bytes) -> Iterator[bytes]:
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        yield kind
        at += 8 + length + (length & 1)


# ── GIF ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_gif(data: bytes) -> Header:
    """The size is what holds both the logical screen and the first frame, which may lie outside of it."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while True:
        block = data[at]
        if block == 0x2C:
            x, y, w, h = struct.unpack_from("<HHHH", data, at + 1)
            return Header("GIF", max(width, x + w), max(height, y + h))
        if block != 0x21:
            raise Malformed("a GIF without a frame")
        at += 2  # an extension: skip its label and its sub-blocks
        while data[at]:
            at += 1 + data[at]
        at += 1


def _gif_frames(data: bytes) -> Iterator[int]:
    """1 for each frame of the file, as far as it goes."""
    flags = data[10]
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while at < len(data) and data[at] in (0x21, 0x2C):
        if data[at] == 0x2C:
            yield 1
            own = data[at + 9]
            at += 11 + (3 << (own & 7) + 1 if own & 0x80 else 0)
        else:
            at += 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
