"""Parse PNG chunks (W3C PNG 3), and the orientation as Pillow's `ImageOps.exif_transpose` determines it."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

from lookdex.imaging.exif import read_raw_orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEPT = frozenset(
    (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"sRGB")
)  # chunks that affect the pixels
_TEXTS = frozenset((b"tEXt", b"zTXt", b"iTXt"))
_MAX_TEXT = 1 << 20  # maximum bytes per text, as in Pillow; longer ones are ignored
_XMP = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_RAW_EXIF, _RAW_XMP = b"Raw profile type exif", b"XML:com.adobe.xmp"


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start, end) of each chunk; a truncated last chunk ends with the file."""
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = min(at + 12 + length, len(data))
        yield kind, at, end
        if kind == b"IEND":
            return
        at = end


def read_orientation(data: bytes) -> int:
    """EXIF orientation 1 … 8: from the eXIf chunk, else EXIF stored as text, else XMP; the last of each kind."""
    exif: bytes | None = None
    texts: dict[bytes, bytes] = {}
    for kind, start, end in chunks(data):
        if kind == b"eXIf":
            exif = data[start + 8 : end - 4]
        elif kind in _TEXTS and data[start + 8 : start + 12] in (b"Raw ", b"XML:"):
            name, _, rest = data[start + 8 : end - 4].partition(b"\0")
            if name in (_RAW_EXIF, _RAW_XMP) and (text := _decode_text(kind, rest)) is not None:
                texts[name] = text
    if exif is None and _RAW_EXIF in texts:
        exif = _decode_raw_exif(texts[_RAW_EXIF])
    found = read_raw_orientation(exif) if exif is not None else None
    if found is None and (match := _XMP.search(texts.get(_RAW_XMP, b""))):
        found = int(match[1])
    return found if found is not None and 1 <= found <= 8 else 1


def _decode_text(kind: bytes, rest: bytes) -> bytes | None:
    """The value of a text chunk; None if it is broken or too long."""
    if kind == b"tEXt":
        return rest
    packed = True
    if kind == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:]
        rest = rest.partition(b"\0")[2].partition(b"\0")[2]  # after the language and the translated name
    else:
        rest = rest[1:]
    if not packed:
        return rest
    try:
        unpack = zlib.decompressobj()
        text = unpack.decompress(rest, _MAX_TEXT)
    except zlib.error:
        return None
    return None if unpack.unconsumed_tail else text


def _decode_raw_exif(text: bytes) -> bytes | None:
    """Decode EXIF as ImageMagick stores it: three lines of text, then hexadecimal digits."""
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return None
