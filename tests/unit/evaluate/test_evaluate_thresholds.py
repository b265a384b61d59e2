"""Thresholds: an example computed by hand, and properties for any cases."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex.catalog import json_codec
from lookdex.evaluate.calibration import Case, calibrate, find_highest
from lookdex.records import Thresholds
from tests.fakes import recipe

similarity = st.integers(-100, 100).map(lambda n: n / 100)  # coarse: ties are common
shares = st.sampled_from([0.05, 0.5, 0.9, 0.95, 1.0])
cases = st.lists(
    st.builds(Case, st.sampled_from(["bag", "shoes"]), st.none() | similarity, st.none() | similarity),
    max_size=60,
)


def calibrated(found: list[Case], keep: float = 0.95, least: int = 20) -> Thresholds | None:
    return calibrate(found, recipe(), None, keep, least)


def test_thresholds_computed_by_hand() -> None:
    bags = [Case("bag", 0.5 + n / 100, 0.4 + n / 100) for n in range(20)]  # 0.50 … 0.69, wrong 0.40 … 0.59
    shoes = [Case("shoes", 0.9, 0.55), Case("shoes", None, 0.45)]
    thresholds = calibrated(bags + shoes)
    assert thresholds is not None
    assert thresholds.all is not None
    bag, shoe = thresholds.by_category["bag"], thresholds.by_category["shoes"]
    assert (bag.similarity, bag.kept, bag.pooled) == (0.51, 0.95, False)  # one of 20 may be lost
    assert bag.false_accepts == pytest.approx(9 / 20)  # 0.51 … 0.59
    # Two shoes are too few: their threshold keeps 20 of all 21 right matches.
    assert (shoe.similarity, shoe.pooled) == (thresholds.all.similarity, True)
    assert thresholds.all.similarity == 0.51
    assert (shoe.kept, shoe.false_accepts, shoe.right, shoe.wrong) == (1.0, 0.5, 1, 2)


def test_without_right_matches_there_is_no_threshold() -> None:
    assert calibrated([Case("bag", None, 0.3)]) is None
    with pytest.raises(ValueError, match="at least one right match"):
        find_highest([], 0.95)


@given(st.lists(similarity, min_size=1, max_size=60), shares)
def test_the_threshold_is_the_highest_that_keeps_enough(right: list[float], keep: float) -> None:
    threshold = find_highest(right, keep)

    def kept(limit: float) -> float:
        return sum(value >= limit for value in right) / len(right)

    assert threshold in right
    assert kept(threshold) >= keep - 1e-9
    above = [value for value in right if value > threshold]
    assert not above or kept(min(above)) < keep
    assert find_highest(right, 1.0) == min(right)


@given(cases, shares)
def test_categories_with_few_right_matches_share_a_threshold(found: list[Case], keep: float) -> None:
    thresholds = calibrated(found, keep, least=3)
    assert (thresholds is None) == all(case.right is None for case in found)
    if thresholds is None:
        return
    assert thresholds.all is not None
    for category, threshold in thresholds.by_category.items():
        of_category = [case for case in found if case.category == category]
        assert threshold.right == sum(case.right is not None for case in of_category)
        assert threshold.wrong == sum(case.wrong is not None for case in of_category)
        assert threshold.pooled == (threshold.right < 3)
        if threshold.pooled:
            assert threshold.similarity == thresholds.all.similarity
        else:
            assert threshold.kept is not None
            assert threshold.kept >= keep - 1e-9
        assert (threshold.false_accepts is None) == (threshold.wrong == 0)


@given(cases, shares, st.randoms())
def test_thresholds_do_not_depend_on_the_order_of_the_cases(
    found: list[Case], keep: float, random: Random
) -> None:
    shuffled = random.sample(found, len(found))
    assert calibrated(shuffled, keep, least=3) == calibrated(found, keep, least=3)


def test_thresholds_can_be_stored_as_json() -> None:
    thresholds = calibrated([Case("bag", 0.75, 0.5)])
    assert thresholds is not None
    text = json_codec.to_json(thresholds)
    assert b'"format": 2' in text
    assert json_codec.from_json(Thresholds, text) == thresholds
