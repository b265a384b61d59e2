"""Admission control: which requests run, in which order, and which are refused."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable

import pytest

from lookdex.service.http.gate import Gate
from lookdex.service.http.problems import ProblemError, ProblemKind


def within(seconds: float = 30) -> float:
    """A deadline in that many seconds."""
    return time.monotonic() + seconds


class HeldWork:
    """Named pieces of work, each of which runs until `end` is called with its name."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}

    def named(self, name: str) -> Callable[[], Awaitable[str]]:
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


def test_requests_run_in_their_order_and_no_more_than_there_are_slots() -> None:
    async def scenario() -> None:
        gate, work = Gate(slots=2, queue=9), HeldWork()
        tasks = [asyncio.create_task(gate.run(work.named(name), within())) for name in "abcde"]
        await settle()
        assert (work.started, gate.busy, gate.waiting) == (["a", "b"], 2, 3)
        work.end("b")
        await settle()
        assert work.started == ["a", "b", "c"]
        for name in "acde":
            work.end(name)
        assert await asyncio.gather(*tasks) == list("abcde")
        assert (work.started, gate.busy, gate.waiting) == (list("abcde"), 0, 0)

    asyncio.run(scenario())


def test_an_overflow_closes_the_queue_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        gate, work = Gate(slots=4, queue=6), HeldWork()
        tasks = [asyncio.create_task(gate.run(work.named(name), within())) for name in "abcdefghij"]
        await settle()
        assert (gate.busy, gate.waiting, gate.strained) == (4, 6, False)
        with pytest.raises(ProblemError) as refused:
            await gate.run(work.named("k"), within())
        assert (refused.value.kind, int(refused.value.headers["Retry-After"])) == (ProblemKind.BUSY, 1)
        assert gate.strained
        for name in "abcde":
            work.end(name)
        await settle()
        assert (gate.busy, gate.waiting) == (4, 1)
        with pytest.raises(ProblemError):  # the queue of six is closed
            gate.check()
        work.end("f")
        await settle()
        assert (gate.busy, gate.waiting) == (4, 0)
        with pytest.raises(ProblemError):  # although none waits
            gate.check()
        work.end("g")
        await settle()
        assert (gate.busy, gate.waiting) == (3, 0)
        gate.check()  # a free slot is enough
        now = time.monotonic()
        monkeypatch.setattr("time.monotonic", lambda: now + 60)
        assert not gate.strained
        monkeypatch.undo()
        for name in "hij":
            work.end(name)
        await asyncio.gather(*tasks)

    asyncio.run(scenario())


def test_a_request_past_its_deadline_leaves_the_queue() -> None:
    async def scenario() -> None:
        gate, work = Gate(slots=1, queue=5), HeldWork()
        first = asyncio.create_task(gate.run(work.named("a"), within()))
        await settle()
        with pytest.raises(ProblemError) as late:
            await gate.run(work.named("b"), within(0.02))
        assert late.value.kind is ProblemKind.TOO_LATE
        assert (gate.waiting, work.started) == (0, ["a"])
        work.end("a")
        assert await first == "a"
        assert (gate.busy, gate.waiting) == (0, 0)

    asyncio.run(scenario())


def test_late_work_frees_its_slot_until_there_is_as_much_as_slots() -> None:
    async def scenario() -> None:
        gate, work = Gate(slots=2, queue=5), HeldWork()

        async def late(*names: str) -> None:
            requests = [gate.run(work.named(name), within(0.02)) for name in names]
            for refused in await asyncio.gather(*requests, return_exceptions=True):
                assert isinstance(refused, ProblemError)
                assert refused.kind is ProblemKind.TOO_LATE
            await settle()

        await late("a", "b")
        assert (work.started, gate.busy, gate.late) == (["a", "b"], 0, 2)
        quick = asyncio.create_task(gate.run(work.named("quick"), within()))
        await settle()
        work.end("quick")
        assert await quick == "quick"  # although the late ones still run

        await late("c", "d", "e")  # as many late requests as slots: further ones keep their slots
        assert work.started == ["a", "b", "quick", "c", "d"]
        assert (gate.busy, gate.late) == (2, 2)
        last = asyncio.create_task(gate.run(work.named("last"), within()))
        await settle()
        assert (gate.waiting, len(work.started)) == (1, 5)
        work.end("a")  # one late request fewer: the next frees its slot
        await settle()
        assert (work.started[-1], gate.busy, gate.late) == ("last", 2, 2)
        for name in ("b", "c", "d", "last"):
            work.end(name)
        assert await last == "last"
        await settle()
        assert (gate.busy, gate.waiting, gate.late) == (0, 0, 0)
        assert len(work.started) <= 6
        assert gate.max_threads == 4

    asyncio.run(scenario())


def test_a_request_that_comes_after_its_deadline_is_refused_at_once() -> None:
    async def scenario() -> None:
        gate, work = Gate(slots=1, queue=5), HeldWork()
        task = asyncio.create_task(gate.run(work.named("a"), within(-1)))
        await settle()
        assert task.done()
        with pytest.raises(ProblemError) as late:
            await task
        assert late.value.kind is ProblemKind.TOO_LATE
        work.end("a")
        await settle()

    asyncio.run(scenario())


def test_cancelled_work_is_late_at_once() -> None:
    async def scenario() -> None:
        gate, work = Gate(slots=1, queue=0), HeldWork()
        task = asyncio.create_task(gate.run(work.named("a"), within()))
        await settle()
        task.cancel()
        await settle()
        assert (gate.busy, gate.late) == (0, 1)
        work.end("a")
        await settle()
        assert (gate.busy, gate.late) == (0, 0)

    asyncio.run(scenario())


@pytest.mark.parametrize("granted", [True, False])
def test_a_request_cancelled_as_its_turn_comes_passes_the_slot_on(granted: bool) -> None:
    """granted: the slot is handed over first, and the cancellation arrives before the request can run."""

    async def scenario() -> None:
        gate, work = Gate(slots=1, queue=5), HeldWork()
        tasks = {name: asyncio.create_task(gate.run(work.named(name), within())) for name in "abc"}
        await settle()
        work.end("a")
        if granted:
            while gate.waiting == 2:  # the turn of b comes in the same pass of the loop
                await asyncio.sleep(0)
        tasks["b"].cancel()
        await settle()
        assert tasks["b"].cancelled()
        assert work.started == ["a", "c"]
        work.end("c")
        assert await tasks["c"] == "c"
        assert (gate.busy, gate.waiting) == (0, 0)

    asyncio.run(scenario())


def test_failed_work_raises_its_error_and_frees_the_slot() -> None:
    async def broken() -> str:
        raise ValueError("broken")

    async def scenario() -> None:
        gate = Gate(slots=1, queue=0)
        for _ in range(3):
            with pytest.raises(ValueError, match="broken"):
                await gate.run(broken, within())
        assert gate.busy == 0

    asyncio.run(scenario())


def test_a_closed_gate_refuses_new_requests_and_runs_the_waiting_ones() -> None:
    async def scenario() -> None:
        gate, work = Gate(slots=1, queue=5), HeldWork()
        tasks = [asyncio.create_task(gate.run(work.named(name), within())) for name in "ab"]
        await settle()
        gate.close()
        with pytest.raises(ProblemError) as refused:
            await gate.run(work.named("c"), within())
        assert refused.value.kind is ProblemKind.STOPPING
        work.end("a")
        work.end("b")
        assert await asyncio.gather(*tasks) == ["a", "b"]

    asyncio.run(scenario())


def test_work_that_ends_while_its_slot_cannot_be_freed_frees_it_once() -> None:
    async def scenario() -> None:
        gate, work = Gate(slots=1, queue=0), HeldWork()
        for name in "ab":  # b is late too, but a takes up the limit of late requests
            task = asyncio.create_task(gate.run(work.named(name), within()))
            await settle()
            task.cancel()
            await settle()
        assert (gate.busy, gate.late) == (1, 1)
        work.end("b")
        await settle()
        assert (gate.busy, gate.late) == (0, 1)
        work.end("a")
        await settle()
        assert (gate.busy, gate.late) == (0, 0)

    asyncio.run(scenario())


def test_retry_after_follows_the_mean_duration_and_the_length_of_the_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = 0.0
    monkeypatch.setattr("lookdex.service.http.gate.time.monotonic", lambda: clock)

    async def scenario() -> None:
        nonlocal clock
        gate, work = Gate(slots=2, queue=1), HeldWork()
        for seconds in (40.0, 50.0):
            task = asyncio.create_task(gate.run(work.named("one"), clock + 900))
            await settle()
            clock += seconds
            work.end("one")
            assert await task == "one"
            work = HeldWork()
        tasks = [asyncio.create_task(gate.run(work.named(name), clock + 900)) for name in "abc"]
        await settle()
        with pytest.raises(ProblemError) as refused:
            gate.check()
        # The first request counts in full, later ones by a tenth: 41 s each, for 3 requests in 2 slots.
        assert int(refused.value.headers["Retry-After"]) == 62
        for name in "abc":
            work.end(name)
        await asyncio.gather(*tasks)

    asyncio.run(scenario())


def test_an_error_of_abandoned_work_is_not_logged_as_never_retrieved() -> None:
    logged: list[object] = []

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
        failing = asyncio.Event()

        async def broken() -> str:
            await failing.wait()
            raise ValueError("broken")

        task = asyncio.create_task(Gate(slots=1, queue=0).run(broken, within()))
        await settle()
        task.cancel()
        await settle()
        failing.set()
        await settle()
        del task
        gc.collect()

    asyncio.run(scenario())
    assert logged == []
