"""Threads that read tables for those who ask, so that a read that never ends keeps nobody.

Lance reads in Rust, where nothing can interrupt it: in a damaged file it may look for an end for ever. Whoever asks
stops waiting after a while; the thread stays behind, and as a daemon it keeps no process from ending.
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
        self.late: Callable[[], None] | None = None  # called when it ends after nobody waits for it any more


_idle: deque[SimpleQueue[_Job]] = deque(maxlen=_KEPT)
_lock = threading.Lock()


def _serve(inbox: SimpleQueue[_Job]) -> None:
    while True:
        job = inbox.get()
        try:
            job.answer = job.work()
        except BaseException as error:  # a panic of Rust is no Exception
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
    """What `work` returns; raises what it raises.

    Raises Late after so many seconds; `ended` is called when the work has ended all the same.
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
