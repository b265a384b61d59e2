"""Parse JPEG segments (ITU T.81): frame, colours, scans, and whether all scans are present."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lookdex.imaging.exif import read_orientation

MAX_SCANS = 100  # 1 to 10 are usual; each costs a pass over all coefficients, however small it is
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ARITHMETIC = frozenset((0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF))
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))


class BrokenError(Exception):
    """The segments violate the format."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a JPEG's segments say before its first scan."""

    width: int
    height: int
    orientation: int
    components: int
    """1, 3 or 4."""
    plain: bool
    """YCbCr or grey, 8 bits per component."""
    kept: float
    """Coefficients (2 bytes each) per pixel that a decoder must hold; 0 if it reads row by row."""


def segments(data: bytes, at: int = 2) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of each segment, up to and including the next start of scan."""
    while True:
        if data[at] != 0xFF:
            at = data.find(b"\xff", at)  # decoders skip junk between segments too
            if at < 0:
                raise BrokenError("no picture data")
        while data[at + 1] == 0xFF:
            at += 1
        marker = data[at + 1]
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 2
            continue
        if marker == 0xD9:
            raise BrokenError("the picture ends before it began")
        (length,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + max(length, 2)
        yield marker, at, end
        if marker == 0xDA:
            return
        at = end


def read(data: bytes) -> Frame:
    """Read the frame header. Raises BrokenError; struct.error or IndexError if the file is truncated."""
    orientation, transform, frame, parts = 1, -1, None, 1
    progressive, samples = False, 1.0
    for marker, start, end in segments(data):
        body = data[start + 4 : min(end, start + 64)]
        if marker == 0xE1 and body.startswith(b"Exif\0") and orientation == 1:
            orientation = read_orientation(data[start + 4 : end])
        elif marker == 0xEE and body.startswith(b"Adobe"):
            transform = body[11] if len(body) > 11 else -1
        elif marker in _FRAMES and frame is None:
            frame = struct.unpack_from(">BHHB", data, start + 4)
            progressive, samples = marker in _PROGRESSIVE, _samples(data, start, frame[3])
        elif marker == 0xDA:
            parts = data[start + 4]
    if frame is None:
        raise BrokenError("a JPEG without a frame header")
    precision, height, width, components = frame
    plain = precision == 8 and (components == 1 or (components == 3 and transform != 0))
    whole = progressive or parts < components  # components are stored one after another
    return Frame(width, height, orientation, components, plain, samples if whole else 0.0)


def _samples(data: bytes, start: int, components: int) -> float:
    """Samples of all components per pixel."""
    factors = [data[start + 11 + 3 * n] for n in range(components)]
    areas = [(factor >> 4) * (factor & 15) for factor in factors]
    return sum(areas) / max(areas) if any(areas) else float(components)


def read_profile(data: bytes) -> bytes:
    """The ICC profile, joined from its parts; empty if there is none."""
    parts = {
        data[start + 16]: data[start + 18 : end]
        for marker, start, end in segments(data)
        if marker == 0xE2 and data[start + 4 : start + 16] == b"ICC_PROFILE\0" and end > start + 18
    }
    return b"".join(parts[number] for number in sorted(parts))


def strip_metadata(data: bytes) -> bytes:
    """Keep only what affects the pixels. Raises BrokenError for more than `MAX_SCANS` scans."""
    kept, end = [data[:2]], 2
    for marker, start, end in segments(data):
        # APP0 (JFIF), APP2 with ICC and APP14 (Adobe) affect colours; other APPs and comments do not.
        icc = marker == 0xE2 and data[start + 4 : start + 16] == b"ICC_PROFILE\0"
        if marker < 0xE0 or marker in (0xE0, 0xEE) or icc:
            kept.append(data[start:end])
    scans = memoryview(data)[end:]
    if data.count(b"\xff\xda", end) >= MAX_SCANS:
        raise BrokenError(f"more than {MAX_SCANS} scans")
    return b"".join((*kept, scans))


def append_end_marker(data: bytes) -> bytes | None:
    """Append a missing end marker. None if the file has one, or if a required scan is missing.

    Only a decoder can tell whether the last scan is complete.
    """
    first = _find_scans(data)
    if first is None or data.find(b"\xff\xd9", first) >= 0 or not _has_all_coefficients(data):
        return None
    return data.rstrip(b"\xff") + b"\xff\xd9"


def _find_scans(data: bytes) -> int | None:
    for marker, _, end in segments(data):
        if marker == 0xDA:
            return end
    return None


def _has_all_coefficients(data: bytes) -> bool:
    """Whether the scans contain every coefficient to its last bit.

    A progressive file truncated between two scans looks complete to a decoder, but is a blurred picture.
    """
    missing: set[tuple[int, int]] = set()
    at = 2
    known = False
    try:
        for _ in range(MAX_SCANS):
            for marker, start, end in segments(data, at):
                if marker in _ARITHMETIC:
                    return False  # the decoder would silently use zeros for missing data
                if marker in _FRAMES and not known:
                    known = True
                    names = [data[start + 10 + 3 * n] for n in range(data[start + 9])]
                    missing = {(name, n) for name in names for n in range(64)}
                elif marker == 0xDA:
                    count = data[start + 4]
                    names = [data[start + 5 + 2 * n] for n in range(count)]
                    first, last, bits = data[end - 3], data[end - 2], data[end - 1]
                    if bits & 15 == 0:
                        missing -= {(name, n) for name in names for n in range(first, max(last, first) + 1)}
                at = end
            at = _skip_scan(data, at)
    except (BrokenError, IndexError, struct.error):
        pass  # the file ends here
    return known and not missing


def _skip_scan(data: bytes, at: int) -> int:
    """The position of the next marker outside the scan. Raises IndexError at the end of the file."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise IndexError
        if data[at + 1] not in (0x00, 0xFF) and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 1 if data[at + 1] == 0xFF else 2
