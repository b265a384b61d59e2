"""Trust in the detector's labels: an example computed by hand, and properties for any objects."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex.evaluate.label_trust import NEVER, RankedDetection, calibrate, compare, find_lowest
from lookdex.records import Trust

scores = st.integers(0, 20).map(lambda n: n / 20)  # coarse: ties are common
ranks = st.none() | st.integers(1, 10)
labels = st.sampled_from(["top", "bag"])
objects = st.lists(
    st.builds(RankedDetection, labels, labels, scores, ranks, ranks),
    max_size=60,
)


def ranked(
    category: str, label: str, score: float, everywhere: int | None = 1, own: int | None = 1
) -> RankedDetection:
    return RankedDetection(category, label, score, everywhere, own)


@dataclass(frozen=True)
class Example:
    detections: list[RankedDetection]
    trust: Trust


@pytest.fixture
def example() -> Example:
    tops = [ranked("top", "top", 0.5 + n / 100) for n in range(40)]  # 0.50 … 0.89
    dresses = [ranked("dress", "top", 0.6), ranked("dress", "top", 0.3, 4, None)]
    bags = [ranked("bag", "bag", 0.2)]
    detections = [*tops, *dresses, *bags]
    trust = calibrate(detections, right=0.96)
    assert trust is not None
    return Example(detections, trust)


def test_a_label_is_believed_from_the_score_at_which_it_is_right_often_enough(example: Example) -> None:
    # From 0.30 on 40 of 42 tops are tops (0.952), from 0.50 on 40 of 41.
    assert example.trust.by_label == {"top": 0.5}
    assert example.trust.believes("top", 0.5)
    assert not example.trust.believes("top", 0.49)


def test_a_rare_label_is_believed_like_all_labels_together(example: Example) -> None:
    assert example.trust.all == 0.5  # with the lower scores 41 of 43 are right
    assert example.trust.believes("bag", 0.5)
    assert not example.trust.believes("bag", 0.49)


def test_policies_compared_by_hand(example: Example) -> None:
    everywhere, own, ruled = compare(example.detections, example.trust)
    assert (everywhere.own, own.own) == (0.0, 1.0)
    assert ruled.own == pytest.approx(41 / 43)
    assert [p.recall.among_k for p in (everywhere, own, ruled)] == [1.0, pytest.approx(42 / 43), 1.0]
    assert everywhere.recall.first == pytest.approx(42 / 43)


def test_a_label_that_is_never_right_is_never_believed() -> None:
    wrong = [ranked("dress", "top", 0.9)] * 30
    trust = calibrate(wrong)
    assert trust is not None
    assert trust.by_label == {"top": NEVER}
    assert not trust.believes("top", 1.0)


def test_without_detections_there_is_no_trust() -> None:
    assert calibrate([]) is None


@given(objects, st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_the_lowest_score_is_that_of_the_definition(detections: list[RankedDetection], right: float) -> None:
    def right_often_enough(score: float) -> bool:
        reached = [d.label == d.category for d in detections if d.score >= score]
        return sum(reached) >= right * len(reached) - 1e-9

    scores = [d.score for d in detections if right_often_enough(d.score)]
    assert find_lowest(detections, right) == min(scores, default=NEVER)


@given(objects)
def test_the_policy_searches_the_category_if_the_label_is_believed_and_everywhere_if_not(
    detections: list[RankedDetection],
) -> None:
    trust = calibrate(detections, least=3)
    if trust is None:
        return
    for detection in detections:
        everywhere, own, ruled = compare([detection], trust)
        chosen = own if trust.believes(detection.label, detection.score) else everywhere
        assert replace(ruled, name="", own=0) == replace(chosen, name="", own=0)
