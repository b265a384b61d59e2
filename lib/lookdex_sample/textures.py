"""Cloth textures: repeating tiles of 256 texels (two heads), from a few numbers and a palette."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lookdex_sample.paint import Colour, Material, Pixels, dark, repeating_noise

SIDE = 256


@dataclass(frozen=True)
class Fabric:
    """The cloth of a product.

    kind: one of `KINDS`. repeats: repetitions of the pattern per tile. angle: 0, 45 or 90 degrees. palette: ground and two
    pattern colours. seed: of its noise.
    """

    kind: str
    repeats: int
    angle: int
    palette: tuple[Colour, Colour, Colour]
    seed: int


@lru_cache(maxsize=64)
def material(fabric: Fabric) -> Material:
    """Return the material of a fabric: its tile, gloss and folds."""
    rng = np.random.default_rng(np.random.SeedSequence(fabric.seed))
    tile = _PAINTERS[fabric.kind](fabric, rng)
    gloss = {"leather": 0.55, "patent": 1.0, "metal": 1.0, "satin": 0.7, "quilted": 0.3}
    folds = {"leather": 0.45, "patent": 0.1, "metal": 0.0, "quilted": 0.3, "knit": 0.6}
    return Material(
        colour=fabric.palette[0],
        tile=np.clip(tile, 0, 255).astype(np.uint8),
        gloss=gloss.get(fabric.kind, 0.0),
        folds=folds.get(fabric.kind, 1.0),
    )


def _grid() -> tuple[Pixels, Pixels]:
    line = np.arange(SIDE, dtype=np.float32) / SIDE
    return line[None, :], line[:, None]


def _mix(ground: Colour | Pixels, over: Colour, share: Pixels) -> Pixels:
    base = np.asarray(ground, dtype=np.float32)
    return base + (np.asarray(over, dtype=np.float32) - base) * share[..., None]


def _flat(colour: Colour) -> Pixels:
    return np.broadcast_to(np.asarray(colour, dtype=np.float32), (SIDE, SIDE, 3))


def _weave(rng: np.random.Generator, depth: float = 0.05) -> Pixels:
    """Brightness factors (256, 256, 1) of threads and slubs."""
    threads = rng.standard_normal((SIDE, 1)) + rng.standard_normal((1, SIDE))
    slubs = rng.standard_normal((SIDE, SIDE))
    return (1 + depth * (0.35 * threads + 0.4 * slubs)).astype(np.float32)[..., None]


def _soft(wave: Pixels, edge: float = 0.04) -> Pixels:
    """A step at 0 with a soft edge."""
    step: Pixels = np.clip(wave / edge + 0.5, 0, 1)
    return step


def _across(fabric: Fabric) -> Pixels:
    """The phase (0 to 1) of a repeating pattern in the fabric's direction."""
    x, y = _grid()
    along = {0: y + 0 * x, 90: x + 0 * y, 45: x + y}[fabric.angle]
    return along * fabric.repeats % 1


def _plain(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    return _flat(fabric.palette[0]) * _weave(rng)


def _satin(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    return _flat(fabric.palette[0]) * _weave(rng, 0.015)


def _stripes(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    ground, stripe, thin = fabric.palette
    phase = _across(fabric)
    share = 0.22 + 0.28 * ((fabric.seed >> 3) % 3) / 2
    out = _mix(ground, stripe, _soft(share / 2 - np.abs(phase - 0.5), 0.03))
    if fabric.seed % 3 == 0:
        out = _mix(out, thin, _soft(0.05 - np.abs(phase - 0.06), 0.03))
    return out * _weave(rng, 0.04)


def _gingham(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    x, y = _grid()
    bands = _soft((x * fabric.repeats % 1) - 0.5, 0.03), _soft((y * fabric.repeats % 1) - 0.5, 0.03)
    return _mix(fabric.palette[1], fabric.palette[0], (bands[0] + bands[1]) / 2) * _weave(rng, 0.04)


def _tartan(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    ground, band, thin = fabric.palette
    x, y = _grid()
    out = np.array(_flat(ground))
    for phase in (x * fabric.repeats % 1, y * fabric.repeats % 1):
        out = _mix(out, band, 0.5 * _soft(0.2 - np.abs(phase - 0.4)) + np.zeros((SIDE, SIDE)))
        out = _mix(out, thin, 0.75 * _soft(0.03 - np.abs(phase - 0.85)) + np.zeros((SIDE, SIDE)))
    return out * _weave(rng, 0.06)


def _dots(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    x, y = _grid()
    row = np.floor(y * fabric.repeats * 2)
    dx = (x * fabric.repeats + 0.5 * (row % 2)) % 1 - 0.5
    dy = (y * fabric.repeats * 2 % 1 - 0.5) / 2
    size = 0.13 + 0.09 * (fabric.seed % 3) / 2
    return _mix(fabric.palette[0], fabric.palette[1], _soft(size - np.hypot(dx, dy))) * _weave(rng)


def _knit(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    x, y = _grid()
    columns = max(fabric.repeats, 12)
    arm = np.abs(x * columns % 1 - 0.5)
    stitch = (y * columns * 1.5 + arm) % 1
    if fabric.seed % 2:
        wave = y * fabric.repeats // 4 % 2 + 0 * x
        out = _mix(fabric.palette[0], fabric.palette[1], wave)
    else:
        out = np.array(_flat(fabric.palette[0]))
    relief: Pixels = 0.76 + 0.34 * np.sin(np.pi * stitch) * (0.55 + arm)
    return out * relief[..., None] * _weave(rng, 0.06)


def _cable(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    x, y = _grid()
    phase = x * 4 % 1 - 0.5
    turn = 0.17 * np.sin(2 * np.pi * y * 4)
    rope = np.exp(-((np.abs(phase) - np.abs(turn)) ** 2) / 0.006)
    ribs = 0.5 + 0.5 * np.cos(2 * np.pi * x * 32)
    relief: Pixels = 0.78 + 0.3 * rope + 0.1 * ribs * (np.abs(phase) > 0.3)
    return _flat(fabric.palette[0]) * relief[..., None] * _weave(rng, 0.07)


def _denim(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    x, y = _grid()
    twill = 0.5 + 0.5 * np.sin(2 * np.pi * (x + y) * 64)
    fade = 0.16 * repeating_noise(rng, 3, 3, SIDE) + 0.10 * repeating_noise(rng, 4, 40, SIDE)
    pale = np.clip(0.16 + 0.12 * twill + fade * 0.7, 0, 1)
    return _mix(fabric.palette[0], (226, 228, 226), pale) * _weave(rng, 0.12)


def _corduroy(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    x, y = _grid()
    ribs: Pixels = np.abs(np.sin(np.pi * x * max(fabric.repeats, 12) * 2)) + 0 * y
    return _flat(fabric.palette[0]) * (0.72 + 0.38 * ribs)[..., None] * _weave(rng, 0.06)


def _tweed(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    flecks = rng.random((SIDE, SIDE)).astype(np.float32)
    coarse = np.kron(flecks[::2, ::2], np.ones((2, 2), dtype=np.float32))
    out = _mix(fabric.palette[0], fabric.palette[1], 0.75 * (coarse > 0.62))
    return _mix(out, fabric.palette[2], 0.8 * (coarse < 0.10)) * _weave(rng, 0.10)


def _herringbone(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    x, y = _grid()
    zigzag = np.abs(x * fabric.repeats % 1 - 0.5) * 2
    line = (y * fabric.repeats * 2 + zigzag) % 1
    share = 0.8 * _soft(0.22 - np.abs(line - 0.5), 0.2)
    return _mix(fabric.palette[0], fabric.palette[1], share) * _weave(rng, 0.07)


def _houndstooth(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    x, y = _grid()
    u, v = x * fabric.repeats % 1 * 4, y * fabric.repeats % 1 * 4
    diagonal = (u + v) % 2 < 1
    warp, weft = (u < 2) & (v < 4), (v < 2) & (u < 4)
    dark = (warp & weft) | ((warp ^ weft) & diagonal)
    return _mix(fabric.palette[1], fabric.palette[0], dark.astype(np.float32)) * _weave(rng, 0.05)


def _argyle(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    x, y = _grid()
    u, v = np.abs(x * fabric.repeats % 1 - 0.5), np.abs(y * fabric.repeats % 1 - 0.5)
    out = _mix(fabric.palette[0], fabric.palette[1], _soft(0.5 - u - v, 0.02))
    cross = np.minimum(np.abs(u - v), 1.0)
    return _mix(out, fabric.palette[2], _soft(0.018 - cross, 0.02)) * _weave(rng, 0.05)


def _abstract(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    cells = max(3, fabric.repeats // 2)
    broad = repeating_noise(rng, cells, cells, SIDE)
    other = repeating_noise(rng, cells + 1, cells, SIDE)
    out = _mix(fabric.palette[0], fabric.palette[1], _soft(broad - 0.35, 0.08))
    return _mix(out, fabric.palette[2], _soft(other - 0.75, 0.08)) * _weave(rng, 0.03)


def _camouflage(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    out = np.array(_flat(fabric.palette[0]))
    for colour, level in (
        (fabric.palette[1], 0.4),
        (dark(fabric.palette[0], 0.45), 0.5),
        (fabric.palette[2], 1.1),
    ):
        out = _mix(out, colour, _soft(repeating_noise(rng, 6, 4, SIDE) - level, 0.06))
    return out * _weave(rng, 0.05)


def _leopard(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    x, y = _grid()
    n = fabric.repeats
    row = np.floor(y * n)
    jitter = repeating_noise(rng, n, n, SIDE) * 0.12
    dx = (x * n + 0.5 * (row % 2)) % 1 - 0.5 + jitter
    dy = y * n % 1 - 0.5 + 0.8 * repeating_noise(rng, n, n, SIDE) * 0.12
    radius = np.hypot(dx, dy) + 0.09 * repeating_noise(rng, 3 * n, 3 * n, SIDE)
    out = _mix(fabric.palette[0], dark(fabric.palette[0], 0.7), _soft(0.2 - radius))
    ring = _soft(0.10 - np.abs(radius - 0.30), 0.05)
    return _mix(out, dark(fabric.palette[0], 0.22), ring) * _weave(rng, 0.05)


def _flowers(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    """Blossoms of five petals with leaves, drawn over the tile's edges."""
    picture = Image.new("RGB", (SIDE * 2, SIDE * 2), fabric.palette[0])
    draw = ImageDraw.Draw(picture)
    red, green, blue = fabric.palette[0]
    leaf = (int(0.5 * 60 + 0.5 * red), int(0.5 * 104 + 0.5 * green), int(0.5 * 62 + 0.5 * blue))
    count = 4 + 2 * fabric.repeats
    size = 2 * SIDE * 0.75 / np.sqrt(count) / 2
    for number in range(count):
        x, y, turn = rng.random(3) * (2 * SIDE, 2 * SIDE, 6.28)
        r = size * (0.6 + 0.6 * rng.random())
        petals = 4 + int(rng.integers(3))
        colour = fabric.palette[1 + number % 2]
        for dx in (-2 * SIDE, 0, 2 * SIDE):
            for dy in (-2 * SIDE, 0, 2 * SIDE):
                if not (-r * 2 < x + dx < 2 * SIDE + r * 2 and -r * 2 < y + dy < 2 * SIDE + r * 2):
                    continue
                _blossom(draw, (x + dx, y + dy), r, turn, petals, (colour, leaf, fabric.palette[2]))
    small = picture.resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32) * _weave(rng, 0.03)


def _blossom(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], r: float, turn: float, petals: int,
    colours: tuple[Colour, Colour, Colour],
) -> None:  # fmt: skip
    def disc(angle: float, reach: float, size: float, colour: Colour) -> None:
        x, y = at[0] + reach * np.cos(angle), at[1] + reach * np.sin(angle)
        draw.ellipse((x - size, y - size, x + size, y + size), fill=colour)

    for side in (-1.0, 0.5):
        for step in range(4):
            disc(turn + side, r * (0.7 + 0.22 * step), r * (0.26 - 0.05 * step), colours[1])
    for petal in range(petals):
        disc(turn + petal * 6.2832 / petals, r * 0.46, r * 0.36, colours[0])
    disc(0, 0, r * 0.2, colours[2])


def _leather(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    grain = repeating_noise(rng, 64, 64, SIDE) + 0.5 * repeating_noise(rng, 128, 128, SIDE)
    return _flat(fabric.palette[0]) * (1 + 0.035 * grain)[..., None]


def _quilted(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    x, y = _grid()
    n = max(3, fabric.repeats // 2)
    seam = np.minimum(np.abs((x + y) * n % 1 - 0.5), np.abs((x - y) * n % 1 - 0.5))
    puff: Pixels = 0.62 + 0.46 * np.clip(seam * 4, 0, 1) ** 0.5 + 0.08 * ((x + y) * n % 1 - 0.5)
    return _flat(fabric.palette[0]) * puff[..., None] * _weave(rng, 0.03)


def _straw(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    x, y = _grid()
    n = 24
    over = np.where((np.floor(x * n) + np.floor(y * n)) % 2 == 0, y * n % 1, x * n % 1)
    relief: Pixels = 0.68 + 0.42 * np.sin(np.pi * over)
    return _flat(fabric.palette[0]) * relief[..., None] * _weave(rng, 0.10)


def _marble(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    """Tortoiseshell and horn."""
    cloud = repeating_noise(rng, 9, 9, SIDE) + 0.6 * repeating_noise(rng, 20, 20, SIDE)
    return _mix(fabric.palette[0], dark(fabric.palette[0], 0.35), _soft(cloud, 0.5))


def _metal(fabric: Fabric, rng: np.random.Generator) -> Pixels:
    brushed = repeating_noise(rng, 120, 4, SIDE)
    return _flat(fabric.palette[0]) * (1 + 0.05 * brushed)[..., None]


_PAINTERS: dict[str, Callable[[Fabric, np.random.Generator], NDArray[np.float32]]] = {
    "plain": _plain, "satin": _satin, "stripes": _stripes, "gingham": _gingham,
    "tartan": _tartan, "dots": _dots, "knit": _knit, "cable": _cable, "denim": _denim,
    "corduroy": _corduroy, "tweed": _tweed, "herringbone": _herringbone,
    "houndstooth": _houndstooth, "argyle": _argyle, "abstract": _abstract,
    "camouflage": _camouflage, "leopard": _leopard, "floral": _flowers, "leather": _leather,
    "patent": _satin, "quilted": _quilted, "straw": _straw, "marble": _marble, "metal": _metal,
}  # fmt: skip

KINDS = tuple(_PAINTERS)
