"""Estimate which pixels of a box belong to the object, from position and colour.

By Bayes' rule, a pixel's probability is how often the object covers that position in boxes of its category, times how
often its colour belongs to the object rather than to the background. Both colour distributions start from the position
prior and are re-estimated a few times (expectation maximisation over colour clusters). So a white dress on a white wall
keeps its middle, and the street between two shoes loses its weight, whatever its colour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from lookdex.imaging.colour.space import EVEN, group, to_lab, to_rgb
from lookdex.records import Box

# Share (in tenths) of each cell of a 5 × 5 grid that the object covers. Top row first; columns from the edge to the
# middle, the right half is mirrored. Means over the masks of 593 street photos (Clothing Co-Parsing).
_TENTHS = {
    "top": "355 578 588 478 456", "outerwear": "353 685 775 665 443", "dress": "366 488 499 599 588",
    "skirt": "366 588 688 799 578", "pants": "477 697 595 585 464", "shorts": "456 689 799 799 576",
    "shoes": "332 564 674 774 453", "bag": "234 367 578 588 366", "hat": "159 499 676 753 421",
    "glasses": "442 786 897 684 341", "belt": "333 677 788 677 333", "scarf": "354 477 477 467 244",
    "jewelry": "454 677 788 578 345", "legwear": "452 673 673 663 352",
}  # fmt: skip
_ANY = "354 587 687 676 454"  # mean over all categories

_SAMPLES = 1024  # approximate number of pixels sampled per box
_RING = 0.12  # width of the ring around the box, relative to its longer side
_INSIDE = 0.2  # weight of a doubtful pixel inside the box as background, relative to one outside
_GROUPS = 12
_ROUNDS = 5
_NEAR = 6.0  # distance (weighted Lab) over which clusters share evidence
_FLOOR = 0.003  # minimum probability of any colour
_MAX_ODDS = 20.0  # maximum odds from colour alone
_SKIN = 0.5  # weight of skin …
_MOSTLY = 0.6  # … unless this share of the object has its colour: then it is a beige garment


@dataclass(frozen=True, slots=True)
class Pixels:
    """Pixels sampled from a box."""

    lab: np.ndarray
    """float32 (n, 3)."""
    weight: np.ndarray
    """Confidence that each is the object's, float32 (n,), 0 … 1."""


def sample_object(photo: np.ndarray, box: Box, label: str | None) -> Pixels:
    """Sample and weight about 1,000 pixels of the box.

    Args:
        photo: uint8 (H, W, 3) RGB.
        box: within the photo.
    """
    rows, columns = _lines(photo, box)
    inner_rows, inner_columns = (rows >= box.y0) & (rows < box.y1), (columns >= box.x0) & (columns < box.x1)
    inside = (inner_rows[:, None] & inner_columns).ravel()
    prior = np.zeros(inside.shape, np.float32)
    prior[inside] = _prior(label, int(inner_rows.sum()), int(inner_columns.sum())).ravel()

    lab = to_lab(photo[rows[:, None], columns].reshape(-1, 3))
    centres, member = group(lab, np.ones(len(lab), np.float32), _GROUPS)
    own = _posterior(prior, inside, centres, member)
    skin = _is_skin(centres)[member]
    if own[skin].sum() < _MOSTLY * own.sum():
        own = np.where(skin, _SKIN * own, own)
    weight = own[inside] ** 2  # a certain pixel outweighs several doubtful ones
    return Pixels(lab[inside], weight if weight.sum() > 0 else np.ones_like(weight))


def _lines(photo: np.ndarray, box: Box) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the sampling grid over the box and the ring around it."""
    height, width = box.y1 - box.y0, box.x1 - box.x0
    step = max(1, math.ceil(math.sqrt(height * width / _SAMPLES)))
    reach = round(_RING * max(height, width))

    def lines(low: int, side: int, end: int) -> np.ndarray:
        first = low + min(step, side) // 2
        before = (first - max(0, low - reach)) // step
        return np.arange(first - before * step, min(end, low + side + reach), step)

    return lines(box.y0, height, photo.shape[0]), lines(box.x0, width, photo.shape[1])


def _prior(label: str | None, rows: int, columns: int) -> np.ndarray:
    """Probability of the object at each position of its box, (rows, columns) float32."""
    return cv2.resize(_cells(_TENTHS.get(label or "", _ANY)), (columns, rows), interpolation=cv2.INTER_LINEAR)


@lru_cache
def _cells(tenths: str) -> np.ndarray:
    half = np.array([[int(digit) for digit in row] for row in tenths.split()], np.float32) / 10
    return np.hstack([half, half[:, 1::-1]])


def _posterior(prior: np.ndarray, inside: np.ndarray, centres: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Probability that each pixel is the object's, (n,).

    Args:
        prior, inside: (n,).
        centres: (k, 3).
        member: (n,).
    """
    gaps = (((centres[:, None] - centres) * EVEN) ** 2).sum(axis=2)
    near = np.exp(-gaps / (2 * _NEAR**2))
    doubt = np.where(inside, _INSIDE, 1.0)

    def distribution(weight: np.ndarray) -> np.ndarray:
        share: np.ndarray = near @ np.bincount(member, weight, len(centres))
        return share / max(float(share.sum()), 1e-9) + _FLOOR

    own = prior
    for _ in range(_ROUNDS):
        odds = np.clip(distribution(own) / distribution((1 - own) * doubt), 1 / _MAX_ODDS, _MAX_ODDS)[member]
        own = prior * odds / (prior * odds + 1 - prior)
    return own


def _is_skin(lab: np.ndarray) -> np.ndarray:
    """bool (n,): Cb 77 … 127 and Cr 133 … 173 (Chai and Ngan, IEEE Trans. CSVT 9(4), 1999), and lighter than black."""
    ycrcb = cv2.cvtColor(to_rgb(lab).reshape(1, -1, 3), cv2.COLOR_RGB2YCrCb)[0]
    _, cr, cb = ycrcb.T
    skin: np.ndarray = (cr >= 133) & (cr <= 173) & (cb >= 77) & (cb <= 127) & (lab[:, 0] > 25)
    return skin
