"""Clothes cut onto a figure's pose: tops, coats, dresses, skirts, trousers, shorts, legwear."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from lookdex.sample.figures import Figure
from lookdex.sample.geometry import (
    Points, arc, box, curve, cut_path, ellipse, mirrored, points, tube,
)  # fmt: skip
from lookdex.sample.paint import Colour, Material, Part
from lookdex.sample.products import Product
from lookdex.sample.textures import material


@dataclass(frozen=True)
class Fit:
    """How a product is worn. owner: its number on the canvas. empty: nobody is inside."""

    owner: int
    tucked: bool = False
    open: bool = False
    empty: bool = False


def dark(colour: Colour, share: float = 0.6) -> Colour:
    """Return a colour darkened to `share` of its brightness."""
    return tuple(int(c * share) for c in colour)  # type: ignore[return-value]


def _thread(product: Product) -> Material:
    """Seams: darker than light cloth, lighter than dark cloth."""
    ground = product.fabric.palette[0]
    if product.fabric.kind == "denim":
        return Material((206, 150, 84))
    light = sum(ground) > 210
    return Material(dark(ground, 0.62) if light else tuple(min(255, c + 46) for c in ground))  # type: ignore[arg-type]


def top_parts(product: Product, figure: Figure, fit: Fit) -> list[Part]:
    """Return a top: body, sleeves, neck, closure, pocket and hem."""
    cut, cloth = product.cut, material(product.fabric)
    z = 20.0 if fit.tucked else 30.0
    hem = -0.5 + 0.75 * cut.length if not fit.tucked else -0.45
    ease = 0.04 + 0.16 * cut.width
    shoulder = cut.sleeve > 0
    body = _body(product, figure, hem, ease, 0.06 * cut.flare, shoulder)
    parts = [Part(cloth, z, fills=(body,))]
    parts += _neck(product, figure, fit, z)
    parts += _sleeves(product, figure, 35.0, 0.06 + 0.14 * cut.width)
    parts += _closure(product, figure, z, hem, -2.35 + _neck_depth(cut.neck) * 0.9)
    parts += _pockets(product, figure, z, hem)
    if cut.trim == "rib" and not fit.tucked:
        parts.append(_rib(product, figure, z + 1, hem, ease))
    return [replace(part, owner=fit.owner) for part in parts]


def dress_parts(product: Product, figure: Figure, fit: Fit) -> list[Part]:
    """Return a dress: bodice and skirt in one piece, sleeves and details."""
    cut, cloth, z = product.cut, material(product.fabric), 30.0
    ease = 0.03 + 0.2 * cut.width
    hem = 0.9 + 2.3 * cut.length
    bodice = _body(product, figure, -0.8, ease, 0, cut.sleeve > 0)
    skirt = _skirt(figure, -0.84, hem, ease, cut.flare, cut.number)
    parts = [Part(cloth, z, fills=(bodice,)), Part(cloth, z + 0.1, fills=(skirt,), lift=0.0)]
    parts = [Part(cloth, z, fills=(bodice, skirt))]
    parts += _neck(product, figure, fit, z)
    parts += _sleeves(product, figure, z + 5, 0.05 + 0.12 * cut.width)
    parts += _skirt_folds(product, figure, z + 0.3, -0.6, hem, cut.flare)
    parts += _closure(product, figure, z, hem - 0.1, -2.35 + _neck_depth(cut.neck) * 0.9)
    if cut.pocket in ("chest", "two"):
        parts += _pockets(product, figure, z, hem)
    width = float(figure.half_width(-0.82)) + ease
    if cut.trim == "sash":
        band = figure.torso(box(-width, -0.92, width, -0.7))
        ends = [figure.torso(curve([(0.1, -0.75), (0.22, -0.3), (0.3, 0.3), (0.17, 0.3), (0.08, -0.3)]))]
        sash = Material(cut.accent, folds=0.5)
        parts += [Part(sash, z + 1.2, fills=(band,)), Part(sash, z + 1.3, fills=tuple(ends))]
    elif cut.trim == "rib":
        parts.append(_line(product, figure.torso([(-width, -0.8), (width, -0.8)]), z + 1))
    if cut.trim == "tiers":
        parts += _tiers(product, figure, z + 0.6, hem, cut.flare)
    return [replace(part, owner=fit.owner) for part in parts]


def coat_parts(product: Product, figure: Figure, fit: Fit) -> list[Part]:
    """Return a jacket or coat, open over a top or closed."""
    cut, cloth, z = product.cut, material(product.fabric), 40.0
    hem = -0.25 + 2.6 * cut.length
    ease = 0.12 + 0.16 * cut.width
    gap = 0.30 if fit.open else -0.06
    body = _body(product, figure, hem, ease, 0.10 + 0.25 * cut.length * cut.flare, True)
    spread = gap + (0.16 if fit.open else 0)
    panels = []
    for side in (-1, 1):
        over = gap if side > 0 or fit.open else -gap  # closed: the right panel lies on top
        edge = [(side * 0.3, -2.5), (side * max(over, 0.16 if cut.neck == "lapel" else 0.02), -1.9),
                (side * over, -1.25), (side * (over if not fit.open else spread), hem + 0.3)]  # fmt: skip
        far = [(side * 3.0, hem + 0.3), (side * 3.0, -2.6)]
        panels.append(_clip(body, figure.torso(points(edge + far)), side, figure))
    parts = [Part(cloth, z + 0.1 * i, fills=(panel,), lift=0.4) for i, panel in enumerate(panels)]
    if fit.empty:
        lining = Material(dark(product.fabric.palette[1 + cut.number % 2], 0.7), folds=0.8)
        parts.append(Part(lining, 15, fills=(body,), tone=0.8))
    parts += _sleeves(product, figure, z + 5, 0.16 + 0.14 * cut.width)
    parts += _collar(product, figure, z, gap)
    parts += _front(product, figure, z, hem, gap, ease, fit)
    return [replace(part, owner=fit.owner) for part in parts]


def skirt_parts(product: Product, figure: Figure, fit: Fit) -> list[Part]:
    """Return a skirt with its waistband, folds or pleats."""
    cut, cloth, z = product.cut, material(product.fabric), 24.0
    hem = 0.55 + 2.6 * cut.length
    shape = _skirt(figure, -0.78, hem, 0.04, cut.flare, cut.number)
    parts = [Part(cloth, z, fills=(shape,))]
    parts += _skirt_folds(product, figure, z + 0.2, -0.5, hem, cut.flare)
    if cut.trim == "tiers":
        parts += _tiers(product, figure, z + 0.6, hem, cut.flare)
    width = float(figure.half_width(-0.75)) + 0.04
    parts.append(Part(cloth, z + 1, fills=(figure.torso(box(-width, -0.8, width, -0.62)),), lift=0.2, grain=math.pi / 2))
    if cut.closure == "buttons":
        for step in range(3 + cut.number % 4):
            y = -0.4 + step * min(0.32, (hem - 0.4) / 4)
            parts.append(_button(product, figure.torso([(0, y)])[0], z + 1))
    elif cut.closure in ("zip", "slit"):
        x = 0.0 if cut.closure == "zip" else 0.3
        top = -0.6 if cut.closure == "zip" else hem - 0.6
        parts.append(_line(product, figure.torso([(x, top), (x, hem - 0.05)]), z + 1, 0.03))
    if cut.pocket == "patch":
        parts += [_patch(product, figure, side * 0.36, -0.15, 0.17, 0.3, z + 1) for side in (-1, 1)]
    return [replace(part, owner=fit.owner) for part in parts]


def trouser_parts(product: Product, figure: Figure, fit: Fit) -> list[Part]:
    """Return trousers or shorts: two legs, a waistband, pockets and hems."""
    cut, cloth, z = product.cut, material(product.fabric), 24.0
    parts: list[Part] = []
    for side in (-1, 1):
        leg = figure.leg(side)
        outline, hem = _trouser_leg(product, figure, side)
        way = leg[1] - leg[0]
        grain = -math.atan2(way[0], way[1])
        parts.append(Part(cloth, z + (0.1 if side > 0 else 0), fills=(outline,), grain=grain, lift=0.35))
        parts += _hem(product, hem, z + 1)
        if cut.trim == "crease":
            mid = leg[:, :] + (0, 0)
            parts.append(_line(product, cut_path(mid, cut.length * 0.97)[0:] , z + 0.6, 0.02))
        elif cut.trim == "side stripe":
            outer = cut_path(leg + (side * (0.27 + 0.05 * cut.width) * figure.build, 0), cut.length * 0.9)
            parts.append(Part(Material(cut.accent), z + 0.6, lines=(outer,), width=0.07, lift=0, volume=0.2))
        elif cut.trim == "ripped":
            knee = leg[0] + (leg[1] - leg[0]) * min(0.98, cut.length * 1.3)
            tear = ellipse(knee[0], knee[1] - 0.08, 0.15, 0.045)
            parts.append(Part(Material((226, 226, 222)), z + 0.6, fills=(tear,), lift=0, volume=0.3))
        if cut.pocket == "cargo":
            middle = leg[0] + (leg[1] - leg[0]) * (0.62 if cut.length > 0.6 else 0.4)
            x, y = middle + (side * 0.22, 0)
            parts.append(Part(cloth, z + 1, fills=(box(x - 0.15, y - 0.2, x + 0.15, y + 0.2),), lift=0.35))
            parts.append(Part(cloth, z + 1.1, fills=(box(x - 0.17, y - 0.24, x + 0.17, y - 0.1),), lift=0.35))
        elif cut.pocket in ("jeans", "slant"):
            w = float(figure.half_width(-0.6))
            if cut.pocket == "jeans":
                line = arc(side * (w + 0.02), -0.58, 0.3, 0.3, 90, 180 if side > 0 else 0)
            else:
                line = points([(side * w * 0.62, -0.58), (side * (w + 0.03), -0.12)])
            parts.append(_line(product, figure.torso(line), z + 0.7))
    w = float(figure.half_width(-0.7)) + 0.03 + 0.04 * cut.width
    band = figure.torso([(-w, -0.74), (w, -0.74), (w + 0.02, -0.56), (-w - 0.02, -0.56)])
    parts.append(Part(cloth, z + 1, fills=(band,), grain=math.pi / 2, lift=0.2))
    if fit.empty:
        back = figure.torso(curve([(-w, -0.74), (0, -0.82), (w, -0.74), (0, -0.62)]))
        parts.append(Part(Material(dark(product.fabric.palette[0], 0.5)), z + 1.2, fills=(back,), lift=0))
    if cut.closure == "fly":
        fly = curve([(0.0, -0.56), (0.13, -0.5), (0.12, -0.15), (0.0, 0.02)], closed=False)
        parts.append(_line(product, figure.torso(fly), z + 0.8))
        parts.append(_button(product, figure.torso([(0.02, -0.66)])[0], z + 1.3))
        loops = [figure.torso(box(x - 0.025, -0.77, x + 0.025, -0.53)) for x in (-0.32, 0.32)]
        parts.append(Part(cloth, z + 1.3, fills=tuple(loops), lift=0.2))
    elif cut.closure == "cord":
        cords = [figure.torso(curve([(0, -0.64), (x, -0.4), (x * 1.2, -0.12)], closed=False)) for x in (-0.09, 0.07)]
        parts.append(Part(Material(cut.accent), z + 1.4, lines=tuple(cords), width=0.035, lift=0.2))
    return [replace(part, owner=fit.owner) for part in parts]


def legwear_parts(product: Product, figure: Figure, fit: Fit) -> list[Part]:
    """Return tights, leggings or socks, on the legs or lying as a pair."""
    cut, z = product.cut, 8.0
    cloth = material(product.fabric)
    if cut.trim == "sheer":
        cloth = replace(cloth, opacity=0.72)
    cloth = replace(cloth, folds=0.35)
    parts: list[Part] = []
    b = figure.build * 1.04
    for side in (-1, 1):
        leg = figure.leg(side)
        calf = leg[1] * 0.62 + leg[2] * 0.38 + (side * 0.03, 0)
        upward = np.vstack([leg[2] + (0, 0.06), leg[2], calf, leg[1], leg[0]])
        path = cut_path(upward, cut.length)
        reach = np.linspace(0, 1, 5) * (len(path) - 1) / 4
        widths = np.interp(reach * 1.0, np.linspace(0, 1, 5), np.array((0.23, 0.23, 0.39, 0.44, 0.64)) * b)
        widths = np.interp(np.arange(len(path)), np.arange(5), np.array((0.23, 0.23, 0.39, 0.44, 0.64)) * b)
        way = leg[1] - leg[0]
        shape = tube(path, list(widths))
        parts.append(Part(cloth, z, fills=(shape,), lift=0.2, grain=-math.atan2(way[0], way[1])))
        foot = curve([(-0.13, -0.12), (0.12, -0.14), (0.32, 0.06), (0.6, 0.14), (0.62, 0.25), (-0.15, 0.25)])
        sole = foot * (figure.foot_flip(side), 1) + leg[2]
        if cut.style != "leggings":
            parts.append(Part(cloth, z + 0.1, fills=(sole,), lift=0.1))
        if cut.trim in ("band", "bands"):
            cuffs = [path[-1] - (0, 0.02), path[-1] + (0, 0.16)] if cut.trim == "bands" else [path[-1]]
            half = float(widths[-1]) / 2 + 0.01
            fills = tuple(box(c[0] - half, c[1] - 0.01, c[0] + half, c[1] + 0.09) for c in cuffs)
            parts.append(Part(Material(cut.accent), z + 0.5, fills=fills, lift=0.1))
        elif cut.trim == "heel":
            tip = curve([(0.42, 0.09), (0.6, 0.14), (0.62, 0.25), (0.42, 0.25)]) * (figure.foot_flip(side), 1)
            heel = curve([(-0.13, 0.0), (0.02, 0.12), (0.0, 0.25), (-0.15, 0.25)]) * (figure.foot_flip(side), 1)
            parts.append(Part(Material(cut.accent), z + 0.5, fills=(tip + leg[2], heel + leg[2]), lift=0))
    if cut.length > 0.98:
        hips = [(figure.half_width(-0.7), -0.7), (figure.half_width(-0.05) * 1.02, -0.05), (0.62 * b, 0.25), (0.04, 0.3)]
        parts.append(Part(cloth, z + 0.2, fills=(figure.torso(mirrored(points(hips))),), lift=0))
    return [replace(part, owner=fit.owner) for part in parts]


def _neck_depth(neck: str) -> float:
    return {"crew": 0.2, "vee": 0.7, "scoop": 0.5, "boat": 0.12, "roll": 0.1, "hood": 0.3,
            "bow": 0.3, "collar": 0.34, "straps": 0.75, "rib": 0.2}.get(neck, 0.25)  # fmt: skip


def _neckline(neck: str) -> Points:
    """The right half of a neckline, from the middle of the front to the shoulder."""
    depth = -2.38 + _neck_depth(neck)
    if neck in ("vee", "collar", "bow"):
        return points([(0.0, depth), (0.14, depth - _neck_depth(neck) * 0.55), (0.25, -2.44)])
    if neck == "boat":
        return points([(0.0, depth), (0.3, depth - 0.02), (0.52, -2.34)])
    if neck == "scoop":
        return points([(0.0, depth), (0.2, depth - 0.06), (0.33, depth - 0.25), (0.38, -2.4)])
    return points([(0.0, depth), (0.14, depth - 0.04), (0.23, depth - 0.15), (0.26, -2.44)])


def _body(
    product: Product, figure: Figure, hem: float, ease: float, flare: float, shoulders: bool
) -> Points:
    """The outline of a bodice in the pose, neckline to hem."""
    b, neck = figure.build, product.cut.neck
    line = _neckline(neck)
    if neck == "straps":
        side = [(0.0, -1.72), (0.2, -1.78), (0.40, -1.95), (0.46, -1.9), (0.62 * b, -1.55)]
    elif shoulders:
        side = [*line, (0.62 * b, -2.34), (0.80 * b + ease * 0.4, -2.17), (0.80 * b + ease * 0.4, -1.95),
                (0.70 * b + ease * 0.5, -1.6)]  # fmt: skip
    else:
        side = [*line, (0.5 * b, -2.36), (0.54 * b, -2.2), (0.52 * b, -1.85), (0.68 * b + ease * 0.5, -1.58)]
    levels = np.linspace(-1.35, hem, max(3, int((hem + 1.35) / 0.22)))
    reach = figure.half_width(levels) + ease
    if ease > 0.12:  # loose cloth does not follow the waist
        reach = np.maximum(reach, float(figure.half_width(-1.35)) + ease * 0.6)
    reach = reach + flare * np.clip((levels + 0.8) / 1.5, 0, None)
    full = np.vstack([points(side), np.column_stack([reach, levels])])
    bottom = [(reach[-1] * 0.5, hem + 0.035), (0.0, hem + 0.05)]
    half = np.vstack([full, points(bottom)])
    outline = np.vstack([half, (half * (-1, 1))[::-1]])
    return figure.torso(outline)


def _neck(product: Product, figure: Figure, fit: Fit, z: float) -> list[Part]:
    """The collar, the trimmed neckline, and the back of the neck where nobody is inside."""
    cut, cloth = product.cut, material(product.fabric)
    line = _neckline(cut.neck)
    right, left = figure.torso(line), figure.torso(line * (-1, 1))
    edge = np.vstack([left[::-1], right[1:]])
    parts: list[Part] = []
    if fit.empty and cut.neck != "straps":
        back = np.vstack([edge, figure.torso(curve([(0.25, -2.46), (0.0, -2.40), (-0.25, -2.46)], closed=False))])
        parts.append(Part(replace(cloth, gloss=0), z - 2, fills=(back,), tone=0.55, lift=0))
    if cut.neck == "straps":
        straps = [figure.torso([(s * 0.42, -1.94), (s * 0.36, -2.36)]) for s in (-1, 1)]
        parts.append(Part(cloth, z + 4.5, lines=tuple(straps), width=0.055, lift=0.2))
    elif cut.neck == "collar":
        for side in (-1, 1):
            leaf = [(side * 0.02, -2.1), (side * 0.27, -2.5), (side * 0.40, -2.36), (side * 0.30, -1.98)]
            parts.append(Part(cloth, z + 6, fills=(figure.torso(leaf),), lift=0.45, grain=side * 0.7))
    elif cut.neck == "roll":
        roll = curve(mirrored([(0.0, -2.72), (0.25, -2.7), (0.29, -2.5), (0.3, -2.3), (0.0, -2.2)]), 3)
        parts.append(Part(cloth, z + 6, fills=(figure.torso(roll),), lift=0.4))
    elif cut.neck == "hood":
        hood = curve(mirrored([(0.2, -2.72), (0.42, -2.62), (0.52, -2.35), (0.34, -2.05), (0.0, -1.92)]), 3)
        inner = curve(mirrored([(0.1, -2.62), (0.27, -2.55), (0.3, -2.3), (0.0, -2.05)]), 3)
        if fit.empty:
            parts.append(Part(cloth, z + 5.8, fills=(figure.torso(hood),), lift=0.4))
            parts.append(Part(cloth, z + 6, fills=(figure.torso(inner),), tone=0.5, lift=0))
        else:
            parts.append(Part(cloth, z + 5.8, fills=(figure.torso(hood),), holes=(figure.torso(inner),), lift=0.4))
        cords = [figure.torso(curve([(s * 0.13, -2.12), (s * 0.16, -1.9), (s * 0.13, -1.6)], closed=False)) for s in (-1, 1)]
        parts.append(Part(Material(cut.accent), z + 6.5, lines=tuple(cords), width=0.04))
    elif cut.neck == "bow":
        for side in (-1, 1):
            loop = curve([(0, -2.08), (side * 0.16, -2.22), (side * 0.34, -2.12), (side * 0.2, -2.0)])
            tail = curve([(0, -2.08), (side * 0.12, -1.9), (side * 0.17, -1.55), (side * 0.04, -1.6)])
            parts.append(Part(cloth, z + 6, fills=(figure.torso(tail), figure.torso(loop)), lift=0.4))
        parts.append(Part(cloth, z + 6.2, fills=(figure.torso(ellipse(0, -2.08, 0.06, 0.07)),), lift=0.4))
    else:
        trimmed = cut.trim == "ringer"
        band = Material(cut.accent) if trimmed else replace(cloth, folds=0)
        parts.append(Part(band, z + 0.6, lines=(edge,), width=0.09 if cut.trim in ("rib", "ringer") else 0.06, lift=0.15, tone=0.92))
    return parts


def _sleeves(product: Product, figure: Figure, z: float, ease: float) -> list[Part]:
    cut, cloth = product.cut, material(product.fabric)
    if cut.sleeve <= 0.04:
        return []
    parts: list[Part] = []
    b = figure.build
    for side in (-1, 1):
        arm = figure.arm(side)[:3]
        path = cut_path(arm, cut.sleeve)
        full = np.array((0.36, 0.27, 0.19)) * b + ease * np.array((1.3, 1.1, 0.8))
        if cut.trim == "rib" or cut.trim == "puff":
            full[1] += 0.05
        widths = [float(np.interp(i if i < len(path) - 1 else cut.sleeve * 2, (0, 1, 2), full)) for i in range(len(path))]
        if cut.trim == "bell":
            widths[-1] += 0.3
        way = path[-1] - path[0]
        grain = -math.atan2(way[0], way[1])
        shape = tube(path, widths)
        cap = ellipse(arm[0][0], arm[0][1] + 0.02, widths[0] / 2 * 0.98, widths[0] / 2 * 0.8)
        parts.append(Part(cloth, z, fills=(shape, cap), grain=grain, lift=0.35))
        last = path[-1] - path[-2]
        last = last / max(float(np.linalg.norm(last)), 1e-6)
        across = np.array((-last[1], last[0])) * (widths[-1] / 2 + 0.01)
        if cut.trim in ("cuffs", "rib", "ringer", "seams"):
            depth = 0.16 if cut.trim in ("rib", "cuffs") else 0.07
            squeeze = 0.82 if cut.trim == "rib" else 1.0
            end, start = path[-1] + last * 0.02, path[-1] - last * depth
            cuff = points([start - across, end - across * squeeze, end + across * squeeze, start + across])
            band = Material(cut.accent) if cut.trim == "ringer" else cloth
            parts.append(Part(band, z + 0.4, fills=(cuff,), grain=grain + math.pi / 2, lift=0.25, tone=0.95))
    return parts


def _closure(product: Product, figure: Figure, z: float, hem: float, start: float) -> list[Part]:
    cut, cloth = product.cut, material(product.fabric)
    if cut.closure == "none":
        return []
    if cut.closure == "zip":
        line = figure.torso([(0, start + 0.05), (0, hem)])
        return [Part(Material((196, 196, 198)), z + 1, lines=(line,), width=0.035, lift=0.2)]
    end = hem if cut.closure == "buttons" else start + 0.55
    strip = figure.torso(box(-0.075, start, 0.075, end))
    parts = [Part(cloth, z + 1, fills=(strip,), lift=0.22)]
    count = max(2, int((end - start) / (0.26 + 0.03 * (cut.number % 4))))
    for y in np.linspace(start + 0.1, end - 0.12, count):
        parts.append(_button(product, figure.torso([(0, y)])[0], z + 1.2))
    return parts


def _pockets(product: Product, figure: Figure, z: float, hem: float) -> list[Part]:
    cut = product.cut
    if cut.pocket == "chest":
        return [_patch(product, figure, 0.33, -1.42, 0.14, 0.3, z + 1)]
    if cut.pocket == "two":
        return [_patch(product, figure, s * 0.35, -1.42, 0.14, 0.3, z + 1, flap=True) for s in (-1, 1)]
    if cut.pocket == "badge":
        return [Part(Material(cut.accent), z + 1, fills=(figure.torso(_badge(cut.number)),), lift=0.05, volume=0.2)]
    if cut.pocket == "kangaroo":
        pouch = [(-0.3, -0.95), (0.3, -0.95), (0.5, -0.5), (0.5, min(hem - 0.15, -0.25)), (-0.5, min(hem - 0.15, -0.25)), (-0.5, -0.5)]
        return [Part(material(product.fabric), z + 1, fills=(figure.torso(pouch),), lift=0.35)]
    return []


def _badge(number: int) -> Points:
    """A chest print: a disc, a bar, a triangle or a star."""
    shape = number % 4
    if shape == 0:
        return ellipse(0, -1.4, 0.26)
    if shape == 1:
        return box(-0.36, -1.5, 0.36, -1.32)
    if shape == 2:
        return points([(-0.28, -1.2), (0, -1.68), (0.28, -1.2)])
    turn = np.arange(10) * math.pi / 5 - math.pi / 2
    reach = np.where(np.arange(10) % 2 == 0, 0.3, 0.13)
    return np.column_stack([reach * np.cos(turn), -1.4 + reach * np.sin(turn)])


def _patch(
    product: Product, figure: Figure, x: float, y: float, half: float, height: float, z: float,
    flap: bool = False,
) -> Part:  # fmt: skip
    """A patch pocket; with a flap its upper edge is drawn twice."""
    shape = [(x - half, y - 0.02), (x + half, y - 0.02), (x + half, y + height * 0.8), (x, y + height), (x - half, y + height * 0.8)]
    fills = (figure.torso(shape),)
    lines = (figure.torso(np.vstack([points(shape), points(shape)[:1]])),)
    if flap:
        lines += (figure.torso([(x - half, y + 0.09), (x, y + 0.13), (x + half, y + 0.09)]),)
    del fills
    return Part(_thread(product), z, lines=lines, width=0.022, lift=0.25, volume=0)


def _rib(product: Product, figure: Figure, z: float, hem: float, ease: float) -> Part:
    width = max(float(figure.half_width(hem)) + ease, float(figure.half_width(-1.35)) + ease * 0.6)
    band = [(-width - 0.01, hem - 0.16), (width + 0.01, hem - 0.16), (width * 0.92, hem + 0.04), (-width * 0.92, hem + 0.04)]
    return Part(material(product.fabric), z, fills=(figure.torso(band),), lift=0.25, tone=0.93, grain=math.pi / 2)


def _line(product: Product, path: Points, z: float, width: float = 0.02) -> Part:
    return Part(_thread(product), z, lines=(path,), width=width, lift=0.15, volume=0)


def _button(product: Product, at: Points, z: float) -> Part:
    metal = product.fabric.kind in ("denim", "leather") or product.cut.number % 5 == 0
    look = Material((204, 172, 104), gloss=0.8) if metal else Material(product.cut.accent, gloss=0.3)
    return Part(look, z, fills=(ellipse(float(at[0]), float(at[1]), 0.038, n=14),), lift=0.4)


def _skirt(
    figure: Figure, waist: float, hem: float, ease: float, flare: float, number: int
) -> Points:
    """A skirt's outline: hips to a hem that swings with the legs and waves."""
    sway = float((figure.leg(-1)[1][0] + figure.leg(1)[1][0]) / 2 - figure.torso([(0, 0)])[0][0])
    levels = np.array([waist, -0.4, -0.02])
    side = np.column_stack([figure.half_width(levels) + ease, levels])
    right, left = figure.torso(side), figure.torso(side * (-1, 1))
    depth = hem - 0.05
    end = float(figure.half_width(0)) + ease + flare * 0.42 * depth - (0.06 if flare < 0.1 else 0)
    middle = np.array([sway * 0.7 * min(hem / 1.8, 1.4) + float(figure.torso([(0, 0)])[0][0]), hem])
    turn = np.linspace(1, -1, 25)
    waves = 0.05 * flare * np.sin(turn * (7 + number % 7) + number) + 0.07 * (1 - turn**2)
    bottom = np.column_stack([middle[0] + end * turn * figure.turn, middle[1] + waves])
    knee = (right[-1] * 0.45 + bottom[0] * 0.55) + (0.03, 0), (left[-1] * 0.45 + bottom[-1] * 0.55) - (0.03, 0)
    return np.vstack([right, knee[0][None], bottom, knee[1][None], left[::-1]])


def _skirt_folds(
    product: Product, figure: Figure, z: float, start: float, hem: float, flare: float
) -> list[Part]:
    """Pleats, or the soft folds of a wide skirt, as dark and light lines from hip to hem."""
    pleated = product.cut.trim == "pleats"
    if flare < 0.3 and not pleated:
        return []
    outline = _skirt(figure, start, hem, 0.0, flare, product.cut.number)
    top = outline[1:2], outline[-2:-1]
    bottom = outline[4:29]
    count = 11 if pleated else 4 + product.cut.number % 4
    lines = []
    for step in range(1, count):
        share = step / count
        a = top[0][0] * (1 - share) + top[1][0] * share
        b = bottom[int(share * 24)] - (0, 0.03)
        first = a if pleated else a * 0.55 + b * 0.45
        lines.append(np.vstack([first, (first + b) / 2 + (0.02, 0), b]))
    shade = Material((20, 18, 24), opacity=0.30 if pleated else 0.16)
    shine = Material((255, 252, 244), opacity=0.14 if pleated else 0.08)
    moved = tuple(line + (0.045, 0) for line in lines)
    return [
        Part(shade, z, lines=tuple(lines), width=0.045, lift=0, volume=0),
        Part(shine, z, lines=moved, width=0.045, lift=0, volume=0),
    ]


def _tiers(product: Product, figure: Figure, z: float, hem: float, flare: float) -> list[Part]:
    lines = []
    for share in (0.4, 0.7):
        outline = _skirt(figure, -0.7, hem * share, 0.04, flare, product.cut.number)
        lines.append(outline[4:29])
    return [Part(Material((24, 20, 24), opacity=0.45), z, lines=tuple(lines), width=0.05, lift=0.35, volume=0)]


def _trouser_leg(product: Product, figure: Figure, side: int) -> tuple[Points, Points]:
    """The outline of one leg from the waist, and the two ends of its hem."""
    cut, b = product.cut, figure.build
    leg = figure.leg(side)
    thigh = (0.30 + 0.07 * cut.width) * b
    knee = (0.21 + 0.10 * cut.width + 0.06 * cut.flare) * b
    ankle = 0.13 + 0.06 * cut.width + 0.26 * cut.flare
    path = cut_path(leg + ((0, 0), (0, 0), (0, 0.12)), cut.length)
    if len(path) == 2:
        shorten = cut.length * 2
        half = (thigh, thigh + (knee - thigh) * shorten + 0.06 + 0.12 * cut.flare)
    else:
        half = (thigh, knee, knee + (ankle - knee) * (cut.length * 2 - 1))
    outer = [path[i] + (side * half[i], 0) for i in range(1, len(path))]
    inner = [path[i] - (side * half[i], 0) for i in range(len(path) - 1, 0, -1)]
    levels = np.array([-0.72, -0.4, -0.05])
    hips = figure.torso(np.column_stack([side * (figure.half_width(levels) + 0.03 + 0.04 * cut.width), levels]))
    crotch = figure.torso([(side * 0.01, 0.26)])
    middle = figure.torso([(-side * 0.02, 0.0), (-side * 0.02, -0.72)])
    outline = np.vstack([hips, (hips[-1] + outer[0]) / 2 + (side * 0.03, 0), *outer, *inner, crotch, middle])
    return outline, np.vstack([outer[-1], inner[0]])


def _hem(product: Product, hem: Points, z: float) -> list[Part]:
    cut, cloth = product.cut, material(product.fabric)
    if cut.trim == "none" or cut.trim in ("side stripe", "ripped", "crease"):
        return [_line(product, hem - (0, 0.06), z)]
    depth = 0.2 if cut.trim in ("turn-up", "rib") else 0.07
    grow = np.array([[0.02, 0], [-0.02, 0]]) * np.sign(hem[0, 0] - hem[1, 0])
    if cut.trim == "rib":
        grow = -grow * 1.5
    band = np.vstack([hem + grow, (hem + grow)[::-1] - (0, depth)])
    look = {"turn-up": replace(cloth, folds=0), "rib": cloth}.get(cut.trim, Material(cut.accent))
    tone = 1.22 if product.fabric.kind == "denim" else 0.95
    return [Part(look, z, fills=(band,), lift=0.35, tone=tone, grain=math.pi / 2)]


def _clip(body: Points, panel: Points, side: int, figure: Figure) -> Points:
    """Cut a body to the side of a front edge: its outer points, then the edge upwards."""
    edge = panel[:4]
    at = np.interp(body[:, 1], edge[:, 1], edge[:, 0])
    keep = side * (body[:, 0] - at) > 0
    outer = body[keep]
    order = np.argsort(outer[:, 1], kind="stable")
    outer = outer[order]
    bottom, top = outer[-1, 1], outer[0, 1]
    rungs = np.linspace(bottom, max(top, edge[0, 1]), 14)
    inner = np.column_stack([np.interp(rungs, edge[:, 1], edge[:, 0]), rungs])
    return np.vstack([_ring(body, keep), inner]) if side else outer


def _ring(body: Points, keep: np.ndarray) -> Points:
    """The kept points of a closed outline, in order from the neck down to the hem."""
    n = len(body)
    right = body[: n // 2][keep[: n // 2]]
    left = body[n // 2 :][keep[n // 2 :]][::-1]
    return right if len(right) > len(left) else left


def _collar(product: Product, figure: Figure, z: float, gap: float) -> list[Part]:
    cut, cloth = product.cut, material(product.fabric)
    parts = []
    for side in (-1, 1):
        lead = max(gap, 0.03)
        if cut.neck == "lapel":
            lapel = [(side * 0.24, -2.52), (side * 0.5, -2.28), (side * 0.40, -2.12), (side * 0.56, -1.98), (side * lead, -1.2), (side * 0.16, -1.95)]
        elif cut.neck == "collar":
            lapel = [(side * 0.2, -2.55), (side * 0.34, -2.52), (side * 0.5, -2.26), (side * 0.30, -1.98), (side * 0.14, -2.2)]
        elif cut.neck == "stand":
            lapel = [(side * 0.2, -2.68), (side * 0.32, -2.64), (side * 0.38, -2.3), (side * max(gap, 0.04), -2.15), (side * 0.1, -2.4)]
        else:
            lapel = [(side * 0.22, -2.52), (side * 0.32, -2.48), (side * max(gap, 0.1), -1.9), (side * (max(gap, 0.1) - 0.09), -1.95)]
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
        lines = [figure.torso([(s * (edge if fit.open else 0.06), start), (s * (edge + (0.12 if fit.open else 0)), hem)]) for s in sides]
        parts.append(Part(Material((188, 188, 190), gloss=0.5), z + 1, lines=tuple(lines), width=0.045, lift=0.2))
    else:
        columns = (edge + 0.03,) if cut.closure == "buttons" else (edge + 0.04, -(edge + 0.30) if not fit.open else edge + 0.3)
        low = min(hem - 0.15, 0.3)
        count = max(2, 2 + cut.number % 3) if cut.neck == "lapel" else max(3, int((low - start) / 0.32))
        for x in columns:
            for y in np.linspace(start + 0.08, low - 0.1, count):
                parts.append(_button(product, figure.torso([(x, y)])[0], z + 1.2))
    y = min(hem - 0.45, -0.2)
    for side in (-1, 1):
        x = side * (0.42 + 0.1 * (gap > 0))
        if cut.pocket in ("flap", "patch"):
            height = 0.13 if cut.pocket == "flap" else 0.4
            parts.append(Part(cloth, z + 1, fills=(figure.torso(box(x - 0.2, y, x + 0.2, y + height)),), lift=0.45))
        elif cut.pocket in ("welt", "zips"):
            tone = Material((188, 188, 190)) if cut.pocket == "zips" else _thread(product)
            line = figure.torso([(x - 0.1 * side, y - 0.2), (x + 0.1 * side, y + 0.15)])
            parts.append(Part(tone, z + 1, lines=(line,), width=0.05, lift=0.3))
        elif cut.pocket == "two":
            parts.append(_patch(product, figure, side * (0.4 + 0.06 * (gap > 0)), -1.6, 0.16, 0.36, z + 1, flap=True))
        if cut.trim == "seams":
            parts.append(_line(product, figure.torso([(side * (edge + 0.1), -1.85), (side * 0.72, -1.85)]), z + 1))
            parts.append(_line(product, figure.torso([(side * (edge + 0.15), -1.2), (side * (edge + 0.25), hem)]), z + 1))
    width = float(figure.half_width(-0.8)) + ease + 0.02
    if cut.trim == "belt":
        left = points([(-width, -0.9), (-max(gap, 0.0), -0.86), (-max(gap, 0.0), -0.68), (-width, -0.72)])
        for side in (1, -1):
            parts.append(Part(cloth, z + 2, fills=(figure.torso(left * (side, 1)),), lift=0.45, grain=math.pi / 2))
        if not fit.open:
            buckle = box(-0.14, -0.92, 0.14, -0.63)
            parts.append(Part(Material((66, 48, 38), gloss=0.4), z + 2.2, fills=(figure.torso(buckle),), holes=(figure.torso(box(-0.08, -0.86, 0.08, -0.69)),), lift=0.4))
    elif cut.trim == "rib":
        for side in (-1, 1):
            w = max(float(figure.half_width(hem)), float(figure.half_width(-1.35)) * 0.95) + ease
            band = points([(side * (edge - 0.05 + 0.12 * fit.open), hem - 0.2), (side * (w + 0.02), hem - 0.2), (side * w * 0.93, hem + 0.05), (side * (edge - 0.05 + 0.12 * fit.open), hem + 0.06)])
            parts.append(Part(Material(dark(product.fabric.palette[0], 0.7), folds=0.3), z + 1.5, fills=(figure.torso(band),), lift=0.3))
    elif cut.trim == "puff":
        for y in np.arange(-1.75, hem - 0.1, 0.34):
            parts.append(Part(Material((16, 16, 20), opacity=0.28), z + 0.5, lines=tuple(
                figure.torso(curve([(s * edge, y), (s * width * 0.6, y + 0.06), (s * (width + 0.1), y)], closed=False)) for s in (-1, 1)
            ), width=0.06, lift=0, volume=0))
    return parts
