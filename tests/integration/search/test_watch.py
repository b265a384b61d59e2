"""`StoreWatch`: while the store is lost, reads fail at once; the loss is logged once; reading resumes afterwards."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable
from typing import cast

import pytest

from lookdex.errors import AccessDenied, NotFound, Unavailable
from lookdex.search.retrieval import watch as watches
from lookdex.search.retrieval.watch import LateReadError, StoreWatch
from lookdex.storage import Store

SECONDS = 0.2


class FakeStore:
    """respond: called for each ping."""

    uri = "s3://shop/lookdex"

    def __init__(self) -> None:
        self.pings = 0
        self.respond: Callable[[], object] = lambda: None

    def ping(self, key: str, seconds: float) -> None:
        self.pings += 1
        self.respond()


def refuse() -> None:
    raise Unavailable("s3://shop/lookdex: connection refused")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


def watching(store: FakeStore, seconds: float | None = SECONDS) -> StoreWatch:
    return StoreWatch(cast(Store, store), seconds)


def test_read_returns_or_raises_what_its_function_does(store: FakeStore) -> None:
    watch = watching(store)

    def broken() -> None:
        raise ZeroDivisionError("in the read")

    assert watch.read(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError, match="in the read"):
        watch.read(broken)
    assert store.pings == 0
    assert watch.health.problem is None


def test_lost_store_fails_waiting_reads_and_starts_no_further_ones(
    store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    watch, end = watching(store), threading.Event()
    started: list[int] = []
    store.respond = refuse
    with pytest.raises(Unavailable, match="connection refused"):
        watch.read(lambda: end.wait(20))
    for _ in range(20):
        with pytest.raises(Unavailable, match="connection refused"):
            watch.read(lambda: started.append(1))
    assert not started
    assert "refused" in (watch.health.problem or "")
    assert watch.health.left == 1
    store.respond = lambda: None
    wait_until(lambda: watch.health.problem is None)
    assert watch.read(lambda: "answer") == "answer"
    end.set()
    wait_until(lambda: watch.health.left == 0)
    log = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in log] == [logging.ERROR, logging.WARNING]
    assert "is lost: s3://shop/lookdex: connection refused" in log[0][1]
    assert "answers again" in log[1][1]


def test_reads_that_work_without_the_store_continue(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "_PAUSE", 60.0)  # between retries of a kind of read
    watch, end = watching(store), threading.Event()
    started: list[int] = []
    store.respond = refuse
    with pytest.raises(Unavailable):
        watch.read(refuse, kind=lambda: "a crop")
    wait_until(lambda: watch.health.problem is not None)

    def crop() -> None:
        started.append(1)
        end.wait(20)

    for _ in range(3):
        assert watch.read(lambda: 7, kind=lambda: "the index") == 7
        with pytest.raises(Unavailable, match="connection refused"):
            watch.read(crop, kind=lambda: "another crop")
    assert len(started) == 1  # later reads of this kind fail without a try
    assert watch.health.failed >= {"another crop"}
    store.respond = lambda: None
    wait_until(lambda: watch.health.problem is None)
    end.set()
    assert watch.read(lambda: 7, kind=lambda: "another crop") == 7
    assert not watch.health.failed


def test_failed_read_checks_the_store(store: FakeStore) -> None:
    watch = watching(store)
    store.respond = refuse
    with pytest.raises(Unavailable):
        watch.read(refuse)
    wait_until(lambda: watch.health.problem is not None)


def test_slow_read_is_awaited_while_the_store_answers(store: FakeStore) -> None:
    watch = watching(store, 0.02)

    def slow() -> str:
        wait_until(lambda: store.pings >= 3)
        return "late"

    assert watch.read(slow) == "late"
    assert watch.health.problem is None


def test_read_over_its_limit_is_late_and_its_end_is_reported(store: FakeStore) -> None:
    watch, end = watching(store, 0.02), threading.Event()
    ended: list[int] = []
    for limit in (0.001, 0.05):
        with pytest.raises(LateReadError):
            watch.read(lambda: end.wait(20), limit, lambda: ended.append(1))
    assert watch.health.left == 2
    end.set()
    wait_until(lambda: len(ended) == 2)
    assert (watch.health.problem, watch.health.left) == (None, 0)


@pytest.mark.parametrize("refusal", [NotFound("no such key"), AccessDenied("not yours")])
def test_refused_ping_counts_as_an_answer(store: FakeStore, refusal: Exception) -> None:
    watch, end = watching(store, 0.02), threading.Event()

    def refuse_access() -> None:
        if store.pings == 3:
            end.set()
        raise refusal

    store.respond = refuse_access
    watch.require()
    assert watch.read(lambda: end.wait(20))


def test_only_one_ping_hangs_at_a_time(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "CONNECT_SECONDS", 0.0)
    watch, back = watching(store, 0.02), threading.Event()
    store.respond = lambda: back.wait(20)
    with pytest.raises(Unavailable, match=r"has not answered within 0\.02 s"):
        watch.require()
    with pytest.raises(Unavailable):
        watch.read(lambda: back.wait(20))
    wait_until(lambda: watch.health.problem is not None)
    for _ in range(3):
        with pytest.raises(Unavailable):
            watch.require()
    assert store.pings == 1
    back.set()
    wait_until(lambda: watch.health.problem is None)


def test_abandoned_reads_are_bounded(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "MAX_LEFT", 2)
    watch, end = watching(store), threading.Event()
    for _ in range(2):
        with pytest.raises(LateReadError):
            watch.read(lambda: end.wait(20), 0.001)
    with pytest.raises(Unavailable, match="2 reads from the store have not finished"):
        watch.read(lambda: 1)
    end.set()
    wait_until(lambda: watch.health.left == 0)
    assert watch.read(lambda: 1) == 1


def test_watching_ends_with_the_catalogue(store: FakeStore) -> None:
    before = set(threading.enumerate())  # catalogues of other tests may still be watched
    store.respond = refuse
    watch = watching(store, 0.02)
    with pytest.raises(Unavailable):
        watch.read(refuse)
    wait_until(lambda: store.pings > 2)
    del watch
    wait_until(lambda: not any(thread.name == "store" for thread in set(threading.enumerate()) - before))


def test_store_is_not_pinged_without_a_limit(store: FakeStore) -> None:
    watch = watching(store, None)
    store.respond = refuse
    watch.require()
    assert watch.read(lambda: 3) == 3
    assert store.pings == 0


def test_idle_threads_end_with_the_watch(store: FakeStore) -> None:
    before = set(threading.enumerate())
    watch = watching(store)
    assert watch.read(lambda: 7) == 7
    threads = set(threading.enumerate()) - before
    assert threads
    del watch
    gc.collect()
    wait_until(lambda: not any(thread.is_alive() for thread in threads))
