"""Thresholds: the rule by hand, and its guarantees for any cases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex.catalog import json_codec
from lookdex.evaluate.thresholds import Case, calibrate, highest
from lookdex.records import Thresholds
from tests.fakes import recipe

similarity = st.integers(-100, 100).map(lambda n: n / 100)  # coarse: ties are common
shares = st.sampled_from([0.05, 0.5, 0.9, 0.95, 1.0])
cases = st.lists(
    st.builds(Case, st.sampled_from(["bag", "shoes"]), st.none() | similarity, st.none() | similarity),
    max_size=60,
)


def told(found: list[Case], keep: float = 0.95, least: int = 20) -> Thresholds | None:
    return calibrate(found, recipe(), None, keep, least)


def test_by_hand() -> None:
    bags = [Case("bag", 0.5 + n / 100, 0.4 + n / 100) for n in range(20)]  # 0.50 … 0.69, wrong 0.40 … 0.59
    shoes = [Case("shoes", 0.9, 0.55), Case("shoes", None, 0.45)]
    made = told(bags + shoes)
    assert made is not None
    bag, shoe = made.by_category["bag"], made.by_category["shoes"]
    assert (bag.similarity, bag.kept, bag.pooled) == (0.51, 0.95, False)  # one of twenty may be lost
    assert bag.false_accepts == pytest.approx(9 / 20)  # 0.51 … 0.59
    # Two shoes are too few: their threshold keeps 20 of all 21 right ones.
    assert (shoe.similarity, shoe.pooled) == (made.all.similarity, True)
    assert made.all.similarity == 0.51
    assert (shoe.kept, shoe.false_accepts, shoe.right, shoe.wrong) == (1.0, 0.5, 1, 2)


def test_nothing_right_nothing_to_keep() -> None:
    assert told([Case("bag", None, 0.3)]) is None
    with pytest.raises(ValueError, match="at least one right match"):
        highest([], 0.95)


@given(st.lists(similarity, min_size=1, max_size=60), shares)
def test_it_is_the_highest_that_keeps_enough(right: list[float], keep: float) -> None:
    threshold = highest(right, keep)

    def kept(limit: float) -> float:
        return sum(value >= limit for value in right) / len(right)

    assert threshold in right
    assert kept(threshold) >= keep - 1e-9
    above = [value for value in right if value > threshold]
    assert not above or kept(min(above)) < keep
    assert highest(right, 1.0) == min(right)


@given(cases, shares, st.randoms())
def test_counts_pooling_and_order(found: list[Case], keep: float, random) -> None:
    made = told(found, keep, least=3)
    assert (made is None) == all(case.right is None for case in found)
    if made is None:
        return
    for category, one in made.by_category.items():
        own = [case for case in found if case.category == category]
        assert one.right == sum(case.right is not None for case in own)
        assert one.wrong == sum(case.wrong is not None for case in own)
        assert one.pooled == (one.right < 3)
        assert one.similarity == made.all.similarity if one.pooled else one.kept >= keep - 1e-9
        assert (one.false_accepts is None) == (one.wrong == 0)
    shuffled = list(found)
    random.shuffle(shuffled)
    assert told(shuffled, keep, least=3) == made


def test_the_record_is_kept_as_json() -> None:
    made = told([Case("bag", 0.75, 0.5)])
    assert made is not None
    text = json_codec.to_json(made)
    assert b'"format": 2' in text
    assert json_codec.from_json(Thresholds, text) == made
