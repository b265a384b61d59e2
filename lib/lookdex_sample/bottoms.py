"""Skirts, trousers, shorts and legwear, fitted to a figure's pose."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from lookdex_sample.details import Fit, button, patch_pocket, seam
from lookdex_sample.figures import Figure
from lookdex_sample.geometry import Points, arc, box, curve, cut_path, ellipse, mirrored, points, tube
from lookdex_sample.paint import Material, Part, dark
from lookdex_sample.products import Product
from lookdex_sample.textures import material


def skirt_parts(product: Product, figure: Figure, fit: Fit) -> list[Part]:
    """Return a skirt with its waistband, folds or pleats."""
    cut, cloth, z = product.cut, material(product.fabric), 24.0
    hem = 0.55 + 2.6 * cut.length
    shape = skirt_outline(figure, -0.78, hem, 0.04, cut.flare, cut.number)
    parts = [Part(cloth, z, fills=(shape,))]
    parts += skirt_folds(product, figure, z + 0.2, -0.5, hem, cut.flare)
    if cut.trim == "tiers":
        parts += tiers(product, figure, z + 0.6, hem, cut.flare)
    width = float(figure.half_width(-0.75)) + 0.04
    parts.append(
        Part(
            cloth,
            z + 1,
            fills=(figure.torso(box(-width, -0.8, width, -0.62)),),
            lift=0.2,
            grain=math.pi / 2,
        )
    )
    if cut.closure == "buttons":
        for step in range(3 + cut.number % 4):
            y = -0.4 + step * min(0.32, (hem - 0.4) / 4)
            parts.append(button(product, figure.torso([(0, y)])[0], z + 1))
    elif cut.closure in ("zip", "slit"):
        x = 0.0 if cut.closure == "zip" else 0.3
        top = -0.6 if cut.closure == "zip" else hem - 0.6
        parts.append(seam(product, figure.torso([(x, top), (x, hem - 0.05)]), z + 1, 0.03))
    if cut.pocket == "patch":
        parts += [patch_pocket(product, figure, side * 0.36, -0.15, 0.17, 0.3, z + 1) for side in (-1, 1)]
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
            parts.append(seam(product, cut_path(leg, cut.length * 0.97), z + 0.6, 0.02))
        elif cut.trim == "side stripe":
            outer = outline[1 : 2 + len(cut_path(leg, cut.length))] - (side * 0.07, 0)
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
            parts.append(seam(product, figure.torso(line), z + 0.7))
    w = float(figure.half_width(-0.7)) + 0.03 + 0.04 * cut.width
    band = figure.torso([(-w, -0.74), (w, -0.74), (w + 0.02, -0.56), (-w - 0.02, -0.56)])
    parts.append(Part(cloth, z + 1, fills=(band,), grain=math.pi / 2, lift=0.2))
    if fit.empty:
        back = figure.torso(curve([(-w, -0.74), (0, -0.82), (w, -0.74), (0, -0.62)]))
        parts.append(Part(Material(dark(product.fabric.palette[0], 0.5)), z + 1.2, fills=(back,), lift=0))
    if cut.closure == "fly":
        fly = curve([(0.0, -0.56), (0.13, -0.5), (0.12, -0.15), (0.0, 0.02)], closed=False)
        parts.append(seam(product, figure.torso(fly), z + 0.8))
        parts.append(button(product, figure.torso([(0.02, -0.66)])[0], z + 1.3))
        loops = [figure.torso(box(x - 0.025, -0.77, x + 0.025, -0.53)) for x in (-0.32, 0.32)]
        parts.append(Part(cloth, z + 1.3, fills=tuple(loops), lift=0.2))
    elif cut.closure == "cord":
        cords = [
            figure.torso(curve([(0, -0.64), (x, -0.4), (x * 1.2, -0.12)], closed=False))
            for x in (-0.09, 0.07)
        ]
        parts.append(Part(Material(cut.accent), z + 1.4, lines=tuple(cords), width=0.035, lift=0.2))
    return [replace(part, owner=fit.owner) for part in parts]


def legwear_parts(product: Product, figure: Figure, fit: Fit) -> list[Part]:
    """Return tights, leggings or socks, worn or as a pair."""
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
        girth = np.array((0.23, 0.23, 0.39, 0.44, 0.64)) * b
        if cut.style == "leggings":  # from the ankle to the hip, without the foot
            path, widths = upward[1:], girth[1:]
        else:
            path = cut_path(upward, cut.length)
            widths = girth[: len(path)]
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
            tip = curve([(0.42, 0.09), (0.6, 0.14), (0.62, 0.25), (0.42, 0.25)]) * (
                figure.foot_flip(side),
                1,
            )
            heel = curve([(-0.13, 0.0), (0.02, 0.12), (0.0, 0.25), (-0.15, 0.25)]) * (
                figure.foot_flip(side),
                1,
            )
            parts.append(Part(Material(cut.accent), z + 0.5, fills=(tip + leg[2], heel + leg[2]), lift=0))
    if cut.length > 0.85:  # tights and leggings reach the waist
        hips = [
            (float(figure.half_width(-0.7)), -0.7),
            (float(figure.half_width(-0.05)) * 1.02, -0.05),
            (0.62 * b, 0.25),
            (0.04, 0.3),
        ]
        parts.append(Part(cloth, z + 0.2, fills=(figure.torso(mirrored(points(hips))),), lift=0))
    return [replace(part, owner=fit.owner) for part in parts]


def skirt_outline(figure: Figure, waist: float, hem: float, ease: float, flare: float, number: int) -> Points:
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
    knee = (
        (right[-1] * 0.45 + bottom[0] * 0.55) + (0.03, 0),
        (left[-1] * 0.45 + bottom[-1] * 0.55) - (0.03, 0),
    )
    return np.vstack([right, knee[0][None], bottom, knee[1][None], left[::-1]])


def skirt_folds(
    product: Product, figure: Figure, z: float, start: float, hem: float, flare: float
) -> list[Part]:
    """Pleats, or the soft folds of a wide skirt, as dark and light lines from hip to hem."""
    pleated = product.cut.trim == "pleats"
    if flare < 0.3 and not pleated:
        return []
    outline = skirt_outline(figure, start, hem, 0.0, flare, product.cut.number)
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


def tiers(product: Product, figure: Figure, z: float, hem: float, flare: float) -> list[Part]:
    lines = []
    for share in (0.4, 0.7):
        outline = skirt_outline(figure, -0.7, hem * share, 0.04, flare, product.cut.number)
        lines.append(outline[4:29])
    return [
        Part(
            Material((24, 20, 24), opacity=0.45),
            z,
            lines=tuple(lines),
            width=0.05,
            lift=0.35,
            volume=0,
        )
    ]


def _trouser_leg(product: Product, figure: Figure, side: int) -> tuple[Points, Points]:
    """The outline of one leg from the waist, and the two ends of its hem."""
    cut, b = product.cut, figure.build
    leg = figure.leg(side)
    thigh = (0.30 + 0.07 * cut.width) * b
    knee = (0.21 + 0.10 * cut.width + 0.06 * cut.flare) * b
    ankle = 0.13 + 0.06 * cut.width + 0.26 * cut.flare
    path = cut_path(leg, cut.length)
    if len(path) == 2:
        shorten = cut.length * 2
        half = [thigh, thigh + (knee - thigh) * shorten + 0.06 + 0.12 * cut.flare]
    else:
        half = [thigh, knee, knee + (ankle - knee) * (cut.length * 2 - 1)]
    outer = [path[i] + (side * half[i], 0) for i in range(1, len(path))]
    inner = [path[i] - (side * half[i], 0) for i in range(len(path) - 1, 0, -1)]
    levels = np.array([-0.72, -0.4, -0.05])
    hips = figure.torso(
        np.column_stack([side * (figure.half_width(levels) + 0.03 + 0.04 * cut.width), levels])
    )
    crotch = figure.torso([(side * 0.01, 0.26)])
    middle = figure.torso([(-side * 0.02, 0.0), (-side * 0.02, -0.72)])
    outline = np.vstack([hips, (hips[-1] + outer[0]) / 2 + (side * 0.03, 0), *outer, *inner, crotch, middle])
    return outline, np.vstack([outer[-1], inner[0]])


def _hem(product: Product, hem: Points, z: float) -> list[Part]:
    cut, cloth = product.cut, material(product.fabric)
    if cut.trim == "none" or cut.trim in ("side stripe", "ripped", "crease"):
        return [seam(product, hem - (0, 0.06), z)]
    depth = 0.2 if cut.trim in ("turn-up", "rib") else 0.07
    grow = np.array([[0.02, 0], [-0.02, 0]]) * np.sign(hem[0, 0] - hem[1, 0])
    if cut.trim == "rib":
        grow = -grow * 1.5
    band = np.vstack([hem + grow, (hem + grow)[::-1] - (0, depth)])
    look = {"turn-up": replace(cloth, folds=0), "rib": cloth}.get(cut.trim, Material(cut.accent))
    tone = 1.22 if product.fabric.kind == "denim" else 0.95
    return [Part(look, z, fills=(band,), lift=0.35, tone=tone, grain=math.pi / 2)]
