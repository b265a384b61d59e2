"""Recall, average precision and neighbours, against slow reference implementations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.evaluate import retrieval
from lookdex.evaluate.retrieval import KS, LabelledVectors, interval, retrieve


def unit(n: int, seed: int, dim: int = 4) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def slowly(
    queries: LabelledVectors, gallery: LabelledVectors, alone: bool
) -> tuple[dict[int, float], float, float, int]:
    """The definitions, one query at a time."""
    recalls, precisions, nearest = {k: [] for k in KS}, [], []
    for q, label in enumerate(queries.labels):
        ranked = []
        for g in np.argsort(-(gallery.vectors @ queries.vectors[q]), kind="stable"):
            same_group = queries.groups is not None and queries.groups[q] == gallery.groups[g]
            if not same_group and not (alone and g == q):
                ranked.append(gallery.labels[g])
        nearest.append(bool(ranked) and ranked[0] == label)
        if label not in ranked:
            continue
        hits = [i for i, other in enumerate(ranked, 1) if other == label]
        for k in KS:
            recalls[k].append(hits[0] <= k)
        precisions.append(np.mean([n / rank for n, rank in enumerate(hits, 1)]))

    def mean(values: list) -> float:
        return float(np.mean(values)) if values else 0.0

    return {k: mean(v) for k, v in recalls.items()}, mean(precisions), mean(nearest), len(precisions)


labels = st.lists(st.sampled_from("abc"), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(labels, labels, st.booleans(), st.booleans(), st.integers(0, 99))
def test_agrees_with_the_definitions(
    asked: list[str], held: list[str], alone: bool, grouped: bool, seed: int
) -> None:
    def side(names: list[str], seed: int) -> LabelledVectors:
        groups = [str(i % 3) for i in range(len(names))] if grouped else None
        return LabelledVectors(unit(len(names), seed), names, groups)

    queries = side(asked, seed)
    gallery = queries if alone else side(held, seed + 1)
    score = retrieve(queries) if alone else retrieve(queries, gallery)
    recall, mean_ap, nearest, able = slowly(queries, gallery, alone)
    assert score.recall == pytest.approx(recall)
    assert score.mean_ap == pytest.approx(mean_ap)
    assert score.nearest == pytest.approx(nearest)
    assert (score.queries, score.unanswerable) == (able, len(asked) - able)
    assert sum(n for _, n in score.by_label.values()) == able
    assert sum(n for *_, n in score.confused) <= len(asked) - round(score.nearest * len(asked))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    side = LabelledVectors(unit(50, 1), [str(i % 7) for i in range(50)], [str(i % 5) for i in range(50)])
    whole = retrieve(side)
    monkeypatch.setattr(retrieval, "_CELLS", 120)
    assert retrieve(side) == whole


def test_a_known_ranking() -> None:
    gallery = LabelledVectors(
        np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1]], np.float32), ["x", "a", "x", "a"]
    )
    score = retrieve(LabelledVectors(np.array([[1, 0]], np.float32), ["a"]), gallery)
    assert score.recall == {1: 0.0, 5: 1.0, 10: 1.0}
    assert score.mean_ap == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert score.confused == (("a", "x", 1),)


def test_nothing_to_answer_with() -> None:
    score = retrieve(LabelledVectors(unit(1, 0), ["a"]))
    assert (score.queries, score.unanswerable, score.recall[10], score.nearest) == (0, 1, 0.0, 0.0)


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="2 vectors, 1 labels"):
        LabelledVectors(unit(2, 0), ["a"])


def test_interval_holds_the_share_and_narrows() -> None:
    assert interval(0.5, 0) == (0.0, 1.0)
    assert interval(0.9, 100) == pytest.approx((0.8256, 0.9448), abs=1e-4)  # Wilson's, from a table
    few, many = interval(0.8, 20), interval(0.8, 2000)
    assert few[0] < many[0] < 0.8 < many[1] < few[1]
