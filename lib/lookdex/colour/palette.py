"""A few Lab colours that stand for an object, and how alike two such palettes are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from lookdex.colour.space import EVEN, group, to_rgb
from lookdex.records import Swatch

MOST = 5
_GROUPS = 12
_SAME = 12.0  # colours nearer than this (weighted Lab) are shown as one
_LEAST = 0.03  # a smaller share is left out
_REACH = 20.0  # weighted Lab: as far apart, two colours are alike by exp(-1/2)


def make_palette(lab: np.ndarray, weight: np.ndarray) -> tuple[Swatch, ...]:
    """One to five colours whose shares add up to 1, largest first. lab: float32 (n, 3); weight: (n,)."""
    centres, member = group(lab, weight, _GROUPS)
    shares = np.bincount(member, weight, len(centres))
    centres, shares = _merged(centres[shares > 0], shares[shares > 0])
    kept = np.argsort(-shares, kind="stable")
    kept = kept[shares[kept] >= min(_LEAST * shares.sum(), shares.max())]
    shares = shares / shares[kept].sum()
    return tuple(_swatch(centres[i], float(shares[i])) for i in kept)


def _swatch(lab: np.ndarray, share: float) -> Swatch:
    """Rounded, so that the last bits of a sum make no other row; + 0.0, so that none is -0.0."""
    lightness, a, b = (round(float(value), 1) + 0.0 for value in lab)
    return Swatch(lightness, a, b, round(share, 4))


def _merged(centres: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest two become one, until no more than MOST are left and all differ."""
    while len(centres) > 1:
        gaps = np.linalg.norm((centres[:, None] - centres) * EVEN, axis=2)
        gaps[np.diag_indices(len(centres))] = np.inf
        a, b = divmod(int(gaps.argmin()), len(centres))
        if gaps[a, b] >= _SAME and len(centres) <= MOST:
            break
        both = shares[a] + shares[b]
        centres[a] = (centres[a] * shares[a] + centres[b] * shares[b]) / both
        shares[a] = both
        centres, shares = np.delete(centres, b, axis=0), np.delete(shares, b)
    return centres, shares


def similarity(one: Sequence[Swatch], other: Sequence[Swatch]) -> float:
    """How alike two palettes are: 0 (nothing in common) … 1 (the same), whichever comes first.

    The cosine of the two in the space of a Gaussian kernel over Lab: Σ pᵢqⱼk(i,j) over its root of Σ pᵢpⱼk · Σ qᵢqⱼk.
    This is the similarity behind the Signature Quadratic Form Distance (Beecks, Uysal, Seidl, CIVR 2010). Both
    palettes have at least one colour.
    """
    p, q = _arrays(one), _arrays(other)
    return float(min(1.0, _product(p, q) / np.sqrt(_product(p, p) * _product(q, q))))


@lru_cache(maxsize=1 << 16)
def hex_of(swatch: Swatch) -> str:
    """The colour for a screen, '#rrggbb' (clipped to sRGB)."""
    red, green, blue = to_rgb(np.array([[swatch.l, swatch.a, swatch.b]], np.float32))[0]
    return f"#{red:02x}{green:02x}{blue:02x}"


def _arrays(palette: Sequence[Swatch]) -> tuple[np.ndarray, np.ndarray]:
    """Weighted Lab (n, 3) and shares (n,), float64."""
    places = np.array([(s.l, s.a, s.b) for s in palette], np.float64) * EVEN
    return places, np.array([s.share for s in palette], np.float64)


def _product(p: tuple[np.ndarray, np.ndarray], q: tuple[np.ndarray, np.ndarray]) -> float:
    gaps = ((p[0][:, None] - q[0]) ** 2).sum(axis=2)
    return float(p[1] @ np.exp(-gaps / (2 * _REACH**2)) @ q[1])
