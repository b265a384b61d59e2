"""The canvas: fills outlines with cloth, shades them, and records the owner of each pixel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from lookdex_sample.geometry import Points, placed

Colour = tuple[int, int, int]
Pixels = NDArray[np.floating[Any]]


def dark(colour: Colour, share: float = 0.6) -> Colour:
    """Return a colour darkened to `share` of its brightness."""
    red, green, blue = (int(c * share) for c in colour)
    return red, green, blue


TEXELS = 128
"""Texels per head in a cloth tile at its own size."""

_LOW = 4  # shading is smooth, so it is computed at a quarter of the size


@dataclass(frozen=True, eq=False)
class Material:
    """Surface of a part.

    tile: uint8 (n, n, 3), n a power of two, repeating; None for the plain `colour`. gloss, folds: 0 to 1. opacity: 0 to 1
    (tights, lenses).
    """

    colour: Colour = (128, 128, 128)
    tile: NDArray[np.uint8] | None = None
    gloss: float = 0.0
    folds: float = 0.0
    opacity: float = 1.0


GOLD = Material((212, 172, 92), gloss=0.9)
STEEL = Material((178, 182, 188), gloss=0.9)


@dataclass(frozen=True, eq=False)
class Part:
    """A piece of an object, painted in the order of `z`.

    fills, holes: outlines in heads. lines: open paths, `width` heads wide. owner: number of its object, 0 for things not for
    sale. grain: direction of the cloth in radians. lift: darkness of its shadow (0 to 1).
    """

    material: Material
    z: float
    fills: tuple[Points, ...] = ()
    holes: tuple[Points, ...] = ()
    lines: tuple[Points, ...] = ()
    width: float = 0.0
    owner: int = 0
    grain: float = 0.0
    lift: float = 0.3
    volume: float = 1.0
    tone: float = 1.0

    def placed(
        self, at: Points | tuple[float, float], scale: float = 1.0, turn: float = 0.0,
        flip: float = 1.0, z: float = 0.0,
    ) -> Part:  # fmt: skip
        """Return the part moved as `geometry.placed` moves outlines, `z` higher."""

        def move(outlines: tuple[Points, ...]) -> tuple[Points, ...]:
            return tuple(placed(outline, at, scale, turn, flip) for outline in outlines)

        return replace(
            self, fills=move(self.fills), holes=move(self.holes), lines=move(self.lines),
            width=self.width * scale, grain=self.grain + turn, z=self.z + z,
        )  # fmt: skip


@dataclass(frozen=True)
class Light:
    """Direction of the light (`x`, `y` towards the lamp), its strength, and its colour gains."""

    x: float = -0.5
    y: float = -0.8
    strength: float = 1.0
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)


def extent(parts: Iterable[Part]) -> tuple[float, float, float, float]:
    """Return the box (x0, y0, x1, y1) in heads around all outlines of `parts`."""
    low, high = [], []
    for part in parts:
        for outline in (*part.fills, *part.lines):
            low.append(outline.min(axis=0) - part.width / 2)
            high.append(outline.max(axis=0) + part.width / 2)
    (x0, y0), (x1, y1) = np.min(low, axis=0), np.max(high, axis=0)
    return float(x0), float(y0), float(x1), float(y1)


class Canvas:
    """A picture being painted.

    pixels: float32 (height, width, 3), 0 to 255. scale: pixels per head. origin: the pixel of the pelvis.
    """

    def __init__(
        self, ground: Pixels, scale: float, origin: tuple[float, float], light: Light,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.pixels = ground
        self.scale = scale
        self.origin = np.asarray(origin, dtype=np.float64)
        self.light = light
        self._folds = fold_tile(rng)
        self._height, self._width = int(ground.shape[0]), int(ground.shape[1])
        self.owners = np.zeros((self._height, self._width), dtype=np.uint8)
        self._whole: dict[int, NDArray[np.bool_]] = {}
        self._enlarged_tiles: dict[int, NDArray[np.uint8]] = {}

    def paint(self, parts: Iterable[Part]) -> None:
        """Paint parts from the lowest `z` to the highest."""
        for part in sorted(parts, key=lambda part: part.z):
            self._paint(part)

    def cast(self, parts: Iterable[Part], offset: tuple[float, float], blur: float, dark: float,
             squash: tuple[float, float] | None = None) -> None:  # fmt: skip
        """Darken the background by the soft shadow of all `parts`.

        offset, blur: heads. dark: 0 to 1. squash: (y of the floor in heads, share of its height that a standing thing's shadow
        keeps), for light on a floor.
        """
        height, width = self._height, self._width
        shadow = Image.new("L", (width // _LOW + 1, height // _LOW + 1))
        draw = ImageDraw.Draw(shadow)
        for part in parts:
            for outline in part.fills:
                moved = outline + offset
                if squash is not None:
                    floor, keep = squash
                    rise = floor - moved[:, 1]
                    moved = np.column_stack(
                        [moved[:, 0] - np.sign(self.light.x) * rise * 0.5, floor - rise * keep]
                    )
                _polygon(draw, (moved * self.scale + self.origin) / _LOW, 255)
        shadow = shadow.filter(ImageFilter.GaussianBlur(max(blur * self.scale / _LOW, 0.6)))
        full = shadow.resize((width, height), Image.Resampling.BILINEAR)
        self.pixels *= 1 - (dark / 255) * np.asarray(full, dtype=np.float32)[..., None]

    def visible(self, owner: int) -> tuple[tuple[int, int, int, int] | None, float, float]:
        """Return an object's visible box (None if hidden), its visible share, and its share of the picture."""
        seen = self.owners == owner
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        if not len(rows):
            return None, 0.0, 0.0
        share = float(seen.sum()) / max(int(self._whole[owner].sum()), 1)
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        return box, share, float(seen.mean())

    def _paint(self, part: Part) -> None:
        shapes = [outline * self.scale + self.origin for outline in (*part.fills, *part.lines)]
        if not shapes:
            return
        stroke = max(part.width * self.scale, 1.6)
        shade_px = 0.10 * self.scale if part.lift else 0
        pad = int(2 + (stroke / 2 if part.lines else 0) + shade_px)
        height, width = self._height, self._width
        corner = np.floor(np.min([s.min(axis=0) for s in shapes], axis=0)).astype(int) - pad
        far = np.ceil(np.max([s.max(axis=0) for s in shapes], axis=0)).astype(int) + pad
        x0, y0 = np.maximum(corner, 0)
        x1, y1 = min(far[0], width), min(far[1], height)
        if x1 - x0 < 2 or y1 - y0 < 2:
            return
        mask = self._mask(part, (x0, y0, x1, y1), stroke)
        region = self.pixels[y0:y1, x0:x1]
        low = mask.reduce(_LOW)
        if part.lift:
            self._shadow(region, low, part.lift, shade_px)
        cover = np.asarray(mask)
        rows, columns = np.nonzero(cover)
        if not len(rows):
            return
        shade, bend = self._relief(part, low, mask.size, (x0, y0))
        tone = shade[rows, columns]
        colour = self._cloth(part, rows + y0, columns + x0, bend[rows, columns])
        colour = colour * (part.tone * np.clip(1 + tone, 0.25, 1.6))[:, None]
        if part.material.gloss:
            shine = np.clip(tone - 0.04, 0, 0.5) ** 1.5 * (part.material.gloss * 620)
            colour = colour + shine[:, None]
        alpha = cover[rows, columns].astype(np.float32) * (part.material.opacity / 255)
        under = region[rows, columns]
        region[rows, columns] = under + (colour - under) * alpha[:, None]
        solid = cover > 110
        self.owners[y0:y1, x0:x1][solid] = part.owner
        if part.owner:
            whole = self._whole.setdefault(part.owner, np.zeros((height, width), dtype=bool))
            whole[y0:y1, x0:x1] |= solid

    def _mask(self, part: Part, bounds: tuple[int, int, int, int], stroke: float) -> Image.Image:
        x0, y0, x1, y1 = bounds
        mask = Image.new("L", (2 * (x1 - x0), 2 * (y1 - y0)))
        draw = ImageDraw.Draw(mask)

        def local(outline: Points) -> Points:
            return (outline * self.scale + self.origin - (x0, y0)) * 2

        for outline in part.fills:
            _polygon(draw, local(outline), 255)
        for outline in part.holes:
            _polygon(draw, local(outline), 0)
        for line in part.lines:
            draw.line([tuple(p) for p in local(line)], fill=255, width=round(stroke * 2), joint="curve")
        return mask.reduce(2)

    def _shadow(self, region: Pixels, low: Image.Image, lift: float, reach: float) -> None:
        soft = low.filter(ImageFilter.BoxBlur(max(reach * 0.6 / _LOW, 0.8)))
        shift = (self.light.x * reach * 0.6 / _LOW, self.light.y * reach * 0.6 / _LOW)
        soft = soft.transform(soft.size, Image.Transform.AFFINE, (1, 0, shift[0], 0, 1, shift[1]))
        full = np.asarray(
            soft.resize((region.shape[1], region.shape[0]), Image.Resampling.BILINEAR),
            dtype=np.float32,
        )
        region *= (1 - full * (lift / 255))[..., None]

    def _relief(
        self, part: Part, low: Image.Image, size: tuple[int, int], corner: tuple[int, int]
    ) -> tuple[Pixels, Pixels]:
        """Return the shade (added to 1) and the bend of the cloth in texels, both full size."""
        reach = float(np.clip(min(size) * 0.16 / _LOW, 0.8, 9))
        height = np.asarray(
            low.filter(ImageFilter.BoxBlur(reach)).filter(ImageFilter.BoxBlur(reach * 0.6)),
            dtype=np.float32,
        ) * np.float32(1 / 255)
        shade = np.zeros_like(height)
        strength = self.light.strength * part.volume * reach * 0.42
        shade[:, 1:-1] -= (height[:, 2:] - height[:, :-2]) * (-self.light.x * strength)
        shade[1:-1] -= (height[2:] - height[:-2]) * (-self.light.y * strength)
        shade *= -1
        shade -= (1 - height) * (0.28 * part.volume)
        folds = part.material.folds
        fold = np.zeros_like(height)
        if folds:
            rows = (np.arange(height.shape[0]) * _LOW + corner[1] - self.origin[1]) / self.scale
            columns = (np.arange(height.shape[1]) * _LOW + corner[0] - self.origin[0]) / self.scale
            cos, sin = np.cos(part.grain), np.sin(part.grain)
            u = (columns[None] * cos + rows[:, None] * sin) * 96
            v = (rows[:, None] * cos - columns[None] * sin) * 48
            fold = self._folds[v.astype(np.int32) & 255, u.astype(np.int32) & 255]
            shade += fold * (0.16 * folds * self.light.strength)
        return _enlarged(shade, size), _enlarged(fold * (9 * folds), size)

    def _cloth(self, part: Part, rows: NDArray[np.int64], columns: NDArray[np.int64], bend: Pixels) -> Pixels:
        tile = part.material.tile
        if tile is None:
            return np.asarray(part.material.colour, dtype=np.float32)[None]
        zoom = 1
        while zoom < 4 and TEXELS * zoom < self.scale * 0.8:
            zoom *= 2
        if zoom > 1:
            if id(tile) not in self._enlarged_tiles:
                big = (tile.shape[0] * zoom, tile.shape[0] * zoom)
                self._enlarged_tiles[id(tile)] = np.asarray(
                    Image.fromarray(tile).resize(big, Image.Resampling.BICUBIC)
                )
            tile = self._enlarged_tiles[id(tile)]
        side = tile.shape[0]
        rate = TEXELS * zoom / self.scale
        x = (columns - self.origin[0]).astype(np.float32)
        y = (rows - self.origin[1]).astype(np.float32)
        cos, sin = np.float32(np.cos(part.grain) * rate), np.float32(np.sin(part.grain) * rate)
        u = (x * cos + y * sin + bend * zoom).astype(np.int32) & (side - 1)
        v = (y * cos - x * sin + bend * (0.6 * zoom)).astype(np.int32) & (side - 1)
        texels: Pixels = tile.reshape(-1, 3)[v * side + u].astype(np.float32)
        return texels


def fold_tile(rng: np.random.Generator) -> Pixels:
    """Return a repeating float32 (256, 256) map of drapery, about -1 to 1, folds along y."""
    broad = repeating_noise(rng, 5, 9, 256)
    fine = repeating_noise(rng, 9, 20, 256)
    field = broad + 0.5 * fine
    ridges = np.abs(field) ** 0.8 * np.sign(field)
    return (ridges / max(float(np.abs(ridges).max()), 1e-6)).astype(np.float32)


def repeating_noise(rng: np.random.Generator, rows: int, columns: int, side: int) -> Pixels:
    """Return smooth repeating noise, float32 (side, side), about unit variance."""
    cells = np.pad(rng.standard_normal((rows, columns)).astype(np.float32), 2, mode="wrap")
    box = (2.0, 2.0, 2.0 + columns, 2.0 + rows)
    return np.asarray(Image.fromarray(cells).resize((side, side), Image.Resampling.BICUBIC, box=box))


def _enlarged(low: Pixels, size: tuple[int, int]) -> Pixels:
    return np.asarray(
        Image.fromarray(np.ascontiguousarray(low, dtype=np.float32)).resize(size, Image.Resampling.BILINEAR)
    )


def _polygon(draw: ImageDraw.ImageDraw, outline: Points, fill: int) -> None:
    draw.polygon([tuple(p) for p in outline], fill=fill)
