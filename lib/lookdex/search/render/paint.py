"""Smooth rounded shapes and fitted pictures, which Pillow does not draw itself."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, UnidentifiedImageError

from lookdex.search.render.theme import RGB

_FINE = 4  # shapes are drawn this much larger and scaled down, for smooth edges


@lru_cache(maxsize=256)
def rounded(width: int, height: int, radius: int) -> Image.Image:
    """A filled rounded rectangle as a mask (mode L)."""
    mask = Image.new("L", (width * _FINE, height * _FINE), 0)
    area = (0, 0, width * _FINE - 1, height * _FINE - 1)
    ImageDraw.Draw(mask).rounded_rectangle(area, min(radius, width // 2, height // 2) * _FINE, fill=255)
    return mask.resize((width, height), Image.Resampling.BOX)


@lru_cache(maxsize=256)
def ring(width: int, height: int, radius: int, line: int) -> Image.Image:
    """The outline of a rounded rectangle, `line` pixels wide, inside it, as a mask."""
    mask = np.array(rounded(width, height, radius))
    if width > 2 * line and height > 2 * line:
        inner = rounded(width - 2 * line, height - 2 * line, max(0, radius - line))
        mask[line:-line, line:-line] -= np.minimum(mask[line:-line, line:-line], np.asarray(inner))
    return Image.fromarray(mask)


def panel(sheet: Image.Image, at: tuple[int, int], size: tuple[int, int], radius: int, fill: RGB) -> None:
    sheet.paste(fill, at, rounded(*size, radius))


def outline(
    sheet: Image.Image, at: tuple[int, int], size: tuple[int, int], radius: int, line: int, fill: RGB
) -> None:
    sheet.paste(fill, at, ring(*size, radius, line))


def read(jpeg: bytes | None) -> Image.Image | None:
    """Read a stored crop; None if there is none or it cannot be read."""
    if not jpeg:
        return None
    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
            return image.convert("RGB")
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
        return None


def fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The whole picture within `size`, over a blurred and paler copy of itself."""
    small = image.resize(
        _scaled(image, min(size[0] / image.width, size[1] / image.height)), Image.Resampling.LANCZOS
    )
    if small.size == size:
        return small
    ground = image.resize(
        _scaled(image, max(size[0] / image.width, size[1] / image.height)), Image.Resampling.BILINEAR
    )
    left, top = (ground.width - size[0]) // 2, (ground.height - size[1]) // 2
    ground = ground.crop((left, top, left + size[0], top + size[1])).filter(
        ImageFilter.GaussianBlur(min(size) / 7)
    )
    tile = Image.blend(ground, Image.new("RGB", size, (255, 255, 255)), 0.35)
    tile.paste(small, ((size[0] - small.width) // 2, (size[1] - small.height) // 2))
    return tile


def _scaled(image: Image.Image, scale: float) -> tuple[int, int]:
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))
