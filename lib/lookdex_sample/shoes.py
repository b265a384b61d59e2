"""Shoes in side view, relative to the ankle; units are heads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lookdex_sample.geometry import arc, box, curve, ellipse, points
from lookdex_sample.paint import GOLD, STEEL, Material, Part, dark
from lookdex_sample.products import Product
from lookdex_sample.textures import material

_SOLE = Material((236, 232, 224))


def shoe_parts(product: Product) -> list[Part]:
    """A shoe in side view, toes to the right; the ankle is the origin, the floor y = 0.30."""
    cut, cloth = product.cut, replace(material(product.fabric), folds=0.2)
    accent = Material(cut.accent)
    style = cut.style
    rise = 0.05 + 0.27 * cut.flare if style in ("pumps", "ankle boots", "knee boots", "sandals") else 0.0
    heel = Material(dark(product.fabric.palette[0], 0.5))
    toe = 0.78 if style in ("pumps", "loafers") else 0.74
    floor, back = 0.30, -0.20
    parts: list[Part] = []
    if style in ("sneakers", "high-top sneakers"):
        top = -0.06 if style == "sneakers" else -0.34
        upper = curve(
            [
                (back, top),
                (0.12, top - 0.02),
                (0.2, 0.0),
                (0.42, 0.06),
                (0.66, 0.12),
                (toe, 0.22),
                (toe - 0.02, 0.27),
                (back, 0.27),
                (back - 0.02, 0.1),
            ],
            5,
        )
        sole = curve(
            [
                (back - 0.04, 0.20),
                (0.2, 0.215),
                (toe + 0.01, 0.20),
                (toe + 0.05, 0.27),
                (toe - 0.02, 0.33),
                (back, 0.33),
                (back - 0.06, 0.28),
            ],
            4,
        )
        parts = [Part(cloth, 15, fills=(upper,)), Part(_SOLE, 15.2, fills=(sole,), lift=0.2)]
        parts.append(
            Part(
                Material((120, 116, 112)),
                15.25,
                lines=(points([(back - 0.04, 0.295), (toe, 0.295)]),),
                width=0.012,
                lift=0,
                volume=0,
            )
        )
        laces = [
            points(
                [
                    (0.12 + 0.08 * i, 0.02 + 0.028 * i - (0.05 if top < -0.2 else 0)),
                    (0.24 + 0.08 * i, -0.01 + 0.03 * i),
                ]
            )
            for i in range(4)
        ]
        if top < -0.2:
            laces += [points([(0.06, -0.26 + 0.09 * i), (0.19, -0.28 + 0.09 * i)]) for i in range(3)]
        parts.append(Part(Material((240, 238, 232)), 15.3, lines=tuple(laces), width=0.026, lift=0.3))
        if cut.trim == "toe cap":
            cap = curve([(0.54, 0.1), (0.68, 0.12), (toe + 0.01, 0.22), (toe, 0.26), (0.54, 0.26)], 4)
            parts.append(Part(_SOLE, 15.25, fills=(cap,), lift=0.15))
        elif cut.trim == "stripe":
            bands = [points([(0.02 + 0.1 * i, 0.2), (0.12 + 0.1 * i, 0.02)]) for i in range(3)]
            parts.append(Part(accent, 15.25, lines=tuple(bands), width=0.04, lift=0))
        elif cut.trim == "swoosh":
            swoosh = curve([(-0.08, 0.06), (0.06, 0.14), (0.42, 0.09), (0.08, 0.2)], 5)
            parts.append(Part(accent, 15.25, fills=(swoosh,), lift=0))
        elif cut.trim == "star":
            parts.append(Part(_SOLE, 15.25, fills=(ellipse(0.02, -0.06, 0.09),), lift=0))
            parts.append(Part(accent, 15.26, lines=(ellipse(0.02, -0.06, 0.065),), width=0.02, lift=0))
        parts.append(
            Part(
                accent,
                15.22,
                fills=(
                    curve(
                        [
                            (back - 0.015, top + 0.02),
                            (back + 0.07, top + 0.02),
                            (back + 0.08, 0.16),
                            (back - 0.03, 0.16),
                        ],
                        3,
                    ),
                ),
                lift=0,
            )
        )
        return parts
    lift = floor - rise
    sole_line = [
        (back, lift - 0.01),
        (0.06, lift - 0.01),
        (0.36, floor - 0.03),
        (toe, floor - 0.02),
    ]
    sole = np.vstack([points(sole_line), points(sole_line)[::-1] + (0, 0.045)])
    if rise > 0.09:
        slim = 0.06 if style in ("pumps", "sandals") else 0.2
        if cut.number % 3 == 0:
            slim += 0.08
        block = points(
            [
                (back - 0.01, lift),
                (back + slim + 0.1, lift),
                (back + slim, floor + 0.02),
                (back + 0.01, floor + 0.02),
            ]
        )
    else:
        block = box(back - 0.01, floor - 0.03, 0.12, floor + 0.04)
    parts = [Part(heel, 14.8, fills=(block,), lift=0.3), Part(heel, 15.2, fills=(sole,), lift=0.1)]
    if style == "pumps":
        upper = curve(
            [
                (back, lift - 0.2),
                (back + 0.06, lift - 0.19),
                (0.05, lift - 0.06),
                (0.3, floor - 0.13),
                (0.5, floor - 0.15),
                (0.68, floor - 0.1),
                (toe + 0.03, floor - 0.02),
                (0.36, floor - 0.01),
                (0.06, lift),
                (back, lift),
                (back - 0.03, lift - 0.1),
            ],
            4,
        )
        parts.append(Part(cloth, 15, fills=(upper,)))
        if cut.trim == "ankle strap":
            parts.append(
                Part(
                    cloth,
                    15.5,
                    lines=(
                        points([(back, -0.04), (0.14, -0.02)]),
                        points([(back + 0.02, -0.04), (back + 0.02, lift - 0.1)]),
                    ),
                    width=0.05,
                )
            )
        elif cut.trim == "bow":
            parts.append(
                Part(
                    accent,
                    15.5,
                    fills=(
                        ellipse(0.5, floor - 0.17, 0.07, 0.05),
                        ellipse(0.62, floor - 0.14, 0.07, 0.05),
                    ),
                )
            )
    elif style == "loafers":
        upper = curve(
            [
                (back, 0.0),
                (back + 0.08, 0.02),
                (0.02, 0.09),
                (0.14, 0.07),
                (0.26, 0.01),
                (0.44, 0.07),
                (0.62, 0.10),
                (0.74, 0.17),
                (toe + 0.02, 0.25),
                (toe, 0.285),
                (0.3, 0.285),
                (back, 0.285),
                (back - 0.025, 0.15),
            ],
            5,
        )
        parts.append(Part(cloth, 15, fills=(upper,)))
        seam = curve([(0.36, 0.13), (0.55, 0.135), (0.68, 0.2)], closed=False)
        parts.append(Part(heel, 15.3, lines=(seam,), width=0.02, lift=0.2))
        strap = points([(0.2, 0.05), (0.33, 0.03), (0.40, 0.06), (0.34, 0.27), (0.20, 0.27)])
        parts.append(Part(cloth, 15.3, fills=(strap,), lift=0.4))
        if cut.trim == "buckle":
            parts.append(
                Part(
                    GOLD,
                    15.5,
                    lines=(ellipse(0.3, 0.1, 0.06, 0.04), ellipse(0.2, 0.14, 0.05, 0.04)),
                    width=0.03,
                )
            )
        elif cut.trim == "tassel":
            parts.append(
                Part(
                    accent,
                    15.5,
                    lines=tuple(points([(0.36, 0.07), (0.42 + d, 0.2)]) for d in (-0.05, 0, 0.05)),
                    width=0.03,
                )
            )
    elif style in ("ankle boots", "knee boots"):
        top = -0.42 if style == "ankle boots" else -1.35
        calf = 0.0 if style == "ankle boots" else 0.10
        upper = curve(
            [
                (back - calf, top),
                (0.14 + calf * 0.5, top),
                (0.13, -0.12),
                (0.24, 0.04),
                (0.5, floor - 0.2),
                (0.7, floor - 0.14),
                (toe + 0.02, floor - 0.03),
                (0.36, floor),
                (0.06, lift),
                (back, lift),
                (back - 0.01, 0.0),
            ],
            5,
        )
        parts.append(Part(cloth, 15, fills=(upper,)))
        if cut.trim == "elastic":
            parts.append(
                Part(
                    heel,
                    15.3,
                    fills=(
                        curve(
                            [
                                (-0.1, -0.38),
                                (0.04, -0.38),
                                (0.02, 0.0),
                                (-0.03, 0.06),
                                (-0.08, 0.0),
                            ],
                            3,
                        ),
                    ),
                    lift=0.1,
                )
            )
        elif cut.trim == "laces":
            parts.append(
                Part(
                    accent,
                    15.3,
                    lines=tuple(
                        points(
                            [
                                (0.03, -0.32 + i * 0.085),
                                (0.15 + 0.03 * max(0, i - 3), -0.34 + i * 0.085),
                            ]
                        )
                        for i in range(6)
                    ),
                    width=0.03,
                )
            )
        elif cut.trim == "zip":
            parts.append(
                Part(
                    STEEL,
                    15.3,
                    lines=(points([(-0.02, top + 0.05), (0.0, 0.16)]),),
                    width=0.03,
                    lift=0.2,
                )
            )
        else:
            parts.append(Part(heel, 15.3, lines=(points([(back - 0.01, -0.08), (0.15, -0.04)]),), width=0.07))
            parts.append(Part(GOLD, 15.4, lines=(arc(0.03, -0.06, 0.055, 0.055, 0, 365),), width=0.025))
    else:
        straps = {
            "two straps": [
                curve(
                    [(0.34, floor - 0.03), (0.4, 0.06), (0.54, 0.12), (0.62, floor - 0.03)],
                    closed=False,
                ),
                points([(back, -0.02), (0.16, 0.0)]),
            ],
            "cross": [
                points([(0.26, 0.02), (0.66, floor - 0.05)]),
                points([(0.6, 0.1), (0.34, floor - 0.04)]),
                points([(back, -0.02), (0.16, 0.0)]),
            ],
        }.get(
            cut.trim,
            [
                points([(0.22, 0.03), (0.16, floor - 0.04)]),
                points([(0.52, 0.10), (0.46, floor - 0.04)]),
                points([(back, lift - 0.15), (0.2, 0.02)]),
            ],
        )
        straps.append(points([(back + 0.01, 0.0), (back + 0.01, lift)]))
        parts.append(Part(cloth, 15.4, lines=tuple(straps), width=0.08, lift=0.4))
        parts.append(Part(cloth, 15.1, fills=(sole - (0, 0.02),), lift=0))
    return parts


def pair_parts(one: list[Part], gap: float, drop: float, turn: float) -> list[Part]:
    """A pair as in catalogues: one behind the other, slightly rotated."""
    back = [part.placed((gap, -drop), 0.96, -turn, z=-10) for part in one]
    return back + [part.placed((0, 0), 1.0, turn * 0.3) for part in one]
