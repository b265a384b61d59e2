"""Who is worked for now, who waits, and who is sent away with 503.

So many requests are worked on at a time; more wait, first come first served. When that queue overflows, more is asked
than can be answered: from then on, until nobody has been sent away for a while, nobody else may wait, so that who is
let in is answered about as fast as on a quiet day, and the others learn at once that they must come back.

Work whose deadline has passed gives its place back at once, though a read or a model that nothing can interrupt may
keep it from ending. As many as there are places may be late like that; where more are, the places stay taken.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from lookdex.service.http.problems import Kind, Refused

T = TypeVar("T")
_CALM_SECONDS = 2.0  # without a refusal, after which the whole queue opens again
_SMOOTHING = 0.1  # weight of the newest request in the mean time of one


@dataclass(eq=False, slots=True)
class _Stay:
    """A request's time in its place. late: the place is given back, and the work goes on."""

    late: bool = False


class Gate:
    """Of one event loop. places: requests worked on at a time. queue: most that wait."""

    def __init__(self, places: int, queue: int):
        self._places, self._queue = places, queue
        self._busy = 0
        self._late = 0
        self._overdue: deque[_Stay] = deque()  # past their deadline, but still in their places
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._strained_until = 0.0
        self._seconds = 0.0  # mean time that a place is taken
        self._closed = False

    @property
    def busy(self) -> int:
        return self._busy

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def late(self) -> int:
        """Requests past their deadline whose work has not ended, though their place is free again."""
        return self._late

    @property
    def most_at_work(self) -> int:
        """How many works may go on at a time, the late ones too."""
        return 2 * self._places

    @property
    def strained(self) -> bool:
        """The queue overflowed lately, and is closed."""
        return time.monotonic() < self._strained_until

    def close(self) -> None:
        """Let nobody else in; those who wait keep their turn."""
        self._closed = True

    def check(self) -> None:
        """Raises Refused when there is no room for one more request. Costs nothing: ask before reading a body."""
        if self._closed:
            raise Refused(Kind.STOPPING, "the service is stopping: ask again", retry_after=1)
        if self._busy >= self._places and self.waiting >= (0 if self.strained else self._queue):
            self._strained_until = time.monotonic() + _CALM_SECONDS
            raise Refused(
                Kind.BUSY,
                "more is asked than can be answered: ask again later",
                retry_after=self._retry_after(),
            )

    async def run(self, work: Callable[[], Awaitable[T]], deadline: float) -> T:
        """Do the work in a place of its own, until it ends or the deadline (of time.monotonic()) has passed.

        Raises Refused: there is no room, or the deadline passed first. The work is not interrupted then: it should end
        soon by itself.
        """
        stay = _Stay()
        task: asyncio.Task[T] | None = None
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                await self._enter()
                task = asyncio.ensure_future(self._occupy(work, stay))
                task.add_done_callback(_heard)
                return await asyncio.shield(task)
        except TimeoutError:
            raise Refused(
                Kind.TOO_LATE,
                "the answer took longer than it may: ask again",
                retry_after=self._retry_after(),
            ) from None
        finally:
            if task is not None and not task.done():  # nobody waits for it any more
                self._overdue.append(stay)
                self._give_back()

    async def _enter(self) -> None:
        self.check()
        if self._busy < self._places and not self._waiting:
            self._busy += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # the place came in the moment in which nobody wanted it any more
            elif turn in self._waiting:  # else the place has passed over it in that moment
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
        """Free the places of those who are overdue, as far as there may be more late work."""
        while self._overdue and self._late < self._places:
            self._overdue.popleft().late = True
            self._late += 1
            self._leave()

    def _leave(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)  # the place goes from hand to hand
                return
        self._busy -= 1

    def _retry_after(self) -> int:
        """Whole seconds after which those who are in now will have been answered."""
        return max(1, math.ceil(self._seconds * (self.waiting + self._busy) / self._places))


def _heard(task: asyncio.Task[T]) -> None:
    """Look at an error that nobody waits for any more, so that asyncio does not complain of it."""
    if not task.cancelled():
        task.exception()
