"""The model runner that concurrent requests share: batches, order, errors, deadlines."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import numpy as np
import pytest

from lookdex.errors import BadQuery
from lookdex.runtime.deadline import DEADLINE
from lookdex.service.http.problems import ProblemError, ProblemKind
from lookdex.service.runner import ModelMethod, ModelRunner, SharedDetector, SharedEmbedder
from tests.fakes import FakeDetector, FakeEmbedder
from tests.support.catalogs import picture


class HeldModel:
    """A model that doubles numbers once `go` is set, and fails on 13."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.entered = threading.Event()
        self.calls: list[list[int]] = []

    def double(self, numbers: list[int]) -> list[int]:
        self.calls.append(list(numbers))
        self.entered.set()
        assert self.go.wait(30)
        if 13 in numbers:
            raise ValueError("13")
        return [2 * n for n in numbers]


Batches = list[tuple[str, int]]


@pytest.fixture
def batches() -> Batches:
    """The batches that `runner` ran: a model's name and the number of inputs."""
    return []


@pytest.fixture
def runner(batches: Batches) -> Iterator[ModelRunner]:
    runner = ModelRunner(1, lambda name, inputs: batches.append((name, inputs)))
    runner.start()
    yield runner
    runner.close()


def run_concurrently(
    runner: ModelRunner, model: HeldModel, batch: int, calls: Sequence[list[int]]
) -> list[list[int] | BaseException]:
    """Make each call from its own thread while the model is busy with the first, then release the model."""
    work = ModelMethod("model", model.double, batch)
    with ThreadPoolExecutor(len(calls)) as callers:
        futures = []
        for n, inputs in enumerate(calls):
            futures.append(callers.submit(runner.run, work, inputs))
            if n == 0:
                assert model.entered.wait(30)
            deadline = time.monotonic() + 30
            while len(runner._waiting) < sum(map(len, calls[1 : n + 1])) and time.monotonic() < deadline:
                time.sleep(0.001)
        model.go.set()
        return [f.exception() or f.result() for f in futures]


def test_concurrent_calls_are_batched_in_order(runner: ModelRunner, batches: Batches) -> None:
    model = HeldModel()
    answers = run_concurrently(runner, model, 4, [[1], [2, 3], [4], [5, 6, 7]])
    assert answers == [[2], [4, 6], [8], [10, 12, 14]]
    assert model.calls == [[1], [2, 3, 4, 5], [6, 7]]
    assert batches == [("model", 1), ("model", 4), ("model", 2)]


def test_with_a_batch_size_of_1_inputs_run_one_by_one(runner: ModelRunner) -> None:
    model = HeldModel()
    assert run_concurrently(runner, model, 1, [[1], [2, 3], [4]]) == [[2], [4, 6], [8]]
    assert model.calls == [[1], [2], [3], [4]]


def test_a_bad_input_fails_only_its_own_call(runner: ModelRunner) -> None:
    first, good, bad, last = run_concurrently(runner, HeldModel(), 8, [[1], [2], [3, 13], [4]])
    assert (first, good, last) == ([2], [4], [8])
    assert isinstance(bad, ValueError)


def test_a_wrong_number_of_results_fails_only_its_call(runner: ModelRunner) -> None:
    def lose(numbers: list[int]) -> list[int]:
        return [2 * n for n in numbers if n != 13]

    def ask(numbers: list[int]) -> object:
        DEADLINE.set(time.monotonic() + 20)
        return runner.run(ModelMethod("model", lose, 8), numbers)

    with pytest.raises(ValueError, match="the model returned 1 results for 2 inputs"):
        copy_context().run(ask, [1, 13])
    assert copy_context().run(ask, [2]) == [4]


def test_a_batch_holds_inputs_of_one_model(runner: ModelRunner) -> None:
    held, other = HeldModel(), HeldModel()
    other.go.set()
    one, two = ModelMethod("one", held.double, 8), ModelMethod("two", other.double, 8)
    with ThreadPoolExecutor(3) as callers:
        futures = [callers.submit(runner.run, one, [1])]
        assert held.entered.wait(30)
        futures += [callers.submit(runner.run, two, [2]), callers.submit(runner.run, one, [3])]
        held.go.set()
        assert [f.result(30) for f in futures] == [[2], [4], [6]]
    assert (held.calls, other.calls) == ([[1], [3]], [[2]])


def test_calls_past_their_deadline_are_not_run(runner: ModelRunner) -> None:
    model = HeldModel()
    work = ModelMethod("model", model.double, 1)

    def late() -> None:
        DEADLINE.set(time.monotonic() + 0.05)
        runner.run(work, [5, 6])

    with ThreadPoolExecutor(2) as callers:
        first = callers.submit(runner.run, work, [1])
        assert model.entered.wait(30)
        with pytest.raises(ProblemError) as refused:
            callers.submit(late).result(30)
        assert refused.value.kind is ProblemKind.TOO_LATE
        model.go.set()
        assert first.result(30) == [2]
    assert runner.run(work, [7]) == [14]
    assert model.calls == [[1], [7]]


def test_a_closed_runner_finishes_waiting_calls_and_refuses_new_ones() -> None:
    runner, model = ModelRunner(1), HeldModel()
    runner.start()
    work = ModelMethod("model", model.double, 1)
    with ThreadPoolExecutor(2) as callers:
        first = callers.submit(runner.run, work, [1, 2])
        assert model.entered.wait(30)
        closing = callers.submit(runner.close)
        model.go.set()
        assert first.result(30) == [2, 4]
        closing.result(30)
    with pytest.raises(ProblemError):
        runner.run(work, [3])


def test_shared_models_answer_as_the_models_do(runner: ModelRunner, batches: Batches) -> None:
    pictures = [picture("red"), picture("blue", "green"), picture("cyan", shade=9)]
    detector, embedder = SharedDetector(FakeDetector(), runner), SharedEmbedder(FakeEmbedder(), runner, 2)
    assert detector.detect(pictures) == FakeDetector().detect(pictures)
    np.testing.assert_array_equal(embedder.embed_images(pictures), FakeEmbedder().embed_images(pictures))
    assert embedder.embed_images([]).shape == (0, FakeEmbedder.dim)
    assert embedder.embed_texts(["red"]).shape == (1, FakeEmbedder.dim)
    with pytest.raises(BadQuery):
        embedder.embed_texts(["no colour"])
    assert batches[:5] == [("detector", 1)] * 3 + [("embedder", 2), ("embedder", 1)]
