"""Shoes in side view, relative to the ankle; units are heads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lookdex_sample.geometry import arc, box, curve, ellipse, points
from lookdex_sample.paint import GOLD, STEEL, Material, Part, dark
from lookdex_sample.products import Cut, Product
from lookdex_sample.textures import material

_SOLE = Material((236, 232, 224))
_FLOOR, _BACK = 0.30, -0.20
_BOOT_TOPS = {"ankle boots": -0.42, "knee boots": -1.35}
_HEELED = ("pumps", "ankle boots", "knee boots", "sandals")


@dataclass(frozen=True)
class _Shoe:
    """Measures and materials of a shoe. toe: x of its tip. lift: y of the sole below the heel."""

    cut: Cut
    cloth: Material
    accent: Material
    heel: Material
    toe: float
    rise: float

    @classmethod
    def of(cls, product: Product) -> _Shoe:
        cut = product.cut
        return cls(
            cut, cloth=replace(material(product.fabric), folds=0.2), accent=Material(cut.accent),
            heel=Material(dark(product.fabric.palette[0], 0.5)), toe=0.78 if cut.style in ("pumps", "loafers") else 0.74,
            rise=0.05 + 0.27 * cut.flare if cut.style in _HEELED else 0.0,
        )  # fmt: skip

    @property
    def lift(self) -> float:
        return _FLOOR - self.rise

    def trimmed(self, trims: _Trims) -> list[Part]:
        return trims[self.cut.trim](self) if self.cut.trim in trims else []


_Trims = dict[str, Callable[[_Shoe], list[Part]]]


def shoe_parts(product: Product) -> list[Part]:
    """A shoe in side view, toes to the right; the ankle is the origin, the floor y = 0.30."""
    return _STYLES[product.cut.style](_Shoe.of(product))


def pair_parts(one: list[Part], gap: float, drop: float, turn: float) -> list[Part]:
    """A pair as in catalogues: one behind the other, slightly rotated."""
    back = [part.placed((gap, -drop), 0.96, -turn, z=-10) for part in one]
    return back + [part.placed((0, 0), 1.0, turn * 0.3) for part in one]


# ── sneakers ─────────────────────────────────────────────────────────────────────────────────────────────────


def _sneaker(shoe: _Shoe) -> list[Part]:
    high, toe = shoe.cut.style != "sneakers", shoe.toe
    top = -0.34 if high else -0.06
    upper = [(_BACK, top), (0.12, top - 0.02), (0.2, 0.0), (0.42, 0.06), (0.66, 0.12), (toe, 0.22), (toe - 0.02, 0.27),
             (_BACK, 0.27), (_BACK - 0.02, 0.1)]  # fmt: skip
    sole = [(_BACK - 0.04, 0.20), (0.2, 0.215), (toe + 0.01, 0.20), (toe + 0.05, 0.27), (toe - 0.02, 0.33), (_BACK, 0.33),
            (_BACK - 0.06, 0.28)]  # fmt: skip
    groove = points([(_BACK - 0.04, 0.295), (toe, 0.295)])
    laces = [
        points(
            [(0.12 + 0.08 * i, 0.02 + 0.028 * i - (0.05 if high else 0)), (0.24 + 0.08 * i, -0.01 + 0.03 * i)]
        )
        for i in range(4)
    ]
    if high:
        laces += [points([(0.06, -0.26 + 0.09 * i), (0.19, -0.28 + 0.09 * i)]) for i in range(3)]
    tab = [
        (_BACK - 0.015, top + 0.02),
        (_BACK + 0.07, top + 0.02),
        (_BACK + 0.08, 0.16),
        (_BACK - 0.03, 0.16),
    ]
    return [
        Part(shoe.cloth, 15, fills=(curve(upper, 5),)),
        Part(_SOLE, 15.2, fills=(curve(sole, 4),), lift=0.2),
        Part(Material((120, 116, 112)), 15.25, lines=(groove,), width=0.012, lift=0, volume=0),
        Part(Material((240, 238, 232)), 15.3, lines=tuple(laces), width=0.026, lift=0.3),
        *shoe.trimmed(_SNEAKER_TRIMS),
        Part(shoe.accent, 15.22, fills=(curve(tab, 3),), lift=0),
    ]


def _toe_cap(shoe: _Shoe) -> list[Part]:
    toe = shoe.toe
    cap = curve([(0.54, 0.1), (0.68, 0.12), (toe + 0.01, 0.22), (toe, 0.26), (0.54, 0.26)], 4)
    return [Part(_SOLE, 15.25, fills=(cap,), lift=0.15)]


def _stripe(shoe: _Shoe) -> list[Part]:
    bands = tuple(points([(0.02 + 0.1 * i, 0.2), (0.12 + 0.1 * i, 0.02)]) for i in range(3))
    return [Part(shoe.accent, 15.25, lines=bands, width=0.04, lift=0)]


def _swoosh(shoe: _Shoe) -> list[Part]:
    swoosh = curve([(-0.08, 0.06), (0.06, 0.14), (0.42, 0.09), (0.08, 0.2)], 5)
    return [Part(shoe.accent, 15.25, fills=(swoosh,), lift=0)]


def _star(shoe: _Shoe) -> list[Part]:
    return [
        Part(_SOLE, 15.25, fills=(ellipse(0.02, -0.06, 0.09),), lift=0),
        Part(shoe.accent, 15.26, lines=(ellipse(0.02, -0.06, 0.065),), width=0.02, lift=0),
    ]


_SNEAKER_TRIMS: _Trims = {"toe cap": _toe_cap, "stripe": _stripe, "swoosh": _swoosh, "star": _star}


# ── shoes with a heel ────────────────────────────────────────────────────────────────────────────────────────


def _sole(shoe: _Shoe) -> np.ndarray:
    line = points(
        [
            (_BACK, shoe.lift - 0.01),
            (0.06, shoe.lift - 0.01),
            (0.36, _FLOOR - 0.03),
            (shoe.toe, _FLOOR - 0.02),
        ]
    )
    return np.vstack([line, line[::-1] + (0, 0.045)])


def _heel(shoe: _Shoe) -> list[Part]:
    """The heel and the sole."""
    if shoe.rise > 0.09:
        slim = 0.06 if shoe.cut.style in ("pumps", "sandals") else 0.2
        if shoe.cut.number % 3 == 0:
            slim += 0.08
        block = points([(_BACK - 0.01, shoe.lift), (_BACK + slim + 0.1, shoe.lift), (_BACK + slim, _FLOOR + 0.02),
                        (_BACK + 0.01, _FLOOR + 0.02)])  # fmt: skip
    else:
        block = box(_BACK - 0.01, _FLOOR - 0.03, 0.12, _FLOOR + 0.04)
    return [
        Part(shoe.heel, 14.8, fills=(block,), lift=0.3),
        Part(shoe.heel, 15.2, fills=(_sole(shoe),), lift=0.1),
    ]


def _pumps(shoe: _Shoe) -> list[Part]:
    lift = shoe.lift
    upper = [(_BACK, lift - 0.2), (_BACK + 0.06, lift - 0.19), (0.05, lift - 0.06), (0.3, _FLOOR - 0.13), (0.5, _FLOOR - 0.15),
             (0.68, _FLOOR - 0.1), (shoe.toe + 0.03, _FLOOR - 0.02), (0.36, _FLOOR - 0.01), (0.06, lift), (_BACK, lift),
             (_BACK - 0.03, lift - 0.1)]  # fmt: skip
    return [*_heel(shoe), Part(shoe.cloth, 15, fills=(curve(upper, 4),)), *shoe.trimmed(_PUMPS_TRIMS)]


def _ankle_strap(shoe: _Shoe) -> list[Part]:
    straps = (
        points([(_BACK, -0.04), (0.14, -0.02)]),
        points([(_BACK + 0.02, -0.04), (_BACK + 0.02, shoe.lift - 0.1)]),
    )
    return [Part(shoe.cloth, 15.5, lines=straps, width=0.05)]


def _bow(shoe: _Shoe) -> list[Part]:
    loops = ellipse(0.5, _FLOOR - 0.17, 0.07, 0.05), ellipse(0.62, _FLOOR - 0.14, 0.07, 0.05)
    return [Part(shoe.accent, 15.5, fills=loops)]


_PUMPS_TRIMS: _Trims = {"ankle strap": _ankle_strap, "bow": _bow}


def _loafers(shoe: _Shoe) -> list[Part]:
    toe = shoe.toe
    upper = [(_BACK, 0.0), (_BACK + 0.08, 0.02), (0.02, 0.09), (0.14, 0.07), (0.26, 0.01), (0.44, 0.07), (0.62, 0.10),
             (0.74, 0.17), (toe + 0.02, 0.25), (toe, 0.285), (0.3, 0.285), (_BACK, 0.285), (_BACK - 0.025, 0.15)]  # fmt: skip
    seam = curve([(0.36, 0.13), (0.55, 0.135), (0.68, 0.2)], closed=False)
    strap = points([(0.2, 0.05), (0.33, 0.03), (0.40, 0.06), (0.34, 0.27), (0.20, 0.27)])
    return [
        *_heel(shoe),
        Part(shoe.cloth, 15, fills=(curve(upper, 5),)),
        Part(shoe.heel, 15.3, lines=(seam,), width=0.02, lift=0.2),
        Part(shoe.cloth, 15.3, fills=(strap,), lift=0.4),
        *shoe.trimmed(_LOAFERS_TRIMS),
    ]


def _buckle(shoe: _Shoe) -> list[Part]:
    return [
        Part(GOLD, 15.5, lines=(ellipse(0.3, 0.1, 0.06, 0.04), ellipse(0.2, 0.14, 0.05, 0.04)), width=0.03)
    ]


def _tassel(shoe: _Shoe) -> list[Part]:
    strands = tuple(points([(0.36, 0.07), (0.42 + d, 0.2)]) for d in (-0.05, 0, 0.05))
    return [Part(shoe.accent, 15.5, lines=strands, width=0.03)]


_LOAFERS_TRIMS: _Trims = {"buckle": _buckle, "tassel": _tassel}


def _boots(shoe: _Shoe) -> list[Part]:
    top, calf = _BOOT_TOPS[shoe.cut.style], 0.0 if shoe.cut.style == "ankle boots" else 0.10
    upper = [(_BACK - calf, top), (0.14 + calf * 0.5, top), (0.13, -0.12), (0.24, 0.04), (0.5, _FLOOR - 0.2), (0.7, _FLOOR - 0.14),
             (shoe.toe + 0.02, _FLOOR - 0.03), (0.36, _FLOOR), (0.06, shoe.lift), (_BACK, shoe.lift), (_BACK - 0.01, 0.0)]  # fmt: skip
    return [
        *_heel(shoe),
        Part(shoe.cloth, 15, fills=(curve(upper, 5),)),
        *_BOOT_TRIMS.get(shoe.cut.trim, _boot_strap)(shoe),
    ]


def _elastic(shoe: _Shoe) -> list[Part]:
    insert = curve([(-0.1, -0.38), (0.04, -0.38), (0.02, 0.0), (-0.03, 0.06), (-0.08, 0.0)], 3)
    return [Part(shoe.heel, 15.3, fills=(insert,), lift=0.1)]


def _laces(shoe: _Shoe) -> list[Part]:
    laces = tuple(
        points([(0.03, -0.32 + i * 0.085), (0.15 + 0.03 * max(0, i - 3), -0.34 + i * 0.085)])
        for i in range(6)
    )
    return [Part(shoe.accent, 15.3, lines=laces, width=0.03)]


def _zip(shoe: _Shoe) -> list[Part]:
    top = _BOOT_TOPS[shoe.cut.style]
    return [Part(STEEL, 15.3, lines=(points([(-0.02, top + 0.05), (0.0, 0.16)]),), width=0.03, lift=0.2)]


def _boot_strap(shoe: _Shoe) -> list[Part]:
    return [
        Part(shoe.heel, 15.3, lines=(points([(_BACK - 0.01, -0.08), (0.15, -0.04)]),), width=0.07),
        Part(GOLD, 15.4, lines=(arc(0.03, -0.06, 0.055, 0.055, 0, 365),), width=0.025),
    ]


_BOOT_TRIMS: _Trims = {"elastic": _elastic, "laces": _laces, "zip": _zip}


def _sandals(shoe: _Shoe) -> list[Part]:
    ankle = points([(_BACK, -0.02), (0.16, 0.0)])
    if shoe.cut.trim == "two straps":
        straps = [
            curve([(0.34, _FLOOR - 0.03), (0.4, 0.06), (0.54, 0.12), (0.62, _FLOOR - 0.03)], closed=False),
            ankle,
        ]
    elif shoe.cut.trim == "cross":
        straps = [
            points([(0.26, 0.02), (0.66, _FLOOR - 0.05)]),
            points([(0.6, 0.1), (0.34, _FLOOR - 0.04)]),
            ankle,
        ]
    else:
        straps = [points([(0.22, 0.03), (0.16, _FLOOR - 0.04)]), points([(0.52, 0.10), (0.46, _FLOOR - 0.04)]),
                  points([(_BACK, shoe.lift - 0.15), (0.2, 0.02)])]  # fmt: skip
    straps.append(points([(_BACK + 0.01, 0.0), (_BACK + 0.01, shoe.lift)]))
    return [
        *_heel(shoe),
        Part(shoe.cloth, 15.4, lines=tuple(straps), width=0.08, lift=0.4),
        Part(shoe.cloth, 15.1, fills=(_sole(shoe) - (0, 0.02),), lift=0),
    ]


_STYLES: _Trims = {
    "sneakers": _sneaker, "high-top sneakers": _sneaker, "pumps": _pumps, "loafers": _loafers,
    "ankle boots": _boots, "knee boots": _boots, "sandals": _sandals,
}  # fmt: skip
