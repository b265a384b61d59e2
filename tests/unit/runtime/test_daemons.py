"""A pool whose threads keep no process alive."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextvars import ContextVar

import pytest

from lookdex.runtime.daemons import DaemonPool


def test_it_gives_results_and_errors_in_their_order() -> None:
    with DaemonPool("test", 2) as pool:
        assert list(pool.map(lambda n: n * n, range(50))) == [n * n for n in range(50)]
        with pytest.raises(ZeroDivisionError):
            pool.submit(lambda: 1 // 0).result(20)
    with pytest.raises(RuntimeError, match="the pool test is closed"):
        pool.submit(int)


def test_the_number_of_threads_is_limited() -> None:
    end, running = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        running.release()
        end.wait(20)

    with DaemonPool("few", 2) as few, DaemonPool("many") as many:
        asked = [pool.submit(work) for pool in (few, many) for _ in range(5)]
        for _ in range(2 + 5):
            assert running.acquire(timeout=20)
        assert not running.acquire(timeout=0.05)
        end.set()
        for future in asked:
            future.result(20)


def test_work_runs_in_the_context_of_its_submitter() -> None:
    known: ContextVar[int] = ContextVar("known", default=0)
    with DaemonPool("test", 1) as pool:
        assert pool.submit(known.get).result(20) == 0
        known.set(5)
        assert pool.submit(known.get).result(20) == 5


def test_waiting_work_can_be_cancelled() -> None:
    begun, end = threading.Event(), threading.Event()

    def work() -> bool:
        begun.set()
        return end.wait(20)

    pool = DaemonPool("test", 1)
    first, second = pool.submit(work), pool.submit(int)
    assert begun.wait(20)
    pool.shutdown(cancel_futures=True)
    assert second.cancelled()
    end.set()
    assert first.result(20)


def test_a_hanging_thread_does_not_keep_the_process() -> None:
    code = (
        "import threading; from lookdex.runtime.daemons import DaemonPool;"
        "DaemonPool('a').submit(threading.Event().wait)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
