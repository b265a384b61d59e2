"""A pool of daemon threads, for work that may never end, such as reading from a store that hangs.

The threads of `concurrent.futures` are joined when the interpreter exits, so a hanging one keeps the process alive. In
a forked child, its pools wait for threads that do not exist.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar
from weakref import WeakSet

P = ParamSpec("P")
T = TypeVar("T")
_MAX_IDLE = 16  # threads that wait for more work


class DaemonPool(Executor):
    """An executor with daemon threads.

    Calls run in the context of their submitter. A forked child starts with an empty pool.

    Args:
        max_threads: None: one for each pending call.
    """

    def __init__(self, name: str, max_threads: int | None = None) -> None:
        self._name, self._max_threads, self._closed = name, max_threads, False
        self._start()
        _pools.add(self)

    def _start(self) -> None:
        self._some = threading.Condition()  # reentrant: a finalizer may call shutdown
        self._queue: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._threads = self._waiting = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        work = partial(copy_context().run, fn, *args, **kwargs)
        with self._some:
            if self._closed:
                raise RuntimeError(f"the pool {self._name} is closed")
            self._queue.append((future, work))
            if len(self._queue) <= self._waiting:
                self._some.notify()
            elif self._max_threads is None or self._threads < self._max_threads:
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
                self._threads += 1
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:
        """Accept no more work. Never waits, whatever `wait` says: threads may hang."""
        with self._some:
            self._closed = True
            while cancel_futures and self._queue:
                self._queue.popleft()[0].cancel()
            self._some.notify_all()

    def _work(self) -> None:
        while True:
            with self._some:
                while not self._queue:
                    if self._closed or self._waiting >= _MAX_IDLE:
                        self._threads -= 1
                        return
                    self._waiting += 1
                    self._some.wait()
                    self._waiting -= 1
                future, work = self._queue.popleft()
            _run(future, work)
            del future, work  # an idle thread must not keep a result in memory


def _run(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:  # a Rust panic is not an Exception
        future.set_exception(error)
    else:
        future.set_result(result)


_pools: WeakSet[DaemonPool] = WeakSet()


def _after_fork() -> None:
    for pool in _pools:
        pool._start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
