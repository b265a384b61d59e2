"""Hats and glasses, relative to the centre of the head; units are heads."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from lookdex_sample.geometry import arc, curve, ellipse, points
from lookdex_sample.paint import Material, Part, dark
from lookdex_sample.products import Product
from lookdex_sample.textures import material


def hat_parts(product: Product) -> list[Part]:
    """A hat relative to the centre of the head (the crown is at y = -0.5)."""
    cut, cloth = product.cut, replace(material(product.fabric), folds=0.25)
    accent, style = Material(cut.accent), cut.style
    shade = replace(cloth, folds=0)
    parts: list[Part] = []
    if style == "baseball cap":
        crown = curve(
            [
                (-0.43, -0.26),
                (-0.42, -0.48),
                (-0.28, -0.7),
                (0, -0.77),
                (0.28, -0.7),
                (0.42, -0.48),
                (0.43, -0.26),
                (0, -0.34),
            ],
            5,
        )
        side = 1 if cut.number % 2 else -1
        brim = curve(
            [
                (-0.4 * side, -0.33),
                (0.0, -0.4),
                (0.4 * side, -0.3),
                (0.62 * side, -0.14),
                (0.35 * side, -0.13),
                (0.0, -0.2),
                (-0.3 * side, -0.22),
            ],
            5,
        )
        parts = [
            Part(cloth, 54, fills=(crown,), lift=0.4),
            Part(shade if cut.number % 3 else accent, 55, fills=(brim,), lift=0.6),
        ]
        seams = [
            arc(0, -0.3, 0.16 * s, 0.46, 270, 350) if s else points([(0, -0.76), (0, -0.36)])
            for s in (-1, 0, 1)
        ]
        parts.append(
            Part(
                Material((20, 20, 24), opacity=0.4),
                54.5,
                lines=tuple(seams),
                width=0.018,
                lift=0,
                volume=0,
            )
        )
        parts.append(Part(cloth, 54.6, fills=(ellipse(0, -0.77, 0.045, 0.03),), lift=0.2))
        if cut.pocket == "badge":
            parts.append(Part(accent, 54.7, fills=(ellipse(0.02 * side, -0.52, 0.13, 0.1),), lift=0.1))
        elif cut.pocket == "stripe":
            parts.append(Part(accent, 54.7, lines=(arc(0, -0.3, 0.36, 0.2, 180, 360),), width=0.07, lift=0))
    elif style == "beanie":
        crown = curve(
            [
                (-0.43, -0.12),
                (-0.45, -0.4),
                (-0.32, -0.72),
                (0, -0.84 - 0.1 * cut.length),
                (0.32, -0.72),
                (0.45, -0.4),
                (0.43, -0.12),
                (0, -0.18),
            ],
            5,
        )
        fold = curve(
            [
                (-0.45, -0.38),
                (0, -0.43),
                (0.45, -0.38),
                (0.455, -0.12),
                (0, -0.17),
                (-0.455, -0.12),
            ],
            4,
        )
        parts = [
            Part(cloth, 54, fills=(crown,), lift=0.4),
            Part(shade, 54.5, fills=(fold,), lift=0.5, tone=0.94),
        ]
        if cut.trim == "pompom":
            turn = np.linspace(0, 2 * math.pi, 48, endpoint=False)
            reach = 0.17 + 0.02 * np.sin(turn * 12)
            ball = np.column_stack([reach * np.cos(turn), -0.95 + reach * np.sin(turn)])
            parts.append(Part(accent, 54.8, fills=(ball,), lift=0.4))
    elif style in ("fedora", "sun hat"):
        wide = 0.72 if style == "fedora" else 0.95 + 0.35 * cut.length
        under = ellipse(0, -0.30, wide, 0.12 + 0.1 * (wide - 0.7))
        dip = 0.09 if style == "fedora" else 0.0
        crown = curve(
            [
                (-0.41, -0.32),
                (-0.36, -0.62),
                (-0.28, -0.82),
                (0, -0.82 + dip),
                (0.28, -0.82),
                (0.36, -0.62),
                (0.41, -0.32),
                (0, -0.26),
            ],
            5,
        )
        band = curve(
            [
                (-0.405, -0.47),
                (0, -0.42),
                (0.405, -0.47),
                (0.415, -0.33),
                (0, -0.27),
                (-0.415, -0.33),
            ],
            4,
        )
        parts = [
            Part(cloth, 54, fills=(under,), lift=0.6),
            Part(cloth, 55, fills=(crown,), lift=0.4),
            Part(accent, 55.5, fills=(band,), lift=0.2),
        ]
        if cut.trim == "bow":
            parts.append(
                Part(
                    accent,
                    55.8,
                    fills=(ellipse(0.3, -0.44, 0.11, 0.08), ellipse(0.46, -0.38, 0.11, 0.07)),
                )
            )
    elif style == "bucket hat":
        crown = curve(
            [
                (-0.40, -0.34),
                (-0.36, -0.7),
                (-0.2, -0.77),
                (0.2, -0.77),
                (0.36, -0.7),
                (0.40, -0.34),
                (0, -0.28),
            ],
            4,
        )
        brim = curve(
            [
                (-0.39, -0.38),
                (0, -0.33),
                (0.39, -0.38),
                (0.62, -0.08),
                (0.3, -0.0),
                (0, 0.015 - 0.05),
                (-0.3, -0.0),
                (-0.62, -0.08),
            ],
            4,
        )
        parts = [
            Part(cloth, 54, fills=(crown,), lift=0.4),
            Part(cloth, 55, fills=(brim,), lift=0.5, tone=0.95),
        ]
        rows = [
            curve(
                [(-0.45 - d, -0.3 + d * 1.2), (0, -0.25 + d * 1.2), (0.45 + d, -0.3 + d * 1.2)],
                closed=False,
            )
            for d in (0, 0.06, 0.12)
        ]
        parts.append(
            Part(
                Material((20, 20, 24), opacity=0.3),
                55.4,
                lines=tuple(rows),
                width=0.014,
                lift=0,
                volume=0,
            )
        )
    else:
        crown = curve(
            [
                (-0.44, -0.3),
                (-0.66, -0.5),
                (-0.5, -0.72),
                (0, -0.8),
                (0.42, -0.68),
                (0.5, -0.45),
                (0.43, -0.28),
                (0, -0.38),
            ],
            5,
        )
        band = curve(
            [(-0.43, -0.38), (0, -0.46), (0.43, -0.38), (0.43, -0.27), (0, -0.35), (-0.43, -0.27)],
            4,
        )
        parts = [
            Part(cloth, 54, fills=(crown,), lift=0.5),
            Part(shade, 54.5, fills=(band,), lift=0.2, tone=0.75),
        ]
        parts.append(Part(cloth, 54.6, lines=(points([(-0.05, -0.78), (-0.02, -0.88)]),), width=0.05))
    return parts


def glasses_parts(product: Product) -> list[Part]:
    """Glasses relative to the centre of the head; the eyes are at y = 0."""
    cut, style = product.cut, product.cut.style
    frame = replace(material(product.fabric), folds=0)
    tone = {
        "clear": (226, 236, 240),
        "dark": (34, 34, 38),
        "tinted": dark(product.fabric.palette[1]),
    }[cut.trim]
    lens = Material(tone, gloss=0.7, opacity={"clear": 0.22, "dark": 0.90, "tinted": 0.68}[cut.trim])
    s = 0.9 + 0.25 * cut.width
    rim = 0.022 if style == "aviator sunglasses" else 0.03 + 0.035 * cut.length
    shapes = {
        "round glasses": ellipse(0.2, 0, 0.165 * s),
        "rectangular glasses": curve(
            [
                (0.05, -0.09),
                (0.2, -0.1),
                (0.36, -0.09),
                (0.37, 0.0),
                (0.34, 0.1),
                (0.2, 0.11),
                (0.07, 0.1),
                (0.04, 0.0),
            ],
            4,
        ),
        "aviator sunglasses": curve(
            [
                (0.05, -0.1),
                (0.2, -0.12),
                (0.36, -0.1),
                (0.375, 0.03),
                (0.28, 0.18),
                (0.17, 0.19),
                (0.07, 0.08),
            ],
            5,
        ),
        "cat-eye sunglasses": curve(
            [
                (0.05, -0.06),
                (0.2, -0.09),
                (0.43, -0.19),
                (0.39, 0.0),
                (0.28, 0.13),
                (0.14, 0.12),
                (0.05, 0.03),
            ],
            5,
        ),
        "oversized sunglasses": curve(
            [
                (0.03, -0.13),
                (0.22, -0.16),
                (0.4, -0.14),
                (0.42, 0.02),
                (0.36, 0.17),
                (0.2, 0.2),
                (0.07, 0.14),
                (0.03, 0.0),
            ],
            5,
        ),
    }
    right = shapes[style]
    left = right * (-1, 1)
    loops = tuple(np.vstack([side, side[:2]]) for side in (right, left))
    inner, outer = float(right[:, 0].min()), float(right[:, 0].max())
    parts = [
        Part(lens, 56, fills=(right, left), lift=0.25),
        Part(frame, 56.5, lines=loops, width=rim, lift=0.2),
        Part(
            frame,
            56.5,
            lines=(curve([(-inner, -0.03), (0, -0.07), (inner, -0.03)], closed=False),),
            width=rim,
            lift=0.2,
        ),
        Part(
            frame,
            56.4,
            lines=tuple(
                points([(x * (outer - 0.01), -0.06), (x * max(outer + 0.05, 0.42), -0.05)]) for x in (-1, 1)
            ),
            width=rim * 1.3,
        ),
    ]
    if style == "aviator sunglasses":
        parts.append(Part(frame, 56.5, lines=(points([(-0.2, -0.115), (0.2, -0.115)]),), width=rim))
    glint = tuple(points([(x - 0.07, 0.06), (x + 0.03, -0.06)]) for x in (0.2, -0.2))
    parts.append(
        Part(
            Material((255, 255, 255), opacity=0.32),
            56.3,
            lines=glint,
            width=0.035,
            lift=0,
            volume=0,
        )
    )
    return parts
