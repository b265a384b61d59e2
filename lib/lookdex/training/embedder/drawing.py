"""Where a training's batches are drawn: in the training itself, or by processes beside a GPU."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from multiprocessing.sharedctypes import Synchronized

from lookdex.training.ahead import drawn_ahead
from lookdex.training.embedder.fit import Batch, Source

REFRESH_EVERY = 60  # seconds


@contextmanager
def drawing(make: Callable[[int], Source], workers: int) -> Iterator[Source]:
    """Batches of `make`'s source; if there are workers, so many processes draw them ahead, each from a source of its
    own.

    make: (a worker's number, for its chance) → where it draws from; pickled if there are workers.
    """
    if not workers:
        yield make(0)
        return
    progress = multiprocessing.get_context("forkserver").Value("d", 0.0)
    with drawn_ahead(partial(_batches, make, progress), workers) as batches:
        first = next(batches)  # by then the processes have started, which is no training time
        yield _Drawn(chain([first], batches), progress)


class _Drawn:
    """What the processes draw. progress: shared with them."""

    def __init__(self, batches: Iterator[Batch], progress: Synchronized) -> None:
        self._batches, self._progress = batches, progress

    def batch(self, progress: float) -> Batch:
        self._progress.value = progress
        return next(self._batches)

    def refresh(self) -> None:
        """The processes look for themselves."""


def _batches(make: Callable[[int], Source], progress: Synchronized, worker: int) -> Iterator[Batch]:
    source = make(worker)
    looked = time.monotonic()
    while True:
        if time.monotonic() - looked > REFRESH_EVERY:
            source.refresh()
            looked = time.monotonic()
        yield source.batch(progress.value)
