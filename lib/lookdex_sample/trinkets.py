"""Scarves and jewelry, in torso coordinates unless noted otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lookdex_sample.geometry import Points, arc, box, curve, ellipse, mirrored, points
from lookdex_sample.paint import Material, Part, dark
from lookdex_sample.products import Product
from lookdex_sample.textures import material


def scarf_parts(product: Product) -> list[Part]:
    """A scarf around the neck with two ends, in torso coordinates."""
    cut = product.cut
    cloth = replace(material(product.fabric), folds=0.9)
    accent = Material(cut.accent)
    if cut.style == "silk scarf":
        loop = curve(mirrored([(0.0, -2.74), (0.26, -2.66), (0.34, -2.45), (0.2, -2.24), (0.0, -2.14)]), 4)
        sides = [
            curve(
                [
                    (0, -2.2),
                    (s * 0.2, -2.0),
                    (s * (0.42 + 0.1 * cut.width), -1.62 - 0.2 * cut.length),
                    (s * 0.18, -1.5),
                    (s * 0.03, -1.9),
                ],
                4,
            )
            for s in (-1, 1)
        ]
        if cut.number % 2:  # a triangle over the chest
            sides = [curve([(-0.62, -2.25), (0, -2.5), (0.62, -2.25), (0.1, -1.35), (-0.1, -1.35)], 4)]
        parts = [
            Part(cloth, 47, fills=tuple(sides), lift=0.5),
            Part(cloth, 48, fills=(loop,), lift=0.5, grain=0.8),
        ]
        parts.append(Part(cloth, 48.2, fills=(ellipse(0, -2.17, 0.1, 0.09),), lift=0.5, grain=0.4))
        if cut.trim == "border":
            parts.append(
                Part(
                    accent,
                    47.3,
                    lines=tuple(np.vstack([s, s[:1]]) for s in sides),
                    width=0.05,
                    lift=0,
                )
            )
        return parts
    thick = 0.12 + 0.1 * cut.width
    ends = (-0.2 + 0.7 * cut.length, -0.75 + 0.6 * cut.length)
    parts = []
    for s, low in ((-1, ends[0]), (1, ends[1])):
        half = 0.17 + 0.12 * cut.width
        x = s * 0.27
        tail = curve(
            [
                (x - half * 0.8, -2.3),
                (x + half * 0.8, -2.3),
                (x + half, (low - 2.3) / 2),
                (x + half * 1.05, low),
                (x - half * 1.05, low),
                (x - half, (low - 2.3) / 2),
            ],
            5,
        )
        parts.append(Part(cloth, 47 + 0.1 * s, fills=(tail,), lift=0.5))
        strands = np.linspace(x - half * 0.98, x + half * 0.98, 11)
        if cut.trim == "fringe":
            fringe = tuple(
                points([(v, low - 0.03), (v + 0.015 * math.sin(9 * v), low + 0.3)]) for v in strands
            )
            parts.append(
                Part(
                    Material(product.fabric.palette[cut.number % 2]),
                    46.8,
                    lines=fringe,
                    width=0.034,
                    lift=0.3,
                )
            )
        else:
            parts.append(
                Part(
                    accent,
                    47.3,
                    fills=(
                        ellipse(x - half * 0.6, low + 0.08, 0.12),
                        ellipse(x + half * 0.6, low + 0.08, 0.12),
                    ),
                    lift=0.4,
                )
            )
    outer = [
        (0.0, -2.86),
        (0.3, -2.72 - 0.3 * thick),
        (0.42 + thick * 0.6, -2.5),
        (0.36 + thick * 0.4, -2.2),
        (0.0, -1.98 + thick * 0.5),
    ]
    parts.append(Part(cloth, 48, fills=(curve(mirrored(outer), 4),), lift=0.5, grain=math.pi / 2))
    crease = [curve([(-0.3, -2.6), (0.0, -2.4 + d), (0.34, -2.5)], closed=False) for d in (0.0, 0.16)]
    parts.append(
        Part(
            Material((16, 14, 18), opacity=0.28),
            48.3,
            lines=tuple(crease),
            width=0.05,
            lift=0,
            volume=0,
        )
    )
    return parts


def jewelry_parts(product: Product) -> list[Part]:
    """A necklace in torso coordinates, earrings relative to the head, or a bangle relative to the wrist."""
    cut = product.cut
    metal = material(product.fabric)
    stone = Material(dark(product.cut.accent, 0.9), gloss=1.0)
    if cut.style in ("pendant necklace", "bead necklace"):
        depth = -1.95 + 0.5 * cut.length
        chain = curve(
            [
                (-0.30, -2.40),
                (-0.24, (depth - 2.4) / 2),
                (-0.1, depth - 0.1),
                (0, depth),
                (0.1, depth - 0.1),
                (0.24, (depth - 2.4) / 2),
                (0.30, -2.40),
            ],
            6,
            closed=False,
        )
        behind = Part(metal, 27, lines=(arc(0, -2.40, 0.30, 0.20, 180, 360),), width=0.03)
        if cut.style == "bead necklace":
            count = 17 + cut.number % 9
            at = np.linspace(0, len(chain) - 1, count).astype(int)
            middle = 1 - np.abs(np.linspace(-1, 1, count))
            sizes = 0.042 + (0.05 * middle if cut.trim == "graded" else 0.015)
            beads = [
                ellipse(chain[i][0], chain[i][1], float(r), n=16)
                for i, r in zip(at, sizes + 0 * middle, strict=True)
            ]
            return [
                behind,
                Part(metal, 44, lines=(chain,), width=0.02),
                Part(replace(metal, gloss=1.0), 44.2, fills=tuple(beads[::2]), lift=0.4),
                Part(
                    stone if cut.number % 2 else replace(metal, gloss=1.0),
                    44.2,
                    fills=tuple(beads[1::2]),
                    lift=0.4,
                ),
            ]
        pendant = {
            "drop": curve([(0, depth), (0.12, depth + 0.2), (0, depth + 0.32), (-0.12, depth + 0.2)], 5),
            "disc": ellipse(0, depth + 0.14, 0.15),
            "heart": curve(
                [
                    (0, depth + 0.06),
                    (0.1, depth),
                    (0.17, depth + 0.1),
                    (0, depth + 0.3),
                    (-0.17, depth + 0.1),
                    (-0.1, depth),
                ],
                5,
            ),
            "bar": box(-0.06, depth, 0.06, depth + 0.34),
        }[cut.trim]
        parts = [
            behind,
            Part(metal, 44, lines=(chain,), width=0.035),
            Part(metal, 44.2, fills=(pendant,), lift=0.4),
        ]
        if cut.number % 2:
            x, y = pendant.mean(axis=0)
            parts.append(Part(stone, 44.4, fills=(ellipse(float(x), float(y), 0.06),), lift=0.2))
        return parts
    if cut.style in ("hoop earrings", "drop earrings"):
        return [
            part.placed((s * 0.37, 0.13), flip=s) for s in (-1, 1) for part in _earring(product, metal, stone)
        ]
    rings = {"single": 1, "triple": 3, "stones": 1}[cut.trim]
    parts = []
    for i in range(rings):
        y = (i - rings / 2) * 0.085
        parts.append(
            Part(
                metal,
                44 + 0.1 * i,
                lines=(arc(0, y, 0.145, 0.06, 0, 362, 32),),
                width=0.06 if rings > 1 else 0.10,
                lift=0.3,
            )
        )
    if cut.trim == "stones":
        parts.append(
            Part(
                stone,
                44.5,
                fills=tuple(ellipse(x, 0.055 - abs(x) * 0.2, 0.035) for x in (-0.09, 0, 0.09)),
                lift=0.2,
            )
        )
    return parts


def _earring(product: Product, metal: Material, stone: Material) -> list[Part]:
    cut = product.cut
    if cut.style == "hoop earrings":
        r = 0.12 + 0.09 * cut.length
        parts = [Part(metal, 53.5, lines=(arc(0.02, r, r * 0.85, r, -90, 272, 40),), width=0.05, lift=0.3)]
        if cut.trim == "beads":
            parts.append(
                Part(
                    stone,
                    53.7,
                    fills=tuple(ellipse(0.02 + dx, r * 1.95 - abs(dx), 0.04) for dx in (-0.07, 0, 0.07)),
                    lift=0.2,
                )
            )
        return parts
    low = 0.2 + 0.14 * cut.length
    parts = [
        Part(metal, 53.5, lines=(points([(0, 0), (0, low)]),), width=0.03),
        Part(metal, 53.6, fills=(ellipse(0, 0, 0.05),)),
    ]
    if cut.trim == "tear":
        parts.append(
            Part(
                metal,
                53.7,
                fills=(
                    curve(
                        [
                            (0, low - 0.1),
                            (0.085, low + 0.08),
                            (0, low + 0.16),
                            (-0.085, low + 0.08),
                        ],
                        5,
                    ),
                ),
                lift=0.3,
            )
        )
    elif cut.trim == "disc":
        parts.append(Part(metal, 53.7, fills=(ellipse(0, low, 0.105),), lift=0.3))
    else:
        parts.append(
            Part(
                stone,
                53.7,
                lines=tuple(points([(0, low - 0.1), (d, low + 0.18)]) for d in (-0.05, -0.017, 0.017, 0.05)),
                width=0.03,
                lift=0.3,
            )
        )
    parts.append(Part(stone, 53.8, fills=(ellipse(0, low * 0.55, 0.045),), lift=0.2))
    return parts


def on_torso(parts: list[Part], mapping: Callable[[Points], Points]) -> list[Part]:
    """Map parts in torso coordinates into a pose."""

    def move(outlines: tuple[Points, ...]) -> tuple[Points, ...]:
        return tuple(mapping(outline) for outline in outlines)

    return [replace(p, fills=move(p.fills), holes=move(p.holes), lines=move(p.lines)) for p in parts]
