"""Threads that read tables on behalf of callers, so that a read that never ends blocks nobody.

Lance reads in Rust, where nothing can interrupt it: a damaged file may send it into an endless loop. The caller stops
waiting after a while; the thread stays behind, and as a daemon it does not keep the process alive.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_KEPT = 16  # idle threads


class Late(Exception):
    """The work has not ended in time."""


class _Job:
    __slots__ = ("answer", "done", "error", "late", "work")

    def __init__(self, work: Callable[[], Any]):
        self.work, self.done = work, threading.Event()
        self.answer: Any = None
        self.error: BaseException | None = None
        self.late: Callable[[], None] | None = None  # called if it ends after its caller gave up


_idle: deque[SimpleQueue[_Job]] = deque(maxlen=_KEPT)
_lock = threading.Lock()


def _serve(inbox: SimpleQueue[_Job]) -> None:
    while True:
        job = inbox.get()
        try:
            job.answer = job.work()
        except BaseException as error:  # a Rust panic is not an Exception
            job.error = error
        with _lock:
            job.done.set()
            late = job.late
            kept = len(_idle) < _KEPT
            if kept:
                _idle.append(inbox)
        if late is not None:
            late()
        del job
        if not kept:
            return


def within(seconds: float, work: Callable[[], T], ended: Callable[[], None]) -> T:
    """Run `work` in a reader thread; returns and raises what it does.

    Raises Late after `seconds`; `ended` is called if the work ends after that.
    """
    job = _Job(work)
    with _lock:
        inbox = _idle.pop() if _idle else None
    if inbox is None:
        inbox = SimpleQueue()
        threading.Thread(target=_serve, args=(inbox,), name="reader", daemon=True).start()
    inbox.put(job)
    if not job.done.wait(seconds):
        with _lock:
            if not job.done.is_set():
                job.late = ended
                raise Late
    if job.error is not None:
        raise job.error
    answer: T = job.answer
    return answer
