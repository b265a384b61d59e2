"""Colour palettes of objects: a few Lab colours with shares, and the similarity of two palettes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from lookdex.imaging.colour.space import EVEN, group, to_rgb
from lookdex.records import Swatch

MAX_COLOURS = 5
_GROUPS = 12
_MERGE_DISTANCE = 12.0  # colours closer than this (weighted Lab) are merged
_MIN_SHARE = 0.03  # smaller shares are dropped
_KERNEL_WIDTH = 20.0  # weighted Lab distance at which the similarity of two colours is exp(-1/2)


def make_palette(lab: np.ndarray, weight: np.ndarray) -> tuple[Swatch, ...]:
    """Build one to five colours with shares that sum to 1, largest first.

    Args:
        lab: float32 (n, 3).
        weight: (n,).
    """
    centres, member = group(lab, weight, _GROUPS)
    shares = np.bincount(member, weight, len(centres))
    centres, shares = _merge(centres[shares > 0], shares[shares > 0])
    kept = np.argsort(-shares, kind="stable")
    kept = kept[shares[kept] >= min(_MIN_SHARE * shares.sum(), shares.max())]
    shares = shares / shares[kept].sum()
    return tuple(_swatch(centres[i], float(shares[i])) for i in kept)


def _swatch(lab: np.ndarray, share: float) -> Swatch:
    """Round, so that the last bits of a sum do not change a row; + 0.0 avoids -0.0."""
    lightness, a, b = (round(float(value), 1) + 0.0 for value in lab)
    return Swatch(lightness, a, b, round(share, 4))


def _merge(centres: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Merge the two closest colours until at most MAX_COLOURS are left and all differ."""
    while len(centres) > 1:
        gaps = np.linalg.norm((centres[:, None] - centres) * EVEN, axis=2)
        gaps[np.diag_indices(len(centres))] = np.inf
        a, b = divmod(int(gaps.argmin()), len(centres))
        if gaps[a, b] >= _MERGE_DISTANCE and len(centres) <= MAX_COLOURS:
            break
        both = shares[a] + shares[b]
        centres[a] = (centres[a] * shares[a] + centres[b] * shares[b]) / both
        shares[a] = both
        centres, shares = np.delete(centres, b, axis=0), np.delete(shares, b)
    return centres, shares


def similarity(one: Sequence[Swatch], other: Sequence[Swatch]) -> float:
    """Similarity of two palettes, 0 (disjoint) … 1 (equal). Symmetric. See `similarities`."""
    return float(similarities(one, [other])[0])


def similarities(one: Sequence[Swatch], others: Sequence[Sequence[Swatch]]) -> np.ndarray:
    """Similarity of a palette to each of others: float64 (n,), 0 … 1.

    The cosine in the space of a Gaussian kernel over Lab: Σ pᵢqⱼk(i,j), divided by sqrt(Σ pᵢpⱼk(i,j) · Σ qᵢqⱼk(i,j)).
    This is the similarity behind the Signature Quadratic Form Distance (Beecks, Uysal, Seidl, CIVR 2010). Palettes must
    not be empty.
    """
    places, shares = _to_arrays([one, *others])
    first = places[:1], shares[:1]
    own = _product(places, shares, places, shares)
    found: np.ndarray = _product(*first, places[1:], shares[1:]) / np.sqrt(own[0] * own[1:])
    shared: np.ndarray = np.minimum(found, 1.0)
    return shared


@lru_cache(maxsize=1 << 16)
def to_hex(swatch: Swatch) -> str:
    """The colour as '#rrggbb', clipped to sRGB."""
    red, green, blue = to_rgb(np.array([[swatch.l, swatch.a, swatch.b]], np.float32))[0]
    return f"#{red:02x}{green:02x}{blue:02x}"


def _to_arrays(palettes: Sequence[Sequence[Swatch]]) -> tuple[np.ndarray, np.ndarray]:
    """Weighted Lab (n, m, 3) and shares (n, m), float64; shorter palettes are padded with shares of 0."""
    length = max(map(len, palettes))
    none = (0.0, 0.0, 0.0, 0.0)
    values = [[(s.l, s.a, s.b, s.share) for s in p] + [none] * (length - len(p)) for p in palettes]
    swatches = np.array(values, np.float64)
    return swatches[..., :3] * EVEN, swatches[..., 3]


def _product(p: np.ndarray, weight: np.ndarray, q: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Σ pᵢqⱼk(i,j) of each pair of palettes, (n,).

    Args:
        p, q: (n, m, 3).
        weight, other: their shares (n, m).
    """
    gaps = ((p[:, :, None] - q[:, None]) ** 2).sum(axis=3)
    summed: np.ndarray = (np.exp(-gaps / (2 * _KERNEL_WIDTH**2)) * weight[:, :, None] * other[:, None]).sum(
        axis=(1, 2)
    )
    return summed
