"""From which similarity a match is good, and from which score a label is believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lookdex.records import Threshold, Thresholds, Trust
from tests.fakes import recipe

TRUST = Trust(right=0.99, all=0.6, by_label={"top": 0.4, "sure": 1.0, "never": 1.5})


def threshold(similarity: float) -> Threshold:
    return Threshold(similarity, kept=0.9, false_accepts=0.1, right=50, wrong=50, pooled=False)


THRESHOLDS = Thresholds(0.95, 20, "embedder", "e", threshold(0.7), {"top": threshold(0.5)}, "detector", "d")


@pytest.mark.parametrize(
    ("label", "score", "believed"),
    [
        ("top", 0.4, True),
        ("top", 0.39, False),
        ("bag", 0.6, True),
        ("bag", 0.59, False),
        ("never", 1.0, False),
    ],
)
def test_a_label_is_believed_from_its_score_on(label: str, score: float, believed: bool) -> None:
    assert TRUST.believes(label, score) is believed


@pytest.mark.parametrize(
    ("label", "shown"), [("top", "0.40"), ("bag", "0.60"), ("sure", "1.00"), ("never", "never")]
)
def test_scores_are_shown_with_two_digits(label: str, shown: str) -> None:
    assert TRUST.shown(label) == shown


@pytest.mark.parametrize(("category", "similarity"), [("top", 0.5), ("bag", 0.7), (None, 0.7)])
def test_a_category_without_a_threshold_has_that_of_all(category: str | None, similarity: float) -> None:
    assert THRESHOLDS.similarity(category) == similarity
    only_top = replace(THRESHOLDS, all=None)
    assert only_top.similarity(category) == (0.5 if category == "top" else None)


@pytest.mark.parametrize(
    ("embedder", "detector", "fits"),
    [
        ("e", "d", True),
        ("", "d", True),
        ("e", "", True),
        ("", "", True),
        ("x", "d", False),
        ("e", "x", False),
        ("d", "e", False),
        ("x", "", False),
        ("", "x", False),
    ],
)
def test_thresholds_fit_the_models_they_were_measured_with(embedder: str, detector: str, fits: bool) -> None:
    measured = replace(THRESHOLDS, embedder_digest=embedder, detector_digest=detector)
    assert measured.fits(replace(recipe(), embedder_digest="e", detector_digest="d")) is fits
