"""Recall, average precision and nearest neighbours, compared with a slow reference implementation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.evaluate import retrieval
from lookdex.evaluate.retrieval import KS, LabelledVectors, interval, retrieve


def unit_vectors(n: int, seed: int, dim: int = 4) -> np.ndarray:
    vectors: np.ndarray = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


@dataclass(frozen=True)
class Reference:
    """The definitions, computed for one query at a time. queries: those that can be answered."""

    recall: dict[int, float]
    mean_ap: float
    nearest: float
    queries: int


def reference(queries: LabelledVectors, gallery: LabelledVectors, leave_one_out: bool) -> Reference:
    recalls: dict[int, list[bool]] = {k: [] for k in KS}
    precisions: list[float] = []
    nearest: list[bool] = []
    for q, label in enumerate(queries.labels):
        ranked = []
        for g in np.argsort(-(gallery.vectors @ queries.vectors[q]), kind="stable"):
            same_group = queries.groups and gallery.groups and queries.groups[q] == gallery.groups[g]
            if not same_group and not (leave_one_out and g == q):
                ranked.append(gallery.labels[g])
        nearest.append(bool(ranked) and ranked[0] == label)
        if label not in ranked:
            continue
        hits = [i for i, other in enumerate(ranked, 1) if other == label]
        for k in KS:
            recalls[k].append(hits[0] <= k)
        precisions.append(float(np.mean([n / rank for n, rank in enumerate(hits, 1)])))

    def mean(values: Sequence[float]) -> float:
        return float(np.mean(values)) if values else 0.0

    recall = {k: mean(hit) for k, hit in recalls.items()}
    return Reference(recall, mean(precisions), mean(nearest), len(precisions))


labels = st.lists(st.sampled_from("abc"), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(labels, labels, st.booleans(), st.booleans(), st.integers(0, 99))
def test_scores_agree_with_their_definitions(
    query_labels: list[str], gallery_labels: list[str], leave_one_out: bool, grouped: bool, seed: int
) -> None:
    def vectors(names: list[str], seed: int) -> LabelledVectors:
        groups = [str(i % 3) for i in range(len(names))] if grouped else None
        return LabelledVectors(unit_vectors(len(names), seed), names, groups)

    queries = vectors(query_labels, seed)
    gallery = queries if leave_one_out else vectors(gallery_labels, seed + 1)
    score = retrieve(queries) if leave_one_out else retrieve(queries, gallery)
    expected = reference(queries, gallery, leave_one_out)
    total = len(query_labels)
    assert score.recall == pytest.approx(expected.recall)
    assert score.mean_ap == pytest.approx(expected.mean_ap)
    assert score.nearest == pytest.approx(expected.nearest)
    assert (score.queries, score.unanswerable) == (expected.queries, total - expected.queries)
    assert sum(n for _, n in score.by_label.values()) == expected.queries
    assert sum(n for *_, n in score.confused) <= total - round(score.nearest * total)


def test_scores_do_not_depend_on_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = LabelledVectors(
        unit_vectors(50, 1), [str(i % 7) for i in range(50)], [str(i % 5) for i in range(50)]
    )
    in_one_block = retrieve(vectors)
    monkeypatch.setattr(retrieval, "_CELLS", 120)
    assert retrieve(vectors) == in_one_block


def test_the_scores_of_a_ranking_computed_by_hand() -> None:
    gallery = LabelledVectors(
        np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1]], np.float32), ["x", "a", "x", "a"]
    )
    score = retrieve(LabelledVectors(np.array([[1, 0]], np.float32), ["a"]), gallery)
    assert score.recall == {1: 0.0, 5: 1.0, 10: 1.0}
    assert score.mean_ap == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert score.confused == (("a", "x", 1),)


def test_a_query_without_a_gallery_is_unanswerable() -> None:
    score = retrieve(LabelledVectors(unit_vectors(1, 0), ["a"]))
    assert (score.queries, score.unanswerable, score.recall[10], score.nearest) == (0, 1, 0.0, 0.0)


def test_vectors_and_labels_must_be_equally_many() -> None:
    with pytest.raises(ValueError, match="2 vectors, 1 labels"):
        LabelledVectors(unit_vectors(2, 0), ["a"])


def test_the_interval_of_a_share_is_wilsons() -> None:
    assert interval(0.5, 0) == (0.0, 1.0)
    assert interval(0.9, 100) == pytest.approx((0.8256, 0.9448), abs=1e-4)  # from a table


def test_the_interval_of_a_share_contains_it_and_narrows_with_more_cases() -> None:
    few, many = interval(0.8, 20), interval(0.8, 2000)
    assert few[0] < many[0] < 0.8 < many[1] < few[1]
