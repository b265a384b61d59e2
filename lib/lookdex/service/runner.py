"""Models of concurrent requests, run together: a few threads that take pictures, whosever they are, in their order.

Threads and batches are what the device likes. On a CPU, EfficientNets answer eight pictures together no faster than
one by one (OpenVINO, one thread: 8.4 to 9.8 ms each for 1, 2 and 4), so each core has a thread that takes one picture
at a time: the objects of one photo spread over the cores, and concurrent photos share them. A GPU has one thread,
which takes as many pictures as wait, up to a batch.
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
from lookdex.service.http.problems import Kind, Refused

if TYPE_CHECKING:
    from lookdex.models import Detector, Embedder


@dataclass(frozen=True, slots=True)
class Work:
    """A model's method, its name in the metrics, and how many inputs it likes at a time."""

    name: str
    method: Callable[[list[Any]], Any]
    batch: int


@dataclass(slots=True)
class _Call:
    """What one caller asked of one model. answers: in the order of the inputs."""

    work: Work
    inputs: list[Any]
    deadline: float | None
    answers: list[Any]
    left: int
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def dead(self) -> bool:
        return self.error is not None or (self.deadline is not None and time.monotonic() > self.deadline)


class Runner:
    """threads: that run models, between `start` and `close`.

    ran: told of each call of a model: its name, and how many pictures.
    """

    def __init__(self, threads: int, ran: Callable[[str, int], None] = lambda model, pictures: None):
        self._ran = ran
        self._waiting: deque[tuple[_Call, int]] = deque()  # a call, and which of its inputs
        self._some = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"model-{n}", daemon=True) for n in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the threads once nothing waits any more."""
        with self._some:
            self._closed = True
            self._some.notify_all()
        for thread in self._threads:
            thread.join()

    def run(self, work: Work, inputs: Sequence[Any]) -> list[Any]:
        """The answers to `inputs`, run together with what others ask of the same work. Raises what it raises.

        Raises Refused: the deadline passed.
        """
        if not len(inputs):
            return []
        call = _Call(work, list(inputs), DEADLINE.get(), [None] * len(inputs), len(inputs))
        with self._some:
            if self._closed:
                raise Refused(Kind.STOPPING, "the service is stopping: ask again", retry_after=1)
            self._waiting.extend((call, n) for n in range(len(inputs)))
            self._some.notify(len(inputs))
        left = None if call.deadline is None else max(0.0, call.deadline - time.monotonic())
        if not call.done.wait(left):
            raise Refused(Kind.TOO_LATE, "the answer took longer than it may: ask again", retry_after=1)
        if call.error is not None:
            raise call.error
        return call.answers

    def _work(self) -> None:
        while True:
            with self._some:
                while not self._waiting:
                    if self._closed:
                        return
                    self._some.wait()
                taken = self._take()
            if taken:
                self._answer(taken)

    def _take(self) -> list[tuple[_Call, int]]:
        """The first picture that waits, and others for the same model; those that nobody waits for are dropped."""
        taken: list[tuple[_Call, int]] = []
        kept: deque[tuple[_Call, int]] = deque()
        while self._waiting and (not taken or len(taken) < taken[0][0].work.batch):
            call, number = self._waiting.popleft()
            if call.dead:
                continue
            if taken and call.work != taken[0][0].work:
                kept.append((call, number))
            else:
                taken.append((call, number))
        self._waiting.extendleft(reversed(kept))
        return taken

    def _answer(self, taken: list[tuple[_Call, int]]) -> None:
        work = taken[0][0].work
        try:
            answers = list(work.method([call.inputs[number] for call, number in taken]))
            if len(answers) != len(taken):  # a model of your own may do anything, but not end this thread
                raise ValueError(f"the {work.name} gave {len(answers)} answers to {len(taken)} inputs")
        except BaseException as error:
            if len({id(call) for call, _ in taken}) > 1:  # one picture's fault is not the others'
                for one in taken:
                    self._answer([one])
                return
            self._finish(taken, [None] * len(taken), error)
        else:
            self._finish(taken, answers, None)
        self._ran(work.name, len(taken))

    def _finish(
        self, taken: list[tuple[_Call, int]], answers: Sequence[Any], error: BaseException | None
    ) -> None:
        with self._some:
            for (call, number), answer in zip(taken, answers, strict=True):
                call.answers[number] = answer
                call.left -= 1
                call.error = call.error or error
                if call.left == 0 or call.error is not None:
                    call.done.set()


class SharedDetector:
    """A detector whose photos are run with those of other callers. batch: photos in one call of it, at most."""

    def __init__(self, inner: Detector, runner: Runner, batch: int = 1):
        self.name, self._runner = inner.name, runner
        self._detect = Work("detector", inner.detect, batch)

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        return self._runner.run(self._detect, images)


class SharedEmbedder:
    """An embedder whose pictures and texts are run with those of other callers."""

    def __init__(self, inner: Embedder, runner: Runner, batch: int = 1):
        self.name, self.dim, self._runner = inner.name, inner.dim, runner
        self._images = Work("embedder", inner.embed_images, batch)
        self._texts = Work("text", inner.embed_texts, batch)

    def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        return self._stacked(self._runner.run(self._images, images))

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return self._stacked(self._runner.run(self._texts, texts))

    def _stacked(self, vectors: list[np.ndarray]) -> np.ndarray:
        return np.stack(vectors) if vectors else np.zeros((0, self.dim), np.float32)


@dataclass(frozen=True)
class SharedModels:
    """The loader of a catalogue's models that runs them on `runner`."""

    inner: Loader
    runner: Runner

    def detector_of(self, recipe: Recipe, device: str) -> Detector:
        batch = 1 if device == "cpu" else self.inner.batch
        return SharedDetector(self.inner.detector_of(recipe, device), self.runner, batch)

    def embedder_of(self, recipe: Recipe, device: str) -> Embedder:
        embedder = self.inner.embedder_of(recipe, device)
        return SharedEmbedder(embedder, self.runner, getattr(embedder, "batch", 1))
