"""Where training batches are drawn: in the training process, or in workers next to a GPU."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from multiprocessing.sharedctypes import Synchronized

from lookdex.training.ahead import prefetch
from lookdex.training.embedder.fit import Batch, Source

REFRESH_EVERY = 60  # seconds


@contextmanager
def open_source(make: Callable[[int], Source], workers: int) -> Iterator[Source]:
    """A source of batches; with workers, they prefetch from a source each.

    Args:
        make: worker number (a random seed) → source; pickled if there are workers.
    """
    if not workers:
        yield make(0)
        return
    progress = multiprocessing.get_context("forkserver").Value("d", 0.0)
    with prefetch(partial(_batches, make, progress), workers) as batches:
        first = next(batches)  # wait until the workers have started, which does not count as training time
        yield _Drawn(chain([first], batches), progress)


class _Drawn:
    """Batches from the workers.

    Args:
        progress: shared with them.
    """

    def __init__(self, batches: Iterator[Batch], progress: Synchronized[float]) -> None:
        self._batches, self._progress = batches, progress

    def batch(self, progress: float) -> Batch:
        self._progress.value = progress
        return next(self._batches)

    def refresh(self) -> None:
        """Nothing to do: the workers refresh their own sources."""


def _batches(make: Callable[[int], Source], progress: Synchronized[float], worker: int) -> Iterator[Batch]:
    source = make(worker)
    looked = time.monotonic()
    while True:
        if time.monotonic() - looked > REFRESH_EVERY:
            source.refresh()
            looked = time.monotonic()
        yield source.batch(progress.value)
