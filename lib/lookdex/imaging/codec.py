"""Decode and encode pictures.

Pixels are uint8 (H, W, 3) sRGB, upright, with alpha composited over white. A file that cannot be decoded raises
`BadImage` with a reason. This is data (a row of the `images` table), not a fault. Thread-safe; never warns.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import cv2
import numpy as np
import simplejpeg

from lookdex.imaging import boxes, container, decoders
from lookdex.imaging.container import Header
from lookdex.imaging.downscale import halve
from lookdex.records import Box, Reason

MIN_SIDE = 16  # pixels; smaller pictures show too little of a garment
MEMORY = 512 << 20  # maximum bytes per photo: its file and the peak of decoding it

_MAX_CROP = 50_000_000  # bytes and pixels; stored crops are far smaller


class BadImage(Exception):
    """The file cannot be decoded. `reason` goes into the table, the text into the log.

    Args:
        size: upright (width, height) if the header has it.
    """

    def __init__(self, reason: Reason, detail: str = "", size: tuple[int, int] | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason, self.size = reason, size


def read_header(data: bytes) -> Header:
    """Read format, size and orientation without decoding. Raises BadImage (empty, unknown_format, corrupt)."""
    if not data:
        raise BadImage(Reason.EMPTY)
    try:
        header = container.read_header(data)
    except container.MalformedError as error:
        raise BadImage(Reason.CORRUPT, str(error)) from error
    if header is None:
        raise BadImage(Reason.UNKNOWN_FORMAT, f"begins with {data[:8].hex(' ')}")
    return header


def check(data: bytes, max_bytes: int, max_pixels: int, min_side: int = MIN_SIDE) -> Header:
    """Read the header and check it against the limits, without decoding. Raises BadImage."""
    if len(data) > max_bytes:
        raise BadImage(Reason.TOO_MANY_BYTES, f"{len(data):,} bytes")
    header = read_header(data)
    detail = f"{header.width} × {header.height} pixels"
    if max(header.width * header.height, header.coded) > max_pixels:
        raise BadImage(Reason.TOO_MANY_PIXELS, detail, upright_size(header))
    needed = 2 * len(data) + header.memory  # the file, its stripped copy, and the decoder's share
    if needed > MEMORY:
        detail = f"{detail} in {header.format} take {needed >> 20} MiB to decode, more than {MEMORY >> 20}"
        raise BadImage(Reason.TOO_MANY_PIXELS, detail, upright_size(header))
    if min(header.width, header.height) < min_side:
        raise BadImage(Reason.TOO_SMALL, detail, upright_size(header))
    return header


def decode(data: bytes, max_bytes: int, max_pixels: int, min_side: int = MIN_SIDE) -> np.ndarray:
    """Decode the first frame of a file in one of `formats.FORMATS` to uint8 (H, W, 3) sRGB, upright, alpha over white.

    max_pixels and min_side apply to the stored size. They and the limit MEMORY are checked before decoding.

    Raises:
        BadImage: with the reason.
        MemoryError: it is not the file's fault.
    """
    return decode_checked(data, check(data, max_bytes, max_pixels, min_side))


def decode_checked(data: bytes, header: Header) -> np.ndarray:
    """`decode` for a file whose header has been checked."""
    try:
        return decoders.decode(data, header)
    except MemoryError:
        raise
    except (
        Exception
    ) as error:  # of many types on broken input: see tests/unit/imaging/test_rejected_images.py
        raise BadImage(Reason.CORRUPT, f"{type(error).__name__}: {error}", upright_size(header)) from error


def upright_size(header: Header) -> tuple[int, int]:
    """(width, height) after orientation."""
    turned = replace(header, width=header.height, height=header.width) if header.orientation >= 5 else header
    return turned.width, turned.height


def content_hash(data: bytes) -> str:
    """SHA-256 of the file, hex."""
    return hashlib.sha256(data).hexdigest()


def crop(image: np.ndarray, box: Box, margin: float = 0.0) -> np.ndarray:
    """Return a view (h, w, 3) of the box, grown on each side by `margin` × its longer side and clipped to the photo."""
    height, width = image.shape[:2]
    b = boxes.expand(box, margin, width, height)
    return image[b.y0 : b.y1, b.x0 : b.x1]


def shrink(image: np.ndarray, longer_side: int) -> np.ndarray:
    """Downscale for display to at most `longer_side` pixels; smaller pictures are unchanged."""
    height, width = image.shape[:2]
    scale = longer_side / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(halve(image, *size), size, interpolation=cv2.INTER_LINEAR)


def decode_crop(jpeg: bytes | None) -> np.ndarray | None:
    """Decode a stored crop to uint8 (H, W, 3) RGB; None if it is missing or unreadable."""
    try:
        return decode(jpeg or b"", _MAX_CROP, _MAX_CROP, min_side=1)
    except BadImage:
        return None


def encode_jpeg(image: np.ndarray, longer_side: int, quality: int = 85) -> bytes:
    """Encode uint8 (H, W, 3) RGB as a JPEG (4:2:0) of at most `longer_side` pixels."""
    small = np.ascontiguousarray(shrink(image, longer_side))
    jpeg: bytes = simplejpeg.encode_jpeg(small, quality=quality, colorspace="RGB", colorsubsampling="420")
    return jpeg


def encode_preview(data: bytes, longer_side: int, max_pixels: int) -> bytes:
    """Encode what can be decoded of a rejected file as a small JPEG: the top of a truncated file, a huge JPEG at 1/8
    scale.

    For display only, never for a model.

    Args:
        max_pixels: limit for files that must be decoded whole.

    Raises:
        BadImage: nothing can be decoded.
    """
    header = read_header(data)
    try:
        if header.plain:
            whole = container.strip_metadata(data, header)
            part = simplejpeg.decode_jpeg(
                whole, "RGB", min_height=longer_side, min_width=longer_side, strict=False
            )
            return encode_jpeg(
                np.ascontiguousarray(decoders.apply_orientation(part, header.orientation)), longer_side
            )
        if header.width * header.height > max_pixels:
            raise BadImage(Reason.TOO_MANY_PIXELS, f"{header.width} × {header.height} pixels")
        return encode_jpeg(decode_checked(data, header), longer_side)
    except (container.MalformedError, ValueError) as error:
        raise BadImage(Reason.CORRUPT, str(error)) from error
