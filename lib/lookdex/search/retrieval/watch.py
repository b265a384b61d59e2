"""Detect that a catalogue's store does not answer, so that reads fail fast instead of hanging.

A long read may be slow, or wait for a store that is gone: with the client's own retries, the two look the same for half
a minute. So when a read has not finished after a quarter of `seconds`, a small request (a ping) is sent beside it. If
the ping is not answered in the rest of the time, the store is lost: all waiting reads fail, and further ones fail at
once, while the ping is repeated until it is answered. Lance caches what it has read of an index, so some reads need no
store: one of each kind is tried now and then, and its kind is allowed again where it succeeds.

Reads run in daemon threads. Lance reads in Rust and cannot be interrupted: the caller stops waiting, and the thread is
left behind until its read ends. It keeps no process alive.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Hashable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lookdex.catalog import promotion_log
from lookdex.errors import LookdexError, Unavailable
from lookdex.runtime.daemons import DaemonPool
from lookdex.storage import Store

T = TypeVar("T")
STORE_SECONDS = 1.0
MAX_LEFT = 256  # abandoned reads still running; no other is started
CONNECT_SECONDS = 10.0  # to load the client and find its credentials, before its first request
_PAUSE = 1.0  # maximum seconds between two pings of a lost store
logger = logging.getLogger(__name__)


class LateReadError(Exception):
    """A read has not finished in time although the store answers."""


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """The state of a store."""

    problem: str | None
    """Why it is lost; None if it is not."""
    quiet_seconds: float
    """Since it last answered."""
    left: int
    """Abandoned reads that are still running."""
    failed: frozenset[Hashable] = frozenset()
    """The kinds of reads that have failed since the store was lost."""


@dataclass(frozen=True, slots=True)
class _Outage:
    since: float  # of time.monotonic()
    why: str
    failed: dict[Hashable, float] = field(default_factory=dict)  # when each kind of read may be tried again


class _Read:
    """One read. Its future gets the result, or Unavailable if the store is lost first."""

    __slots__ = ("after", "ended", "future", "work")

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work, self.future, self.ended = work, Future[Any](), False
        self.after: Callable[[], None] | None = None  # called when it ends after it was abandoned

    def wait(self, seconds: float | None) -> bool:
        """Returns True once it has ended or the store is lost."""
        with suppress(TimeoutError):
            self.future.exception(seconds)
        return self.future.done()

    def fail(self, why: str) -> None:
        """Fail because the store is lost."""
        with suppress(InvalidStateError):  # it has just ended
            self.future.set_exception(Unavailable(why))


class StoreWatch:
    """Watches one store and runs the reads from it. Thread-safe.

    store: None to run reads without watching. seconds: for the store to answer a ping; None: reads wait as long as they
    take.
    """

    def __init__(self, store: Store | None = None, seconds: float | None = STORE_SECONDS) -> None:
        self._store, self._seconds = store, None if store is None else seconds
        self._readers = DaemonPool("reader")
        weakref.finalize(self, self._readers.shutdown).atexit = False  # ends its idle threads
        self._lock = threading.Lock()
        self._waiting: set[_Read] = set()  # long ones
        self._left = 0
        self._outage: _Outage | None = None
        self._pinging = False
        self._ping_future: Future[None] | None = None  # the ping in progress
        self._answered = time.monotonic()

    @property
    def health(self) -> StoreHealth:
        outage = self._outage
        quiet = time.monotonic() - self._answered
        if outage is None:
            return StoreHealth(None, quiet, self._left)
        return StoreHealth(outage.why, quiet, self._left, frozenset(list(outage.failed)))

    def require(self) -> None:
        """Raise Unavailable unless the store answers now."""
        if self._seconds is not None:
            problem = self._ping(self._seconds, CONNECT_SECONDS)
            if problem is not None:
                raise Unavailable(problem)

    def read(
        self,
        work: Callable[[], T],
        limit: float | None = None,
        after: Callable[[], None] | None = None,
        kind: Callable[[], Hashable] | None = None,
    ) -> T:
        """Run `work`, which reads from the store, and return its result.

        Args:
            limit: seconds; None: no limit.
            after: called when the work ends after the limit.
            kind: equal for reads that need the same files; None: the read certainly needs the store.

        Raises:
            Unavailable: the store is or gets lost.
            LateReadError: the limit has passed.
            Exception: what `work` raises.
        """
        if self._seconds is None and limit is None:
            return work()
        outage = self._outage
        if outage is not None:
            self._check(outage, kind)
            assert self._seconds is not None
            limit = self._seconds / 2 if limit is None else min(limit, self._seconds / 2)
        if self._left >= MAX_LEFT:
            raise Unavailable(f"{self._left} reads from the store have not finished: try again later")
        read = _Read(work)
        self._readers.submit(self._run, read)
        if not (read.wait(limit) if outage is not None else self._wait(read, limit)):
            if self._leave(read, None if outage is not None else after):
                if outage is None:
                    raise LateReadError
                read.fail(outage.why)
        elif not read.ended:
            self._leave(read, None)
        try:
            found: T = read.future.result()
        except Unavailable:
            self._start_pinging()
            if (lost := outage or self._outage) is not None and kind is not None:
                lost.failed[kind()] = time.monotonic() + _PAUSE
            raise
        if outage is None:
            self._answered = time.monotonic()
        elif kind is not None:
            outage.failed.pop(kind(), None)
        return found

    def _check(self, outage: _Outage, kind: Callable[[], Hashable] | None) -> None:
        """Raises Unavailable unless a read of this kind may do without the store."""
        if kind is None:
            raise Unavailable(outage.why)
        own, now = kind(), time.monotonic()
        with self._lock:
            if now < outage.failed.get(own, 0.0):
                raise Unavailable(outage.why)
            if own in outage.failed:  # this read is the trial; others of its kind fail until it succeeds
                outage.failed[own] = now + _PAUSE

    def _run(self, read: _Read) -> None:
        error: BaseException | None = None
        found = None
        try:
            found = read.work()
        except BaseException as raised:  # a Rust panic is not an Exception
            error = raised
        with self._lock:
            read.ended = True
            after = read.after
        with suppress(InvalidStateError):  # the store was lost first
            read.future.set_result(found) if error is None else read.future.set_exception(error)
        if after is not None:
            after()

    def _wait(self, read: _Read, limit: float | None) -> bool:
        """Returns True once the read has ended or the store is lost."""
        if self._seconds is None:
            return read.wait(limit)
        patience = self._seconds / 4
        if limit is not None and limit <= patience:
            return read.wait(limit)
        if read.wait(patience):
            return True
        with self._lock:
            if self._outage is not None:  # began during the read
                read.fail(self._outage.why)
                return True
            self._waiting.add(read)
        try:
            self._start_pinging()
            return read.wait(None if limit is None else limit - patience)
        finally:
            with self._lock:
                self._waiting.discard(read)

    def _leave(self, read: _Read, after: Callable[[], None] | None) -> bool:
        """Abandon a read. Returns False if it has ended by now."""

        def ended() -> None:
            with self._lock:
                self._left -= 1
            if after is not None:
                after()

        with self._lock:
            if not read.ended:
                self._left += 1
                read.after = ended
            return not read.ended

    # ── pings ────────────────────────────────────────────────────────────────────────────────────

    def _start_pinging(self) -> None:
        """Start a thread, unless there is one, that pings until the store answers and no long read waits."""
        if self._seconds is None:
            return
        with self._lock:
            if self._pinging:
                return
            self._pinging = True
        threading.Thread(
            target=_ping_until_done, args=(weakref.ref(self),), name="store", daemon=True
        ).start()

    def _ping_once(self) -> float | None:
        """Ping once. Returns the seconds until the next ping; None: no more are needed."""
        assert self._seconds is not None
        problem = self._ping(0.65 * self._seconds, 0.1 * self._seconds)
        now = time.monotonic()
        failed: list[_Read] = []
        with self._lock:
            before = self._outage
            if problem is None:
                self._outage, self._answered = None, now
                self._pinging = bool(self._waiting)
            else:
                self._outage = before or _Outage(now, problem)
                failed = list(self._waiting)
                self._waiting.clear()
        if problem is not None and before is None:
            logger.error("the store is lost: %s", problem)
        if problem is None and before is not None:
            logger.warning("the store %s answers again, after %.1f s", self._uri, now - before.since)
        for read in failed:
            read.fail(problem or "")
        return min(_PAUSE, self._seconds) if self._pinging else None

    def _ping(self, seconds: float, more: float) -> str | None:
        """Ping the store. Returns why it does not answer; None if it does.

        Args:
            seconds: the limit of the request itself.
            more: seconds to wait beyond it.
        """
        store = self._store
        assert store is not None
        if self._ping_future is None or self._ping_future.done():
            self._ping_future = self._readers.submit(store.ping, promotion_log.FIRST, seconds)
        try:
            error = self._ping_future.exception(seconds + more)
        except TimeoutError:  # a disk that hangs: the request cannot be cancelled, and no other is sent
            return f"{self._uri} has not answered within {seconds:g} s; check the network, then try again"
        if error is None or (isinstance(error, LookdexError) and not isinstance(error, Unavailable)):
            return None  # a refusal is an answer too
        return str(error)

    @property
    def _uri(self) -> str:
        return self._store.uri if self._store is not None else ""


def _ping_until_done(watch: weakref.ref[StoreWatch]) -> None:
    """Ping until it is no longer needed, or the catalogue is closed."""
    while (here := watch()) is not None:
        pause = here._ping_once()
        del here
        if pause is None:
            return
        time.sleep(pause)
