"""Retrieval quality of vectors: recall@k, mean average precision, label of the nearest neighbour."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

KS = (1, 5, 10)
_CELLS = 4_000_000  # similarities per block: 16 MB of float32, about five times that while sorting


@dataclass(frozen=True, slots=True)
class LabelledVectors:
    """Vectors and their labels."""

    vectors: np.ndarray
    """float32 (n, dim), unit length."""
    labels: Sequence[str]
    """n names; equal names are the same thing."""
    groups: Sequence[str] | None = None
    """n names or None; a query never matches items of its own group (same sender, same photo)."""

    def __post_init__(self) -> None:
        n = len(self.vectors)
        if self.vectors.ndim != 2 or len(self.labels) != n or len(self.groups or self.labels) != n:
            raise ValueError(
                f"{n} vectors, {len(self.labels)} labels, {len(self.groups or self.labels)} groups"
            )


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Results of `retrieve`.

    Recall and mean AP are over the `queries` that have a right item in the gallery; `unanswerable` counts the others.
    """

    recall: dict[int, float]
    """For each k, the share of queries with a right item among the k nearest."""
    mean_ap: float
    """Mean average precision over the whole ranking."""
    nearest: float
    """Share of all queries, answerable or not, whose nearest item has their label."""
    queries: int
    unanswerable: int
    gallery: int
    by_label: dict[str, tuple[float, int]]  # recall@1 and queries
    agreed: dict[str, int]
    """The same as a count per label."""
    confused: tuple[tuple[str, str, int], ...]
    """(label, label of the nearest item, count), most frequent first."""


def retrieve(queries: LabelledVectors, gallery: LabelledVectors | None = None) -> Retrieval:
    """Rank the gallery for each query by cosine similarity; ties keep the gallery's order.

    Args:
        gallery: None ranks the queries against each other, without themselves.
    """
    exclude_self = gallery is None
    gallery = gallery or queries
    names, query_labels, item_labels = _numbers(queries, gallery)
    n, m = len(query_labels), len(item_labels)
    first = np.full(n, m, np.int64)  # rank of the first right item, from 0
    precision, right, nearest = np.zeros(n), np.zeros(n, np.int64), np.full(n, -1, np.int64)
    for rows, similar in _blocks(queries, gallery, exclude_self):
        order = np.argsort(-similar, axis=1, kind="stable")
        ranked_out = np.isneginf(np.take_along_axis(similar, order, axis=1))
        hits = (item_labels[order] == query_labels[rows, None]) & ~ranked_out
        right[rows] = hits.sum(axis=1)
        at = np.cumsum(hits, axis=1) / np.arange(1, m + 1)
        precision[rows] = (at * hits).sum(axis=1) / np.maximum(right[rows], 1)
        if m:
            first[rows] = np.where(right[rows] > 0, hits.argmax(axis=1), m)
            nearest[rows] = np.where(ranked_out[:, 0], -1, item_labels[order[:, 0]])
    able = right > 0
    label_pairs = Counter((names[a], names[b]) for a, b in zip(query_labels, nearest, strict=True) if b >= 0)
    return Retrieval(
        recall={k: _mean(first[able] < k) for k in KS},
        mean_ap=_mean(precision[able]),
        nearest=_mean(nearest == query_labels),
        queries=int(able.sum()),
        unanswerable=int((~able).sum()),
        gallery=m,
        by_label={
            label: (_mean(first[able & (query_labels == i)] < 1), int((able & (query_labels == i)).sum()))
            for label, i in sorted(zip(names, range(len(names)), strict=True))
            if (able & (query_labels == i)).any()
        },
        agreed={label: label_pairs[label, label] for label in sorted(names)},
        confused=tuple((a, b, count) for (a, b), count in label_pairs.most_common() if a != b),
    )


@dataclass(frozen=True, slots=True)
class Mistake:
    """A query whose nearest item is wrong. Items are gallery indexes with their similarity (-1 … 1)."""

    query: int
    wrong: tuple[tuple[int, float], ...]
    """The nearest wrong items, nearest first."""
    right: tuple[int, float]
    """The nearest right one."""

    @property
    def margin(self) -> float:
        """Similarity of the nearest item minus that of the nearest right item."""
        return self.wrong[0][1] - self.right[1]


def mistakes(
    queries: LabelledVectors, gallery: LabelledVectors | None = None, limit: int = 8, shown: int = 5
) -> list[Mistake]:
    """Return up to `limit` answerable queries whose nearest item is wrong, largest margin first."""
    exclude_self = gallery is None
    gallery = gallery or queries
    _, query_labels, item_labels = _numbers(queries, gallery)
    found: list[Mistake] = []
    for rows, similar in _blocks(queries, gallery, exclude_self):
        same = item_labels[None] == query_labels[rows, None]
        best_right = np.where(same, similar, -np.inf)
        margin = np.where(same, -np.inf, similar).max(axis=1) - best_right.max(axis=1)
        for row in np.flatnonzero(np.isfinite(margin) & (margin > 0)):
            others = np.where(same[row], -np.inf, similar[row])
            wrong = np.argsort(-others, kind="stable")[:shown]
            right = int(best_right[row].argmax())
            near = tuple((int(i), float(others[i])) for i in wrong if np.isfinite(others[i]))
            found.append(Mistake(int(rows[row]), near, (right, float(similar[row, right]))))
        found = sorted(found, key=lambda mistake: -mistake.margin)[:limit]
    return found


def interval(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share measured on n cases (Wilson, 1927); (0, 1) if n is 0."""
    if not n:
        return 0.0, 1.0
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _numbers(queries: LabelledVectors, gallery: LabelledVectors) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Encode labels as integers: (labels, those of the queries, those of the gallery)."""
    names: dict[str, int] = {}
    query_labels = np.array([names.setdefault(label, len(names)) for label in queries.labels], np.int64)
    item_labels = np.array([names.setdefault(label, len(names)) for label in gallery.labels], np.int64)
    return list(names), query_labels, item_labels


def _blocks(
    queries: LabelledVectors, gallery: LabelledVectors, exclude_self: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (query indexes, their similarities to every item); -inf marks items that a query must not match."""
    groups = _groups(queries, gallery)
    n, m = len(queries.vectors), len(gallery.vectors)
    block = max(1, _CELLS // max(m, 1))
    for start in range(0, n, block):
        rows = np.arange(start, min(start + block, n))
        similar = queries.vectors[rows] @ gallery.vectors.T
        if groups is not None:
            similar[groups[0][rows, None] == groups[1][None]] = -np.inf
        if exclude_self:
            similar[np.arange(len(rows)), rows] = -np.inf
        yield rows, similar


def _groups(queries: LabelledVectors, gallery: LabelledVectors) -> tuple[np.ndarray, np.ndarray] | None:
    if queries.groups is None or gallery.groups is None:
        return None
    names: dict[str, int] = {}
    both = [[names.setdefault(g, len(names)) for g in groups] for groups in (queries.groups, gallery.groups)]
    return np.array(both[0]), np.array(both[1])


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else 0.0
