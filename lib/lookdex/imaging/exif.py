"""Read the orientation from an EXIF block (a TIFF header and its first directory)."""

from __future__ import annotations

import struct

_ORIENTATION = 0x0112


def read_orientation(exif: bytes) -> int:
    """Orientation 1 … 8 of a TIFF block with or without the 'Exif' prefix; 1 if it is missing or broken."""
    found = read_raw_orientation(exif)
    return found if found is not None and 1 <= found <= 8 else 1


def read_raw_orientation(exif: bytes) -> int | None:
    """The tag's raw value; None if the block has none."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, first)
        for at in range(first + 2, first + 2 + 12 * entries, 12):
            tag, kind, _ = struct.unpack_from(order + "HHI", exif, at)
            if tag == _ORIENTATION:
                value: int = struct.unpack_from(order + ("I" if kind in (4, 9) else "H"), exif, at + 8)[0]
                return value
    except struct.error:
        pass  # truncated EXIF blocks are common and do not affect the pixels
    return None
