"""Belts: worn at the waist in torso coordinates, or coiled."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from lookdex_sample.geometry import Points, box, curve, ellipse, points
from lookdex_sample.paint import GOLD, STEEL, Material, Part, dark
from lookdex_sample.products import Product
from lookdex_sample.textures import material


def buckle_parts(product: Product, half: float, z: float) -> list[Part]:
    """A buckle about the origin for a belt of half width `half`."""
    cut = product.cut
    metal = GOLD if cut.number % 2 else STEEL
    size = half * 1.35
    shapes = {
        "square": (
            box(-size, -size, size, size),
            box(-size * 0.66, -size * 0.66, size * 0.66, size * 0.66),
        ),
        "round": (ellipse(0, 0, size * 1.1), ellipse(0, 0, size * 0.74)),
        "oval": (ellipse(0, 0, size * 1.35, size), ellipse(0, 0, size, size * 0.66)),
        "plate": (
            curve(
                [
                    (-size * 1.5, -size),
                    (size * 1.5, -size),
                    (size * 1.5, size),
                    (-size * 1.5, size),
                ],
                2,
            ),
            None,
        ),
        "rings": (ellipse(-size * 0.4, 0, size * 1.1), ellipse(-size * 0.4, 0, size * 0.75)),
    }
    rim, hole = shapes[cut.neck]
    parts = [Part(metal, z, fills=(rim,), holes=(hole,) if hole is not None else (), lift=0.5)]
    if cut.neck == "rings":
        parts.append(
            Part(
                metal,
                z,
                fills=(ellipse(size * 0.5, 0, size * 1.1),),
                holes=(ellipse(size * 0.5, 0, size * 0.75),),
                lift=0.5,
            )
        )
    elif hole is not None:
        parts.append(
            Part(
                metal,
                z + 0.1,
                lines=(points([(-size, 0), (size * 0.8, 0)]),),
                width=half * 0.22,
                lift=0.4,
            )
        )
    return parts


def belt_half(product: Product) -> float:
    """Return half of a belt's width in heads."""
    return 0.075 + 0.11 * product.cut.width


def belt_parts(product: Product, build: float = 1.0) -> list[Part]:
    """A belt worn at the waist of a figure of this build, in torso coordinates."""
    half, y = belt_half(product), -0.66 if product.cut.width < 0.75 else -0.8
    w = (0.57 if product.cut.width < 0.75 else 0.53) * build + 0.05
    band = curve(
        [
            (-w, y - half),
            (0, y - half + 0.03),
            (w, y - half),
            (w, y + half),
            (0, y + half + 0.03),
            (-w, y + half),
        ],
        4,
    )
    return _belt_band(product, band, [(-w, y), (0, y + 0.03), (w, y)], (0.0, y + 0.03), 0.0)


def rolled_belt_parts(product: Product) -> list[Part]:
    """A loosely coiled belt, as in catalogues."""
    half = belt_half(product)
    turn = np.linspace(0.3, 2 * math.pi * 1.55, 60)
    reach = 0.55 + 0.085 * turn
    spine = np.column_stack([reach * np.cos(turn) * 1.25, reach * np.sin(turn) * 0.75])
    tail = spine[-1] + np.column_stack([np.linspace(0.05, 0.9, 6), np.linspace(-0.02, -0.25, 6)]) * (1, 1)
    line = np.vstack([spine, tail])
    cloth = replace(material(product.fabric), folds=0.15)
    under = Material(dark(product.fabric.palette[0], 0.72))
    parts = [
        Part(under, 25, lines=(line + (0.02, half * 0.5),), width=half * 2, lift=0.5),
        Part(cloth, 26, lines=(line,), width=half * 1.8, lift=0.25, volume=0.4),
    ]
    if product.cut.trim in ("stitch", "studs"):
        parts += _belt_trim(product, line, half)
    holes = tuple(ellipse(p[0], p[1], half * 0.16) for p in line[2:10:2])
    parts.append(Part(Material((24, 20, 18)), 26.5, fills=holes, lift=0))
    for part in buckle_parts(product, half, 27):
        parts.append(part.placed(tuple(tail[-1]), 1.15, -0.28))
    return parts


def _belt_band(
    product: Product, band: Points, spine: list[tuple[float, float]], at: tuple[float, float], turn: float
) -> list[Part]:  # fmt: skip
    half = belt_half(product)
    cloth = replace(material(product.fabric), folds=0.1)
    parts = [Part(cloth, 38, fills=(band,), lift=0.4, volume=0.35)]
    parts += (
        _belt_trim(product, curve(spine, 8, closed=False), half)
        if product.cut.trim in ("stitch", "studs")
        else []
    )
    parts = [replace(part, z=max(part.z, 38.2)) if i else part for i, part in enumerate(parts)]
    holes = tuple(ellipse(at[0] + 0.26 + 0.09 * i, at[1], half * 0.18) for i in range(3))
    parts.append(Part(Material((24, 20, 18)), 38.3, fills=holes, lift=0))
    return parts + [part.placed(at, 1.15, turn) for part in buckle_parts(product, half, 38.5)]


def _belt_trim(product: Product, spine: Points, half: float) -> list[Part]:
    if product.cut.trim == "studs":
        studs = tuple(ellipse(p[0], p[1], half * 0.3, n=12) for p in spine[::2])
        return [Part(STEEL, 26.4, fills=studs, lift=0.3)]
    light = Material(product.cut.accent)
    rows = tuple(spine + (0, dy * half) for dy in (-0.62, 0.62))
    return [Part(light, 26.4, lines=rows, width=0.018, lift=0, volume=0)]
