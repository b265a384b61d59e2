"""Hats and glasses, relative to the centre of the head; units are heads."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lookdex_sample.geometry import Points, arc, curve, ellipse, points
from lookdex_sample.paint import Colour, Material, Part, dark
from lookdex_sample.products import Cut, Product
from lookdex_sample.textures import material

Outline = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class _Hat:
    """The cut and the materials of a hat. plain: the cloth without folds."""

    cut: Cut
    cloth: Material
    accent: Material

    @property
    def plain(self) -> Material:
        return replace(self.cloth, folds=0)


def hat_parts(product: Product) -> list[Part]:
    """A hat relative to the centre of the head (the crown is at y = -0.5)."""
    cloth = replace(material(product.fabric), folds=0.25)
    return _HATS[product.cut.style](_Hat(product.cut, cloth, Material(product.cut.accent)))


def _seams(lines: list[Points], z: float, width: float, opacity: float) -> Part:
    return Part(Material((20, 20, 24), opacity=opacity), z, lines=tuple(lines), width=width, lift=0, volume=0)


def _baseball_cap(hat: _Hat) -> list[Part]:
    side = 1 if hat.cut.number % 2 else -1
    crown = ((-0.43, -0.26), (-0.42, -0.48), (-0.28, -0.7), (0, -0.77), (0.28, -0.7), (0.42, -0.48), (0.43, -0.26),
             (0, -0.34))  # fmt: skip
    brim = ((-0.4 * side, -0.33), (0.0, -0.4), (0.4 * side, -0.3), (0.62 * side, -0.14), (0.35 * side, -0.13), (0.0, -0.2),
            (-0.3 * side, -0.22))  # fmt: skip
    seams = [
        arc(0, -0.3, 0.16 * s, 0.46, 270, 350) if s else points([(0, -0.76), (0, -0.36)]) for s in (-1, 0, 1)
    ]
    parts = [
        Part(hat.cloth, 54, fills=(curve(crown, 5),), lift=0.4),
        Part(hat.plain if hat.cut.number % 3 else hat.accent, 55, fills=(curve(brim, 5),), lift=0.6),
        _seams(seams, 54.5, width=0.018, opacity=0.4),
        Part(hat.cloth, 54.6, fills=(ellipse(0, -0.77, 0.045, 0.03),), lift=0.2),
    ]
    if hat.cut.pocket == "badge":
        parts.append(Part(hat.accent, 54.7, fills=(ellipse(0.02 * side, -0.52, 0.13, 0.1),), lift=0.1))
    elif hat.cut.pocket == "stripe":
        parts.append(Part(hat.accent, 54.7, lines=(arc(0, -0.3, 0.36, 0.2, 180, 360),), width=0.07, lift=0))
    return parts


def _beanie(hat: _Hat) -> list[Part]:
    crown = ((-0.43, -0.12), (-0.45, -0.4), (-0.32, -0.72), (0, -0.84 - 0.1 * hat.cut.length), (0.32, -0.72), (0.45, -0.4),
             (0.43, -0.12), (0, -0.18))  # fmt: skip
    fold = ((-0.45, -0.38), (0, -0.43), (0.45, -0.38), (0.455, -0.12), (0, -0.17), (-0.455, -0.12))
    parts = [
        Part(hat.cloth, 54, fills=(curve(crown, 5),), lift=0.4),
        Part(hat.plain, 54.5, fills=(curve(fold, 4),), lift=0.5, tone=0.94),
    ]
    if hat.cut.trim == "pompom":
        turn = np.linspace(0, 2 * math.pi, 48, endpoint=False)
        reach = 0.17 + 0.02 * np.sin(turn * 12)
        ball = np.column_stack([reach * np.cos(turn), -0.95 + reach * np.sin(turn)])
        parts.append(Part(hat.accent, 54.8, fills=(ball,), lift=0.4))
    return parts


def _fedora(hat: _Hat) -> list[Part]:
    return _brimmed(hat, wide=0.72, dip=0.09)


def _sun_hat(hat: _Hat) -> list[Part]:
    return _brimmed(hat, wide=0.95 + 0.35 * hat.cut.length, dip=0.0)


def _brimmed(hat: _Hat, wide: float, dip: float) -> list[Part]:
    """wide: half the width of the brim. dip: depth of the dent in the crown."""
    brim = ellipse(0, -0.30, wide, 0.12 + 0.1 * (wide - 0.7))
    crown = ((-0.41, -0.32), (-0.36, -0.62), (-0.28, -0.82), (0, -0.82 + dip), (0.28, -0.82), (0.36, -0.62), (0.41, -0.32),
             (0, -0.26))  # fmt: skip
    band = ((-0.405, -0.47), (0, -0.42), (0.405, -0.47), (0.415, -0.33), (0, -0.27), (-0.415, -0.33))
    parts = [
        Part(hat.cloth, 54, fills=(brim,), lift=0.6),
        Part(hat.cloth, 55, fills=(curve(crown, 5),), lift=0.4),
        Part(hat.accent, 55.5, fills=(curve(band, 4),), lift=0.2),
    ]
    if hat.cut.trim == "bow":
        loops = ellipse(0.3, -0.44, 0.11, 0.08), ellipse(0.46, -0.38, 0.11, 0.07)
        parts.append(Part(hat.accent, 55.8, fills=loops))
    return parts


def _bucket_hat(hat: _Hat) -> list[Part]:
    crown = (
        (-0.40, -0.34),
        (-0.36, -0.7),
        (-0.2, -0.77),
        (0.2, -0.77),
        (0.36, -0.7),
        (0.40, -0.34),
        (0, -0.28),
    )
    brim = ((-0.39, -0.38), (0, -0.33), (0.39, -0.38), (0.62, -0.08), (0.3, -0.0), (0, 0.015 - 0.05), (-0.3, -0.0),
            (-0.62, -0.08))  # fmt: skip
    rows = [
        curve([(-0.45 - d, -0.3 + d * 1.2), (0, -0.25 + d * 1.2), (0.45 + d, -0.3 + d * 1.2)], closed=False)
        for d in (0, 0.06, 0.12)
    ]
    return [
        Part(hat.cloth, 54, fills=(curve(crown, 4),), lift=0.4),
        Part(hat.cloth, 55, fills=(curve(brim, 4),), lift=0.5, tone=0.95),
        _seams(rows, 55.4, width=0.014, opacity=0.3),
    ]


def _beret(hat: _Hat) -> list[Part]:
    crown = (
        (-0.44, -0.3),
        (-0.66, -0.5),
        (-0.5, -0.72),
        (0, -0.8),
        (0.42, -0.68),
        (0.5, -0.45),
        (0.43, -0.28),
        (0, -0.38),
    )
    band = ((-0.43, -0.38), (0, -0.46), (0.43, -0.38), (0.43, -0.27), (0, -0.35), (-0.43, -0.27))
    return [
        Part(hat.cloth, 54, fills=(curve(crown, 5),), lift=0.5),
        Part(hat.plain, 54.5, fills=(curve(band, 4),), lift=0.2, tone=0.75),
        Part(hat.cloth, 54.6, lines=(points([(-0.05, -0.78), (-0.02, -0.88)]),), width=0.05),
    ]


_HATS: dict[str, Callable[[_Hat], list[Part]]] = {
    "baseball cap": _baseball_cap, "beanie": _beanie, "fedora": _fedora, "sun hat": _sun_hat,
    "bucket hat": _bucket_hat, "beret": _beret,
}  # fmt: skip


# ── glasses ──────────────────────────────────────────────────────────────────────────────────────────────────

# The right lens of a style: steps of its curve, corners. Round ones are circles.
_LENSES: dict[str, tuple[int, Outline]] = {
    "rectangular glasses": (4, (
        (0.05, -0.09), (0.2, -0.1), (0.36, -0.09), (0.37, 0.0), (0.34, 0.1), (0.2, 0.11), (0.07, 0.1), (0.04, 0.0),
    )),
    "aviator sunglasses": (5, (
        (0.05, -0.1), (0.2, -0.12), (0.36, -0.1), (0.375, 0.03), (0.28, 0.18), (0.17, 0.19), (0.07, 0.08),
    )),
    "cat-eye sunglasses": (5, (
        (0.05, -0.06), (0.2, -0.09), (0.43, -0.19), (0.39, 0.0), (0.28, 0.13), (0.14, 0.12), (0.05, 0.03),
    )),
    "oversized sunglasses": (5, (
        (0.03, -0.13), (0.22, -0.16), (0.4, -0.14), (0.42, 0.02), (0.36, 0.17), (0.2, 0.2), (0.07, 0.14), (0.03, 0.0),
    )),
}  # fmt: skip
_OPACITY = {"clear": 0.22, "dark": 0.90, "tinted": 0.68}


def glasses_parts(product: Product) -> list[Part]:
    """Glasses relative to the centre of the head; the eyes are at y = 0."""
    style, frame = product.cut.style, replace(material(product.fabric), folds=0)
    rim = 0.022 if style == "aviator sunglasses" else 0.03 + 0.035 * product.cut.length
    right = _right_lens(product.cut)
    left = right * (-1, 1)
    loops = tuple(np.vstack([side, side[:2]]) for side in (right, left))
    inner, outer = float(right[:, 0].min()), float(right[:, 0].max())
    bridge = curve([(-inner, -0.03), (0, -0.07), (inner, -0.03)], closed=False)
    temples = tuple(
        points([(x * (outer - 0.01), -0.06), (x * max(outer + 0.05, 0.42), -0.05)]) for x in (-1, 1)
    )
    glint = tuple(points([(x - 0.07, 0.06), (x + 0.03, -0.06)]) for x in (0.2, -0.2))
    parts = [
        Part(_lens(product), 56, fills=(right, left), lift=0.25),
        Part(frame, 56.5, lines=loops, width=rim, lift=0.2),
        Part(frame, 56.5, lines=(bridge,), width=rim, lift=0.2),
        Part(frame, 56.4, lines=temples, width=rim * 1.3),
    ]
    if style == "aviator sunglasses":
        parts.append(Part(frame, 56.5, lines=(points([(-0.2, -0.115), (0.2, -0.115)]),), width=rim))
    parts.append(
        Part(Material((255, 255, 255), opacity=0.32), 56.3, lines=glint, width=0.035, lift=0, volume=0)
    )
    return parts


def _right_lens(cut: Cut) -> Points:
    if cut.style == "round glasses":
        return ellipse(0.2, 0, 0.165 * (0.9 + 0.25 * cut.width))
    steps, corners = _LENSES[cut.style]
    return curve(corners, steps)


def _lens(product: Product) -> Material:
    trim = product.cut.trim
    tones: dict[str, Colour] = {
        "clear": (226, 236, 240),
        "dark": (34, 34, 38),
        "tinted": dark(product.fabric.palette[1]),
    }
    return Material(tones[trim], gloss=0.7, opacity=_OPACITY[trim])
