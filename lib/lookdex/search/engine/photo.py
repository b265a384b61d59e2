"""Decode the photos and boxes of callers, by the rules that the index was built with."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import numpy as np

from lookdex.errors import BadQuery, NotAFile
from lookdex.imaging import boxes
from lookdex.imaging.codec import MIN_SIDE, BadImage, decode
from lookdex.imaging.formats import AND_FORMATS, OR_FORMATS
from lookdex.records import Box, Recipe
from lookdex.runtime.wording import shorten
from lookdex.search.query.arguments import shown
from lookdex.storage.files import open_file

if TYPE_CHECKING:
    from PIL import Image

Photo: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | np.ndarray | Image.Image"
_CHUNK = 1 << 24  # bytes of a file read at a time


@dataclass(frozen=True, slots=True)
class PhotoLimits:
    max_bytes: int = 50_000_000
    max_pixels: int = 100_000_000

    @classmethod
    def of(cls, recipe: Recipe) -> PhotoLimits:
        return cls(recipe.max_bytes, recipe.max_pixels)


LIMITS = PhotoLimits()


def read_photo(photo: Photo, limits: PhotoLimits = LIMITS) -> np.ndarray:
    """Decode a path, a file's bytes, a PIL image or a uint8 (H, W, 3) RGB array to uint8 (H, W, 3) RGB, upright.

    Raises BadQuery, with the limit or the reason.
    """
    if isinstance(photo, np.ndarray):
        return _check_pixels(photo, limits)
    if isinstance(photo, str | os.PathLike):
        name, data = _read(photo, limits.max_bytes)
        return _decode(data, limits, limits.max_bytes, shorten(name))
    if isinstance(photo, bytes | bytearray | memoryview):
        try:
            data = bytes(photo)
        except ValueError as error:  # a released memoryview
            raise BadQuery(f"the photo's bytes cannot be read: {error}") from error
        return _decode(data, limits, limits.max_bytes, "the photo")
    if _is_pil(photo):
        return _decode_pil(photo, limits)
    raise BadQuery(
        f"photo is {shown(photo)}: give a path, the bytes of a {OR_FORMATS} file, "
        "a PIL image, or a uint8 array (height, width, 3) in RGB"
    )


def read_box(box: Box, width: int, height: int) -> Box:
    """The part of `box` inside the photo. Raises BadQuery when there is none."""
    within = Box(max(box.x0, 0), max(box.y0, 0), min(box.x1, width), min(box.y1, height))
    if boxes.area(within) == 0:
        raise BadQuery(
            f"the box ({box.x0}, {box.y0}, {box.x1}, {box.y1}) is empty or outside the photo, which is "
            f"{width} × {height} pixels: x0 < x1, y0 < y1, counted from the top left corner"
        )
    return within


def _read(path: str | os.PathLike[str], max_bytes: int) -> tuple[str, bytes]:
    """The file's name and bytes. Reads at most one byte more than allowed, enough to refuse it."""
    try:
        name = str.__str__(os.fsdecode(path))
    except Exception as error:  # an invalid path
        raise BadQuery(f"photo is {shown(path)}: it has no path ({error})") from error
    try:
        with open_file(name) as file:
            return name, _read_up_to(file, max_bytes + 1)
    except NotAFile as error:
        raise BadQuery(f"cannot read the photo {shorten(name)}: it is not a file") from error
    except OSError as error:
        raise BadQuery(f"cannot read the photo {shorten(name)}: {error.strerror}") from error
    except ValueError as error:  # a NUL, or half of a surrogate pair
        raise BadQuery(f"cannot read the photo {shown(name)}: {error}") from error


def _read_up_to(file: BinaryIO, limit: int) -> bytes:
    """At most `limit` bytes, read in chunks, so that memory grows with the file and not with the limit."""
    found = io.BytesIO()
    while part := file.read(min(_CHUNK, limit - found.tell())):
        found.write(part)
    return found.getvalue()


def _decode(data: bytes, limits: PhotoLimits, max_bytes: int, what: str) -> np.ndarray:
    try:
        return decode(data, max_bytes, limits.max_pixels)
    except BadImage as error:
        raise BadQuery(
            f"{what} cannot be used: {error}. {AND_FORMATS} are read, up to {limits.max_bytes:,} bytes "
            f"and {limits.max_pixels:,} pixels, at least {MIN_SIDE} pixels on the shorter side"
        ) from error


def _check_pixels(pixels: np.ndarray, limits: PhotoLimits) -> np.ndarray:
    if isinstance(pixels, np.ma.MaskedArray):
        raise BadQuery("the array is masked: give one without a mask, such as array.filled(255)")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise BadQuery(f"the array is {pixels.dtype} {pixels.shape}: give uint8 (height, width, 3) in RGB")
    height, width = pixels.shape[:2]
    _check_size(width, height, limits)
    return np.ascontiguousarray(pixels)


def _check_size(width: int, height: int, limits: PhotoLimits) -> None:
    if min(height, width) < MIN_SIDE or height * width > limits.max_pixels:
        raise BadQuery(
            f"the photo is {width} × {height} pixels: at least {MIN_SIDE} on the shorter side and at most "
            f"{limits.max_pixels:,} in all are allowed"
        )


def _decode_pil(photo: Image.Image, limits: PhotoLimits) -> np.ndarray:
    try:
        _check_size(*photo.size, limits)  # before the file is decoded
        photo.load()
        plain = photo.mode == "RGB" and not photo.getexif() and "icc_profile" not in photo.info
        made = np.asarray(photo) if plain else _as_png(photo)
    except BadQuery:
        raise
    except Exception as error:  # Pillow's decoders may raise anything
        raise BadQuery(f"the PIL image cannot be read: {error}") from error
    if isinstance(made, bytes):
        return _decode(made, limits, len(made), "the photo")
    return _check_pixels(made, limits)


def _is_pil(photo: object) -> bool:
    return any((kind.__module__, kind.__name__) == ("PIL.Image", "Image") for kind in type(photo).__mro__)


def _as_png(photo: Image.Image) -> bytes:
    """A PIL image as a PNG file, so that alpha, profile and orientation are handled as for any other photo."""
    if photo.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"):
        photo = photo.convert("RGB")
    out = io.BytesIO()
    photo.save(out, "PNG", compress_level=0, exif=photo.getexif())
    return out.getvalue()
