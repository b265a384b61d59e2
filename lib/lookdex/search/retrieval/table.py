"""Reads of a table at one version: with a time limit, lookdex's own errors, and refused once damage is known."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from lookdex.catalog.lance_errors import convert_errors
from lookdex.errors import TooSlow
from lookdex.runtime import deadline
from lookdex.runtime.forks import Owner
from lookdex.search.retrieval.verified import Verified
from lookdex.search.retrieval.watch import LateReadError, StoreWatch

if TYPE_CHECKING:
    import lance
    import pyarrow as pa

T = TypeVar("T")
_TEXT, _WORD = re.compile(r"'(?:[^']|'')*'"), re.compile(r"[A-Za-z_]\w*")
READ_SECONDS = 30.0
PATIENCE = 20  # times the limit, for a read of all rows, done once per release
MAX_STUCK = 4  # unfinished reads though the store answers, from which on no other is started


@dataclass(frozen=True, slots=True)
class ReadKind:
    """What a read needs from the table. words: those of its filter, without its values."""

    nearest: bool
    columns: tuple[str, ...] | None
    words: frozenset[str]

    @classmethod
    def from_query(cls, query: Mapping[str, Any]) -> ReadKind:
        words = _WORD.findall(_TEXT.sub("", query.get("filter") or ""))
        columns = query.get("columns")
        return cls("nearest" in query, None if columns is None else tuple(columns), frozenset(words))

    @property
    def is_basic(self) -> bool:
        """Every question needs such a read: it has no filter on columns."""
        return self.words <= {"scope", "role", "AND", "_rowid", "IN"}


class ReadTable:
    """`items` at one version. Thread-safe.

    name: for messages. seconds: the limit of a read; None: no limit. A question's deadline limits its reads too.
    """

    def __init__(
        self,
        dataset: lance.LanceDataset,
        name: str,
        verified: Verified,
        seconds: float | None = READ_SECONDS,
        watch: StoreWatch | None = None,
    ) -> None:
        self.dataset, self.verified = dataset, verified
        self.schema: pa.Schema = dataset.schema
        self._name, self._seconds, self._watch = name, seconds, watch or StoreWatch()
        self._owner = Owner(name)
        self._stuck = 0
        self._lock = threading.Lock()

    def to_table(self, *, patient: bool = False, **query: Any) -> pa.Table:
        """Lance's `to_table`. patient: a longer limit, for a read of all rows.

        Raises CorruptData, NotFound, Unavailable, AccessDenied, and TooSlow when the read did not finish in time.
        """
        return self._read(lambda: self.dataset.to_table(**query), patient, lambda: ReadKind.from_query(query))

    def count_rows(self, filter: str | None = None) -> int:
        return self._read(lambda: self.dataset.count_rows(filter), patient=True)

    def _read(self, work: Callable[[], T], patient: bool, kind: Callable[[], ReadKind] | None = None) -> T:
        self._owner.check()
        self.verified.check()
        if self._stuck >= MAX_STUCK:
            self._raise_too_slow(f"{self._stuck} reads have not finished")
        left = deadline.seconds_left()
        own = math.inf if self._seconds is None else self._seconds * (PATIENCE if patient else 1)
        limit = own if left is None else min(own, left)
        with convert_errors(self._name):
            try:
                return self._watch.read(work, None if limit == math.inf else limit, self._on_end, kind)
            except LateReadError:
                with self._lock:
                    self._stuck += 1
                if limit < own:
                    raise TooSlow(f"{self._name}: the question's deadline passed during a read") from None
                self._raise_too_slow(f"a read has not finished within {limit:g} s")

    def _on_end(self) -> None:
        with self._lock:
            self._stuck -= 1

    def _raise_too_slow(self, what: str) -> NoReturn:
        raise TooSlow(
            f"{self._name}: {what}. The store is slow, or a file is damaged in a way that Lance does not detect: try "
            "again later, or go back to another release with `lookdex rollback`."
        )
