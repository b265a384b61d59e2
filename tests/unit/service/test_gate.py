"""The gate: which requests run, in which order, and which are refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from lookdex.service.http.gate import Gate
from lookdex.service.http.problems import ProblemError, ProblemKind


def soon(seconds: float = 30) -> float:
    return time.monotonic() + seconds


class Held:
    """Work that runs until `end` is called."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}

    def work(self, name: str) -> Callable[[], Awaitable[str]]:
        async def run() -> str:
            self.started.append(name)
            await self._ends.setdefault(name, asyncio.Event()).wait()
            return name

        return run

    def end(self, name: str) -> None:
        self._ends.setdefault(name, asyncio.Event()).set()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_first_come_first_served_and_never_more_than_the_slots() -> None:
    async def scenario() -> None:
        gate, held = Gate(slots=2, queue=9), Held()
        tasks = [asyncio.create_task(gate.run(held.work(name), soon())) for name in "abcde"]
        await settle()
        assert (held.started, gate.busy, gate.waiting) == (["a", "b"], 2, 3)
        held.end("b")
        await settle()
        assert held.started == ["a", "b", "c"]
        for name in "acde":
            held.end(name)
        assert await asyncio.gather(*tasks) == list("abcde")
        assert (held.started, gate.busy, gate.waiting) == (list("abcde"), 0, 0)

    asyncio.run(scenario())


def test_an_overflow_is_refused_and_closes_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        gate, held = Gate(slots=4, queue=6), Held()
        tasks = [asyncio.create_task(gate.run(held.work(name), soon())) for name in "abcdefghij"]
        await settle()
        assert (gate.busy, gate.waiting, gate.strained) == (4, 6, False)
        with pytest.raises(ProblemError) as refused:
            await gate.run(held.work("k"), soon())
        assert (refused.value.kind, int(refused.value.headers["Retry-After"])) == (ProblemKind.BUSY, 1)
        assert gate.strained
        for name in "abcde":
            held.end(name)
        await settle()
        assert (gate.busy, gate.waiting) == (4, 1)
        with pytest.raises(ProblemError):  # six may wait when the queue is open; now none
            gate.check()
        for name in "fg":
            held.end(name)
        await settle()
        assert (gate.busy, gate.waiting) == (3, 0)
        gate.check()  # a free slot is enough
        now = time.monotonic()
        monkeypatch.setattr("time.monotonic", lambda: now + 60)
        assert not gate.strained
        monkeypatch.undo()
        for name in "hij":
            held.end(name)
        await asyncio.gather(*tasks)

    asyncio.run(scenario())


def test_a_deadline_ends_the_wait_and_frees_what_it_held() -> None:
    async def scenario() -> None:
        gate, held = Gate(slots=1, queue=5), Held()
        first = asyncio.create_task(gate.run(held.work("a"), soon()))
        await settle()
        with pytest.raises(ProblemError) as late:
            await gate.run(held.work("b"), soon(0.02))
        assert late.value.kind is ProblemKind.TOO_LATE
        assert (gate.waiting, held.started) == (0, ["a"])
        held.end("a")
        assert await first == "a"
        assert (gate.busy, gate.waiting) == (0, 0)

    asyncio.run(scenario())


def test_late_work_frees_its_slot_and_cannot_pile_up() -> None:
    async def scenario() -> None:
        gate, held = Gate(slots=2, queue=5), Held()

        async def late(*names: str) -> None:
            asked = [gate.run(held.work(name), soon(0.02)) for name in names]
            for told in await asyncio.gather(*asked, return_exceptions=True):
                assert isinstance(told, ProblemError)
                assert told.kind is ProblemKind.TOO_LATE
            await settle()

        await late("a", "b")
        assert (held.started, gate.busy, gate.late) == (["a", "b"], 0, 2)
        quick = asyncio.create_task(gate.run(held.work("quick"), soon()))
        await settle()
        held.end("quick")
        assert await quick == "quick"  # though the late ones still run

        await late("c", "d", "e")  # as many late requests as slots: from now on they keep theirs
        assert held.started == ["a", "b", "quick", "c", "d"]
        assert (gate.busy, gate.late) == (2, 2)
        last = asyncio.create_task(gate.run(held.work("last"), soon()))
        await settle()
        assert (gate.waiting, len(held.started)) == (1, 5)
        held.end("a")  # one late request fewer: the next frees its slot
        await settle()
        assert (held.started[-1], gate.busy, gate.late) == ("last", 2, 2)
        for name in ("b", "c", "d", "last"):
            held.end(name)
        assert await last == "last"
        await settle()
        assert (gate.busy, gate.waiting, gate.late) == (0, 0, 0)
        assert len(held.started) <= 6
        assert gate.max_threads == 4

    asyncio.run(scenario())


def test_work_that_nobody_waits_for_is_late_at_once() -> None:
    async def scenario() -> None:
        gate, held = Gate(slots=1, queue=0), Held()
        task = asyncio.create_task(gate.run(held.work("a"), soon()))
        await settle()
        task.cancel()
        await settle()
        assert (gate.busy, gate.late) == (0, 1)
        held.end("a")
        await settle()
        assert (gate.busy, gate.late) == (0, 0)

    asyncio.run(scenario())


def test_one_that_gives_up_as_its_turn_comes_passes_the_slot_on() -> None:
    async def scenario() -> None:
        gate, held = Gate(slots=1, queue=5), Held()
        tasks = {name: asyncio.create_task(gate.run(held.work(name), soon())) for name in "abc"}
        await settle()
        held.end("a")
        tasks["b"].cancel()
        await settle()
        assert tasks["b"].cancelled()  # by nothing else, or its deadline would be no deadline
        held.end("c")
        assert await tasks["c"] == "c"
        assert (gate.busy, gate.waiting) == (0, 0)

    asyncio.run(scenario())


def test_errors_come_through_and_free_the_slot() -> None:
    async def broken() -> str:
        raise ValueError("broken")

    async def scenario() -> None:
        gate = Gate(slots=1, queue=0)
        for _ in range(3):
            with pytest.raises(ValueError, match="broken"):
                await gate.run(broken, soon())
        assert gate.busy == 0

    asyncio.run(scenario())


def test_a_closed_gate_lets_those_in_who_wait() -> None:
    async def scenario() -> None:
        gate, held = Gate(slots=1, queue=5), Held()
        tasks = [asyncio.create_task(gate.run(held.work(name), soon())) for name in "ab"]
        await settle()
        gate.close()
        with pytest.raises(ProblemError) as refused:
            await gate.run(held.work("c"), soon())
        assert refused.value.kind is ProblemKind.STOPPING
        held.end("a")
        held.end("b")
        assert await asyncio.gather(*tasks) == ["a", "b"]

    asyncio.run(scenario())
