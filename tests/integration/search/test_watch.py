"""A store that is lost: reads fail at once, the loss is logged once, and reading goes on when it answers again."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from lookdex.errors import AccessDenied, NotFound, Unavailable
from lookdex.search.retrieval import watch as watches
from lookdex.search.retrieval.watch import Late, StoreWatch

SECONDS = 0.2


class FakeStore:
    """answer: what each small request does."""

    uri = "s3://shop/lookdex"

    def __init__(self) -> None:
        self.pings = 0
        self.answer: Callable[[], None] = lambda: None

    def ping(self, key: str, seconds: float) -> None:
        self.pings += 1
        self.answer()


def refuse() -> None:
    raise Unavailable("s3://shop/lookdex: connection refused")


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


def watching(store: FakeStore, seconds: float | None = SECONDS) -> StoreWatch:
    return StoreWatch(store, seconds)  # type: ignore[arg-type]


def test_a_read_gives_what_its_work_gives(store: FakeStore) -> None:
    watch = watching(store)

    def broken() -> None:
        raise ZeroDivisionError("of the work")

    assert watch.read(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError, match="of the work"):
        watch.read(broken)
    assert store.pings == 0
    assert watch.health.problem is None


def test_what_waits_fails_when_the_store_is_lost_and_what_follows_is_not_begun(
    store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    watch, end, begun = watching(store), threading.Event(), []
    store.answer = refuse
    with pytest.raises(Unavailable, match="connection refused"):
        watch.read(lambda: end.wait(20))
    for _ in range(20):
        with pytest.raises(Unavailable, match="connection refused"):
            watch.read(lambda: begun.append(1))
    assert not begun
    assert "refused" in (watch.health.problem or "")
    assert watch.health.left == 1
    store.answer = lambda: None
    until(lambda: watch.health.problem is None)
    assert watch.read(lambda: "answer") == "answer"
    end.set()
    until(lambda: watch.health.left == 0)
    told = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in told] == [logging.ERROR, logging.WARNING]
    assert "is lost: s3://shop/lookdex: connection refused" in told[0][1]
    assert "answers again" in told[1][1]


def test_reads_that_need_no_store_go_on_while_it_is_lost(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "_PAUSE", 60.0)  # between tries of a kind
    watch, end, begun = watching(store), threading.Event(), []
    store.answer = refuse
    with pytest.raises(Unavailable):
        watch.read(refuse, kind=lambda: "a crop")
    until(lambda: watch.health.problem is not None)

    def crop() -> None:
        begun.append(1)
        end.wait(20)

    for _ in range(3):
        assert watch.read(lambda: 7, kind=lambda: "the index") == 7
        with pytest.raises(Unavailable, match="connection refused"):
            watch.read(crop, kind=lambda: "another crop")
    assert len(begun) == 1  # the others fail without a try
    assert watch.health.failed >= {"another crop"}
    store.answer = lambda: None
    until(lambda: watch.health.problem is None)
    end.set()
    assert watch.read(lambda: 7, kind=lambda: "another crop") == 7
    assert not watch.health.failed


def test_a_read_that_fails_has_the_store_looked_at(store: FakeStore) -> None:
    watch = watching(store)
    store.answer = refuse
    with pytest.raises(Unavailable):
        watch.read(refuse)
    until(lambda: watch.health.problem is not None)


def test_a_slow_read_of_a_store_that_answers_is_waited_for(store: FakeStore) -> None:
    watch = watching(store, 0.02)

    def slow() -> str:
        until(lambda: store.pings >= 3)
        return "late"

    assert watch.read(slow) == "late"
    assert watch.health.problem is None


def test_a_read_that_takes_too_long_is_late_and_its_end_is_told(store: FakeStore) -> None:
    watch, end, ended = watching(store, 0.02), threading.Event(), []
    for limit in (0.001, 0.05):
        with pytest.raises(Late):
            watch.read(lambda: end.wait(20), limit, lambda: ended.append(1))
    assert watch.health.left == 2
    end.set()
    until(lambda: len(ended) == 2)
    assert watch.health == watches.StoreHealth(None, pytest.approx(0, abs=20), 0)


@pytest.mark.parametrize("refusal", [NotFound("no such key"), AccessDenied("not yours")])
def test_a_refusal_is_an_answer(store: FakeStore, refusal: Exception) -> None:
    watch, end = watching(store, 0.02), threading.Event()

    def refuse_politely() -> None:
        if store.pings == 3:
            end.set()
        raise refusal

    store.answer = refuse_politely
    watch.require()
    assert watch.read(lambda: end.wait(20))


def test_one_request_hangs_at_a_time(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "CONNECT_SECONDS", 0.0)
    watch, back = watching(store, 0.02), threading.Event()
    store.answer = lambda: back.wait(20) and None
    with pytest.raises(Unavailable, match=r"has not answered within 0\.02 s"):
        watch.require()
    with pytest.raises(Unavailable):
        watch.read(lambda: back.wait(20))
    until(lambda: watch.health.problem is not None)
    time.sleep(0.1)
    assert store.pings == 1
    back.set()
    until(lambda: watch.health.problem is None)


def test_reads_that_nobody_waits_for_are_bounded(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "MOST_LEFT", 2)
    watch, end = watching(store), threading.Event()
    for _ in range(2):
        with pytest.raises(Late):
            watch.read(lambda: end.wait(20), 0.001)
    with pytest.raises(Unavailable, match="2 reads from the store have not finished"):
        watch.read(lambda: 1)
    end.set()
    until(lambda: watch.health.left == 0)
    assert watch.read(lambda: 1) == 1


def test_nobody_looks_for_a_catalogue_that_is_gone(store: FakeStore) -> None:
    before = set(threading.enumerate())  # other tests' catalogues may still be watched
    store.answer = refuse
    watch: Any = watching(store, 0.02)
    with pytest.raises(Unavailable):
        watch.read(refuse)
    until(lambda: store.pings > 2)
    del watch
    until(lambda: not any(thread.name == "store" for thread in set(threading.enumerate()) - before))


def test_without_a_limit_nothing_is_asked(store: FakeStore) -> None:
    watch = watching(store, None)
    store.answer = refuse
    watch.require()
    assert watch.read(lambda: time.sleep(0.01) or 3) == 3
    assert store.pings == 0


def test_its_idle_threads_end_with_it(store: FakeStore) -> None:
    before = set(threading.enumerate())
    watch = watching(store)
    assert watch.read(lambda: 7) == 7
    threads = set(threading.enumerate()) - before
    assert threads
    del watch
    gc.collect()
    until(lambda: not any(thread.is_alive() for thread in threads))
