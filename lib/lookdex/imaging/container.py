"""Parse picture files without a decoder: format, size, orientation, and the bytes that affect pixels.

Size limits are checked before anything is decoded. The decoder then gets `strip_metadata(data)`: a JPEG or PNG without
EXIF, XMP, comments, thumbnails, animation and trailing bytes. None of these change the first frame's pixels, and all of
them have made image libraries crash, warn or slow down.

Formats: JPEG (`jpeg`), PNG (`png`), AVIF and HEIC (`isobmff`), WebP (RFC 9649), GIF (89a). Other formats are
unsupported on purpose.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lookdex.imaging import isobmff, jpeg, png
from lookdex.imaging.exif import read_orientation


class MalformedError(Exception):
    """The file starts like a known format but violates it."""


@dataclass(frozen=True, slots=True)
class Header:
    """Metadata from the file's header."""

    format: str
    """JPEG, PNG, WEBP, GIF, AVIF or HEIC."""
    width: int
    """Of the first frame as stored, before orientation; so is `height`."""
    height: int
    orientation: int = 1
    """EXIF 1 … 8; 1 is upright."""
    components: int = 0
    """Colour components per pixel of a JPEG (1, 3, 4), else 0."""
    plain: bool = False
    """A JPEG in YCbCr or grey with 8 bits per component."""
    working: float = 3.0
    """Maximum bytes per pixel while decoding, including the finished RGB."""
    coded: int = 0
    """Pixels that the decoder holds, if more than the picture's."""
    animated: bool = False
    """A WebP with several frames."""

    @property
    def memory(self) -> int:
        """Peak bytes of decoding, without the file itself, as measured by infra/bench_decoding.py."""
        return int(self.working * max(self.coded, self.width * self.height))


def read_header(data: bytes) -> Header | None:
    """Read the header of a picture file; None for an unsupported format.

    Raises:
        MalformedError: a known format, but its size is unreadable or zero.
    """
    try:
        header = _read(data)
    except (struct.error, IndexError) as error:
        raise MalformedError("the file ends within its header") from error
    except (jpeg.BrokenError, isobmff.BrokenError) as error:
        raise MalformedError(str(error)) from error
    if header and (header.width <= 0 or header.height <= 0):
        raise MalformedError("the picture has no area")
    return header


def _read(data: bytes) -> Header | None:
    if data[:3] == b"\xff\xd8\xff":
        return _read_jpeg(data)
    if data[:8] == png.SIGNATURE:
        return _read_png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _read_webp(data)
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return _read_gif(data)
    if isobmff.is_heif(data):
        return _read_heif(data)
    return None


def strip_metadata(data: bytes, header: Header) -> bytes:
    """Strip everything that does not affect the first frame's pixels; returns a file of the same format.

    Raises:
        MalformedError: a progressive JPEG with more than `jpeg.MAX_SCANS` scans.
    """
    if header.format == "JPEG":
        try:
            return jpeg.strip_metadata(data)
        except jpeg.BrokenError as error:
            raise MalformedError(str(error)) from error
    if header.format == "PNG":
        view = memoryview(data)
        chunks = [view[start:end] for kind, start, end in png.chunks(data) if kind in png.KEPT]
        return b"".join((png.SIGNATURE, *chunks))
    return data  # the other decoders only read the first frame


def count_frames(data: bytes, header: Header) -> int:
    """Count an animation's frames from the file's markers; 1 for a still picture. Decodes nothing."""
    try:
        if header.format == "GIF":
            return max(1, sum(_gif_frames(data)))
        if header.format == "WEBP":
            return max(1, sum(kind == b"ANMF" for kind, _, _ in _webp_chunks(data)))
        if header.format == "PNG":
            control = next((start for kind, start, _ in png.chunks(data) if kind == b"acTL"), None)
            return 1 if control is None else max(1, struct.unpack_from(">I", data, control + 8)[0])
        if header.format in ("AVIF", "HEIC"):
            return isobmff.count_frames(data)
    except (struct.error, IndexError, isobmff.BrokenError):
        pass  # truncated: only the first frame decodes
    return 1


# Bytes per pixel, including the finished RGB: measured per decoder, plus a margin. Pillow uses four
# bytes per colour pixel and one per grey or palette pixel.


def _read_jpeg(data: bytes) -> Header:
    frame = jpeg.read(data)
    # A rotated copy, or the decoder's coefficients, or (for CMYK) Pillow's own copy.
    base = 4.1 if frame.components == 1 else 3.1
    working = max(6.0 if frame.orientation > 1 else base, base + 2 * frame.kept)
    if not frame.plain:
        working = 7.5 + 2 * frame.kept
    return Header(
        "JPEG", frame.width, frame.height, frame.orientation, frame.components, frame.plain, working
    )


def _read_png(data: bytes) -> Header:
    length, kind, width, height, depth, colour = struct.unpack_from(">I4sIIBB", data, 8)
    if kind != b"IHDR" or length != 13:
        raise MalformedError("a PNG without IHDR")
    orientation = png.read_orientation(data)
    narrow = colour == 3 or (colour == 0 and depth <= 8)
    working = max(4.2 if narrow else 7.4, 6.0 if orientation > 1 else 0)
    return Header("PNG", width, height, orientation, working=working)


def _read_heif(data: bytes) -> Header | None:
    found = isobmff.read(data)
    if found is None:
        return None
    if found.format == "AVIF":
        working = 12.0 + (2.5 if found.alpha else 0) + (3.0 if found.bits > 8 else 0)
    else:
        working = 9.5 + (2.5 if found.alpha else 0) + (6.0 if found.bits > 8 else 0)
    size = found.width, found.height
    return Header(found.format, *size, found.orientation, working=working, coded=found.coded)


# ── WebP ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_webp(data: bytes) -> Header:
    kind = data[12:16]
    if kind == b"VP8 ":
        if data[23:26] != b"\x9d\x01\x2a":
            raise MalformedError("a lossy WebP without its start code")
        width, height = struct.unpack_from("<HH", data, 26)
        return Header("WEBP", width & 0x3FFF, height & 0x3FFF, working=6.5)
    if kind == b"VP8L":
        signature, bits = struct.unpack_from("<BI", data, 20)
        if signature != 0x2F:
            raise MalformedError("a lossless WebP without its signature")
        return Header("WEBP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, working=8.5)
    if kind == b"VP8X":
        w, h = data[24:27], data[27:30]
        if len(h) < 3:
            raise MalformedError("the file ends within its header")
        size = int.from_bytes(w, "little") + 1, int.from_bytes(h, "little") + 1
        animated = bool(data[20] & 2)
        working = 17.0 if animated else 8.5
        return Header("WEBP", *size, _read_webp_orientation(data), working=working, animated=animated)
    raise MalformedError("a WebP of an unknown kind")


def _read_webp_orientation(data: bytes) -> int:
    exif = next((data[start:end] for kind, start, end in _webp_chunks(data) if kind == b"EXIF"), None)
    return 1 if exif is None else read_orientation(exif)


def read_webp_profile(data: bytes) -> bytes:
    """The ICC profile of a WebP; empty if it has none."""
    return next((data[start:end] for kind, start, end in _webp_chunks(data) if kind == b"ICCP"), b"")


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start, end of the body) of each chunk."""
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        yield kind, at + 8, at + 8 + length
        at += 8 + length + (length & 1)


# ── GIF ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_gif(data: bytes) -> Header:
    """Read a GIF. Its size covers both the logical screen and the first frame, which may extend beyond it."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while True:
        block = data[at]
        if block == 0x2C:
            x, y, w, h = struct.unpack_from("<HHHH", data, at + 1)
            return Header("GIF", max(width, x + w), max(height, y + h), working=4.2)
        if block != 0x21:
            raise MalformedError("a GIF without a frame")
        at += 2  # an extension: skip its label and its sub-blocks
        while data[at]:
            at += 1 + data[at]
        at += 1


def _gif_frames(data: bytes) -> Iterator[int]:
    """Yield 1 for each frame, until the file ends."""
    flags = data[10]
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while at < len(data) and data[at] in (0x21, 0x2C):
        if data[at] == 0x2C:
            yield 1
            flags = data[at + 9]
            at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        else:
            at += 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
