"""A few Lab colours that stand for an object, and how alike two such palettes are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from lookdex.imaging.colour.space import EVEN, group, to_rgb
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
    """How alike two palettes are: 0 (nothing in common) … 1 (the same), whichever comes first. As `similarities`."""
    return float(similarities(one, [other])[0])


def similarities(one: Sequence[Swatch], others: Sequence[Sequence[Swatch]]) -> np.ndarray:
    """How alike a palette is to each of others: float64 (n,), 0 … 1.

    The cosine of the two in the space of a Gaussian kernel over Lab: Σ pᵢqⱼk(i,j) over its root of Σ pᵢpⱼk · Σ qᵢqⱼk.
    This is the similarity behind the Signature Quadratic Form Distance (Beecks, Uysal, Seidl, CIVR 2010). All
    palettes have at least one colour.
    """
    places, shares = _arrays([one, *others])
    first = places[:1], shares[:1]
    own = _product(places, shares, places, shares)
    found: np.ndarray = _product(*first, places[1:], shares[1:]) / np.sqrt(own[0] * own[1:])
    return np.minimum(found, 1.0)


@lru_cache(maxsize=1 << 16)
def hex_of(swatch: Swatch) -> str:
    """The colour for a screen, '#rrggbb' (clipped to sRGB)."""
    red, green, blue = to_rgb(np.array([[swatch.l, swatch.a, swatch.b]], np.float32))[0]
    return f"#{red:02x}{green:02x}{blue:02x}"


def _arrays(palettes: Sequence[Sequence[Swatch]]) -> tuple[np.ndarray, np.ndarray]:
    """Weighted Lab (n, m, 3) and shares (n, m), float64; a palette of fewer than m colours ends in shares of 0."""
    most = max(map(len, palettes))
    none = (0.0, 0.0, 0.0, 0.0)
    values = [[(s.l, s.a, s.b, s.share) for s in p] + [none] * (most - len(p)) for p in palettes]
    swatches = np.array(values, np.float64)
    return swatches[..., :3] * EVEN, swatches[..., 3]


def _product(p: np.ndarray, weight: np.ndarray, q: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Σ pᵢqⱼk(i,j) of each pair of palettes, (n,). p, q: (n, m, 3); weight, other: their shares (n, m)."""
    gaps = ((p[:, :, None] - q[:, None]) ** 2).sum(axis=3)
    summed: np.ndarray = (np.exp(-gaps / (2 * _REACH**2)) * weight[:, :, None] * other[:, None]).sum(
        axis=(1, 2)
    )
    return summed
