"""Deadlines: the work of a late question ends soon, and others are answered meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextvars import copy_context
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lookdex.errors import TooSlow
from lookdex.runtime import deadline
from lookdex.runtime.stopwatch import Stopwatch
from lookdex.search.answer.answer import Answer, Models
from lookdex.search.answer.kinds import LaneKind
from lookdex.search.answer.lanes import FoundObject
from lookdex.search.catalog import Catalog
from lookdex.search.query.options import Options
from lookdex.search.retrieval.table import ReadTable
from lookdex.service.http import problems
from lookdex.service.http.observe import Metrics
from lookdex.service.http.pace import MinimumRate
from lookdex.service.http.problems import ProblemError
from lookdex.service.questions import QuestionHandler
from lookdex.storage import open_store
from tests.fakes import recipe
from tests.support.catalogs import opened, picture, publish, stock


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The clock of `deadline`, advanced by hand. The deadline is 10 seconds ahead."""
    clock = [1000.0]
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    token = deadline.DEADLINE.set(1010.0)
    yield clock
    deadline.DEADLINE.reset(token)


def test_a_deadline_belongs_to_the_context(now: list[float]) -> None:
    assert deadline.seconds_left() == 10.0
    assert copy_context().run(deadline.seconds_left) == 10.0
    found: list[float | None] = []
    thread = threading.Thread(target=lambda: found.append(deadline.seconds_left()))
    thread.start()
    thread.join()
    assert found == [None]


def test_checks_raise_once_the_deadline_has_passed(now: list[float]) -> None:
    deadline.check()
    now[0] = 1010.0
    with pytest.raises(TooSlow, match="deadline has passed"):
        deadline.check()
    with pytest.raises(TooSlow):
        Stopwatch(deadline.check).lap("embed")


class HeldDataset:
    """A dataset that counts its reads, which last until `end` is set."""

    schema = pa.schema([("a", pa.int64())])

    def __init__(self) -> None:
        self.reads, self.end = 0, threading.Event()

    def to_table(self, **_: object) -> pa.Table:
        self.reads += 1
        self.end.wait(30)
        return self.schema.empty_table()


def table_of(dataset: HeldDataset, seconds: float | None) -> ReadTable:
    release = SimpleNamespace(check=lambda: None)
    return ReadTable(dataset, "items", release, seconds)  # type: ignore[arg-type]  # stand-ins


@pytest.mark.parametrize("seconds", [30.0, None])
def test_a_read_ends_at_the_deadline(now: list[float], seconds: float | None) -> None:
    now[0] = 1009.95
    dataset = HeldDataset()
    with pytest.raises(TooSlow, match="deadline passed during a read"):
        table_of(dataset, seconds).to_table(patient=True)
    now[0] = 1011.0
    with pytest.raises(TooSlow, match="deadline has passed"):
        table_of(dataset, seconds).to_table()
    assert dataset.reads == 1
    dataset.end.set()


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    publish(open_store(str(tmp_path)), "night-1", stock())
    return opened(str(tmp_path), poll_seconds=60.0)


@pytest.fixture
def read_deadlines(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """The deadlines of all reads of tables after the catalogue is opened, in all threads."""
    deadlines: list[float | None] = []
    read = ReadTable._read

    def watched(self: ReadTable, *arguments: Any) -> Any:  # Any: passed on as they are
        deadlines.append(deadline.DEADLINE.get())
        return read(self, *arguments)

    monkeypatch.setattr(ReadTable, "_read", watched)
    return deadlines


def search_by(catalog: Catalog, due: float) -> Answer:
    """Search with a deadline."""

    def search() -> Answer:
        deadline.DEADLINE.set(due)
        return catalog.search(picture("red", "blue"), where="price < 90")

    return copy_context().run(search)


def test_all_reads_of_a_question_have_its_deadline(
    catalog: Catalog, read_deadlines: list[float | None]
) -> None:
    """Also those of the threads that read the rows of the whole photo."""
    due = time.monotonic() + 60
    assert search_by(catalog, due).objects
    assert set(read_deadlines) == {due}


def test_nothing_is_read_for_a_late_question(catalog: Catalog, read_deadlines: list[float | None]) -> None:
    search_by(catalog, time.monotonic() + 60)
    read_deadlines.clear()
    with pytest.raises(TooSlow):
        search_by(catalog, time.monotonic() - 1)
    assert read_deadlines == []


class HeldCatalog:
    """A catalogue that answers at once, but questions with `where` only when `end` is set."""

    def __init__(self) -> None:
        self.end = threading.Event()
        self.release = SimpleNamespace(release_id="night-1")
        self.questions = 0

    def ask(self, *photos: np.ndarray, options: Options) -> Answer:
        self.questions += 1
        if options.where is not None:
            self.end.wait(30)
        lane = FoundObject(kind=LaneKind.TEXT, matches=(), exhausted=False, text="red")
        return Answer(
            release_id="night-1",
            released_at=datetime.now(UTC),
            models=Models.of(recipe()),
            objects=(lane,),
            whole=None,
            seconds={},
        )


def test_late_questions_do_not_block_others() -> None:
    catalog = HeldCatalog()
    metrics = Metrics()
    questions = QuestionHandler(
        catalog, SimpleNamespace(decode_all=lambda *_: []), None, metrics,  # type: ignore[arg-type]  # stand-ins
        max_concurrency=2, queue=4, deadline=0.05, client_share=1.0, pace=MinimumRate(0),
    )  # fmt: skip

    async def scenario() -> None:
        slow = [questions.ask((), Options(where="price < 5", text="red")) for _ in range(2)]
        for refused in await asyncio.gather(*slow, return_exceptions=True):
            assert isinstance(refused, ProblemError)
            assert refused.kind is problems.ProblemKind.TOO_LATE
        assert (questions.gate.busy, questions.gate.late) == (0, 2)
        questions._deadline = 30.0
        assert (await questions.ask((), Options(text="red"))).release_id == "night-1"
        catalog.end.set()
        while questions.gate.late:
            await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(scenario(), 30))
    questions.close()
    assert catalog.questions == 3
