"""Scarves and jewelry, in torso coordinates unless noted otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lookdex_sample.geometry import Points, arc, box, curve, ellipse, mirrored, points
from lookdex_sample.paint import Material, Part, dark
from lookdex_sample.products import Cut, Product
from lookdex_sample.textures import material


def scarf_parts(product: Product) -> list[Part]:
    """A scarf around the neck with two ends, in torso coordinates."""
    cloth = replace(material(product.fabric), folds=0.9)
    return (
        _silk_scarf(product.cut, cloth) if product.cut.style == "silk scarf" else _warm_scarf(product, cloth)
    )


def _silk_scarf(cut: Cut, cloth: Material) -> list[Part]:
    loop = curve(mirrored([(0.0, -2.74), (0.26, -2.66), (0.34, -2.45), (0.2, -2.24), (0.0, -2.14)]), 4)
    if cut.number % 2:  # a triangle over the chest
        sides = [curve([(-0.62, -2.25), (0, -2.5), (0.62, -2.25), (0.1, -1.35), (-0.1, -1.35)], 4)]
    else:
        tip = 0.42 + 0.1 * cut.width, -1.62 - 0.2 * cut.length
        sides = [
            curve([(0, -2.2), (s * 0.2, -2.0), (s * tip[0], tip[1]), (s * 0.18, -1.5), (s * 0.03, -1.9)], 4)
            for s in (-1, 1)
        ]
    parts = [
        Part(cloth, 47, fills=tuple(sides), lift=0.5),
        Part(cloth, 48, fills=(loop,), lift=0.5, grain=0.8),
        Part(cloth, 48.2, fills=(ellipse(0, -2.17, 0.1, 0.09),), lift=0.5, grain=0.4),
    ]
    if cut.trim == "border":
        border = tuple(np.vstack([side, side[:1]]) for side in sides)
        parts.append(Part(Material(cut.accent), 47.3, lines=border, width=0.05, lift=0))
    return parts


def _warm_scarf(product: Product, cloth: Material) -> list[Part]:
    cut = product.cut
    thick = 0.12 + 0.1 * cut.width
    parts = _scarf_end(product, cloth, -1, -0.2 + 0.7 * cut.length)
    parts += _scarf_end(product, cloth, 1, -0.75 + 0.6 * cut.length)
    loop = [(0.0, -2.86), (0.3, -2.72 - 0.3 * thick), (0.42 + thick * 0.6, -2.5), (0.36 + thick * 0.4, -2.2),
            (0.0, -1.98 + thick * 0.5)]  # fmt: skip
    creases = tuple(curve([(-0.3, -2.6), (0.0, -2.4 + d), (0.34, -2.5)], closed=False) for d in (0.0, 0.16))
    return [
        *parts,
        Part(cloth, 48, fills=(curve(mirrored(loop), 4),), lift=0.5, grain=math.pi / 2),
        Part(Material((16, 14, 18), opacity=0.28), 48.3, lines=creases, width=0.05, lift=0, volume=0),
    ]


def _scarf_end(product: Product, cloth: Material, side: int, low: float) -> list[Part]:
    """An end with its fringe or its pompoms. low: y of its edge."""
    cut, x = product.cut, side * 0.27
    half = 0.17 + 0.12 * cut.width
    tail = [(x - half * 0.8, -2.3), (x + half * 0.8, -2.3), (x + half, (low - 2.3) / 2), (x + half * 1.05, low),
            (x - half * 1.05, low), (x - half, (low - 2.3) / 2)]  # fmt: skip
    end = Part(cloth, 47 + 0.1 * side, fills=(curve(tail, 5),), lift=0.5)
    if cut.trim == "fringe":
        strands = np.linspace(x - half * 0.98, x + half * 0.98, 11)
        fringe = tuple(points([(v, low - 0.03), (v + 0.015 * math.sin(9 * v), low + 0.3)]) for v in strands)
        look = Material(product.fabric.palette[cut.number % 2])
        return [end, Part(look, 46.8, lines=fringe, width=0.034, lift=0.3)]
    pompoms = ellipse(x - half * 0.6, low + 0.08, 0.12), ellipse(x + half * 0.6, low + 0.08, 0.12)
    return [end, Part(Material(cut.accent), 47.3, fills=pompoms, lift=0.4)]


@dataclass(frozen=True)
class _Jewel:
    cut: Cut
    metal: Material
    stone: Material


def jewelry_parts(product: Product) -> list[Part]:
    """A necklace in torso coordinates, earrings relative to the head, or a bangle relative to the wrist."""
    stone = Material(dark(product.cut.accent, 0.9), gloss=1.0)
    return _JEWELRY[product.cut.style](_Jewel(product.cut, material(product.fabric), stone))


def _chain(jewel: _Jewel) -> tuple[Points, float, Part]:
    """A chain in front, the y of its lowest point, and what lies behind the neck."""
    depth = -1.95 + 0.5 * jewel.cut.length
    middle = (depth - 2.4) / 2
    chain = [(-0.30, -2.40), (-0.24, middle), (-0.1, depth - 0.1), (0, depth), (0.1, depth - 0.1), (0.24, middle),
             (0.30, -2.40)]  # fmt: skip
    behind = Part(jewel.metal, 27, lines=(arc(0, -2.40, 0.30, 0.20, 180, 360),), width=0.03)
    return curve(chain, 6, closed=False), depth, behind


def _bead_necklace(jewel: _Jewel) -> list[Part]:
    chain, _, behind = _chain(jewel)
    count = 17 + jewel.cut.number % 9
    at = np.linspace(0, len(chain) - 1, count).astype(int)
    middle = 1 - np.abs(np.linspace(-1, 1, count))
    sizes = 0.042 + (0.05 * middle if jewel.cut.trim == "graded" else np.full(count, 0.015))
    beads = [ellipse(chain[i][0], chain[i][1], float(r), n=16) for i, r in zip(at, sizes, strict=True)]
    shiny = replace(jewel.metal, gloss=1.0)
    return [
        behind,
        Part(jewel.metal, 44, lines=(chain,), width=0.02),
        Part(shiny, 44.2, fills=tuple(beads[::2]), lift=0.4),
        Part(jewel.stone if jewel.cut.number % 2 else shiny, 44.2, fills=tuple(beads[1::2]), lift=0.4),
    ]


def _pendant_necklace(jewel: _Jewel) -> list[Part]:
    chain, depth, behind = _chain(jewel)
    pendant = _pendant(jewel.cut.trim, depth)
    parts = [
        behind,
        Part(jewel.metal, 44, lines=(chain,), width=0.035),
        Part(jewel.metal, 44.2, fills=(pendant,), lift=0.4),
    ]
    if jewel.cut.number % 2:
        x, y = pendant.mean(axis=0)
        parts.append(Part(jewel.stone, 44.4, fills=(ellipse(float(x), float(y), 0.06),), lift=0.2))
    return parts


def _pendant(kind: str, y: float) -> Points:
    if kind == "drop":
        return curve([(0, y), (0.12, y + 0.2), (0, y + 0.32), (-0.12, y + 0.2)], 5)
    if kind == "disc":
        return ellipse(0, y + 0.14, 0.15)
    if kind == "heart":
        return curve([(0, y + 0.06), (0.1, y), (0.17, y + 0.1), (0, y + 0.3), (-0.17, y + 0.1), (-0.1, y)], 5)
    return box(-0.06, y, 0.06, y + 0.34)


def _bangle(jewel: _Jewel) -> list[Part]:
    rings = 3 if jewel.cut.trim == "triple" else 1
    width = 0.06 if rings > 1 else 0.10
    parts = []
    for i in range(rings):
        ring = arc(0, (i - rings / 2) * 0.085, 0.145, 0.06, 0, 362, 32)
        parts.append(Part(jewel.metal, 44 + 0.1 * i, lines=(ring,), width=width, lift=0.3))
    if jewel.cut.trim == "stones":
        stones = tuple(ellipse(x, 0.055 - abs(x) * 0.2, 0.035) for x in (-0.09, 0, 0.09))
        parts.append(Part(jewel.stone, 44.5, fills=stones, lift=0.2))
    return parts


def _pair(earring: Callable[[_Jewel], list[Part]]) -> Callable[[_Jewel], list[Part]]:
    return lambda jewel: [part.placed((s * 0.37, 0.13), flip=s) for s in (-1, 1) for part in earring(jewel)]


def _hoop(jewel: _Jewel) -> list[Part]:
    r = 0.12 + 0.09 * jewel.cut.length
    hoop = arc(0.02, r, r * 0.85, r, -90, 272, 40)
    parts = [Part(jewel.metal, 53.5, lines=(hoop,), width=0.05, lift=0.3)]
    if jewel.cut.trim == "beads":
        beads = tuple(ellipse(0.02 + dx, r * 1.95 - abs(dx), 0.04) for dx in (-0.07, 0, 0.07))
        parts.append(Part(jewel.stone, 53.7, fills=beads, lift=0.2))
    return parts


def _drop(jewel: _Jewel) -> list[Part]:
    low = 0.2 + 0.14 * jewel.cut.length
    if jewel.cut.trim == "tear":
        tear = curve([(0, low - 0.1), (0.085, low + 0.08), (0, low + 0.16), (-0.085, low + 0.08)], 5)
        end = Part(jewel.metal, 53.7, fills=(tear,), lift=0.3)
    elif jewel.cut.trim == "disc":
        end = Part(jewel.metal, 53.7, fills=(ellipse(0, low, 0.105),), lift=0.3)
    else:
        strands = tuple(points([(0, low - 0.1), (d, low + 0.18)]) for d in (-0.05, -0.017, 0.017, 0.05))
        end = Part(jewel.stone, 53.7, lines=strands, width=0.03, lift=0.3)
    return [
        Part(jewel.metal, 53.5, lines=(points([(0, 0), (0, low)]),), width=0.03),
        Part(jewel.metal, 53.6, fills=(ellipse(0, 0, 0.05),)),
        end,
        Part(jewel.stone, 53.8, fills=(ellipse(0, low * 0.55, 0.045),), lift=0.2),
    ]


_JEWELRY: dict[str, Callable[[_Jewel], list[Part]]] = {
    "pendant necklace": _pendant_necklace, "bead necklace": _bead_necklace, "bangle": _bangle,
    "hoop earrings": _pair(_hoop), "drop earrings": _pair(_drop),
}  # fmt: skip


def on_torso(parts: list[Part], mapping: Callable[[Points], Points]) -> list[Part]:
    """Map parts in torso coordinates into a pose."""

    def move(outlines: tuple[Points, ...]) -> tuple[Points, ...]:
        return tuple(mapping(outline) for outline in outlines)

    return [replace(p, fills=move(p.fills), holes=move(p.holes), lines=move(p.lines)) for p in parts]
