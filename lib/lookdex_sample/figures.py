"""People: proportions, pose, skin and hair, and the body that wears the clothes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lookdex_sample.geometry import Points, curve, ellipse, mirrored, placed, points, tube
from lookdex_sample.paint import Colour, Material, Part, dark

SKINS: tuple[Colour, ...] = (
    (247, 218, 196), (236, 196, 168), (222, 174, 138), (198, 146, 108),
    (168, 116, 82), (132, 88, 62), (98, 66, 50), (74, 50, 40),
)  # fmt: skip
HAIRS: tuple[Colour, ...] = (
    (28, 24, 24), (58, 38, 28), (96, 62, 38), (150, 104, 58), (206, 168, 108), (140, 62, 36),
    (150, 148, 146),
)  # fmt: skip
_HAIR_STYLES = ("long", "bob", "short", "bun", "afro", "shaved", "pony")

_LEVELS = (-2.45, -2.2, -1.7, -1.3, -0.8, -0.4, -0.05, 0.3)
_HALF_WIDTHS = (0.72, 0.80, 0.66, 0.58, 0.50, 0.58, 0.66, 0.64)


@dataclass(frozen=True)
class Figure:
    """A standing person seen from the front; units are heads, angles are radians, positive outward.

    arms: (upper, lower) for the left and the right side; legs alike. turn: share of its width that the body shows (1 is
    frontal).
    """

    skin: Colour = SKINS[1]
    hair: Colour = HAIRS[1]
    hair_style: str = "short"
    build: float = 1.0
    leg_length: float = 1.0
    turn: float = 1.0
    lean: float = 0.0
    shoulder_tilt: float = 0.0
    hip_tilt: float = 0.0
    head_tilt: float = 0.0
    arms: tuple[tuple[float, float], tuple[float, float]] = ((0.3, 0.3), (0.3, 0.3))
    legs: tuple[tuple[float, float], tuple[float, float]] = ((0.06, 0.02), (0.06, 0.02))

    def torso(self, values: ArrayLike) -> Points:
        """Map torso coordinates (upright, pelvis at the origin, neck at y = -2.4) into the pose."""
        upright = points(values)
        x, y = upright[:, 0] * self.turn, upright[:, 1]
        rise = np.clip(-y / 2.4, -0.2, 1.2)
        tilt = self.hip_tilt + (self.shoulder_tilt - self.hip_tilt) * rise
        return np.column_stack([x + self.lean * -y, y + x * np.tan(tilt)])

    def half_width(self, y: ArrayLike) -> np.ndarray:
        """Return the body's half width in heads at torso heights `y`."""
        return np.interp(np.asarray(y, dtype=np.float64), _LEVELS, _HALF_WIDTHS) * self.build

    def arm(self, side: int) -> Points:
        """Return shoulder, elbow, wrist and fingertips (4, 2); side -1 is the viewer's left."""
        upper, lower = self.arms[0 if side < 0 else 1]
        shoulder = self.torso([(side * 0.70 * self.build, -2.06)])[0]
        elbow = shoulder + 1.28 * _down(side, upper)
        wrist = elbow + 1.12 * _down(side, lower)
        return np.vstack([shoulder, elbow, wrist, wrist + 0.48 * _down(side, lower * 0.8)])

    def leg(self, side: int) -> Points:
        """Return hip, knee and ankle (3, 2)."""
        upper, lower = self.legs[0 if side < 0 else 1]
        hip = self.torso([(side * 0.34 * self.build, 0.05)])[0]
        knee = hip + 1.78 * self.leg_length * _down(side, upper)
        return np.vstack([hip, knee, knee + 1.72 * self.leg_length * _down(side, lower)])

    @property
    def head(self) -> Points:
        """The centre of the head (2,)."""
        centre: Points = self.torso([(0, -3.12)])[0]
        return centre

    def on_head(self, values: ArrayLike) -> Points:
        """Map points relative to the centre of the head into the pose."""
        return placed(values, self.head, turn=self.head_tilt)

    def foot_flip(self, side: int) -> float:
        """Return the visible share of a foot's length, signed by its direction."""
        return side * (0.62 + 0.3 * abs(math.sin(9 * (self.lean + 0.1 * side))))


def standing(arm: float = 0.32, leg: float = 0.05) -> Figure:
    """Return the invisible figure of catalogue photos: frontal, straight, arms slightly out."""
    return Figure(arms=((arm, arm), (arm, arm)), legs=((leg, leg), (leg, leg)))


def random_figure(rng: np.random.Generator) -> Figure:
    """Return a person in a relaxed pose."""

    def arm() -> tuple[float, float]:
        pose = rng.integers(5)
        if pose == 0:  # hand on the hip
            return 0.62 + 0.15 * rng.random(), -0.75 - 0.2 * rng.random()
        if pose == 1:  # bent outward
            return 0.25 + 0.2 * rng.random(), 0.7 + 0.5 * rng.random()
        upper = 0.12 + 0.28 * rng.random()
        return upper, upper - 0.25 + 0.3 * rng.random()

    def leg() -> tuple[float, float]:
        upper = 0.02 + 0.16 * rng.random()
        return upper, upper - 0.14 + 0.16 * rng.random()

    return Figure(
        skin=SKINS[rng.integers(len(SKINS))],
        hair=HAIRS[rng.integers(len(HAIRS))],
        hair_style=_HAIR_STYLES[rng.integers(len(_HAIR_STYLES))],
        build=float(rng.uniform(0.88, 1.14)),
        leg_length=float(rng.uniform(0.94, 1.1)),
        turn=float(rng.uniform(0.84, 1.0)),
        lean=float(rng.uniform(-0.07, 0.07)),
        shoulder_tilt=float(rng.uniform(-0.09, 0.09)),
        hip_tilt=float(rng.uniform(-0.08, 0.08)),
        head_tilt=float(rng.uniform(-0.14, 0.14)),
        arms=(arm(), arm()),
        legs=(leg(), leg()),
    )


def body_parts(figure: Figure, hands_over: bool) -> list[Part]:
    """Return the body with hair and face; `hands_over` draws hands again above a coat."""
    skin = Material(figure.skin)
    shade = Material(dark(figure.skin, 0.62))
    b = figure.build
    parts = []
    for side in (-1, 1):
        leg = figure.leg(side)
        shape = tube(_calf(leg, side), (0.60 * b, 0.40 * b, 0.36 * b, 0.19 * b))
        parts.append(Part(skin, 2, fills=(shape,), lift=0.15))
        parts.append(Part(skin, 2.1, fills=(_bare_foot(figure, side),), lift=0.1))
        arm = figure.arm(side)
        shape = tube(arm[:3], (0.32 * b, 0.25 * b, 0.16 * b))
        parts.append(Part(skin, 33, fills=(shape, ellipse(arm[0][0], arm[0][1], 0.17 * b)), lift=0.2))
        hand = _hand(arm)
        parts.append(Part(skin, 33.5, fills=(hand,), lift=0.15))
        if hands_over:
            parts.append(Part(skin, 43, fills=(hand,), lift=0.15))
    levels = np.array(_LEVELS[2:])
    trunk = np.column_stack([figure.half_width(levels) * 0.96, levels])
    shoulders = [(0.2, -2.46), (0.56 * b, -2.31), (0.70 * b, -2.18), (0.70 * b, -1.95)]
    torso = mirrored(np.vstack([points(shoulders), trunk]))
    parts.append(Part(skin, 3, fills=(figure.torso(curve(torso, 3)),), lift=0.1))
    neck = [(0.19, -2.85), (0.2, -2.5), (0.36, -2.38), (0.5, -2.26)]
    parts.append(Part(skin, 28, fills=(figure.torso(curve(mirrored(neck), 3)),), lift=0))
    return parts + _head(figure, skin, shade)


def _head(figure: Figure, skin: Material, shade: Material) -> list[Part]:
    on = figure.on_head
    face = curve(
        mirrored([(0.0, -0.5), (0.24, -0.45), (0.345, -0.2), (0.335, 0.08), (0.24, 0.36), (0.0, 0.5)])
    )
    lips = Material((176, 92, 88) if sum(figure.skin) > 400 else (120, 62, 60))
    white = Material((240, 236, 230))
    parts = [
        Part(skin, 50, fills=(on(face),), lift=0.45),
        Part(skin, 49.5, fills=(on(ellipse(-0.35, 0.02, 0.06, 0.11)), on(ellipse(0.35, 0.02, 0.06, 0.11)))),
        Part(lips, 51, fills=(on(curve([(-0.12, 0.28), (-0.04, 0.262), (0, 0.268), (0.04, 0.262), (0.12, 0.28), (0, 0.335)], 3)),), lift=0),
        Part(shade, 51, lines=(on(curve([(0.03, -0.02), (0.05, 0.13), (-0.02, 0.155)], 3, closed=False)),), width=0.014, lift=0),
        Part(Material((226, 120, 104), opacity=0.10), 50.5, fills=(on(ellipse(0.2, 0.17, 0.1, 0.08)), on(ellipse(-0.2, 0.17, 0.1, 0.08))), lift=0),
    ]  # fmt: skip
    hair = Material(figure.hair, gloss=0.2)
    brow = Material(dark(figure.hair, 0.8))
    for side in (-1, 1):
        eye = curve(
            [(side * 0.075, 0.0), (side * 0.15, -0.035), (side * 0.22, 0.0), (side * 0.15, 0.028)],
            4,
        )
        parts += [
            Part(white, 51, fills=(on(eye),), lift=0),
            Part(Material((52, 38, 32)), 51.2, fills=(on(ellipse(side * 0.148, -0.004, 0.03)),), lift=0),
            Part(Material((30, 24, 22)), 51.3, lines=(on(eye[:9]),), width=0.014, lift=0),
            Part(brow, 51, lines=(on(points([(side * 0.06, -0.10), (side * 0.15, -0.125), (side * 0.24, -0.095)])),), width=0.026, lift=0),
        ]  # fmt: skip
    return parts + _hair(figure, hair)


def _hair(figure: Figure, hair: Material) -> list[Part]:
    on, style = figure.on_head, figure.hair_style
    cap = [
        (0.0, -0.58),
        (0.3, -0.5),
        (0.41, -0.22),
        (0.385, 0.0),
        (0.33, -0.14),
        (0.24, -0.3),
        (0.0, -0.36),
    ]
    front = on(curve(np.vstack([points(cap), points(cap)[::-1][1:-1] * (-1, 1)])))
    if style == "shaved":
        thin = Material(figure.hair, opacity=0.45)
        return [Part(thin, 52, fills=(front,), lift=0)]
    parts = [Part(hair, 52, fills=(front,), lift=0.2)]
    back: list[Points] = []
    if style == "long":
        back = [
            curve(mirrored([(0.0, -0.58), (0.38, -0.4), (0.46, 0.1), (0.52, 0.6), (0.5, 1.1), (0.3, 1.25)]))
        ]
    elif style == "bob":
        back = [curve(mirrored([(0.0, -0.58), (0.4, -0.4), (0.47, 0.05), (0.48, 0.42), (0.34, 0.5)]))]
    elif style == "afro":
        back = [ellipse(0, -0.2, 0.62, 0.56)]
    elif style == "bun":
        back = [ellipse(0, -0.68, 0.2, 0.17)]
    elif style == "pony":
        back = [curve([(0.2, -0.5), (0.5, -0.3), (0.62, 0.2), (0.5, 0.8), (0.4, 0.3), (0.3, -0.1)])]
    return parts + [Part(hair, 1.5, fills=(on(shape),), lift=0.25) for shape in back]


def _hand(arm: Points) -> Points:
    wrist, tips = arm[2], arm[3]
    along = tips - wrist
    return tube([wrist, wrist + along * 0.45, tips], (0.16, 0.24, 0.10))


def _bare_foot(figure: Figure, side: int) -> Points:
    shape = curve([(-0.12, -0.1), (0.1, -0.1), (0.3, 0.08), (0.58, 0.16), (0.6, 0.24), (-0.14, 0.24)])
    return placed(shape, figure.leg(side)[2], flip=figure.foot_flip(side))


def _calf(leg: Points, side: int) -> Points:
    bulge = leg[1] * 0.62 + leg[2] * 0.38 + (side * 0.03, 0)
    return np.vstack([leg[0], leg[1], bulge, leg[2]])


def _down(side: int, angle: float) -> np.ndarray:
    return np.array([side * math.sin(angle), math.cos(angle)])
