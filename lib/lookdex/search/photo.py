"""What a caller hands over as a photo or a box, made into pixels, by the rules the index was built with."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lookdex import boxes
from lookdex.errors import BadQuery
from lookdex.formats import AND_FORMATS, OR_FORMATS
from lookdex.images import MIN_SIDE, BadImage, decode
from lookdex.records import Box, Recipe

Photo = str | os.PathLike[str] | bytes | bytearray | memoryview | np.ndarray | Any  # Any: a PIL image


@dataclass(frozen=True, slots=True)
class Limits:
    max_bytes: int = 50_000_000
    max_pixels: int = 100_000_000

    @classmethod
    def of(cls, recipe: Recipe) -> Limits:
        return cls(recipe.max_bytes, recipe.max_pixels)


LIMITS = Limits()


def read_photo(photo: Photo, limits: Limits = LIMITS) -> np.ndarray:
    """Path, file's bytes, PIL image or uint8 (H, W, 3) RGB array → uint8 (H, W, 3) RGB, upright.

    Raises BadQuery, which names the limit or the reason.
    """
    if isinstance(photo, np.ndarray):
        return _checked(photo, limits)
    if isinstance(photo, str | os.PathLike):
        return _decode(_read(photo, limits.max_bytes), limits, limits.max_bytes, os.fspath(photo))
    if isinstance(photo, bytes | bytearray | memoryview):
        return _decode(bytes(photo), limits, limits.max_bytes, "the photo")
    if hasattr(photo, "getexif") and hasattr(photo, "convert"):
        if photo.mode == "RGB" and not photo.getexif() and "icc_profile" not in photo.info:
            return _checked(np.asarray(photo), limits)
        data = _as_png(photo)
        return _decode(data, limits, len(data), "the photo")
    raise BadQuery(
        f"a {type(photo).__name__} is no photo: give a path, the bytes of a {OR_FORMATS} file, "
        "a PIL image, or a uint8 array (height, width, 3) in RGB"
    )


def box_of(box: Box | Sequence[int]) -> Box:
    """(x0, y0, x1, y1) as a box. Raises BadQuery."""
    if isinstance(box, Box):
        return box
    try:
        return Box(*(int(value) for value in box))
    except (TypeError, ValueError, OverflowError) as error:
        raise BadQuery(f"{box!r} is no box: give four whole numbers x0, y0, x1, y1") from error


def read_box(box: Box, width: int, height: int) -> Box:
    """The part of `box` within the photo. Raises BadQuery when there is none."""
    within = Box(max(box.x0, 0), max(box.y0, 0), min(box.x1, width), min(box.y1, height))
    if boxes.area(within) == 0:
        raise BadQuery(
            f"the box ({box.x0}, {box.y0}, {box.x1}, {box.y1}) holds nothing of the photo, which is "
            f"{width} × {height} pixels: x0 < x1, y0 < y1, counted from the upper left corner"
        )
    return within


def _read(path: str | os.PathLike[str], max_bytes: int) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(max_bytes + 1)  # one more than allowed is enough to be refused
    except OSError as error:
        raise BadQuery(f"cannot read the photo {os.fspath(path)}: {error.strerror}") from error
    return data


def _decode(data: bytes, limits: Limits, max_bytes: int, what: str) -> np.ndarray:
    try:
        return decode(data, max_bytes, limits.max_pixels)
    except BadImage as error:
        raise BadQuery(
            f"{what} cannot be used: {error}. {AND_FORMATS} are read, up to {limits.max_bytes:,} bytes "
            f"and {limits.max_pixels:,} pixels, at least {MIN_SIDE} pixels on the shorter side"
        ) from error


def _checked(pixels: np.ndarray, limits: Limits) -> np.ndarray:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise BadQuery(f"the array is {pixels.dtype} {pixels.shape}: give uint8 (height, width, 3) in RGB")
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE or height * width > limits.max_pixels:
        raise BadQuery(
            f"the photo is {width} × {height} pixels: at least {MIN_SIDE} on the shorter side and at most "
            f"{limits.max_pixels:,} in all can be used"
        )
    return np.ascontiguousarray(pixels)


def _as_png(photo: Any) -> bytes:
    """A PIL image as a file, so that its alpha, profile and orientation go the way of every other photo."""
    if photo.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"):
        photo = photo.convert("RGB")
    out = io.BytesIO()
    photo.save(out, "PNG", compress_level=0, exif=photo.getexif())
    return out.getvalue()
