"""Backgrounds, light and camera effects. Backgrounds are float32 (height, width, 3), 0 to 255."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from lookdex_sample.paint import Light, Pixels, repeating_noise

Size = tuple[int, int]  # width, height
Painter = Callable[[np.random.Generator, Size], Pixels]


@dataclass(frozen=True)
class Backdrop:
    """A painted background. floor: height of the horizon as a share of the picture, or None."""

    pixels: Pixels
    floor: float | None


def random_light(rng: np.random.Generator, vivid: bool) -> Light:
    """Return the light of a street (`vivid`) or of a studio."""
    turn = rng.uniform(-1.2, 1.2)
    warm = rng.normal(0, 0.075 if vivid else 0.02)
    green = rng.normal(0, 0.015)
    bright = rng.uniform(0.78, 1.12) if vivid else rng.uniform(0.97, 1.04)
    return Light(
        x=float(np.sin(turn)), y=float(-np.cos(turn)),
        strength=float(rng.uniform(0.8, 1.4) if vivid else rng.uniform(0.7, 1.1)),
        gains=(float(bright * (1 + warm)), float(bright * (1 + green)), float(bright * (1 - warm))),
    )  # fmt: skip


def develop(pixels: Pixels, light: Light, rng: np.random.Generator, vivid: bool) -> Image.Image:
    """Return the RGB picture with light, vignette, blur, noise and sometimes JPEG artefacts."""
    height, width = pixels.shape[:2]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    fall: Pixels = 1 + (x * light.x + y * light.y) * np.float32(rng.uniform(0, 0.14) if vivid else 0.02)
    fall = fall - (x * x + y * y) * np.float32(rng.uniform(0, 0.12) if vivid else 0.02)
    out = pixels * fall[..., None] * np.asarray(light.gains, dtype=np.float32)
    if vivid:
        middle = np.float32(118)
        out = middle + (out - middle) * np.float32(rng.uniform(0.86, 1.08))
    grain = rng.uniform(1.0, 6.0) if vivid else rng.uniform(0.3, 1.5)
    tile = rng.standard_normal((128, 128)).astype(np.float32) * np.float32(grain)
    noise = np.tile(tile, (height // 128 + 1, width // 128 + 1))[:height, :width]
    out += noise[..., None]
    picture = Image.fromarray(np.clip(out, 0, 255).astype(np.uint8))
    blur = rng.uniform(0.0, 1.1) if vivid else rng.uniform(0.0, 0.5)
    if blur > 0.35:
        picture = picture.filter(ImageFilter.GaussianBlur(blur))
    if rng.random() < (0.5 if vivid else 0.1):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=int(rng.integers(42, 85)))
        picture = Image.open(buffer, formats=("JPEG",)).convert("RGB")
    return picture


def studio(rng: np.random.Generator, size: Size) -> Backdrop:
    """A near-white or softly coloured backdrop, slightly brighter in the centre."""
    width, height = size
    base = np.array((246, 246, 246), dtype=np.float32) - rng.uniform(0, 14)
    if rng.random() < 0.25:
        base = np.asarray(_PAPERS[rng.integers(len(_PAPERS))], dtype=np.float32)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    glow = 1.02 - 0.05 * rng.random() * x * x - 0.07 * rng.random() * np.abs(y - 0.45)
    return Backdrop((base * glow).astype(np.float32), 0.86 if rng.random() < 0.4 else None)


def flat_lay(rng: np.random.Generator, size: Size) -> Backdrop:
    """Planks, linen or stone seen from above."""
    pick = rng.integers(3)
    painter = (_planks, _linen, _stone)[pick]
    return Backdrop(painter(rng, size), None)


def wall(rng: np.random.Generator, size: Size) -> Backdrop:
    """A plain plastered wall to hang things on."""
    return Backdrop(_plaster(rng, size), None)


def place(rng: np.random.Generator, size: Size) -> Backdrop:
    """A street, room, park or studio, out of focus."""
    painter = _PLACES[rng.integers(len(_PLACES))]
    floor = float(rng.uniform(0.66, 0.84))
    half = (max(size[0] // 2, 8), max(size[1] // 2, 8))
    pixels = painter(rng, half, floor)
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    picture = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.6, 3.2)) * half[0] / 320))
    full = picture.resize(size, Image.Resampling.BICUBIC)
    return Backdrop(np.asarray(full, dtype=np.float32).copy(), floor)


_PAPERS = (
    (226, 206, 196),
    (204, 214, 222),
    (214, 220, 204),
    (232, 222, 200),
    (190, 186, 184),
    (222, 204, 216),
)
_WALLS = (
    (206, 200, 190),
    (182, 190, 194),
    (222, 214, 200),
    (160, 150, 140),
    (196, 180, 168),
    (120, 128, 134),
)


def _noise(rng: np.random.Generator, size: Size, rows: int, columns: int) -> Pixels:
    cells = rng.standard_normal((rows, columns)).astype(np.float32)
    return np.asarray(Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC))


def _tinted(colour: object, shade: Pixels) -> Pixels:
    return np.asarray(colour, dtype=np.float32) * shade[..., None]


def _plaster(rng: np.random.Generator, size: Size) -> Pixels:
    shade = 1 + 0.035 * _noise(rng, size, 9, 6) + 0.02 * _noise(rng, size, 80, 60)
    shade = shade + np.linspace(rng.uniform(-0.12, 0.12), 0, size[0], dtype=np.float32)[None, :]
    return _tinted(_WALLS[rng.integers(len(_WALLS))], shade)


def _linen(rng: np.random.Generator, size: Size) -> Pixels:
    width, height = size
    threads = rng.standard_normal((height, 1)) + rng.standard_normal((1, width))
    creases = _noise(rng, size, 5, 9)
    shade = 1 + 0.012 * threads + 0.05 * np.abs(creases) - 0.02
    return _tinted(
        ((232, 226, 214), (206, 196, 182), (176, 186, 190), (236, 232, 230))[rng.integers(4)],
        shade.astype(np.float32),
    )


def _stone(rng: np.random.Generator, size: Size) -> Pixels:
    veins = np.abs(_noise(rng, size, 7, 5) + 0.4 * _noise(rng, size, 20, 16))
    shade = 1 - 0.16 * np.clip(0.10 - veins, 0, 0.1) * 10 + 0.02 * _noise(rng, size, 60, 40)
    return _tinted(((236, 234, 232), (210, 206, 202), (150, 150, 152))[rng.integers(3)], shade)


def _planks(rng: np.random.Generator, size: Size) -> Pixels:
    width, _ = size
    count = int(rng.integers(4, 8))
    tones = ((176, 130, 92), (206, 172, 132), (124, 92, 70), (220, 214, 204))
    tone = tones[rng.integers(len(tones))]
    grain = 0.05 * _noise(rng, size, 6, 90) + 0.03 * _noise(rng, size, 12, 200)
    at = np.arange(width) * count / width
    board = 1 + 0.07 * rng.standard_normal(count + 1)[at.astype(int)]
    gap = np.where(at % 1 < 4.0 * count / width, 0.55, 1.0)
    shade = (board * gap)[None, :] * (1 + grain)
    pixels = _tinted(tone, shade.astype(np.float32))
    if rng.random() < 0.5:
        side = np.asarray(
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).rotate(90, expand=True).resize(size)
        )
        return side.astype(np.float32)
    return pixels


def _floor(
    rng: np.random.Generator, pixels: Pixels, horizon: float, colour: tuple[int, int, int],
    lines: int,
) -> Pixels:  # fmt: skip
    """Draw paving or boards in perspective below the horizon."""
    height, width = pixels.shape[:2]
    top = int(height * horizon)
    depth = np.arange(1, height - top + 1, dtype=np.float32)[:, None]
    far = 40.0 / (depth + 12)
    x = (np.arange(width, dtype=np.float32)[None, :] - width / 2) * far / 40 * lines / 3
    z = 34 / (depth + 9) * lines
    joint = np.minimum(np.abs(x % 1 - 0.5), np.abs(z % 1 - 0.5) + 0 * x)
    shade = np.where(joint < 0.06, 0.84, 1.0) * (0.82 + 0.25 * depth / (height - top))
    shade = shade * (1 + 0.05 * _noise(rng, (width, height - top), 30, 30))
    pixels[top:] = _tinted(colour, shade.astype(np.float32))
    return pixels


def _street(rng: np.random.Generator, size: Size, horizon: float) -> Pixels:
    """Houses with windows along a pavement."""
    width, height = size
    sky = ((206, 220, 234), (232, 224, 214), (188, 198, 210), (250, 214, 176))[rng.integers(4)]
    picture = Image.new("RGB", size, sky)
    draw = ImageDraw.Draw(picture)
    base = int(height * horizon)
    x = -int(rng.integers(0, width // 3))
    while x < width:
        wide = int(rng.integers(width // 4, width // 2))
        top = int(rng.uniform(-0.1, 0.35) * height)
        tone = np.array(_FACADES[rng.integers(len(_FACADES))]) + rng.integers(-14, 14)
        draw.rectangle((x, top, x + wide, base), fill=tuple(int(v) for v in np.clip(tone, 0, 255)))
        step = max(16, wide // int(rng.integers(2, 5)))
        rise = int(step * rng.uniform(1.2, 1.8))
        glass = tuple(int(v) for v in np.array((72, 84, 98)) + rng.integers(-20, 60))
        for wx in range(x + step // 4, x + wide - step // 3, step):
            for wy in range(top + step // 3, base - rise, rise):
                lit = (250, 226, 170) if rng.random() < 0.15 else glass
                draw.rectangle(
                    (wx - 2, wy - 2, wx + step // 2 + 2, wy + rise * 6 // 10 + 2),
                    fill=tuple(int(v) for v in np.clip(tone * 1.15, 0, 255)),
                )
                draw.rectangle((wx, wy, wx + step // 2, wy + rise * 6 // 10), fill=lit)
        shop = base - int(height * 0.16)
        if rng.random() < 0.6:
            draw.rectangle((x + 6, shop, x + wide - 6, base), fill=(58, 56, 60))
            awning = tuple(int(v) for v in rng.integers(60, 220, 3))
            draw.rectangle((x + 4, shop - 10, x + wide - 4, shop + 8), fill=awning)
        x += wide
    if rng.random() < 0.4:
        cx, paint = int(rng.uniform(0, width)), tuple(int(v) for v in rng.integers(40, 200, 3))
        draw.rounded_rectangle((cx - 70, base - 46, cx + 70, base + 4), 16, fill=paint)
        draw.ellipse((cx - 52, base - 14, cx - 24, base + 12), fill=(30, 30, 32))
        draw.ellipse((cx + 24, base - 14, cx + 52, base + 12), fill=(30, 30, 32))
    return _floor(rng, np.asarray(picture, dtype=np.float32).copy(), horizon, _PAVINGS[rng.integers(3)], 5)


_FACADES = (
    (188, 160, 132),
    (172, 112, 88),
    (206, 196, 178),
    (142, 146, 150),
    (112, 98, 92),
    (220, 206, 170),
    (158, 174, 178),
)
_PAVINGS = ((158, 154, 150), (178, 168, 154), (126, 126, 130))


def _bricks(rng: np.random.Generator, size: Size, horizon: float) -> Pixels:
    width, height = size
    tall = int(rng.integers(9, 15))
    rows = np.arange(height) // tall
    shift = (rows % 2)[:, None] * tall
    columns = (np.arange(width)[None, :] + shift) // (2 * tall)
    joint = ((np.arange(height) % tall < 2)[:, None]) | ((np.arange(width)[None, :] + shift) % (2 * tall) < 2)
    table = 1 + 0.10 * rng.standard_normal((rows[-1] + 1, width // tall + 4))
    tones = ((164, 92, 72), (196, 182, 164), (126, 82, 68), (214, 210, 204))
    pixels = _tinted(tones[rng.integers(4)], table[rows[:, None], columns].astype(np.float32))
    pixels[joint] = np.asarray((190, 184, 176), dtype=np.float32) * 0.95
    return _floor(rng, pixels, horizon, _PAVINGS[rng.integers(3)], 4)


def _foliage(rng: np.random.Generator, size: Size, horizon: float) -> Pixels:
    """A hedge or trees with light through the leaves, over grass or gravel."""
    width, height = size
    season = ((70, 104, 56), (96, 124, 62), (168, 124, 58), (52, 84, 62))[rng.integers(4)]
    picture = Image.new("RGB", size, tuple(int(c * 0.6) for c in season))
    draw = ImageDraw.Draw(picture)
    for step in range(420):
        x, y = rng.uniform(0, width), rng.uniform(0, height * horizon)
        r = rng.uniform(4, 22) * (1.3 - step / 420)
        tone = np.clip(np.array(season) * rng.uniform(0.55, 1.5) + (20 * (step > 330)), 0, 255)
        draw.ellipse((x - r, y - r * 0.8, x + r, y + r * 0.8), fill=tuple(int(v) for v in tone))
    ground = ((122, 140, 84), (176, 164, 142), (150, 150, 148))[rng.integers(3)]
    return _floor(rng, np.asarray(picture, dtype=np.float32).copy(), horizon, ground, 1)


def _bokeh(rng: np.random.Generator, size: Size, horizon: float) -> Pixels:
    """City lights at dusk."""
    width, height = size
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky = np.asarray(((44, 48, 74), (80, 64, 70), (120, 128, 140))[rng.integers(3)], dtype=np.float32)
    picture = Image.fromarray(np.broadcast_to(sky * (0.7 + 0.8 * ramp), (height, width, 3)).astype(np.uint8))
    layer = Image.new("RGB", size)
    draw = ImageDraw.Draw(layer)
    lamps = ((255, 206, 140), (255, 236, 200), (255, 150, 110), (150, 196, 240), (240, 120, 130))
    for _ in range(46):
        x, y, r = rng.uniform(0, width), rng.uniform(0, height * horizon), rng.uniform(5, 24)
        tone = np.array(lamps[rng.integers(5)]) * rng.uniform(0.25, 0.75)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(int(v) for v in tone))
    pixels = (
        np.asarray(picture, dtype=np.float32)
        + np.asarray(layer.filter(ImageFilter.GaussianBlur(1.5)), dtype=np.float32) * 0.8
    )
    return _floor(rng, pixels, horizon, (96, 94, 100), 3)


def _room(rng: np.random.Generator, size: Size, horizon: float) -> Pixels:
    """A wall with a window, pictures, a plant or shelves, over a wooden floor."""
    width, height = size
    pixels = _plaster(rng, size)
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    base = int(height * horizon)
    if rng.random() < 0.55:
        x, y = int(rng.uniform(-0.1, 0.7) * width), int(rng.uniform(0.02, 0.2) * height)
        w, h = int(width * rng.uniform(0.25, 0.45)), int(height * rng.uniform(0.3, 0.45))
        draw.rectangle((x - 6, y - 6, x + w + 6, y + h + 6), fill=(244, 242, 238))
        draw.rectangle((x, y, x + w, y + h), fill=(222, 234, 244))
        draw.rectangle((x + w // 2 - 3, y, x + w // 2 + 3, y + h), fill=(244, 242, 238))
    else:
        for _ in range(int(rng.integers(1, 4))):
            x, y = int(rng.uniform(0, 0.85) * width), int(rng.uniform(0.05, 0.4) * height)
            w, h = int(rng.integers(30, 80)), int(rng.integers(36, 90))
            draw.rectangle((x, y, x + w, y + h), fill=(60, 52, 46))
            draw.rectangle(
                (x + 4, y + 4, x + w - 4, y + h - 4),
                fill=tuple(int(v) for v in rng.integers(90, 235, 3)),
            )
    if rng.random() < 0.5:
        x = int(rng.choice((0.08, 0.9)) * width)
        for _ in range(26):
            a, b = x + rng.normal(0, 22), base - rng.uniform(46, 150)
            draw.ellipse(
                (a - 12, b - 22, a + 12, b + 22),
                fill=(
                    int(rng.integers(40, 90)),
                    int(rng.integers(84, 130)),
                    int(rng.integers(50, 80)),
                ),
            )
        draw.polygon(
            ((x - 24, base - 52), (x + 24, base - 52), (x + 18, base + 6), (x - 18, base + 6)),
            fill=(176, 110, 80),
        )
    draw.rectangle((0, base - 12, width, base), fill=(240, 236, 230))
    wood = ((168, 122, 86), (196, 160, 122), (116, 88, 70), (190, 186, 182))[rng.integers(4)]
    return _floor(rng, np.asarray(picture, dtype=np.float32).copy(), horizon, wood, 7)


def _concrete(rng: np.random.Generator, size: Size, horizon: float) -> Pixels:
    """A concrete wall with a slanting shadow."""
    width, height = size
    pixels = _tinted((178, 176, 172), 1 + 0.05 * _noise(rng, size, 12, 8) + 0.03 * _noise(rng, size, 90, 60))
    x, y = np.arange(width)[None, :] / width, np.arange(height)[:, None] / height
    phase = (x * rng.uniform(0.6, 1.6) + y * rng.uniform(-0.9, 0.9)) * rng.integers(1, 4)
    pixels *= np.where(phase % 1 < rng.uniform(0.25, 0.6), 0.78, 1.0).astype(np.float32)[..., None]
    return _floor(rng, pixels, horizon, (150, 148, 146), 3)


def _sweep(rng: np.random.Generator, size: Size, horizon: float) -> Pixels:
    """A coloured studio sweep with a light pool."""
    width, height = size
    tone = (*_PAPERS, (120, 132, 150), (98, 92, 92), (176, 124, 104))[rng.integers(9)]
    x, y = np.linspace(-1, 1, width)[None, :], np.linspace(0, 1, height)[:, None]
    pool = 1.12 - 0.3 * (x - rng.uniform(-0.5, 0.5)) ** 2 - 0.35 * (y - 0.4) ** 2
    line = 1 - 0.06 * np.clip((y - horizon) * 30, 0, 1)
    return _tinted(tone, (pool * line).astype(np.float32))


_PLACES = (_street, _street, _bricks, _foliage, _bokeh, _room, _room, _concrete, _sweep)

__all__ = [
    "Backdrop",
    "develop",
    "flat_lay",
    "place",
    "random_light",
    "repeating_noise",
    "studio",
    "wall",
]
