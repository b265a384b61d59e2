"""Whether a catalogue's store answers, so that nobody waits long for one that does not.

A read that takes long may be slow, or wait for a store that is gone: within a client's own retries these look the same
for half a minute. So once a read has not ended after a quarter of `seconds`, one small request is sent beside it. If
that is not answered in the rest of the time, the store is lost: every read that waits fails, and those that follow fail
at once, while the small request is repeated until it is answered. Lance keeps what it has read of an index, so a read
may need no store: one of each kind is tried now and then, and its kind goes on where it succeeds.

Reads run in daemon threads. Lance reads in Rust, where nothing can interrupt it: the caller stops waiting, the thread
stays behind until its read ends, and keeps no process alive.
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
MOST_LEFT = 256  # reads that nobody waits for and that have not ended, beyond which none is started
CONNECT_SECONDS = 10.0  # to load the client, and for it to find its credentials, before its first request
_PAUSE = 1.0  # most seconds between two requests to a store that is lost
_READERS = DaemonPool("reader")
logger = logging.getLogger(__name__)


class Late(Exception):
    """A read has not ended in time, and the store answers."""


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """How a store is. problem: why it counts as lost; None: it does not.

    quiet_seconds: since it last answered. left: reads that nobody waits for any more and that have not ended. failed:
    kinds of reads that have failed since it was lost.
    """

    problem: str | None
    quiet_seconds: float
    left: int
    failed: frozenset[Hashable] = frozenset()


@dataclass(frozen=True, slots=True)
class _Outage:
    since: float  # of time.monotonic()
    why: str
    failed: dict[Hashable, float] = field(default_factory=dict)  # when each kind of read may be tried again


class _Read:
    """The work of one read. Its future gets what comes first: its end, or the loss of the store."""

    __slots__ = ("after", "ended", "future", "work")

    def __init__(self, work: Callable[[], Any]):
        self.work, self.future, self.ended = work, Future[Any](), False
        self.after: Callable[[], None] | None = None  # called at its end, once nobody waits for it

    def wait(self, seconds: float | None) -> bool:
        """True once it has ended, or the store is lost."""
        with suppress(TimeoutError):
            self.future.exception(seconds)
        return self.future.done()

    def fail(self, why: str) -> None:
        """The store is lost."""
        with suppress(InvalidStateError):  # it has just ended
            self.future.set_exception(Unavailable(why))


class StoreWatch:
    """Of one store. Safe among threads.

    seconds: in which the store must answer a small request; None: reads wait as long as they take.
    """

    def __init__(self, store: Store | None, seconds: float | None = STORE_SECONDS):
        self._store, self._seconds = store, None if store is None else seconds
        self._lock = threading.Lock()
        self._waiting: set[_Read] = set()  # those that take long
        self._left = 0
        self._outage: _Outage | None = None
        self._looking = False
        self._asked: Future[None] | None = None  # the small request on its way
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
            problem = self._ask(self._seconds, CONNECT_SECONDS)
            if problem is not None:
                raise Unavailable(problem)

    def read(
        self,
        work: Callable[[], T],
        limit: float | None = None,
        after: Callable[[], None] | None = None,
        kind: Callable[[], Hashable] | None = None,
    ) -> T:
        """What `work`, which reads from the store, returns or raises. limit: seconds; None: no limit.

        kind: equal for reads that need the same of the store; None: it surely needs it.
        Raises Unavailable when the store is lost, or is lost meanwhile; Late after the limit: then `after` is called
        once the work has ended.
        """
        if self._seconds is None and limit is None:
            return work()
        outage = self._outage
        if outage is not None:
            self._check(outage, kind)
            assert self._seconds is not None
            limit = self._seconds / 2 if limit is None else min(limit, self._seconds / 2)
        if self._left >= MOST_LEFT:
            raise Unavailable(f"{self._left} reads from the store have not ended: try again later")
        read = _Read(work)
        _READERS.submit(self._run, read)
        if not (read.wait(limit) if outage is not None else self._wait(read, limit)):
            if self._leave(read, None if outage is not None else after):
                if outage is None:
                    raise Late
                read.fail(outage.why)
        elif not read.ended:
            self._leave(read, None)
        try:
            found: T = read.future.result()
        except Unavailable:
            self._suspect()
            if (lost := outage or self._outage) is not None and kind is not None:
                lost.failed[kind()] = time.monotonic() + _PAUSE
            raise
        if outage is None:
            self._answered = time.monotonic()
        elif kind is not None:
            outage.failed.pop(kind(), None)
        return found

    def _check(self, outage: _Outage, kind: Callable[[], Hashable] | None) -> None:
        """Raise Unavailable unless a read of this kind may need no store."""
        if kind is None:
            raise Unavailable(outage.why)
        own, now = kind(), time.monotonic()
        with self._lock:
            if now < outage.failed.get(own, 0.0):
                raise Unavailable(outage.why)
            if own in outage.failed:  # others of the kind wait for how this one ends
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
        """True once the read has ended, or the store is lost."""
        if self._seconds is None:
            return read.wait(limit)
        patience = self._seconds / 4
        if limit is not None and limit <= patience:
            return read.wait(limit)
        if read.wait(patience):
            return True
        with self._lock:
            if self._outage is not None:  # since the read began
                read.fail(self._outage.why)
                return True
            self._waiting.add(read)
        try:
            self._suspect()
            return read.wait(None if limit is None else limit - patience)
        finally:
            with self._lock:
                self._waiting.discard(read)

    def _leave(self, read: _Read, after: Callable[[], None] | None) -> bool:
        """Wait no longer for a read; False: it has ended by now."""

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

    # ── the small request ────────────────────────────────────────────────────────────────────────────────────

    def _suspect(self) -> None:
        """Look whether the store answers, from a thread that goes on until it does and no read takes long."""
        if self._seconds is None:
            return
        with self._lock:
            if self._looking:
                return
            self._looking = True
        threading.Thread(target=_look, args=(weakref.ref(self),), name="store", daemon=True).start()

    def _look(self) -> float | None:
        """Look once. Returns the seconds until it is time to look again; None: it is not needed any more."""
        assert self._seconds is not None
        problem = self._ask(0.65 * self._seconds, 0.1 * self._seconds)
        now = time.monotonic()
        failed: list[_Read] = []
        with self._lock:
            before = self._outage
            if problem is None:
                self._outage, self._answered = None, now
                self._looking = bool(self._waiting)
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
        return min(_PAUSE, self._seconds) if self._looking else None

    def _ask(self, seconds: float, more: float) -> str | None:
        """Why the store does not answer; None: it does. more: seconds beside those of the request itself."""
        store = self._store
        assert store is not None
        if self._asked is None or self._asked.done():
            self._asked = _READERS.submit(store.ping, promotion_log.FIRST, seconds)
        try:
            error = self._asked.exception(seconds + more)
        except TimeoutError:  # a disk that hangs: nothing can break that request off, and no other is sent
            return f"{self._uri} has not answered within {seconds:g} s; check the network, then try again"
        if error is None or (isinstance(error, LookdexError) and not isinstance(error, Unavailable)):
            return None  # a refusal is an answer, too
        return str(error)

    @property
    def _uri(self) -> str:
        return self._store.uri if self._store is not None else ""


def _look(watch: weakref.ref[StoreWatch]) -> None:
    """Look until it is not needed any more, or nobody has the catalogue any more."""
    while (here := watch()) is not None:
        pause = here._look()
        del here
        if pause is None:
            return
        time.sleep(pause)


UNWATCHED = StoreWatch(None, None)
