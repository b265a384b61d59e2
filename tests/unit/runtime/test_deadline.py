"""A question past its deadline: its work ends soon, its place is free, and others are answered."""

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
    """The time as `deadline` sees it, to be moved by hand."""
    clock = [1000.0]
    monkeypatch.setattr(deadline, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    token = deadline.DEADLINE.set(1010.0)
    yield clock
    deadline.DEADLINE.reset(token)


def test_a_deadline_belongs_to_the_context(now: list[float]) -> None:
    assert deadline.left() == 10.0
    assert copy_context().run(deadline.left) == 10.0
    found: list[float | None] = []
    thread = threading.Thread(target=lambda: found.append(deadline.left()))
    thread.start()
    thread.join()
    assert found == [None]
    now[0] = 1010.0
    with pytest.raises(TooSlow, match="deadline has passed"):
        deadline.check()
    with pytest.raises(TooSlow):
        Stopwatch(deadline.check).lap("embed")


class Reads:
    """A dataset that counts its reads, and ends none before it is told to."""

    schema = pa.schema([("a", pa.int64())])

    def __init__(self) -> None:
        self.begun, self.end = 0, threading.Event()

    def to_table(self, **_: object) -> pa.Table:
        self.begun += 1
        self.end.wait(30)
        return self.schema.empty_table()


def table(dataset: Reads, seconds: float | None) -> ReadTable:
    return ReadTable(dataset, "items", SimpleNamespace(check=lambda: None), seconds)  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [30.0, None])
def test_a_read_ends_at_the_deadline(now: list[float], seconds: float | None) -> None:
    now[0] = 1009.95
    dataset = Reads()
    with pytest.raises(TooSlow, match="deadline passed during a read"):
        table(dataset, seconds).to_table(patient=True)
    now[0] = 1011.0
    with pytest.raises(TooSlow, match="deadline has passed"):
        table(dataset, seconds).to_table()
    assert dataset.begun == 1
    dataset.end.set()


def test_no_thread_reads_for_a_question_that_is_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(open_store(str(tmp_path)), "night-1", stock())
    catalog = opened(str(tmp_path), poll_seconds=60.0)
    seen: list[float | None] = []
    read = ReadTable._read

    def watched(self: ReadTable, *arguments: Any) -> Any:
        seen.append(deadline.DEADLINE.get())
        return read(self, *arguments)

    monkeypatch.setattr(ReadTable, "_read", watched)
    ends = time.monotonic() + 60

    def ask() -> Answer:
        deadline.DEADLINE.set(ends)
        return catalog.search(picture("red", "blue"), where="price < 90")

    assert copy_context().run(ask).objects
    assert set(seen) == {ends}  # the threads that read the whole photo's rows beside, too
    ends, count = time.monotonic() - 1, len(seen)
    with pytest.raises(TooSlow):
        copy_context().run(ask)
    assert len(seen) == count  # the first step was the last


class Stubborn:
    """A catalogue that answers at once, or with `where` when it is told to."""

    def __init__(self) -> None:
        self.end = threading.Event()
        self.release = SimpleNamespace(release_id="night-1")
        self.asked = 0

    def ask(self, *photos: np.ndarray, options: Options) -> Answer:
        self.asked += 1
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


def test_questions_that_take_too_long_block_nobody() -> None:
    catalog = Stubborn()
    metrics = Metrics()
    questions = QuestionHandler(
        catalog, SimpleNamespace(decode_all=lambda *_: []), None, metrics,  # type: ignore[arg-type]
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
    assert catalog.asked == 3
