"""A thread pool that does not keep its process alive."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextvars import ContextVar

import pytest

from lookdex.runtime.daemons import DaemonPool


def test_results_are_in_the_order_of_the_inputs() -> None:
    with DaemonPool("test", 2) as pool:
        assert list(pool.map(lambda n: n * n, range(50))) == [n * n for n in range(50)]


def test_an_error_of_the_work_is_raised_by_its_result() -> None:
    with DaemonPool("test", 2) as pool:
        with pytest.raises(ZeroDivisionError):
            pool.submit(lambda: 1 // 0).result(20)


def test_a_closed_pool_takes_no_work() -> None:
    with DaemonPool("test", 2) as pool:
        pass
    with pytest.raises(RuntimeError, match="the pool test is closed"):
        pool.submit(int)


def test_no_more_work_runs_than_there_are_threads() -> None:
    end, running = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        running.release()
        end.wait(20)

    with DaemonPool("few", 2) as few, DaemonPool("many") as many:
        futures = [pool.submit(work) for pool in (few, many) for _ in range(5)]
        for _ in range(2 + 5):
            assert running.acquire(timeout=20)
        assert not running.acquire(timeout=0.05)
        end.set()
        for future in futures:
            future.result(20)


def test_work_runs_in_the_context_of_its_submitter() -> None:
    variable: ContextVar[int] = ContextVar("variable", default=0)
    with DaemonPool("test", 1) as pool:
        assert pool.submit(variable.get).result(20) == 0
        variable.set(5)
        assert pool.submit(variable.get).result(20) == 5


def test_waiting_work_can_be_cancelled() -> None:
    started, end = threading.Event(), threading.Event()

    def work() -> bool:
        started.set()
        return end.wait(20)

    pool = DaemonPool("test", 1)
    first, second = pool.submit(work), pool.submit(int)
    assert started.wait(20)
    pool.shutdown(cancel_futures=True)
    assert second.cancelled()
    end.set()
    assert first.result(20)


def test_a_hanging_thread_does_not_keep_the_process_alive() -> None:
    code = (
        "import threading; from lookdex.runtime.daemons import DaemonPool;"
        "DaemonPool('a').submit(threading.Event().wait)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
