"""Admission control: how many requests run, how many wait, and when to answer 503.

A fixed number of requests run at the same time. Others wait in a FIFO queue. When the queue overflows, the service is
overloaded: the queue then stays closed until no request has been refused for a while. Admitted requests are answered
about as fast as on a quiet day, and the others learn at once that they must come back later.

A request past its deadline frees its slot at once, although a read or a model that cannot be interrupted may still be
running. At most as many such late requests as there are slots may run. Beyond that, slots stay taken.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from lookdex.service.http.problems import ProblemError, ProblemKind

T = TypeVar("T")
_CALM_SECONDS = 2.0  # without a refusal, after which the queue opens again
_SMOOTHING = 0.1  # weight of the newest request in the mean duration


@dataclass(eq=False, slots=True)
class _Stay:
    """A request in its slot. late: the slot is freed while the work still runs."""

    late: bool = False


class Gate:
    """Admission control for one event loop.

    Args:
        slots: maximum of requests that run at the same time.
        queue: maximum of requests that wait.
    """

    def __init__(self, slots: int, queue: int) -> None:
        self._slots, self._queue = slots, queue
        self._busy = 0
        self._late = 0
        self._overdue: deque[_Stay] = deque()  # past their deadline, still holding their slots
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._strained_until = 0.0
        self._seconds = 0.0  # mean duration of a request
        self._closed = False

    @property
    def busy(self) -> int:
        return self._busy

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def late(self) -> int:
        """Requests past their deadline that still run. Their slots are free again."""
        return self._late

    @property
    def max_threads(self) -> int:
        """Most requests that run at the same time, late ones included."""
        return 2 * self._slots

    @property
    def strained(self) -> bool:
        """Whether the queue overflowed recently and is closed."""
        return time.monotonic() < self._strained_until

    def close(self) -> None:
        """Admit no more requests. Those that wait keep their turn."""
        self._closed = True

    def check(self) -> None:
        """Raise ProblemError if there is no room for another request. Call it before reading a body."""
        if self._closed:
            raise ProblemError(ProblemKind.STOPPING, "the service is stopping: try again", retry_after=1)
        if self._busy >= self._slots and self.waiting >= (0 if self.strained else self._queue):
            self._strained_until = time.monotonic() + _CALM_SECONDS
            raise ProblemError(
                ProblemKind.BUSY,
                "the service is overloaded: try again later",
                retry_after=self._retry_after(),
            )

    async def run(self, work: Callable[[], Awaitable[T]], deadline: float) -> T:
        """Run `work` in a slot until it ends or the deadline (time.monotonic()) passes.

        Raises ProblemError: there is no room, or the deadline passed. The work is not interrupted, so it should end
        soon by itself.
        """
        stay = _Stay()
        task: asyncio.Task[T] | None = None
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await self._enter()
                task = asyncio.ensure_future(self._occupy(work, stay))
                task.add_done_callback(_retrieve_exception)
                return await asyncio.shield(task)
        except TimeoutError:
            raise ProblemError(
                ProblemKind.TOO_LATE,
                "the answer took too long: try again",
                retry_after=self._retry_after(),
            ) from None
        finally:
            if task is not None and not task.done():  # abandoned
                self._overdue.append(stay)
                self._give_back()

    async def _enter(self) -> None:
        self.check()
        if self._busy < self._slots and not self._waiting:
            self._busy += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # the slot was granted just as the wait was cancelled
            elif turn in self._waiting:  # else `_leave` has just skipped it
                self._waiting.remove(turn)
            raise

    async def _occupy(self, work: Callable[[], Awaitable[T]], stay: _Stay) -> T:
        started = time.monotonic()
        try:
            return await work()
        finally:
            took = time.monotonic() - started
            self._seconds += (took - self._seconds) * (_SMOOTHING if self._seconds else 1.0)
            if stay.late:
                self._late -= 1
            else:
                self._leave()
                if stay in self._overdue:
                    self._overdue.remove(stay)
            self._give_back()

    def _give_back(self) -> None:
        """Free the slots of overdue requests, as far as the limit of late ones allows."""
        while self._overdue and self._late < self._slots:
            self._overdue.popleft().late = True
            self._late += 1
            self._leave()

    def _leave(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)  # hands the slot over
                return
        self._busy -= 1

    def _retry_after(self) -> int:
        """Estimated whole seconds until the requests now admitted are answered."""
        return max(1, math.ceil(self._seconds * (self.waiting + self._busy) / self._slots))


def _retrieve_exception(task: asyncio.Task[T]) -> None:
    """Retrieve the exception of an abandoned task, so that asyncio logs no warning."""
    if not task.cancelled():
        task.exception()
