"""When a shard stops because too many photos are lost, and the message for it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lookdex.index.fetch import Bad, Cost
from lookdex.index.loss_limit import MIN_JUDGED, describe_losses, max_lost
from lookdex.index.supply import IN_A_ROW, Supply
from lookdex.records import Example, ImageRef, Reason, Status

REFS = [ImageRef(f"{n}.jpg", "1", 9, (), None) for n in range(4)]


def bad(reason: Reason) -> Bad:
    status = Status.REJECTED if reason is Reason.CORRUPT else Status.FAILED
    return Bad(REFS[0], status, reason, Cost())


def after(reasons: Sequence[Reason], most: int | None) -> Supply:
    """A supply after these outcomes."""
    supply = Supply(REFS, most)
    for reason in reasons:
        outcome = bad(reason)
        assert supply.record(outcome) is outcome
    return supply


@pytest.mark.parametrize(
    ("planned", "most"),
    [(MIN_JUDGED - 1, None), (MIN_JUDGED, 5), (59, 5), (60, 6), (1_000, 100)],
)
def test_a_share_of_the_planned_photos_may_be_lost(planned: int, most: int | None) -> None:
    assert max_lost(planned, 0.1) == most


@pytest.mark.parametrize(
    ("lost", "harmless", "spent"),
    [(6, MIN_JUDGED - 6, True), (5, MIN_JUDGED, False), (6, MIN_JUDGED - 7, False), (0, MIN_JUDGED, False)],
)
def test_a_supply_is_spent_when_more_are_lost_than_may_be(lost: int, harmless: int, spent: bool) -> None:
    reasons = [*[Reason.CORRUPT] * lost, *[Reason.ARCHIVED] * harmless]
    assert after(reasons, 5).spent is spent
    assert not after(reasons, None).spent


def test_a_supply_is_spent_when_many_photos_in_a_row_are_unavailable() -> None:
    down = [Reason.UNAVAILABLE] * (IN_A_ROW - 1)
    assert not after(down, 10**6).spent
    assert after([*down, Reason.UNAVAILABLE], 10**6).spent
    assert not after([*down, Reason.CORRUPT, *down], 10**6).spent
    assert not after([*down, Reason.UNAVAILABLE], None).spent


def test_photos_are_handed_out_until_the_supply_is_spent() -> None:
    supply = after([], most=0)
    photos = iter(supply)
    assert [next(photos), next(photos)] == REFS[:2]
    for _ in range(MIN_JUDGED):
        supply.record(bad(Reason.CORRUPT))
    assert list(photos) == []
    assert list(supply.rest) == REFS[2:]
    assert (len(supply), supply[3]) == (4, REFS[3])


def test_a_supply_that_is_never_spent_hands_out_all_photos() -> None:
    supply = after([], most=None)
    assert list(supply) == REFS
    assert list(supply.rest) == []


def test_losses_are_counted_by_reason_with_an_example_of_the_most_frequent() -> None:
    reasons: dict[str, int] = {Reason.CORRUPT: 2, Reason.DENIED: 0, Reason.UNAVAILABLE: 1_029}
    examples = [Example("a.jpg", Reason.CORRUPT, "broken"), Example("b.jpg", Reason.UNAVAILABLE, "timeout")]
    words = describe_losses(1_031, 2_000, 9_000, reasons, examples)
    assert words == (
        "1,031 of 2,000 photos seen so far (9,000 are planned) were rejected or failed "
        f"(1,029 unavailable, 2 corrupt). One of them is {examples[1].words}"
    )
    assert (
        describe_losses(2, 90, 90, {Reason.CORRUPT: 2}, [])
        == "2 of 90 photos were rejected or failed (2 corrupt)"
    )
