"""Hand out the photos of a shard, and stop when too many are lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from lookdex.index.fetch import Bad, Fetched
from lookdex.index.loss_limit import MIN_JUDGED
from lookdex.index.shard_writer import Outcome
from lookdex.records import NO_LOSS, ImageRef, Reason

IN_A_ROW = 50  # consecutive unavailable photos after which the source counts as down

Some = TypeVar("Some", Fetched, Outcome)


class Supply(Sequence[ImageRef]):
    """The photos of a shard, one by one, until so many are lost that the night would be refused.

    max_lost: limit of the whole night; None: never stop. Photos are handed out before the outcomes of earlier ones are
    known.
    """

    def __init__(self, refs: Sequence[ImageRef], max_lost: int | None = None) -> None:
        self._refs, self._most = refs, max_lost
        self._taken = self._seen = self._lost = self._in_a_row = 0

    def __len__(self) -> int:
        return len(self._refs)

    def __getitem__(self, index: Any) -> Any:
        return self._refs[index]

    def __iter__(self) -> Iterator[ImageRef]:
        while self._taken < len(self._refs) and not self.spent:
            self._taken += 1
            yield self._refs[self._taken - 1]

    def record(self, outcome: Some) -> Some:
        """Count the outcome of a photo and return it."""
        lost = isinstance(outcome, Bad) and outcome.reason not in NO_LOSS
        self._seen += 1
        self._lost += lost
        down = isinstance(outcome, Bad) and outcome.reason is Reason.UNAVAILABLE
        self._in_a_row = self._in_a_row + 1 if down else 0
        return outcome

    @property
    def spent(self) -> bool:
        """Whether too many photos are lost to go on."""
        if self._most is None:
            return False
        return self._in_a_row >= IN_A_ROW or (self._seen >= MIN_JUDGED and self._lost > self._most)

    @property
    def rest(self) -> Sequence[ImageRef]:
        """The photos that were not handed out."""
        return self._refs[self._taken :]
