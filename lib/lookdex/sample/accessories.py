"""Shoes, bags, hats, glasses, belts, scarves and jewelry, about their own origin in heads.

An origin is where the thing meets the body: the ankle, the hand, the middle of the head, the
pelvis (belts, scarves and necklaces share the torso's points).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from lookdex.sample.geometry import Points, arc, box, curve, ellipse, mirrored, placed, points
from lookdex.sample.paint import Material, Part
from lookdex.sample.products import Product
from lookdex.sample.textures import material

_SOLE = Material((236, 232, 224))
_GOLD = Material((212, 172, 92), gloss=0.9)
_STEEL = Material((178, 182, 188), gloss=0.9)


def shoe_parts(product: Product) -> list[Part]:
    """One shoe from its side, toes to the right; the ankle is the origin, the floor y = 0.30."""
    cut, cloth = product.cut, replace(material(product.fabric), folds=0.2)
    accent = Material(cut.accent)
    style = cut.style
    rise = 0.05 + 0.27 * cut.flare if style in ("pumps", "ankle boots", "knee boots", "sandals") else 0.0
    heel = Material(tuple(int(c * 0.5) for c in product.fabric.palette[0]))  # type: ignore[arg-type]
    toe = 0.78 if style in ("pumps", "loafers") else 0.74
    floor, back = 0.30, -0.20
    parts: list[Part] = []
    if style in ("sneakers", "high-top sneakers"):
        top = -0.06 if style == "sneakers" else -0.34
        upper = curve([(back, top), (0.12, top - 0.02), (0.2, 0.0), (0.42, 0.06), (0.66, 0.12), (toe, 0.22), (toe - 0.02, 0.27), (back, 0.27), (back - 0.02, 0.1)], 5)
        sole = curve([(back - 0.04, 0.20), (0.2, 0.215), (toe + 0.01, 0.20), (toe + 0.05, 0.27), (toe - 0.02, 0.33), (back, 0.33), (back - 0.06, 0.28)], 4)
        parts = [Part(cloth, 15, fills=(upper,)), Part(_SOLE, 15.2, fills=(sole,), lift=0.2)]
        parts.append(Part(Material((120, 116, 112)), 15.25, lines=(points([(back - 0.04, 0.295), (toe, 0.295)]),), width=0.012, lift=0, volume=0))
        laces = [points([(0.12 + 0.08 * i, 0.02 + 0.028 * i - (0.05 if top < -0.2 else 0)), (0.24 + 0.08 * i, -0.01 + 0.03 * i)]) for i in range(4)]
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
        parts.append(Part(accent, 15.22, fills=(curve([(back - 0.015, top + 0.02), (back + 0.07, top + 0.02), (back + 0.08, 0.16), (back - 0.03, 0.16)], 3),), lift=0))
        return parts
    lift = floor - rise
    sole_line = [(back, lift - 0.01), (0.06, lift - 0.01), (0.36, floor - 0.03), (toe, floor - 0.02)]
    sole = np.vstack([points(sole_line), points(sole_line)[::-1] + (0, 0.045)])
    if rise > 0.09:
        slim = 0.06 if style in ("pumps", "sandals") else 0.2
        if cut.number % 3 == 0:
            slim += 0.08
        block = points([(back - 0.01, lift), (back + slim + 0.1, lift), (back + slim, floor + 0.02), (back + 0.01, floor + 0.02)])
    else:
        block = box(back - 0.01, floor - 0.03, 0.12, floor + 0.04)
    parts = [Part(heel, 14.8, fills=(block,), lift=0.3), Part(heel, 15.2, fills=(sole,), lift=0.1)]
    if style == "pumps":
        upper = curve([(back, lift - 0.2), (back + 0.06, lift - 0.19), (0.05, lift - 0.06), (0.3, floor - 0.13), (0.5, floor - 0.15), (0.68, floor - 0.1), (toe + 0.03, floor - 0.02), (0.36, floor - 0.01), (0.06, lift), (back, lift), (back - 0.03, lift - 0.1)], 4)
        parts.append(Part(cloth, 15, fills=(upper,)))
        if cut.trim == "ankle strap":
            parts.append(Part(cloth, 15.5, lines=(points([(back, -0.04), (0.14, -0.02)]), points([(back + 0.02, -0.04), (back + 0.02, lift - 0.1)])), width=0.05))
        elif cut.trim == "bow":
            parts.append(Part(accent, 15.5, fills=(ellipse(0.5, floor - 0.17, 0.07, 0.05), ellipse(0.62, floor - 0.14, 0.07, 0.05))))
    elif style == "loafers":
        upper = curve([(back, 0.03), (-0.05, 0.05), (0.12, 0.09), (0.28, 0.05), (0.5, 0.08), (0.7, 0.15), (toe + 0.02, 0.25), (toe, 0.285), (back, 0.285), (back - 0.02, 0.15)], 4)
        parts.append(Part(cloth, 15, fills=(upper,)))
        seam = curve([(0.26, 0.12), (0.5, 0.12), (0.68, 0.19)], closed=False)
        parts.append(Part(heel, 15.3, lines=(seam,), width=0.02, lift=0.2))
        strap = curve([(0.14, 0.09), (0.28, 0.04), (0.36, 0.06), (0.36, 0.16), (0.2, 0.27)], 3)
        parts.append(Part(cloth, 15.3, fills=(strap,), lift=0.4))
        if cut.trim == "buckle":
            parts.append(Part(_GOLD, 15.5, lines=(ellipse(0.3, 0.1, 0.06, 0.04), ellipse(0.2, 0.14, 0.05, 0.04)), width=0.03))
        elif cut.trim == "tassel":
            parts.append(Part(accent, 15.5, lines=tuple(points([(0.36, 0.07), (0.42 + d, 0.2)]) for d in (-0.05, 0, 0.05)), width=0.03))
    elif style in ("ankle boots", "knee boots"):
        top = -0.42 if style == "ankle boots" else -1.35
        calf = 0.0 if style == "ankle boots" else 0.10
        upper = curve([(back - calf, top), (0.14 + calf * 0.5, top), (0.13, -0.12), (0.24, 0.04), (0.5, floor - 0.2), (0.7, floor - 0.14), (toe + 0.02, floor - 0.03), (0.36, floor), (0.06, lift), (back, lift), (back - 0.01, 0.0)], 5)
        parts.append(Part(cloth, 15, fills=(upper,)))
        if cut.trim == "elastic":
            parts.append(Part(heel, 15.3, fills=(curve([(-0.1, -0.38), (0.04, -0.38), (0.02, 0.0), (-0.03, 0.06), (-0.08, 0.0)], 3),), lift=0.1))
        elif cut.trim == "laces":
            parts.append(Part(accent, 15.3, lines=tuple(points([(0.03, -0.32 + i * 0.085), (0.15 + 0.03 * max(0, i - 3), -0.34 + i * 0.085)]) for i in range(6)), width=0.03))
        elif cut.trim == "zip":
            parts.append(Part(_STEEL, 15.3, lines=(points([(-0.02, top + 0.05), (0.0, 0.16)]),), width=0.03, lift=0.2))
        else:
            parts.append(Part(heel, 15.3, lines=(points([(back - 0.01, -0.08), (0.15, -0.04)]),), width=0.07))
            parts.append(Part(_GOLD, 15.4, lines=(ellipse(0.03, -0.06, 0.055),), width=0.025))
    else:
        straps = {
            "two straps": [curve([(0.34, floor - 0.03), (0.4, 0.06), (0.54, 0.12), (0.62, floor - 0.03)], closed=False), points([(back, -0.02), (0.16, 0.0)])],
            "cross": [points([(0.26, 0.02), (0.66, floor - 0.05)]), points([(0.6, 0.1), (0.34, floor - 0.04)]), points([(back, -0.02), (0.16, 0.0)])],
        }.get(cut.trim, [points([(0.22, 0.03), (0.16, floor - 0.04)]), points([(0.52, 0.10), (0.46, floor - 0.04)]), points([(back, lift - 0.15), (0.2, 0.02)])])
        straps.append(points([(back + 0.01, 0.0), (back + 0.01, lift)]))
        parts.append(Part(cloth, 15.4, lines=tuple(straps), width=0.08, lift=0.4))
        parts.append(Part(cloth, 15.1, fills=(sole - (0, 0.02),), lift=0))
    return parts


def bag_parts(product: Product) -> list[Part]:
    """A bag that hangs from the origin by its handles (a backpack: from its loop)."""
    cut, cloth = product.cut, replace(material(product.fabric), folds=0.35)
    style, metal = cut.style, (_GOLD if cut.number % 2 else _STEEL)
    w, h = 0.55 + 0.22 * cut.width, 0.62 + 0.3 * cut.length
    drop = {"long": 0.75, "short": 0.36, "strap": 0.95, "backpack": 0.10, "wrist": 0.05}[cut.neck]
    accent = Material(cut.accent, gloss=0.3)
    trim = accent if cut.number % 3 else cloth
    top, low = drop, drop + h
    parts: list[Part] = []
    if style == "tote bag":
        body = [(-w, top), (w, top), (w * 0.93, low), (-w * 0.93, low)]
    elif style == "handbag":
        body = curve([(-w * 0.8, top), (w * 0.8, top), (w, low - 0.12), (w * 0.9, low), (-w * 0.9, low), (-w, low - 0.12)], 4)
    elif style == "crossbody bag":
        w, h = w * 0.85, h * 0.75
        low = top + h
        body = curve([(-w, top + 0.05), (-w * 0.9, top), (w * 0.9, top), (w, top + 0.05), (w, low - 0.08), (w * 0.88, low), (-w * 0.88, low), (-w, low - 0.08)], 4)
    elif style == "backpack":
        h *= 1.45
        low = top + h
        body = curve([(-w * 0.55, top), (w * 0.55, top), (w * 0.88, top + 0.3), (w * 0.92, low - 0.1), (w * 0.75, low), (-w * 0.75, low), (-w * 0.92, low - 0.1), (-w * 0.88, top + 0.3)], 5)
    elif style == "bucket bag":
        w *= 0.85
        body = curve([(-w * 0.72, top), (w * 0.72, top), (w * 0.9, low - 0.1), (w * 0.8, low), (-w * 0.8, low), (-w * 0.9, low - 0.1)], 4)
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
            parts.append(Part(metal, 46.6, lines=(ellipse(s * w * 0.85, top + 0.08, 0.05),), width=0.028, lift=0.3))
    elif cut.neck == "backpack":
        parts.append(Part(trim, 45.5, lines=(arc(0, top + 0.03, 0.14, 0.14, 180, 360),), width=0.07))
        for s in (-1, 1):
            strap = curve([(s * w * 0.5, top + 0.1), (s * w * 1.08, top + h * 0.45), (s * w * 0.9, low - 0.08)], closed=False)
            parts.append(Part(trim, 45.4, lines=(strap,), width=0.13))
    if cut.closure == "flap":
        flap = curve([(-w * 0.99, top + 0.02), (w * 0.99, top + 0.02), (w * 0.9, top + h * 0.42), (0, top + h * (0.52 + 0.1 * (cut.number % 3))), (-w * 0.9, top + h * 0.42)], 4)
        parts.append(Part(cloth, 46.3, fills=(flap,), lift=0.6))
        parts.append(Part(metal, 46.6, fills=(box(-0.08, top + h * 0.44, 0.08, top + h * 0.6),), lift=0.4))
    elif cut.closure == "clasp":
        parts.append(Part(metal, 46.3, fills=(box(-w * 0.78, top - 0.01, w * 0.78, top + 0.05),), lift=0.3))
        parts.append(Part(metal, 46.6, fills=(ellipse(-0.04, top - 0.01, 0.055), ellipse(0.05, top - 0.01, 0.055)), lift=0.3))
    elif cut.closure == "zip":
        parts.append(Part(metal, 46.5, lines=(points([(-w * 0.75, top + 0.09), (w * 0.75, top + 0.09)]),), width=0.035, lift=0.3))
    elif cut.closure == "cord":
        parts.append(Part(trim, 46.5, lines=(curve([(-w * 0.76, top + 0.2), (0, top + 0.25), (w * 0.76, top + 0.2)], closed=False),), width=0.045, lift=0.4))
        parts.append(Part(trim, 46.6, lines=(points([(0, top + 0.24), (-0.07, top + 0.5)]), points([(0, top + 0.24), (0.06, top + 0.46)])), width=0.04, lift=0.3))
    if cut.pocket in ("front", "two"):
        y = top + h * 0.48
        pocket = curve([(-w * 0.66, y), (w * 0.66, y), (w * 0.66, low - 0.14), (w * 0.55, low - 0.07), (-w * 0.55, low - 0.07), (-w * 0.66, low - 0.14)], 3)
        parts.append(Part(cloth, 46.4, fills=(pocket,), lift=0.6))
        parts.append(Part(metal, 46.6, lines=(points([(-w * 0.6, y + 0.07), (w * 0.6, y + 0.07)]),), width=0.03, lift=0.2))
        if style == "backpack":
            parts.append(Part(metal, 46.6, lines=(curve([(-w * 0.6, top + 0.42), (0, top + 0.14), (w * 0.6, top + 0.42)], closed=False),), width=0.03, lift=0.2))
    elif cut.pocket == "badge":
        parts.append(Part(accent, 46.4, fills=(ellipse(0, top + h * 0.5, 0.2),), lift=0.05, volume=0.2))
    if cut.trim == "tassel":
        parts.append(Part(accent, 46.8, lines=tuple(points([(w * 0.6, top + 0.15), (w * 0.6 + d, top + 0.48)]) for d in (-0.06, -0.02, 0.02, 0.06)), width=0.035, lift=0.4))
    return parts


def hat_parts(product: Product) -> list[Part]:
    """A hat about the middle of the head (the crown of the head is y = -0.5)."""
    cut, cloth = product.cut, replace(material(product.fabric), folds=0.25)
    accent, style = Material(cut.accent), cut.style
    shade = replace(cloth, folds=0)
    parts: list[Part] = []
    if style == "baseball cap":
        crown = curve([(-0.43, -0.26), (-0.42, -0.48), (-0.28, -0.7), (0, -0.77), (0.28, -0.7), (0.42, -0.48), (0.43, -0.26), (0, -0.34)], 5)
        side = 1 if cut.number % 2 else -1
        brim = curve([(-0.4 * side, -0.33), (0.0, -0.4), (0.4 * side, -0.3), (0.62 * side, -0.14), (0.35 * side, -0.13), (0.0, -0.2), (-0.3 * side, -0.22)], 5)
        parts = [Part(cloth, 54, fills=(crown,), lift=0.4), Part(shade if cut.number % 3 else accent, 55, fills=(brim,), lift=0.6)]
        seams = [arc(0, -0.3, 0.16 * s, 0.46, 270, 350) if s else points([(0, -0.76), (0, -0.36)]) for s in (-1, 0, 1)]
        parts.append(Part(Material((20, 20, 24), opacity=0.4), 54.5, lines=tuple(seams), width=0.018, lift=0, volume=0))
        parts.append(Part(cloth, 54.6, fills=(ellipse(0, -0.77, 0.045, 0.03),), lift=0.2))
        if cut.pocket == "badge":
            parts.append(Part(accent, 54.7, fills=(ellipse(0.02 * side, -0.52, 0.13, 0.1),), lift=0.1))
        elif cut.pocket == "stripe":
            parts.append(Part(accent, 54.7, lines=(arc(0, -0.3, 0.36, 0.2, 180, 360),), width=0.07, lift=0))
    elif style == "beanie":
        crown = curve([(-0.43, -0.12), (-0.45, -0.4), (-0.32, -0.72), (0, -0.84 - 0.1 * cut.length), (0.32, -0.72), (0.45, -0.4), (0.43, -0.12), (0, -0.18)], 5)
        fold = curve([(-0.45, -0.38), (0, -0.43), (0.45, -0.38), (0.455, -0.12), (0, -0.17), (-0.455, -0.12)], 4)
        parts = [Part(cloth, 54, fills=(crown,), lift=0.4), Part(shade, 54.5, fills=(fold,), lift=0.5, tone=0.94)]
        if cut.trim == "pompom":
            turn = np.linspace(0, 2 * math.pi, 48, endpoint=False)
            reach = 0.17 + 0.02 * np.sin(turn * 12)
            ball = np.column_stack([reach * np.cos(turn), -0.95 + reach * np.sin(turn)])
            parts.append(Part(accent, 54.8, fills=(ball,), lift=0.4))
    elif style in ("fedora", "sun hat"):
        wide = 0.72 if style == "fedora" else 0.95 + 0.35 * cut.length
        under = ellipse(0, -0.30, wide, 0.12 + 0.1 * (wide - 0.7))
        dip = 0.09 if style == "fedora" else 0.0
        crown = curve([(-0.41, -0.32), (-0.36, -0.62), (-0.28, -0.82), (0, -0.82 + dip), (0.28, -0.82), (0.36, -0.62), (0.41, -0.32), (0, -0.26)], 5)
        band = curve([(-0.405, -0.47), (0, -0.42), (0.405, -0.47), (0.415, -0.33), (0, -0.27), (-0.415, -0.33)], 4)
        parts = [Part(cloth, 54, fills=(under,), lift=0.6), Part(cloth, 55, fills=(crown,), lift=0.4), Part(accent, 55.5, fills=(band,), lift=0.2)]
        if cut.trim == "bow":
            parts.append(Part(accent, 55.8, fills=(ellipse(0.3, -0.44, 0.11, 0.08), ellipse(0.46, -0.38, 0.11, 0.07))))
    elif style == "bucket hat":
        crown = curve([(-0.40, -0.34), (-0.36, -0.7), (-0.2, -0.77), (0.2, -0.77), (0.36, -0.7), (0.40, -0.34), (0, -0.28)], 4)
        brim = curve([(-0.39, -0.38), (0, -0.33), (0.39, -0.38), (0.62, -0.08), (0.3, -0.0), (0, 0.015 - 0.05), (-0.3, -0.0), (-0.62, -0.08)], 4)
        parts = [Part(cloth, 54, fills=(crown,), lift=0.4), Part(cloth, 55, fills=(brim,), lift=0.5, tone=0.95)]
        rows = [curve([(-0.45 - d, -0.3 + d * 1.2), (0, -0.25 + d * 1.2), (0.45 + d, -0.3 + d * 1.2)], closed=False) for d in (0, 0.06, 0.12)]
        parts.append(Part(Material((20, 20, 24), opacity=0.3), 55.4, lines=tuple(rows), width=0.014, lift=0, volume=0))
    else:
        crown = curve([(-0.44, -0.3), (-0.66, -0.5), (-0.5, -0.72), (0, -0.8), (0.42, -0.68), (0.5, -0.45), (0.43, -0.28), (0, -0.38)], 5)
        band = curve([(-0.43, -0.38), (0, -0.46), (0.43, -0.38), (0.43, -0.27), (0, -0.35), (-0.43, -0.27)], 4)
        parts = [Part(cloth, 54, fills=(crown,), lift=0.5), Part(shade, 54.5, fills=(band,), lift=0.2, tone=0.75)]
        parts.append(Part(cloth, 54.6, lines=(points([(-0.05, -0.78), (-0.02, -0.88)]),), width=0.05))
    return parts


def glasses_parts(product: Product) -> list[Part]:
    """Glasses about the middle of the head; the eyes are at y = 0."""
    cut, style = product.cut, product.cut.style
    frame = replace(material(product.fabric), folds=0)
    tone = {"clear": (226, 236, 240), "dark": (34, 34, 38), "tinted": tuple(int(c * 0.6) for c in product.fabric.palette[1])}[cut.trim]
    lens = Material(tone, gloss=0.7, opacity={"clear": 0.22, "dark": 0.90, "tinted": 0.68}[cut.trim])  # type: ignore[arg-type]
    s = 0.9 + 0.25 * cut.width
    rim = 0.022 if style == "aviator sunglasses" else 0.03 + 0.035 * cut.length
    shapes = {
        "round glasses": ellipse(0.2, 0, 0.165 * s),
        "rectangular glasses": curve([(0.05, -0.09), (0.2, -0.1), (0.36, -0.09), (0.37, 0.0), (0.34, 0.1), (0.2, 0.11), (0.07, 0.1), (0.04, 0.0)], 4),
        "aviator sunglasses": curve([(0.05, -0.1), (0.2, -0.12), (0.36, -0.1), (0.375, 0.03), (0.28, 0.18), (0.17, 0.19), (0.07, 0.08)], 5),
        "cat-eye sunglasses": curve([(0.05, -0.06), (0.2, -0.09), (0.43, -0.19), (0.39, 0.0), (0.28, 0.13), (0.14, 0.12), (0.05, 0.03)], 5),
        "oversized sunglasses": curve([(0.03, -0.13), (0.22, -0.16), (0.4, -0.14), (0.42, 0.02), (0.36, 0.17), (0.2, 0.2), (0.07, 0.14), (0.03, 0.0)], 5),
    }
    right = shapes[style]
    left = right * (-1, 1)
    loops = tuple(np.vstack([side, side[:2]]) for side in (right, left))
    inner, outer = float(right[:, 0].min()), float(right[:, 0].max())
    parts = [
        Part(lens, 56, fills=(right, left), lift=0.25),
        Part(frame, 56.5, lines=loops, width=rim, lift=0.2),
        Part(frame, 56.5, lines=(curve([(-inner, -0.03), (0, -0.07), (inner, -0.03)], closed=False),), width=rim, lift=0.2),
        Part(frame, 56.4, lines=tuple(points([(x * (outer - 0.01), -0.06), (x * max(outer + 0.05, 0.42), -0.05)]) for x in (-1, 1)), width=rim * 1.3),
    ]
    if style == "aviator sunglasses":
        parts.append(Part(frame, 56.5, lines=(points([(-0.2, -0.115), (0.2, -0.115)]),), width=rim))
    glint = tuple(points([(x - 0.07, 0.06), (x + 0.03, -0.06)]) for x in (0.2, -0.2))
    parts.append(Part(Material((255, 255, 255), opacity=0.32), 56.3, lines=glint, width=0.035, lift=0, volume=0))
    return parts


def buckle_parts(product: Product, half: float, z: float) -> list[Part]:
    """A buckle about the origin for a belt of half width `half`."""
    cut = product.cut
    metal = _GOLD if cut.number % 2 else _STEEL
    size = half * 1.35
    shapes = {
        "square": (box(-size, -size, size, size), box(-size * 0.66, -size * 0.66, size * 0.66, size * 0.66)),
        "round": (ellipse(0, 0, size * 1.1), ellipse(0, 0, size * 0.74)),
        "oval": (ellipse(0, 0, size * 1.35, size), ellipse(0, 0, size, size * 0.66)),
        "plate": (curve([(-size * 1.5, -size), (size * 1.5, -size), (size * 1.5, size), (-size * 1.5, size)], 2), None),
        "rings": (ellipse(-size * 0.4, 0, size * 1.1), ellipse(-size * 0.4, 0, size * 0.75)),
    }
    rim, hole = shapes[cut.neck]
    parts = [Part(metal, z, fills=(rim,), holes=(hole,) if hole is not None else (), lift=0.5)]
    if cut.neck == "rings":
        parts.append(Part(metal, z, fills=(ellipse(size * 0.5, 0, size * 1.1),), holes=(ellipse(size * 0.5, 0, size * 0.75),), lift=0.5))
    elif hole is not None:
        parts.append(Part(metal, z + 0.1, lines=(points([(-size, 0), (size * 0.8, 0)]),), width=half * 0.22, lift=0.4))
    return parts


def belt_half(product: Product) -> float:
    """Return half of a belt's width in heads."""
    return 0.075 + 0.11 * product.cut.width


def belt_parts(product: Product) -> list[Part]:
    """A belt worn at the waist, in torso points."""
    half, y = belt_half(product), -0.66 if product.cut.width < 0.75 else -0.8
    w = 0.60
    band = curve([(-w, y - half), (0, y - half + 0.03), (w, y - half), (w, y + half), (0, y + half + 0.03), (-w, y + half)], 4)
    return _belt_band(product, band, [(-w, y), (0, y + 0.03), (w, y)], (0.0, y + 0.03), 0.0)


def rolled_belt_parts(product: Product) -> list[Part]:
    """A belt lying in a loose coil, as catalogues show it."""
    half = belt_half(product)
    turn = np.linspace(0.3, 2 * math.pi * 1.55, 60)
    reach = 0.55 + 0.085 * turn
    spine = np.column_stack([reach * np.cos(turn) * 1.25, reach * np.sin(turn) * 0.75])
    tail = spine[-1] + np.column_stack([np.linspace(0.05, 0.9, 6), np.linspace(-0.02, -0.25, 6)]) * (1, 1)
    line = np.vstack([spine, tail])
    cloth = replace(material(product.fabric), folds=0.15)
    under = Material(tuple(int(c * 0.72) for c in product.fabric.palette[0]))  # type: ignore[arg-type]
    parts = [
        Part(under, 25, lines=(line + (0.02, half * 0.5),), width=half * 2, lift=0.5),
        Part(cloth, 26, lines=(line,), width=half * 1.8, lift=0.25),
    ]
    if product.cut.trim in ("stitch", "studs"):
        parts += _belt_trim(product, line, half)
    holes = tuple(ellipse(*p, half * 0.16) for p in line[2:10:2])
    parts.append(Part(Material((24, 20, 18)), 26.5, fills=holes, lift=0))
    for part in buckle_parts(product, half, 27):
        parts.append(part.placed(tuple(tail[-1]), 1.15, -0.28))
    return parts


def _belt_band(
    product: Product, band: Points, spine: list[tuple[float, float]], at: tuple[float, float], turn: float
) -> list[Part]:  # fmt: skip
    half = belt_half(product)
    cloth = replace(material(product.fabric), folds=0.1)
    parts = [Part(cloth, 38, fills=(band,), lift=0.4)]
    parts += _belt_trim(product, curve(spine, 8, closed=False), half) if product.cut.trim in ("stitch", "studs") else []
    parts = [replace(part, z=max(part.z, 38.2)) if i else part for i, part in enumerate(parts)]
    holes = tuple(ellipse(at[0] + 0.26 + 0.09 * i, at[1], half * 0.18) for i in range(3))
    parts.append(Part(Material((24, 20, 18)), 38.3, fills=holes, lift=0))
    return parts + [part.placed(at, 1.15, turn) for part in buckle_parts(product, half, 38.5)]


def _belt_trim(product: Product, spine: Points, half: float) -> list[Part]:
    if product.cut.trim == "studs":
        studs = tuple(ellipse(*p, half * 0.3, n=12) for p in spine[::2])
        return [Part(_STEEL, 26.4, fills=studs, lift=0.3)]
    light = Material(product.cut.accent)
    rows = tuple(spine + (0, dy * half) for dy in (-0.62, 0.62))
    return [Part(light, 26.4, lines=rows, width=0.018, lift=0, volume=0)]


def scarf_parts(product: Product) -> list[Part]:
    """A scarf about the neck with two ends, in torso points."""
    cut = product.cut
    cloth = replace(material(product.fabric), folds=0.9)
    accent = Material(cut.accent)
    if cut.style == "silk scarf":
        loop = curve(mirrored([(0.0, -2.62), (0.26, -2.66), (0.34, -2.45), (0.2, -2.24), (0.0, -2.14)]), 4)
        sides = [curve([(0, -2.2), (s * 0.2, -2.0), (s * (0.42 + 0.1 * cut.width), -1.62 - 0.2 * cut.length), (s * 0.18, -1.5), (s * 0.03, -1.9)], 4) for s in (-1, 1)]
        if cut.number % 2:  # a triangle over the chest
            sides = [curve([(-0.62, -2.25), (0, -2.5), (0.62, -2.25), (0.1, -1.35), (-0.1, -1.35)], 4)]
        parts = [Part(cloth, 47, fills=tuple(sides), lift=0.5), Part(cloth, 48, fills=(loop,), lift=0.5, grain=0.8)]
        parts.append(Part(cloth, 48.2, fills=(ellipse(0, -2.17, 0.1, 0.09),), lift=0.5, grain=0.4))
        if cut.trim == "border":
            parts.append(Part(accent, 47.3, lines=tuple(np.vstack([s, s[:1]]) for s in sides), width=0.05, lift=0))
        return parts
    thick = 0.12 + 0.1 * cut.width
    ends = (-0.2 + 0.7 * cut.length, -0.75 + 0.6 * cut.length)
    parts = []
    for s, low in ((-1, ends[0]), (1, ends[1])):
        half = 0.17 + 0.12 * cut.width
        x = s * 0.27
        tail = curve([(x - half * 0.8, -2.3), (x + half * 0.8, -2.3), (x + half, (low - 2.3) / 2), (x + half * 1.05, low), (x - half * 1.05, low), (x - half, (low - 2.3) / 2)], 5)
        parts.append(Part(cloth, 47 + 0.1 * s, fills=(tail,), lift=0.5))
        strands = np.linspace(x - half * 0.98, x + half * 0.98, 11)
        if cut.trim == "fringe":
            fringe = tuple(points([(v, low - 0.03), (v + 0.015 * math.sin(9 * v), low + 0.2)]) for v in strands)
            parts.append(Part(Material(product.fabric.palette[cut.number % 2]), 46.8, lines=fringe, width=0.034, lift=0.3))
        else:
            parts.append(Part(accent, 47.3, fills=(ellipse(x - half * 0.6, low + 0.08, 0.12), ellipse(x + half * 0.6, low + 0.08, 0.12)), lift=0.4))
    outer = [(0.0, -2.72), (0.3, -2.72 - 0.3 * thick), (0.42 + thick * 0.6, -2.5), (0.36 + thick * 0.4, -2.2), (0.0, -1.98 + thick * 0.5)]
    parts.append(Part(cloth, 48, fills=(curve(mirrored(outer), 4),), lift=0.5, grain=math.pi / 2))
    crease = [curve([(-0.3, -2.6), (0.0, -2.4 + d), (0.34, -2.5)], closed=False) for d in (0.0, 0.16)]
    parts.append(Part(Material((16, 14, 18), opacity=0.28), 48.3, lines=tuple(crease), width=0.05, lift=0, volume=0))
    return parts


def jewelry_parts(product: Product) -> list[Part]:
    """A necklace in torso points; earrings about the head; a bangle about the wrist."""
    cut = product.cut
    metal = material(product.fabric)
    stone = Material(tuple(int(c * 0.9) for c in product.cut.accent), gloss=1.0)  # type: ignore[arg-type]
    if cut.style in ("pendant necklace", "bead necklace"):
        depth = -1.95 + 0.5 * cut.length
        chain = curve([(-0.30, -2.40), (-0.24, (depth - 2.4) / 2), (-0.1, depth - 0.1), (0, depth), (0.1, depth - 0.1), (0.24, (depth - 2.4) / 2), (0.30, -2.40)], 6, closed=False)
        if cut.style == "bead necklace":
            count = 17 + cut.number % 9
            at = np.linspace(0, len(chain) - 1, count).astype(int)
            middle = 1 - np.abs(np.linspace(-1, 1, count))
            sizes = 0.042 + (0.05 * middle if cut.trim == "graded" else 0.015)
            beads = [ellipse(*chain[i], float(r), n=16) for i, r in zip(at, sizes + 0 * middle, strict=True)]
            return [Part(metal, 44, lines=(chain,), width=0.02), Part(replace(metal, gloss=1.0), 44.2, fills=tuple(beads[::2]), lift=0.4), Part(stone if cut.number % 2 else replace(metal, gloss=1.0), 44.2, fills=tuple(beads[1::2]), lift=0.4)]
        pendant = {
            "drop": curve([(0, depth), (0.12, depth + 0.2), (0, depth + 0.32), (-0.12, depth + 0.2)], 5),
            "disc": ellipse(0, depth + 0.14, 0.15),
            "heart": curve([(0, depth + 0.06), (0.1, depth), (0.17, depth + 0.1), (0, depth + 0.3), (-0.17, depth + 0.1), (-0.1, depth)], 5),
            "bar": box(-0.06, depth, 0.06, depth + 0.34),
        }[cut.trim]
        parts = [Part(metal, 44, lines=(chain,), width=0.035), Part(metal, 44.2, fills=(pendant,), lift=0.4)]
        if cut.number % 2:
            x, y = pendant.mean(axis=0)
            parts.append(Part(stone, 44.4, fills=(ellipse(float(x), float(y), 0.06),), lift=0.2))
        return parts
    if cut.style in ("hoop earrings", "drop earrings"):
        return [part.placed((s * 0.37, 0.13), flip=s) for s in (-1, 1) for part in _earring(product, metal, stone)]
    rings = {"single": 1, "triple": 3, "stones": 1}[cut.trim]
    parts = []
    for i in range(rings):
        y = (i - rings / 2) * 0.085
        parts.append(Part(metal, 44 + 0.1 * i, lines=(ellipse(0, y, 0.145, 0.06),), width=0.06 if rings > 1 else 0.10, lift=0.3))
    if cut.trim == "stones":
        parts.append(Part(stone, 44.5, fills=tuple(ellipse(x, 0.055 - abs(x) * 0.2, 0.035) for x in (-0.09, 0, 0.09)), lift=0.2))
    return parts


def _earring(product: Product, metal: Material, stone: Material) -> list[Part]:
    cut = product.cut
    if cut.style == "hoop earrings":
        r = 0.12 + 0.09 * cut.length
        parts = [Part(metal, 53.5, lines=(ellipse(0.02, r, r * 0.85, r),), width=0.045, lift=0.3)]
        if cut.trim == "beads":
            parts.append(Part(stone, 53.7, fills=tuple(ellipse(0.02 + dx, r * 1.95 - abs(dx), 0.04) for dx in (-0.07, 0, 0.07)), lift=0.2))
        return parts
    low = 0.2 + 0.14 * cut.length
    parts = [Part(metal, 53.5, lines=(points([(0, 0), (0, low)]),), width=0.03), Part(metal, 53.6, fills=(ellipse(0, 0, 0.05),))]
    if cut.trim == "tear":
        parts.append(Part(metal, 53.7, fills=(curve([(0, low - 0.1), (0.085, low + 0.08), (0, low + 0.16), (-0.085, low + 0.08)], 5),), lift=0.3))
    elif cut.trim == "disc":
        parts.append(Part(metal, 53.7, fills=(ellipse(0, low, 0.105),), lift=0.3))
    else:
        parts.append(Part(stone, 53.7, lines=tuple(points([(0, low - 0.1), (d, low + 0.18)]) for d in (-0.05, -0.017, 0.017, 0.05)), width=0.03, lift=0.3))
    parts.append(Part(stone, 53.8, fills=(ellipse(0, low * 0.55, 0.045),), lift=0.2))
    return parts


def pair_parts(one: list[Part], gap: float, drop: float, turn: float) -> list[Part]:
    """Two shoes (or the like) as catalogues show them: one behind the other, a little turned."""
    back = [part.placed((gap, -drop), 0.96, -turn, z=-10) for part in one]
    return back + [part.placed((0, 0), 1.0, turn * 0.3) for part in one]


def on_torso(parts: list[Part], mapping) -> list[Part]:  # type: ignore[no-untyped-def]
    """Map parts drawn in torso points into a pose."""

    def move(outlines: tuple[Points, ...]) -> tuple[Points, ...]:
        return tuple(mapping(outline) for outline in outlines)

    return [replace(p, fills=move(p.fills), holes=move(p.holes), lines=move(p.lines)) for p in parts]


__all__ = [
    "bag_parts", "belt_half", "belt_parts", "glasses_parts", "hat_parts", "jewelry_parts",
    "on_torso", "pair_parts", "placed", "rolled_belt_parts", "scarf_parts", "shoe_parts",
]  # fmt: skip
