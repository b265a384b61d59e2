"""A version of a table as questions read it: in a limited time, with lookdex's errors, and not once it is damaged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from lookdex.errors import TooSlow
from lookdex.reading import reading
from lookdex.search.readers import Late, within
from lookdex.search.verified import Verified

if TYPE_CHECKING:
    import lance
    import pyarrow as pa

T = TypeVar("T")
READ_SECONDS = 30.0
PATIENCE = 20  # times as long for what is read once per release, and of all rows
MOST_STUCK = 4  # reads that did not end, after which no other is begun


class ReadTable:
    """`items` at one version. Safe among threads.

    name: in messages. seconds: in which a read must end; None: however long it takes.
    """

    def __init__(
        self, dataset: lance.LanceDataset, name: str, verified: Verified, seconds: float | None = READ_SECONDS
    ):
        self.dataset, self.verified = dataset, verified
        self.schema: pa.Schema = dataset.schema
        self._name, self._seconds = name, seconds
        self._stuck = 0
        self._lock = threading.Lock()

    def to_table(self, *, patient: bool = False, **query: Any) -> pa.Table:
        """Lance's `to_table`. patient: for what is read of all rows.

        Raises CorruptData, NotFound, Unavailable, AccessDenied, and TooSlow when the read did not end in time.
        """
        return self._read(lambda: self.dataset.to_table(**query), patient)

    def count_rows(self, filter: str | None = None) -> int:
        return self._read(lambda: self.dataset.count_rows(filter), patient=True)

    def _read(self, work: Callable[[], T], patient: bool) -> T:
        self.verified.check()
        with reading(self._name):
            if self._seconds is None:
                return work()
            if self._stuck >= MOST_STUCK:
                self._raise_too_slow(f"{self._stuck} reads have not ended")
            seconds = self._seconds * (PATIENCE if patient else 1)

            try:
                return within(seconds, work, self._ended)
            except Late:
                with self._lock:
                    self._stuck += 1
                self._raise_too_slow(f"a read has not ended within {seconds:g} s")

    def _ended(self) -> None:
        with self._lock:
            self._stuck -= 1

    def _raise_too_slow(self, what: str) -> NoReturn:
        raise TooSlow(
            f"{self._name}: {what}. The store is slow, or a file is damaged in a way that Lance does not notice: ask "
            "again later, or go back to another release with `lookdex rollback`."
        )
