"""Tops, dresses, jackets and coats, fitted to a figure's pose."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from lookdex_sample.bottoms import skirt_folds, skirt_outline, tiers
from lookdex_sample.details import (
    Fit,
    bodice_outline,
    button,
    closure_parts,
    neck_depth,
    neck_parts,
    patch_pocket,
    pocket_parts,
    rib_part,
    seam,
    sleeve_parts,
    thread,
)
from lookdex_sample.figures import Figure
from lookdex_sample.geometry import Points, box, curve, mirrored, points
from lookdex_sample.paint import Material, Part, dark
from lookdex_sample.products import Cut, Product
from lookdex_sample.textures import material


def top_parts(product: Product, figure: Figure, fit: Fit) -> list[Part]:
    """Return a top: body, sleeves, neck, closure, pocket and hem."""
    cut, cloth = product.cut, material(product.fabric)
    z = 20.0 if fit.tucked else 30.0
    hem = -0.5 + 0.75 * cut.length if not fit.tucked else -0.45
    ease = 0.04 + 0.16 * cut.width
    shoulder = cut.sleeve > 0
    body = bodice_outline(product, figure, hem, ease, 0.06 * cut.flare, shoulder)
    parts = [Part(cloth, z, fills=(body,))]
    parts += neck_parts(product, figure, fit, z)
    if not fit.under:  # else the coat hides them
        parts += sleeve_parts(product, figure, 35.0, 0.06 + 0.14 * cut.width)
    parts += closure_parts(product, figure, z, hem, -2.35 + neck_depth(cut.neck) * 0.9)
    parts += pocket_parts(product, figure, z, hem)
    if cut.trim == "rib" and not fit.tucked:
        parts.append(rib_part(product, figure, z + 1, hem, ease))
    return [replace(part, owner=fit.owner) for part in parts]


def dress_parts(product: Product, figure: Figure, fit: Fit) -> list[Part]:
    """Return a dress: bodice and skirt in one piece, sleeves and details."""
    cut, cloth, z = product.cut, material(product.fabric), 30.0
    ease = 0.03 + 0.2 * cut.width
    hem = 0.9 + 2.3 * cut.length
    bodice = bodice_outline(product, figure, -0.8, ease, 0, cut.sleeve > 0)
    skirt = skirt_outline(figure, -0.84, hem, ease, cut.flare, cut.number)
    parts = [Part(cloth, z, fills=(bodice, skirt))]
    parts += neck_parts(product, figure, fit, z)
    if not fit.under:
        parts += sleeve_parts(product, figure, z + 5, 0.05 + 0.12 * cut.width)
    parts += skirt_folds(product, figure, z + 0.3, -0.6, hem, cut.flare)
    parts += closure_parts(product, figure, z, hem - 0.1, -2.35 + neck_depth(cut.neck) * 0.9)
    if cut.pocket in ("chest", "two"):
        parts += pocket_parts(product, figure, z, hem)
    width = float(figure.half_width(-0.82)) + ease
    if cut.trim == "sash":
        band = figure.torso(box(-width, -0.92, width, -0.7))
        ends = [figure.torso(curve([(0.1, -0.75), (0.22, -0.3), (0.3, 0.3), (0.17, 0.3), (0.08, -0.3)]))]
        sash = Material(cut.accent, folds=0.5)
        parts += [Part(sash, z + 1.2, fills=(band,)), Part(sash, z + 1.3, fills=tuple(ends))]
    elif cut.trim == "rib":
        parts.append(seam(product, figure.torso([(-width, -0.8), (width, -0.8)]), z + 1))
    if cut.trim == "tiers":
        parts += tiers(product, figure, z + 0.6, hem, cut.flare)
    return [replace(part, owner=fit.owner) for part in parts]


@dataclass(frozen=True)
class _Coat:
    """A coat on a figure. z: of its body. hem: its y. gap: half the gap between its fronts, below 0 where they overlap."""

    product: Product
    figure: Figure
    fit: Fit
    z: float
    hem: float
    gap: float
    ease: float

    @property
    def cut(self) -> Cut:
        return self.product.cut

    @property
    def cloth(self) -> Material:
        return material(self.product.fabric)

    @property
    def edge(self) -> float:
        """x of the buttons."""
        return max(self.gap, 0.0) + 0.05

    @property
    def width(self) -> float:
        """Half the width at the waist."""
        return float(self.figure.half_width(-0.8)) + self.ease + 0.02

    def torso(self, values: ArrayLike) -> Points:
        return self.figure.torso(values)


def coat_parts(product: Product, figure: Figure, fit: Fit) -> list[Part]:
    """Return a jacket or coat, open over a top or closed."""
    cut, z = product.cut, 40.0
    hem = -0.25 + 2.6 * cut.length
    ease = 0.12 + 0.16 * cut.width
    gap = 0.34 if fit.open else -0.06
    coat = _Coat(product, figure, fit, z, hem, gap, ease)
    body = bodice_outline(product, figure, hem, ease, 0.10 + 0.25 * cut.length * cut.flare, True)
    parts = [
        Part(coat.cloth, z + 0.1 * i, fills=(_panel(coat, body, side),), lift=0.4)
        for i, side in enumerate((-1, 1))
    ]
    if fit.empty:
        parts += _inside(coat, body)
    parts += sleeve_parts(product, figure, z + 5, 0.13 + 0.12 * cut.width)
    parts += [_collar(coat, side) for side in (-1, 1)]
    parts += _zip(coat) if cut.closure == "zip" else _buttons(coat)
    for side in (-1, 1):
        parts += _coat_pocket(coat, side)
        if cut.trim == "seams":
            parts += _coat_seams(coat, side)
    if cut.trim in _COAT_TRIMS:
        parts += _COAT_TRIMS[cut.trim](coat)
    return [replace(part, owner=fit.owner) for part in parts]


def _panel(coat: _Coat, body: Points, side: int) -> Points:
    """One half of the front."""
    open, gap = coat.fit.open, coat.gap
    over = gap if side > 0 or open else -gap  # closed: the right panel lies on top
    edge = [(side * 0.3, -2.5), (side * max(over, 0.16 if coat.cut.neck == "lapel" else 0.02), -1.9),
            (side * over, -1.25), (side * (gap + 0.16 if open else over), coat.hem + 0.3)]  # fmt: skip
    return _clip(body, coat.torso(edge), side)


def _inside(coat: _Coat, body: Points) -> list[Part]:
    """The lining and the back of the collar, which an empty coat shows."""
    palette = coat.product.fabric.palette
    lining = Material(dark(palette[1 + coat.cut.number % 2], 0.7), folds=0.8)
    parts = [Part(lining, 15, fills=(body,), tone=0.8)]
    if coat.cut.neck in ("stand", "collar", "lapel"):
        back = curve(mirrored([(0.0, -2.56), (0.27, -2.58), (0.34, -2.3), (0.0, -2.28)]), 3)
        parts.append(Part(coat.cloth, 16, fills=(coat.torso(back),), tone=0.7, lift=0.1))
    return parts


def _clip(body: Points, edge: Points, side: int) -> Points:
    """Cut a body to the side of a front edge: its outer points, then the edge upwards."""
    at = np.interp(body[:, 1], edge[:, 1], edge[:, 0])
    keep = side * (body[:, 0] - at) > 0
    outer = _ring(body, keep)
    bottom, top = outer[:, 1].max(), outer[:, 1].min()
    rungs = np.linspace(bottom, max(top, edge[0, 1]), 14)
    inner = np.column_stack([np.interp(rungs, edge[:, 1], edge[:, 0]), rungs])
    return np.vstack([outer, inner])


def _ring(body: Points, keep: np.ndarray) -> Points:
    """The kept points of a closed outline, in order from the neck down to the hem."""
    n = len(body)
    right: Points = body[: n // 2][keep[: n // 2]]
    left: Points = body[n // 2 :][keep[n // 2 :]][::-1]
    return right if len(right) > len(left) else left


def _collar(coat: _Coat, side: int) -> Part:
    lead, neck = max(coat.gap, 0.03), coat.cut.neck
    if neck == "lapel":
        half = [(0.24, -2.52), (0.5, -2.28), (0.40, -2.12), (0.56, -1.98), (lead, -1.2), (0.16, -1.95)]
    elif neck == "collar":
        half = [(0.2, -2.55), (0.34, -2.52), (0.5, -2.26), (0.30, -1.98), (0.14, -2.2)]
    elif neck == "stand":
        half = [(0.1, -2.58), (0.28, -2.60), (0.38, -2.3), (max(coat.gap, 0.04), -2.1), (0.05, -2.3)]
    else:
        lead = max(coat.gap, 0.1)
        half = [(0.22, -2.52), (0.32, -2.48), (lead, -1.9), (lead - 0.09, -1.95)]
    outline = [(side * x, y) for x, y in half]
    look = Material(dark(coat.product.fabric.palette[0], 0.7)) if neck == "rib" else coat.cloth
    return Part(look, coat.z + 6, fills=(coat.torso(outline),), lift=0.5, grain=side * 0.5)


def _first_button(coat: _Coat) -> float:
    return -1.15 if coat.cut.neck == "lapel" else -2.0


def _zip(coat: _Coat) -> list[Part]:
    start, edge = _first_button(coat), coat.edge
    if coat.fit.open:
        lines = [coat.torso([(s * edge, start), (s * (edge + 0.12), coat.hem)]) for s in (-1, 1)]
    else:
        lines = [coat.torso([(0.06, start), (edge, coat.hem)])]
    return [Part(_ZIP, coat.z + 1, lines=tuple(lines), width=0.045, lift=0.2)]


def _buttons(coat: _Coat) -> list[Part]:
    """One column, or two of a double-breasted coat."""
    edge, start, low = coat.edge, _first_button(coat), min(coat.hem - 0.15, 0.3)
    if coat.cut.closure == "buttons":
        columns = [edge + 0.03]
    else:
        columns = [edge + 0.04, edge + 0.3 if coat.fit.open else -(edge + 0.30)]
    if coat.cut.neck == "lapel":
        count = max(2, 2 + coat.cut.number % 3)
    else:
        count = max(3, int((low - start) / 0.32))
    return [
        button(coat.product, coat.torso([(x, y)])[0], coat.z + 1.2)
        for x in columns
        for y in np.linspace(start + 0.08, low - 0.1, count)
    ]


def _coat_pocket(coat: _Coat, side: int) -> list[Part]:
    pocket, z, wide = coat.cut.pocket, coat.z + 1, coat.gap > 0
    x, y = side * (0.42 + 0.1 * wide), min(coat.hem - 0.45, -0.2)
    if pocket in ("flap", "patch"):
        height = 0.13 if pocket == "flap" else 0.4
        return [Part(coat.cloth, z, fills=(coat.torso(box(x - 0.2, y, x + 0.2, y + height)),), lift=0.45)]
    if pocket in ("welt", "zips"):
        tone = Material((188, 188, 190)) if pocket == "zips" else thread(coat.product)
        line = coat.torso([(x - 0.1 * side, y - 0.2), (x + 0.1 * side, y + 0.15)])
        return [Part(tone, z, lines=(line,), width=0.05, lift=0.3)]
    if pocket == "two":
        at = side * (0.4 + 0.06 * wide)
        return [patch_pocket(coat.product, coat.figure, at, -1.6, 0.16, 0.36, z, flap=True)]
    return []


def _coat_seams(coat: _Coat, side: int) -> list[Part]:
    edge = coat.edge
    yoke = coat.torso([(side * (edge + 0.1), -1.85), (side * 0.72, -1.85)])
    front = coat.torso([(side * (edge + 0.15), -1.2), (side * (edge + 0.25), coat.hem)])
    return [seam(coat.product, line, coat.z + 1) for line in (yoke, front)]


def _coat_belt(coat: _Coat) -> list[Part]:
    width, inner = coat.width, max(coat.gap, 0.0)
    left = points([(-width, -0.9), (-inner, -0.86), (-inner, -0.68), (-width, -0.72)])
    parts = [
        Part(coat.cloth, coat.z + 2, fills=(coat.torso(left * (side, 1)),), lift=0.45, grain=math.pi / 2)
        for side in (1, -1)
    ]
    if not coat.fit.open:
        buckle, hole = coat.torso(box(-0.14, -0.92, 0.14, -0.63)), coat.torso(box(-0.08, -0.86, 0.08, -0.69))
        parts.append(
            Part(Material((66, 48, 38), gloss=0.4), coat.z + 2.2, fills=(buckle,), holes=(hole,), lift=0.4)
        )
    return parts


def _coat_rib(coat: _Coat) -> list[Part]:
    figure, hem = coat.figure, coat.hem
    inner = coat.edge - 0.05 + 0.12 * coat.fit.open
    w = max(float(figure.half_width(hem)), float(figure.half_width(-1.35)) * 0.95) + coat.ease
    band = points([(inner, hem - 0.2), (w + 0.02, hem - 0.2), (w * 0.93, hem + 0.05), (inner, hem + 0.06)])
    look = Material(dark(coat.product.fabric.palette[0], 0.7), folds=0.3)
    return [Part(look, coat.z + 1.5, fills=(coat.torso(band * (side, 1)),), lift=0.3) for side in (-1, 1)]


def _coat_puff(coat: _Coat) -> list[Part]:
    """The quilting of a puffer jacket."""
    shade, width = Material((16, 16, 20), opacity=0.28), coat.width
    parts = []
    for y in np.arange(-1.75, coat.hem - 0.1, 0.34):
        right = [(coat.edge, y), (width * 0.6, y + 0.06), (width + 0.1, y)]
        lines = tuple(coat.torso(curve(points(right) * (s, 1), closed=False)) for s in (-1, 1))
        parts.append(Part(shade, coat.z + 0.5, lines=lines, width=0.06, lift=0, volume=0))
    return parts


_ZIP = Material((188, 188, 190), gloss=0.5)
_COAT_TRIMS: dict[str, Callable[[_Coat], list[Part]]] = {
    "belt": _coat_belt,
    "rib": _coat_rib,
    "puff": _coat_puff,
}
