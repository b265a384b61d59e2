"""Bags, hanging from the origin by their handles; units are heads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from lookdex_sample.geometry import arc, box, curve, ellipse, points
from lookdex_sample.paint import GOLD, STEEL, Material, Part
from lookdex_sample.products import Product
from lookdex_sample.textures import material


def bag_parts(product: Product) -> list[Part]:
    """A bag hanging from the origin by its handles (a backpack: by its loop)."""
    cut, cloth = product.cut, replace(material(product.fabric), folds=0.35)
    style, metal = cut.style, (GOLD if cut.number % 2 else STEEL)
    w, h = 0.55 + 0.22 * cut.width, 0.62 + 0.3 * cut.length
    drop = {"long": 0.75, "short": 0.36, "strap": 0.95, "backpack": 0.10, "wrist": 0.05}[cut.neck]
    accent = Material(cut.accent, gloss=0.3)
    trim = accent if cut.number % 3 else cloth
    top, low = drop, drop + h
    parts: list[Part] = []
    body: ArrayLike
    if style == "tote bag":
        body = [(-w, top), (w, top), (w * 0.93, low), (-w * 0.93, low)]
    elif style == "handbag":
        body = curve(
            [
                (-w * 0.8, top),
                (w * 0.8, top),
                (w, low - 0.12),
                (w * 0.9, low),
                (-w * 0.9, low),
                (-w, low - 0.12),
            ],
            4,
        )
    elif style == "crossbody bag":
        w, h = w * 0.85, h * 0.75
        low = top + h
        body = curve(
            [
                (-w, top + 0.05),
                (-w * 0.9, top),
                (w * 0.9, top),
                (w, top + 0.05),
                (w, low - 0.08),
                (w * 0.88, low),
                (-w * 0.88, low),
                (-w, low - 0.08),
            ],
            4,
        )
    elif style == "backpack":
        h *= 1.45
        low = top + h
        body = curve(
            [
                (-w * 0.55, top),
                (w * 0.55, top),
                (w * 0.88, top + 0.3),
                (w * 0.92, low - 0.1),
                (w * 0.75, low),
                (-w * 0.75, low),
                (-w * 0.92, low - 0.1),
                (-w * 0.88, top + 0.3),
            ],
            5,
        )
    elif style == "bucket bag":
        w *= 0.85
        body = curve(
            [
                (-w * 0.72, top),
                (w * 0.72, top),
                (w * 0.9, low - 0.1),
                (w * 0.8, low),
                (-w * 0.8, low),
                (-w * 0.9, low - 0.1),
            ],
            4,
        )
    else:
        h *= 0.62
        low = top + h
        body = box(-w, top, w, low)
    parts.append(Part(cloth, 46, fills=(points(body),), lift=0.45))
    if cut.neck in ("long", "short"):
        spread = w * (0.5 if style == "tote bag" else 0.45)
        for z, shift in ((45.5, -0.04), (46.5, 0.0)):
            handle = arc(shift, top + 0.06, spread, drop + 0.06, 180, 360)
            handle = np.vstack([handle[:1] + (0, 0.16), handle, handle[-1:] + (0, 0.16)])
            parts.append(Part(trim, z, lines=(handle,), width=0.075, lift=0.3))
        if style == "handbag":
            rings = tuple(ellipse(s * spread, top + 0.12, 0.05) for s in (-1, 1))
            parts.append(Part(metal, 46.7, fills=rings, lift=0.3))
    elif cut.neck == "strap":
        for s in (-1, 1):
            strap = curve([(s * w * 0.85, top + 0.08), (s * w * 0.5, top * 0.4), (0, 0)], closed=False)
            parts.append(Part(trim, 45.5, lines=(strap,), width=0.06, lift=0.3))
            parts.append(
                Part(
                    metal,
                    46.6,
                    lines=(arc(s * w * 0.85, top + 0.08, 0.05, 0.05, 0, 365),),
                    width=0.028,
                    lift=0.3,
                )
            )
    elif cut.neck == "backpack":
        parts.append(Part(trim, 45.5, lines=(arc(0, top + 0.03, 0.14, 0.14, 180, 360),), width=0.07))
        for s in (-1, 1):
            strap = curve(
                [
                    (s * w * 0.5, top + 0.1),
                    (s * w * 1.08, top + h * 0.45),
                    (s * w * 0.9, low - 0.08),
                ],
                closed=False,
            )
            parts.append(Part(trim, 45.4, lines=(strap,), width=0.13))
    if cut.closure == "flap":
        flap = curve(
            [
                (-w * 0.99, top + 0.02),
                (w * 0.99, top + 0.02),
                (w * 0.9, top + h * 0.42),
                (0, top + h * (0.52 + 0.1 * (cut.number % 3))),
                (-w * 0.9, top + h * 0.42),
            ],
            4,
        )
        parts.append(Part(cloth, 46.3, fills=(flap,), lift=0.6))
        parts.append(Part(metal, 46.6, fills=(box(-0.08, top + h * 0.44, 0.08, top + h * 0.6),), lift=0.4))
    elif cut.closure == "clasp":
        parts.append(Part(metal, 46.3, fills=(box(-w * 0.78, top - 0.01, w * 0.78, top + 0.05),), lift=0.3))
        parts.append(
            Part(
                metal,
                46.6,
                fills=(ellipse(-0.04, top - 0.01, 0.055), ellipse(0.05, top - 0.01, 0.055)),
                lift=0.3,
            )
        )
    elif cut.closure == "zip":
        parts.append(
            Part(
                metal,
                46.5,
                lines=(points([(-w * 0.75, top + 0.09), (w * 0.75, top + 0.09)]),),
                width=0.035,
                lift=0.3,
            )
        )
    elif cut.closure == "cord":
        parts.append(
            Part(
                trim,
                46.5,
                lines=(
                    curve(
                        [(-w * 0.76, top + 0.2), (0, top + 0.25), (w * 0.76, top + 0.2)],
                        closed=False,
                    ),
                ),
                width=0.045,
                lift=0.4,
            )
        )
        parts.append(
            Part(
                trim,
                46.6,
                lines=(
                    points([(0, top + 0.24), (-0.07, top + 0.5)]),
                    points([(0, top + 0.24), (0.06, top + 0.46)]),
                ),
                width=0.04,
                lift=0.3,
            )
        )
    if cut.pocket in ("front", "two"):
        y = top + h * 0.48
        pocket = curve(
            [
                (-w * 0.66, y),
                (w * 0.66, y),
                (w * 0.66, low - 0.14),
                (w * 0.55, low - 0.07),
                (-w * 0.55, low - 0.07),
                (-w * 0.66, low - 0.14),
            ],
            3,
        )
        parts.append(Part(cloth, 46.4, fills=(pocket,), lift=0.6))
        parts.append(
            Part(
                metal,
                46.6,
                lines=(points([(-w * 0.6, y + 0.07), (w * 0.6, y + 0.07)]),),
                width=0.03,
                lift=0.2,
            )
        )
        if style == "backpack":
            parts.append(
                Part(
                    metal,
                    46.6,
                    lines=(
                        curve(
                            [(-w * 0.6, top + 0.42), (0, top + 0.14), (w * 0.6, top + 0.42)],
                            closed=False,
                        ),
                    ),
                    width=0.03,
                    lift=0.2,
                )
            )
    elif cut.pocket == "badge":
        parts.append(Part(accent, 46.4, fills=(ellipse(0, top + h * 0.5, 0.2),), lift=0.05, volume=0.2))
    if cut.trim == "tassel":
        parts.append(
            Part(
                accent,
                46.8,
                lines=tuple(
                    points([(w * 0.6, top + 0.15), (w * 0.6 + d, top + 0.48)])
                    for d in (-0.06, -0.02, 0.02, 0.06)
                ),
                width=0.035,
                lift=0.4,
            )
        )
    return parts
