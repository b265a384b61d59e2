"""Details shared by garments: necklines, sleeves, closures, pockets, seams."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from lookdex_sample.figures import Figure
from lookdex_sample.geometry import Points, box, curve, cut_path, ellipse, mirrored, points, tube
from lookdex_sample.paint import Material, Part, dark
from lookdex_sample.products import Product
from lookdex_sample.textures import material


@dataclass(frozen=True)
class Fit:
    """How a product is worn.

    owner: its number on the canvas. tucked: into the garment below. open: a coat over something. under: beneath a coat.
    empty: not on a person.
    """

    owner: int
    tucked: bool = False
    open: bool = False
    under: bool = False
    empty: bool = False


def thread(product: Product) -> Material:
    """Seam colour: darker than light cloth, lighter than dark cloth."""
    ground = product.fabric.palette[0]
    if product.fabric.kind == "denim":
        return Material((206, 150, 84))
    if sum(ground) > 210:
        return Material(dark(ground, 0.62))
    red, green, blue = (min(255, c + 46) for c in ground)
    return Material((red, green, blue))


def neck_depth(neck: str) -> float:
    return {"crew": 0.2, "vee": 0.7, "scoop": 0.5, "boat": 0.12, "roll": 0.1, "hood": 0.3,
            "bow": 0.3, "collar": 0.34, "straps": 0.75, "rib": 0.2}.get(neck, 0.25)  # fmt: skip


def _neckline(neck: str) -> Points:
    """The right half of a neckline, from the front centre to the shoulder."""
    depth = -2.38 + neck_depth(neck)
    if neck in ("vee", "collar", "bow"):
        return points([(0.0, depth), (0.14, depth - neck_depth(neck) * 0.55), (0.25, -2.44)])
    if neck == "boat":
        return points([(0.0, depth), (0.3, depth - 0.02), (0.52, -2.34)])
    if neck == "scoop":
        return points([(0.0, depth), (0.2, depth - 0.06), (0.33, depth - 0.25), (0.38, -2.4)])
    return points([(0.0, depth), (0.14, depth - 0.04), (0.23, depth - 0.15), (0.26, -2.44)])


def bodice_outline(
    product: Product, figure: Figure, hem: float, ease: float, flare: float, shoulders: bool
) -> Points:
    """The outline of a bodice in the pose, from neckline to hem."""
    b, neck = figure.build, product.cut.neck
    line = _neckline(neck)
    if neck == "straps":
        side = [(0.0, -1.72), (0.2, -1.78), (0.40, -1.95), (0.46, -1.9), (0.62 * b, -1.55)]
    elif shoulders:
        side = [*line, (0.62 * b, -2.34), (0.80 * b + ease * 0.4, -2.17), (0.80 * b + ease * 0.4, -1.95),
                (0.70 * b + ease * 0.5, -1.6)]  # fmt: skip
    else:
        side = [
            *line,
            (0.5 * b, -2.36),
            (0.54 * b, -2.2),
            (0.52 * b, -1.85),
            (0.68 * b + ease * 0.5, -1.58),
        ]
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


def neck_parts(product: Product, figure: Figure, fit: Fit, z: float) -> list[Part]:
    """The collar, the neckline trim, and the back of the neck if the garment is empty."""
    cut, cloth = product.cut, material(product.fabric)
    line = _neckline(cut.neck)
    right, left = figure.torso(line), figure.torso(line * (-1, 1))
    edge = np.vstack([left[::-1], right[1:]])
    parts: list[Part] = []
    if fit.empty and cut.neck != "straps":
        back = np.vstack(
            [edge, figure.torso(curve([(0.25, -2.46), (0.0, -2.40), (-0.25, -2.46)], closed=False))]
        )
        parts.append(Part(replace(cloth, gloss=0), z - 2, fills=(back,), tone=0.55, lift=0))
    if cut.neck == "straps":
        straps = [figure.torso([(s * 0.42, -1.94), (s * 0.36, -2.36)]) for s in (-1, 1)]
        parts.append(Part(cloth, z + 4.5, lines=tuple(straps), width=0.055, lift=0.2))
    elif cut.neck == "collar":
        for side in (-1, 1):
            leaf = [
                (side * 0.02, -2.1),
                (side * 0.27, -2.5),
                (side * 0.40, -2.36),
                (side * 0.30, -1.98),
            ]
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
            parts.append(
                Part(
                    cloth,
                    z + 5.8,
                    fills=(figure.torso(hood),),
                    holes=(figure.torso(inner),),
                    lift=0.4,
                )
            )
        cords = [
            figure.torso(curve([(s * 0.13, -2.12), (s * 0.16, -1.9), (s * 0.13, -1.6)], closed=False))
            for s in (-1, 1)
        ]
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
        parts.append(
            Part(
                band,
                z + 0.6,
                lines=(edge,),
                width=0.09 if cut.trim in ("rib", "ringer") else 0.06,
                lift=0.15,
                tone=0.92,
            )
        )
    return parts


def sleeve_parts(product: Product, figure: Figure, z: float, ease: float) -> list[Part]:
    cut, cloth = product.cut, material(product.fabric)
    if cut.sleeve <= 0.04:
        return []
    parts: list[Part] = []
    b = figure.build
    for side in (-1, 1):
        arm = figure.arm(side)[:3]
        path = cut_path(arm, cut.sleeve)
        full = np.array((0.36, 0.27, 0.19)) * b + ease * np.array((1.0, 1.05, 0.8))
        if cut.trim == "rib" or cut.trim == "puff":
            full[1] += 0.05
        widths = [
            float(np.interp(i if i < len(path) - 1 else cut.sleeve * 2, (0, 1, 2), full))
            for i in range(len(path))
        ]
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


def closure_parts(product: Product, figure: Figure, z: float, hem: float, start: float) -> list[Part]:
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
        parts.append(button(product, figure.torso([(0, y)])[0], z + 1.2))
    return parts


def pocket_parts(product: Product, figure: Figure, z: float, hem: float) -> list[Part]:
    cut = product.cut
    if cut.pocket == "chest":
        return [patch_pocket(product, figure, 0.33, -1.42, 0.14, 0.3, z + 1)]
    if cut.pocket == "two":
        return [patch_pocket(product, figure, s * 0.35, -1.42, 0.14, 0.3, z + 1, flap=True) for s in (-1, 1)]
    if cut.pocket == "badge":
        return [
            Part(
                Material(cut.accent),
                z + 1,
                fills=(figure.torso(_badge(cut.number)),),
                lift=0.05,
                volume=0.2,
            )
        ]
    if cut.pocket == "kangaroo":
        pouch = [
            (-0.3, -0.95),
            (0.3, -0.95),
            (0.5, -0.5),
            (0.5, min(hem - 0.15, -0.25)),
            (-0.5, min(hem - 0.15, -0.25)),
            (-0.5, -0.5),
        ]
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


def patch_pocket(
    product: Product, figure: Figure, x: float, y: float, half: float, height: float, z: float,
    flap: bool = False,
) -> Part:  # fmt: skip
    """A patch pocket; with a flap, its upper edge is doubled."""
    shape = [
        (x - half, y - 0.02),
        (x + half, y - 0.02),
        (x + half, y + height * 0.8),
        (x, y + height),
        (x - half, y + height * 0.8),
    ]
    lines: tuple[Points, ...] = (figure.torso(np.vstack([points(shape), points(shape)[:1]])),)
    if flap:
        lines += (figure.torso([(x - half, y + 0.09), (x, y + 0.13), (x + half, y + 0.09)]),)
    return Part(thread(product), z, lines=lines, width=0.022, lift=0.25, volume=0)


def rib_part(product: Product, figure: Figure, z: float, hem: float, ease: float) -> Part:
    width = max(float(figure.half_width(hem)) + ease, float(figure.half_width(-1.35)) + ease * 0.6)
    band = [
        (-width - 0.01, hem - 0.16),
        (width + 0.01, hem - 0.16),
        (width * 0.92, hem + 0.04),
        (-width * 0.92, hem + 0.04),
    ]
    return Part(
        material(product.fabric),
        z,
        fills=(figure.torso(band),),
        lift=0.25,
        tone=0.93,
        grain=math.pi / 2,
    )


def seam(product: Product, path: Points, z: float, width: float = 0.02) -> Part:
    return Part(thread(product), z, lines=(path,), width=width, lift=0.15, volume=0)


def button(product: Product, at: Points, z: float) -> Part:
    metal = product.fabric.kind in ("denim", "leather") or product.cut.number % 5 == 0
    look = Material((204, 172, 104), gloss=0.8) if metal else Material(product.cut.accent, gloss=0.3)
    return Part(look, z, fills=(ellipse(float(at[0]), float(at[1]), 0.038, n=14),), lift=0.4)
