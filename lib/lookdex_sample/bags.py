"""Bags, hanging from the origin by their handles; units are heads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lookdex_sample.geometry import Points, arc, box, curve, ellipse, points
from lookdex_sample.paint import GOLD, STEEL, Material, Part
from lookdex_sample.products import Cut, Product
from lookdex_sample.textures import material

_TOP, _LOW = 0, 1  # edges of a body
_DROPS = {"long": 0.75, "short": 0.36, "strap": 0.95, "backpack": 0.10, "wrist": 0.05}


@dataclass(frozen=True)
class _Body:
    """The shape of a style. corners: x as a share of the half width, an edge, y from it. steps: of the curve, 0 for none."""

    corners: tuple[tuple[float, int, float], ...]
    steps: int = 4
    width: float = 1.0
    height: float = 1.0


_BODIES = {
    "tote bag": _Body(((-1, _TOP, 0), (1, _TOP, 0), (0.93, _LOW, 0), (-0.93, _LOW, 0)), steps=0),
    "handbag": _Body((
        (-0.8, _TOP, 0), (0.8, _TOP, 0), (1, _LOW, -0.12), (0.9, _LOW, 0), (-0.9, _LOW, 0), (-1, _LOW, -0.12),
    )),
    "crossbody bag": _Body((
        (-1, _TOP, 0.05), (-0.9, _TOP, 0), (0.9, _TOP, 0), (1, _TOP, 0.05),
        (1, _LOW, -0.08), (0.88, _LOW, 0), (-0.88, _LOW, 0), (-1, _LOW, -0.08),
    ), width=0.85, height=0.75),
    "backpack": _Body((
        (-0.55, _TOP, 0), (0.55, _TOP, 0), (0.88, _TOP, 0.3), (0.92, _LOW, -0.1),
        (0.75, _LOW, 0), (-0.75, _LOW, 0), (-0.92, _LOW, -0.1), (-0.88, _TOP, 0.3),
    ), steps=5, height=1.45),
    "bucket bag": _Body((
        (-0.72, _TOP, 0), (0.72, _TOP, 0), (0.9, _LOW, -0.1), (0.8, _LOW, 0), (-0.8, _LOW, 0), (-0.9, _LOW, -0.1),
    ), width=0.85),
    "clutch": _Body(((-1, _TOP, 0), (1, _TOP, 0), (1, _LOW, 0), (-1, _LOW, 0)), steps=0, height=0.62),
}  # fmt: skip


@dataclass(frozen=True)
class _Bag:
    """Measures and materials of a bag. w: half its width. h: its height. top: y of its upper edge."""

    cut: Cut
    w: float
    h: float
    top: float
    cloth: Material
    metal: Material
    accent: Material

    @classmethod
    def of(cls, product: Product) -> _Bag:
        cut, shape = product.cut, _BODIES[product.cut.style]
        return cls(
            cut, w=(0.55 + 0.22 * cut.width) * shape.width, h=(0.62 + 0.3 * cut.length) * shape.height,
            top=_DROPS[cut.neck], cloth=replace(material(product.fabric), folds=0.35),
            metal=GOLD if cut.number % 2 else STEEL, accent=Material(cut.accent, gloss=0.3),
        )  # fmt: skip

    @property
    def low(self) -> float:
        return self.top + self.h

    @property
    def trim(self) -> Material:
        return self.accent if self.cut.number % 3 else self.cloth

    @property
    def outline(self) -> Points:
        shape, edges = _BODIES[self.cut.style], (self.top, self.low)
        corners = points([(self.w * x, edges[edge] + y) for x, edge, y in shape.corners])
        return curve(corners, shape.steps) if shape.steps else corners


def bag_parts(product: Product) -> list[Part]:
    """A bag hanging from the origin by its handles (a backpack: by its loop)."""
    bag, cut = _Bag.of(product), product.cut
    parts = [Part(bag.cloth, 46, fills=(bag.outline,), lift=0.45)]
    for details, name in (
        (_HANDLES, cut.neck),
        (_CLOSURES, cut.closure),
        (_POCKETS, cut.pocket),
        (_TRIMS, cut.trim),
    ):
        if name in details:
            parts += details[name](bag)
    return parts


def _handles(bag: _Bag) -> list[Part]:
    spread = bag.w * (0.5 if bag.cut.style == "tote bag" else 0.45)
    parts = []
    for z, shift in ((45.5, -0.04), (46.5, 0.0)):
        handle = arc(shift, bag.top + 0.06, spread, bag.top + 0.06, 180, 360)
        handle = np.vstack([handle[:1] + (0, 0.16), handle, handle[-1:] + (0, 0.16)])
        parts.append(Part(bag.trim, z, lines=(handle,), width=0.075, lift=0.3))
    if bag.cut.style == "handbag":
        rings = tuple(ellipse(side * spread, bag.top + 0.12, 0.05) for side in (-1, 1))
        parts.append(Part(bag.metal, 46.7, fills=rings, lift=0.3))
    return parts


def _strap(bag: _Bag) -> list[Part]:
    parts = []
    for side in (-1, 1):
        x = side * bag.w * 0.85
        strap = curve([(x, bag.top + 0.08), (side * bag.w * 0.5, bag.top * 0.4), (0, 0)], closed=False)
        ring = arc(x, bag.top + 0.08, 0.05, 0.05, 0, 365)
        parts.append(Part(bag.trim, 45.5, lines=(strap,), width=0.06, lift=0.3))
        parts.append(Part(bag.metal, 46.6, lines=(ring,), width=0.028, lift=0.3))
    return parts


def _backpack_straps(bag: _Bag) -> list[Part]:
    w, top = bag.w, bag.top
    parts = [Part(bag.trim, 45.5, lines=(arc(0, top + 0.03, 0.14, 0.14, 180, 360),), width=0.07)]
    for side in (-1, 1):
        path = [
            (side * w * 0.5, top + 0.1),
            (side * w * 1.08, top + bag.h * 0.45),
            (side * w * 0.9, bag.low - 0.08),
        ]
        parts.append(Part(bag.trim, 45.4, lines=(curve(path, closed=False),), width=0.13))
    return parts


def _flap(bag: _Bag) -> list[Part]:
    w, top, h = bag.w, bag.top, bag.h
    flap = [(-w * 0.99, top + 0.02), (w * 0.99, top + 0.02), (w * 0.9, top + h * 0.42),
            (0, top + h * (0.52 + 0.1 * (bag.cut.number % 3))), (-w * 0.9, top + h * 0.42)]  # fmt: skip
    lock = box(-0.08, top + h * 0.44, 0.08, top + h * 0.6)
    return [
        Part(bag.cloth, 46.3, fills=(curve(flap, 4),), lift=0.6),
        Part(bag.metal, 46.6, fills=(lock,), lift=0.4),
    ]


def _clasp(bag: _Bag) -> list[Part]:
    w, top = bag.w, bag.top
    balls = ellipse(-0.04, top - 0.01, 0.055), ellipse(0.05, top - 0.01, 0.055)
    return [
        Part(bag.metal, 46.3, fills=(box(-w * 0.78, top - 0.01, w * 0.78, top + 0.05),), lift=0.3),
        Part(bag.metal, 46.6, fills=balls, lift=0.3),
    ]


def _zip(bag: _Bag) -> list[Part]:
    y = bag.top + 0.09
    line = points([(-bag.w * 0.75, y), (bag.w * 0.75, y)])
    return [Part(bag.metal, 46.5, lines=(line,), width=0.035, lift=0.3)]


def _cord(bag: _Bag) -> list[Part]:
    w, top = bag.w, bag.top
    cord = curve([(-w * 0.76, top + 0.2), (0, top + 0.25), (w * 0.76, top + 0.2)], closed=False)
    ends = points([(0, top + 0.24), (-0.07, top + 0.5)]), points([(0, top + 0.24), (0.06, top + 0.46)])
    return [
        Part(bag.trim, 46.5, lines=(cord,), width=0.045, lift=0.4),
        Part(bag.trim, 46.6, lines=ends, width=0.04, lift=0.3),
    ]


def _pocket(bag: _Bag) -> list[Part]:
    w, top, low = bag.w, bag.top, bag.low
    y = top + bag.h * 0.48
    pocket = [(-w * 0.66, y), (w * 0.66, y), (w * 0.66, low - 0.14), (w * 0.55, low - 0.07), (-w * 0.55, low - 0.07),
              (-w * 0.66, low - 0.14)]  # fmt: skip
    seam = points([(-w * 0.6, y + 0.07), (w * 0.6, y + 0.07)])
    parts = [
        Part(bag.cloth, 46.4, fills=(curve(pocket, 3),), lift=0.6),
        Part(bag.metal, 46.6, lines=(seam,), width=0.03, lift=0.2),
    ]
    if bag.cut.style == "backpack":
        upper = curve([(-w * 0.6, top + 0.42), (0, top + 0.14), (w * 0.6, top + 0.42)], closed=False)
        parts.append(Part(bag.metal, 46.6, lines=(upper,), width=0.03, lift=0.2))
    return parts


def _badge(bag: _Bag) -> list[Part]:
    return [Part(bag.accent, 46.4, fills=(ellipse(0, bag.top + bag.h * 0.5, 0.2),), lift=0.05, volume=0.2)]


def _tassel(bag: _Bag) -> list[Part]:
    x, top = bag.w * 0.6, bag.top
    strands = tuple(points([(x, top + 0.15), (x + d, top + 0.48)]) for d in (-0.06, -0.02, 0.02, 0.06))
    return [Part(bag.accent, 46.8, lines=strands, width=0.035, lift=0.4)]


_Details = dict[str, Callable[[_Bag], list[Part]]]
_HANDLES: _Details = {"long": _handles, "short": _handles, "strap": _strap, "backpack": _backpack_straps}
_CLOSURES: _Details = {"flap": _flap, "clasp": _clasp, "zip": _zip, "cord": _cord}
_POCKETS: _Details = {"front": _pocket, "two": _pocket, "badge": _badge}
_TRIMS: _Details = {"tassel": _tassel}
