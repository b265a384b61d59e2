"""Tops, dresses, jackets and coats, fitted to a figure's pose."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

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
from lookdex_sample.products import Product
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


def coat_parts(product: Product, figure: Figure, fit: Fit) -> list[Part]:
    """Return a jacket or coat, open over a top or closed."""
    cut, cloth, z = product.cut, material(product.fabric), 40.0
    hem = -0.25 + 2.6 * cut.length
    ease = 0.12 + 0.16 * cut.width
    gap = 0.34 if fit.open else -0.06
    body = bodice_outline(product, figure, hem, ease, 0.10 + 0.25 * cut.length * cut.flare, True)
    spread = gap + (0.16 if fit.open else 0)
    panels = []
    for side in (-1, 1):
        over = gap if side > 0 or fit.open else -gap  # closed: the right panel lies on top
        edge = [(side * 0.3, -2.5), (side * max(over, 0.16 if cut.neck == "lapel" else 0.02), -1.9),
                (side * over, -1.25), (side * (over if not fit.open else spread), hem + 0.3)]  # fmt: skip
        panels.append(_clip(body, figure.torso(edge), side))
    parts = [Part(cloth, z + 0.1 * i, fills=(panel,), lift=0.4) for i, panel in enumerate(panels)]
    if fit.empty:
        lining = Material(dark(product.fabric.palette[1 + cut.number % 2], 0.7), folds=0.8)
        parts.append(Part(lining, 15, fills=(body,), tone=0.8))
        if cut.neck in ("stand", "collar", "lapel"):  # the back of the collar
            back = curve(mirrored([(0.0, -2.56), (0.27, -2.58), (0.34, -2.3), (0.0, -2.28)]), 3)
            parts.append(Part(cloth, 16, fills=(figure.torso(back),), tone=0.7, lift=0.1))
    parts += sleeve_parts(product, figure, z + 5, 0.13 + 0.12 * cut.width)
    parts += _collar(product, figure, z, gap)
    parts += _front(product, figure, z, hem, gap, ease, fit)
    return [replace(part, owner=fit.owner) for part in parts]


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


def _collar(product: Product, figure: Figure, z: float, gap: float) -> list[Part]:
    cut, cloth = product.cut, material(product.fabric)
    parts = []
    for side in (-1, 1):
        lead = max(gap, 0.03)
        if cut.neck == "lapel":
            lapel = [
                (side * 0.24, -2.52),
                (side * 0.5, -2.28),
                (side * 0.40, -2.12),
                (side * 0.56, -1.98),
                (side * lead, -1.2),
                (side * 0.16, -1.95),
            ]
        elif cut.neck == "collar":
            lapel = [
                (side * 0.2, -2.55),
                (side * 0.34, -2.52),
                (side * 0.5, -2.26),
                (side * 0.30, -1.98),
                (side * 0.14, -2.2),
            ]
        elif cut.neck == "stand":
            lapel = [
                (side * 0.1, -2.58),
                (side * 0.28, -2.60),
                (side * 0.38, -2.3),
                (side * max(gap, 0.04), -2.1),
                (side * 0.05, -2.3),
            ]
        else:
            lapel = [
                (side * 0.22, -2.52),
                (side * 0.32, -2.48),
                (side * max(gap, 0.1), -1.9),
                (side * (max(gap, 0.1) - 0.09), -1.95),
            ]
        rib = cut.neck == "rib"
        look = Material(dark(product.fabric.palette[0], 0.7)) if rib else cloth
        parts.append(Part(look, z + 6, fills=(figure.torso(lapel),), lift=0.5, grain=side * 0.5))
    return parts


def _front(
    product: Product, figure: Figure, z: float, hem: float, gap: float, ease: float, fit: Fit
) -> list[Part]:
    """Buttons or zip along the front edge, pockets, seams, belt and ribbed hem."""
    cut, cloth = product.cut, material(product.fabric)
    parts: list[Part] = []
    edge = max(gap, 0.0) + 0.05
    start = -1.15 if cut.neck == "lapel" else -2.0
    if cut.closure == "zip":
        sides = (-1, 1) if fit.open else (1,)
        lines = [
            figure.torso(
                [
                    (s * (edge if fit.open else 0.06), start),
                    (s * (edge + (0.12 if fit.open else 0)), hem),
                ]
            )
            for s in sides
        ]
        parts.append(
            Part(
                Material((188, 188, 190), gloss=0.5),
                z + 1,
                lines=tuple(lines),
                width=0.045,
                lift=0.2,
            )
        )
    else:
        columns = (
            (edge + 0.03,)
            if cut.closure == "buttons"
            else (edge + 0.04, -(edge + 0.30) if not fit.open else edge + 0.3)
        )
        low = min(hem - 0.15, 0.3)
        count = max(2, 2 + cut.number % 3) if cut.neck == "lapel" else max(3, int((low - start) / 0.32))
        for x in columns:
            for y in np.linspace(start + 0.08, low - 0.1, count):
                parts.append(button(product, figure.torso([(x, y)])[0], z + 1.2))
    y = min(hem - 0.45, -0.2)
    for side in (-1, 1):
        x = side * (0.42 + 0.1 * (gap > 0))
        if cut.pocket in ("flap", "patch"):
            height = 0.13 if cut.pocket == "flap" else 0.4
            parts.append(
                Part(
                    cloth,
                    z + 1,
                    fills=(figure.torso(box(x - 0.2, y, x + 0.2, y + height)),),
                    lift=0.45,
                )
            )
        elif cut.pocket in ("welt", "zips"):
            tone = Material((188, 188, 190)) if cut.pocket == "zips" else thread(product)
            line = figure.torso([(x - 0.1 * side, y - 0.2), (x + 0.1 * side, y + 0.15)])
            parts.append(Part(tone, z + 1, lines=(line,), width=0.05, lift=0.3))
        elif cut.pocket == "two":
            parts.append(
                patch_pocket(
                    product,
                    figure,
                    side * (0.4 + 0.06 * (gap > 0)),
                    -1.6,
                    0.16,
                    0.36,
                    z + 1,
                    flap=True,
                )
            )
        if cut.trim == "seams":
            parts.append(
                seam(
                    product,
                    figure.torso([(side * (edge + 0.1), -1.85), (side * 0.72, -1.85)]),
                    z + 1,
                )
            )
            parts.append(
                seam(
                    product,
                    figure.torso([(side * (edge + 0.15), -1.2), (side * (edge + 0.25), hem)]),
                    z + 1,
                )
            )
    width = float(figure.half_width(-0.8)) + ease + 0.02
    if cut.trim == "belt":
        left = points([(-width, -0.9), (-max(gap, 0.0), -0.86), (-max(gap, 0.0), -0.68), (-width, -0.72)])
        for side in (1, -1):
            parts.append(
                Part(
                    cloth,
                    z + 2,
                    fills=(figure.torso(left * (side, 1)),),
                    lift=0.45,
                    grain=math.pi / 2,
                )
            )
        if not fit.open:
            buckle = box(-0.14, -0.92, 0.14, -0.63)
            parts.append(
                Part(
                    Material((66, 48, 38), gloss=0.4),
                    z + 2.2,
                    fills=(figure.torso(buckle),),
                    holes=(figure.torso(box(-0.08, -0.86, 0.08, -0.69)),),
                    lift=0.4,
                )
            )
    elif cut.trim == "rib":
        for side in (-1, 1):
            w = max(float(figure.half_width(hem)), float(figure.half_width(-1.35)) * 0.95) + ease
            band = points(
                [
                    (side * (edge - 0.05 + 0.12 * fit.open), hem - 0.2),
                    (side * (w + 0.02), hem - 0.2),
                    (side * w * 0.93, hem + 0.05),
                    (side * (edge - 0.05 + 0.12 * fit.open), hem + 0.06),
                ]
            )
            parts.append(
                Part(
                    Material(dark(product.fabric.palette[0], 0.7), folds=0.3),
                    z + 1.5,
                    fills=(figure.torso(band),),
                    lift=0.3,
                )
            )
    elif cut.trim == "puff":
        for y in np.arange(-1.75, hem - 0.1, 0.34):
            parts.append(
                Part(
                    Material((16, 16, 20), opacity=0.28),
                    z + 0.5,
                    lines=tuple(
                        figure.torso(
                            curve(
                                [
                                    (s * edge, y),
                                    (s * width * 0.6, y + 0.06),
                                    (s * (width + 0.1), y),
                                ],
                                closed=False,
                            )
                        )
                        for s in (-1, 1)
                    ),
                    width=0.06,
                    lift=0,
                    volume=0,
                )
            )
    return parts
