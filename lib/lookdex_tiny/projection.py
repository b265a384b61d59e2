"""Solve for the embedder's projection in closed form: the feature directions that distinguish things.

Gradient descent leaves a projection that fits its batches. What is wanted of neighbours can be expressed in second
moments, over all crops at once: a direction is good if things differ a lot and the views of one thing differ little.
`projection` stacks three solutions and keeps the directions with the most variance:

- the existing projection, whitened by the variation within a thing (within-class covariance normalisation: Hatch,
  Kajarekar, Stolcke, 2006);
- the directions in which products differ most relative to their photos (linear discriminant analysis: Fisher, 1936;
  Rao, 1948);
- the labels and categories of things, by ridge regression (Hoerl and Kennard, 1970).

All of it is linear, so the result is a projection like the one before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Shares of the three solutions in a vector's length, and the ridge terms as shares of the mean. Chosen on held-out
# photos among a few values of each; twice or half of them change little.
INSTANCES, LABELS, CATEGORIES = 1.5, 0.4, 0.2
WHITEN_RIDGE, INSTANCE_RIDGE, CLASS_RIDGE = 1.0, 0.1, 0.3
DISCRIMINANTS = 448


@dataclass(frozen=True, slots=True)
class Kind:
    """All crops of one kind of things."""

    features: np.ndarray
    """float64 (n, f), of the tower."""
    thing: np.ndarray
    """int64 (n,), equal for crops of one thing."""
    label: np.ndarray
    """int64 (n,), -1 for none; so is `category`."""
    category: np.ndarray


def projection(before: np.ndarray, products: Kind, real: list[Kind]) -> tuple[np.ndarray, np.ndarray]:
    """Compute a projection of the shape of `before` (d, f), and the map (d, d) from the old vector space to the new.

    The map preserves the cosines of texts with the part of the new space that the old one covers.

    Args:
        products: photos of things distinguished by appearance.
        real: kinds of real things (garments, street), of equal weight; some have labels.

    Raises:
        ValueError: no thing of a kind has two crops.
    """
    features = np.concatenate([crops.features for crops in real])
    spread = _covariance(features)
    dim = len(before)

    whitened = 0.3 * _within_vectors(before, products) + 0.7 * _mean(
        [_within_vectors(before, c) for c in real]
    )
    white = _power(_with_ridge(whitened, WHITEN_RIDGE), -0.5)
    white = white / _length(white @ before, spread)

    within = _with_ridge(_within(products.features, products.thing), INSTANCE_RIDGE)
    narrow = _power(within, -0.5)
    _, found = np.linalg.eigh(narrow @ _covariance(products.features) @ narrow)
    instances = (narrow @ found[:, ::-1][:, :DISCRIMINANTS]).T

    category = np.concatenate([crops.category for crops in real])
    label = np.concatenate([crops.label for crops in real])
    parts = [(1.0, white @ before), (INSTANCES, instances)]
    parts += [(LABELS, _classes(features, label)), (CATEGORIES, _classes(features, category))]
    stacked = np.concatenate([part * weight / _length(part, spread) for weight, part in parts if len(part)])

    seen = _mean([_share(_moment(features)), _share(_moment(products.features))])
    kept, _, _ = np.linalg.svd(stacked @ _power(seen, 0.5))
    turn: np.ndarray = kept[:, :dim].T
    return turn @ stacked, turn[:, :dim] @ np.linalg.inv(white)


def _within_vectors(before: np.ndarray, crops: Kind) -> np.ndarray:
    vectors = crops.features @ before.T
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return _within(unit, crops.thing)


def _within(values: np.ndarray, thing: np.ndarray) -> np.ndarray:
    """Covariance of values (n, f) around the mean of their thing."""
    _, number, count = np.unique(thing, return_inverse=True, return_counts=True)
    if len(count) == 0 or count.max() < 2:
        raise ValueError("no thing has two crops, so the variation within things is unknown")
    means = np.zeros((len(count), values.shape[1]))
    np.add.at(means, number, values)
    return _moment(values - (means / count[:, None])[number])


def _classes(features: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The directions (classes, f) that separate each class from the others; rare classes are weighted up."""
    known = classes >= 0
    if not known.any():
        return np.zeros((0, features.shape[1]))
    names, number, count = np.unique(classes[known], return_inverse=True, return_counts=True)
    weight = count[number] ** -0.5
    weight /= weight.mean()
    truth = np.eye(len(names))[number]
    x = features[known] - np.average(features[known], axis=0, weights=weight)
    y = truth - np.average(truth, axis=0, weights=weight)
    moment = (x * weight[:, None]).T @ x / len(x)
    found: np.ndarray = np.linalg.solve(
        _with_ridge(moment, CLASS_RIDGE), (x * weight[:, None]).T @ y / len(x)
    )
    return found.T


def _covariance(values: np.ndarray) -> np.ndarray:
    return _moment(values - values.mean(axis=0))


def _moment(values: np.ndarray) -> np.ndarray:
    moment: np.ndarray = values.T @ values / len(values)
    return moment


def _share(matrix: np.ndarray) -> np.ndarray:
    share: np.ndarray = matrix / np.trace(matrix)
    return share


def _mean(matrices: list[np.ndarray]) -> np.ndarray:
    mean: np.ndarray = np.mean(matrices, axis=0)
    return mean


def _with_ridge(matrix: np.ndarray, share: float) -> np.ndarray:
    lifted: np.ndarray = matrix + share * np.trace(matrix) / len(matrix) * np.eye(len(matrix))
    return lifted


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """Power of a positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    powered: np.ndarray = (vectors * np.maximum(values, 1e-12) ** exponent) @ vectors.T
    return powered


def _length(part: np.ndarray, spread: np.ndarray) -> float:
    """Root mean square length that a part (m, f) gives to features of this covariance."""
    return float(np.sqrt(np.einsum("ij,jk,ik->", part, spread, part, optimize=True)))
