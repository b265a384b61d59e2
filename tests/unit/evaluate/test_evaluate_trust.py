"""Trust in labels: the rule by hand, and its guarantees for any objects."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex.evaluate.trust import NEVER, RankedDetection, calibrate, compare, lowest

scores = st.integers(0, 20).map(lambda n: n / 20)  # coarse: ties are common
ranks = st.none() | st.integers(1, 10)
objects = st.lists(
    st.builds(
        RankedDetection,
        st.sampled_from(["top", "bag"]),
        st.sampled_from(["top", "bag"]),
        scores,
        ranks,
        ranks,
    ),
    max_size=60,
)


def seen(
    category: str, label: str, score: float, everywhere: int | None = 1, own: int | None = 1
) -> RankedDetection:
    return RankedDetection(category, label, score, everywhere, own)


def test_by_hand() -> None:
    tops = [seen("top", "top", 0.5 + n / 100) for n in range(40)]  # 0.50 … 0.89
    dresses = [seen("dress", "top", 0.6), seen("dress", "top", 0.3, 4, None)]
    bags = [seen("bag", "bag", 0.2)]
    trust = calibrate([*tops, *dresses, *bags], right=0.96)
    assert trust is not None
    # From 0.30 on 40 of 42 tops are tops (0.952), from 0.50 on 40 of 41.
    assert trust.by_label == {"top": 0.5}
    assert trust.all == 0.5  # with the lower ones 41 of 43 are right
    assert trust.believes("top", 0.5)
    assert not trust.believes("top", 0.49)
    assert trust.believes("bag", 0.5)  # of one bag nothing can be said: as all together
    assert not trust.believes("bag", 0.49)
    everywhere, own, ruled = compare([*tops, *dresses, *bags], trust)
    assert (everywhere.own, own.own) == (0.0, 1.0)
    assert ruled.own == pytest.approx(41 / 43)
    assert [p.recall.among_k for p in (everywhere, own, ruled)] == [1.0, pytest.approx(42 / 43), 1.0]
    assert everywhere.recall.first == pytest.approx(42 / 43)


def test_a_label_that_is_never_right_is_never_believed() -> None:
    wrong = [seen("dress", "top", 0.9)] * 30
    trust = calibrate(wrong)
    assert trust is not None
    assert trust.by_label == {"top": NEVER}
    assert not trust.believes("top", 1.0)
    assert calibrate([]) is None


@given(objects, st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_lowest_score_is_right_often_enough(told: list[RankedDetection], right: float) -> None:
    found = lowest(told, right)

    def holds(score: float) -> bool:
        reached = [one.label == one.category for one in told if one.score >= score]
        return bool(reached) and sum(reached) >= right * len(reached) - 1e-9

    fitting = [one.score for one in told if holds(one.score)]
    assert found == min(fitting, default=NEVER)


@given(objects)
def test_policy_is_between_all_and_own(told: list[RankedDetection]) -> None:
    trust = calibrate(told, least=3)
    if trust is None:
        return
    for one, policy in zip(told, [compare([one], trust) for one in told], strict=True):
        everywhere, own, ruled = policy
        chosen = own if trust.believes(one.label, one.score) else everywhere
        assert replace(ruled, name="", own=0) == replace(chosen, name="", own=0)
