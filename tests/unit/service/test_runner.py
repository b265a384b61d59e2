"""The shared model runner: batches, order, errors, deadlines."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import numpy as np
import pytest

from lookdex.errors import BadQuery
from lookdex.runtime.deadline import DEADLINE
from lookdex.service.http.problems import ProblemError, ProblemKind
from lookdex.service.runner import ModelMethod, ModelRunner, SharedDetector, SharedEmbedder
from tests.fakes import FakeDetector, FakeEmbedder
from tests.support.catalogs import picture


class Slow:
    """A model that doubles numbers once released, and fails on 13."""

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


@pytest.fixture
def ran() -> list[tuple[str, int]]:
    return []


@pytest.fixture
def runner(ran: list[tuple[str, int]]) -> Iterator[ModelRunner]:
    runner = ModelRunner(1, lambda name, inputs: ran.append((name, inputs)))
    runner.start()
    yield runner
    runner.close()


def many(runner: ModelRunner, work: ModelMethod, asked: Sequence[Any], model: Slow) -> list[Any]:
    """Run each input from its own thread while the model is busy with the first, then release it."""
    with ThreadPoolExecutor(len(asked)) as callers:
        futures = []
        for n, inputs in enumerate(asked):
            futures.append(callers.submit(runner.run, work, inputs))
            if n == 0:
                assert model.entered.wait(30)
            deadline = time.monotonic() + 30
            while len(runner._waiting) < sum(map(len, asked[1 : n + 1])) and time.monotonic() < deadline:
                time.sleep(0.001)
        model.go.set()
        return [f.exception() or f.result() for f in futures]


def test_concurrent_calls_are_batched_in_order(runner, ran) -> None:
    model = Slow()
    answers = many(runner, ModelMethod("model", model.double, 4), [[1], [2, 3], [4], [5, 6, 7]], model)
    assert answers == [[2], [4, 6], [8], [10, 12, 14]]
    assert model.calls == [[1], [2, 3, 4, 5], [6, 7]]
    assert ran == [("model", 1), ("model", 4), ("model", 2)]


def test_a_batch_size_of_one(runner) -> None:
    model = Slow()
    assert many(runner, ModelMethod("model", model.double, 1), [[1], [2, 3], [4]], model) == [
        [2],
        [4, 6],
        [8],
    ]
    assert model.calls == [[1], [2], [3], [4]]


def test_a_bad_input_does_not_fail_the_others(runner) -> None:
    model = Slow()
    first, good, bad, last = many(
        runner, ModelMethod("model", model.double, 8), [[1], [2], [3, 13], [4]], model
    )
    assert (first, good, last) == ([2], [4], [8])
    assert isinstance(bad, ValueError)


def test_a_wrong_number_of_results_fails_only_the_call(runner) -> None:
    def lose(numbers: list[int]) -> list[int]:
        return [2 * n for n in numbers if n != 13]

    def ask(numbers: list[int]) -> list[int]:
        DEADLINE.set(time.monotonic() + 20)
        return runner.run(ModelMethod("model", lose, 8), numbers)

    with pytest.raises(ValueError, match="the model returned 1 results for 2 inputs"):
        copy_context().run(ask, [1, 13])
    assert copy_context().run(ask, [2]) == [4]


def test_different_models_do_not_mix(runner) -> None:
    slow, other = Slow(), Slow()
    other.go.set()
    one, two = ModelMethod("one", slow.double, 8), ModelMethod("two", other.double, 8)
    with ThreadPoolExecutor(3) as callers:
        futures = [callers.submit(runner.run, one, [1])]
        assert slow.entered.wait(30)
        futures += [callers.submit(runner.run, two, [2]), callers.submit(runner.run, one, [3])]
        slow.go.set()
        assert [f.result(30) for f in futures] == [[2], [4], [6]]
    assert (slow.calls, other.calls) == ([[1], [3]], [[2]])


def test_abandoned_calls_are_not_run(runner) -> None:
    model, work = Slow(), None
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
    runner, model = ModelRunner(1), Slow()
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


def test_shared_models_answer_as_the_models_do(runner, ran) -> None:
    pictures = [picture("red"), picture("blue", "green"), picture("cyan", shade=9)]
    detector, embedder = SharedDetector(FakeDetector(), runner), SharedEmbedder(FakeEmbedder(), runner, 2)
    assert detector.detect(pictures) == FakeDetector().detect(pictures)
    np.testing.assert_array_equal(embedder.embed_images(pictures), FakeEmbedder().embed_images(pictures))
    assert embedder.embed_images([]).shape == (0, FakeEmbedder.dim)
    assert embedder.embed_texts(["red"]).shape == (1, FakeEmbedder.dim)
    with pytest.raises(BadQuery):
        embedder.embed_texts(["no colour"])
    assert ran[:5] == [("detector", 1)] * 3 + [("embedder", 2), ("embedder", 1)]
