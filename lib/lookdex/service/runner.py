"""Run the models of all requests in a shared FIFO thread pool, in batches.

Threads and batch sizes suit the device. On a CPU, batching does not speed up EfficientNets (OpenVINO, one thread: 8.4
to 9.8 ms per picture for batches of 1, 2 and 4). So each core has a thread that takes one picture at a time: the
objects of one photo spread over the cores, and concurrent requests share them. A GPU has one thread, which takes all
waiting pictures up to the batch size.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lookdex.models.loading import Loader
from lookdex.records import Detection, Recipe
from lookdex.runtime.deadline import DEADLINE
from lookdex.service.http.problems import ProblemError, ProblemKind

if TYPE_CHECKING:
    from lookdex.models import Detector, Embedder


@dataclass(frozen=True, slots=True)
class ModelMethod:
    """A model's method, its name in the metrics and its batch size."""

    name: str
    method: Callable[[list[Any]], Any]
    batch: int


@dataclass(slots=True)
class _Call:
    """One caller's inputs for one model. answers: in the order of the inputs."""

    work: ModelMethod
    inputs: list[Any]
    deadline: float | None
    answers: list[Any]
    left: int
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def abandoned(self) -> bool:
        return self.error is not None or (self.deadline is not None and time.monotonic() > self.deadline)


class ModelRunner:
    """A thread pool for models, running between `start` and `close`.

    ran: called after each model call with the model's name and the batch size.
    """

    def __init__(self, threads: int, ran: Callable[[str, int], None] = lambda model, pictures: None) -> None:
        self._ran = ran
        self._waiting: deque[tuple[_Call, int]] = deque()  # a call and the index of an input
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"model-{n}", daemon=True) for n in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Finish all waiting work, then end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def run(self, work: ModelMethod, inputs: Sequence[Any]) -> list[Any]:
        """Run `inputs`, batched with other callers' inputs for the same work. Raises what the model raises.

        Raises ProblemError: the deadline passed.
        """
        if not len(inputs):
            return []
        call = _Call(work, list(inputs), DEADLINE.get(), [None] * len(inputs), len(inputs))
        with self._changed:
            if self._closed:
                raise ProblemError(ProblemKind.STOPPING, "the service is stopping: try again", retry_after=1)
            self._waiting.extend((call, n) for n in range(len(inputs)))
            self._changed.notify(len(inputs))
        left = None if call.deadline is None else max(0.0, call.deadline - time.monotonic())
        if not call.done.wait(left):
            raise ProblemError(ProblemKind.TOO_LATE, "the answer took too long: try again", retry_after=1)
        if call.error is not None:
            raise call.error
        return call.answers

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._closed:
                        return
                    self._changed.wait()
                taken = self._take()
            if taken:
                self._run_batch(taken)

    def _take(self) -> list[tuple[_Call, int]]:
        """Take the next batch: the first waiting input and others for the same work. Drops abandoned calls."""
        taken: list[tuple[_Call, int]] = []
        kept: deque[tuple[_Call, int]] = deque()
        while self._waiting and (not taken or len(taken) < taken[0][0].work.batch):
            call, number = self._waiting.popleft()
            if call.abandoned:
                continue
            if taken and call.work != taken[0][0].work:
                kept.append((call, number))
            else:
                taken.append((call, number))
        self._waiting.extendleft(reversed(kept))
        return taken

    def _run_batch(self, taken: list[tuple[_Call, int]]) -> None:
        work = taken[0][0].work
        try:
            answers = list(work.method([call.inputs[number] for call, number in taken]))
            if len(answers) != len(taken):  # a custom model may do anything, but must not end this thread
                raise ValueError(f"the {work.name} returned {len(answers)} results for {len(taken)} inputs")
        except BaseException as error:
            if len({id(call) for call, _ in taken}) > 1:  # run singly: a bad input must not fail the others
                for entry in taken:
                    self._run_batch([entry])
                return
            self._finish(taken, [None] * len(taken), error)
        else:
            self._finish(taken, answers, None)
        self._ran(work.name, len(taken))

    def _finish(
        self, taken: list[tuple[_Call, int]], answers: Sequence[Any], error: BaseException | None
    ) -> None:
        with self._changed:
            for (call, number), answer in zip(taken, answers, strict=True):
                call.answers[number] = answer
                call.left -= 1
                call.error = call.error or error
                if call.left == 0 or call.error is not None:
                    call.done.set()


class SharedDetector:
    """A detector that runs on the shared pool. batch: most photos in one call."""

    def __init__(self, inner: Detector, runner: ModelRunner, batch: int = 1) -> None:
        self.name, self._runner = inner.name, runner
        self._detect = ModelMethod("detector", inner.detect, batch)

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        return self._runner.run(self._detect, images)


class SharedEmbedder:
    """An embedder that runs on the shared pool. batch: most pictures or texts in one call."""

    def __init__(self, inner: Embedder, runner: ModelRunner, batch: int = 1) -> None:
        self.name, self.dim, self._runner = inner.name, inner.dim, runner
        self._images = ModelMethod("embedder", inner.embed_images, batch)
        self._texts = ModelMethod("text", inner.embed_texts, batch)

    def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return self._stack(self._runner.run(self._images, images))

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return self._stack(self._runner.run(self._texts, texts))

    def _stack(self, vectors: list[np.ndarray]) -> np.ndarray:
        return np.stack(vectors) if vectors else np.zeros((0, self.dim), np.float32)


@dataclass(frozen=True)
class SharedModels:
    """A model loader whose models run on `runner`."""

    inner: Loader
    runner: ModelRunner

    def detector_of(self, recipe: Recipe, device: str) -> Detector:
        batch = 1 if device == "cpu" else self.inner.batch
        return SharedDetector(self.inner.detector_of(recipe, device), self.runner, batch)

    def embedder_of(self, recipe: Recipe, device: str) -> Embedder:
        embedder = self.inner.embedder_of(recipe, device)
        return SharedEmbedder(embedder, self.runner, getattr(embedder, "batch", 1))
