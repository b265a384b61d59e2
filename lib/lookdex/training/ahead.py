"""Batches drawn ahead of the step that learns from them: by a thread, or by processes where a GPU waits for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import cv2
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

T = TypeVar("T")
AHEAD = 4  # batches, of each process


def workers_for(device: torch.device) -> int:
    """How many processes draw for a training on this device: the GPU's share of the cores but one, else none.

    A CPU is the training's own: there a thread of the training draws.
    """
    gpus = int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # torchrun's trainings on this machine
    return max(1, (os.cpu_count() or 1) // gpus - 1) if device.type == "cuda" else 0


@contextmanager
def drawn_ahead(make: Callable[[int], Iterator[T]], workers: int) -> Iterator[Iterator[T]]:
    """Batches without end. make: (a number for its chance) → batches without end; pickled if there are workers.

    The batches of several workers come in turn, so that the same number of workers draws the same batches.
    """
    if workers:
        loader = DataLoader(
            _Endless(make),
            batch_size=None,
            num_workers=workers,
            collate_fn=_as_it_is,
            # PyTorch's threads do not survive a fork of this process, and a spawned one may abort as it ends:
            # Python finalizes it under the thread that sends its tensors. One of a fork server just leaves.
            multiprocessing_context="forkserver",
            prefetch_factor=AHEAD,
        )
        yield iter(loader)
        return
    with ThreadPoolExecutor(1) as pool:
        yield _by_a_thread(make(0), pool)


class _Endless(IterableDataset[T]):
    def __init__(self, make: Callable[[int], Iterator[T]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[T]:
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        worker = get_worker_info()
        return self._make(worker.id if worker else 0)


def _by_a_thread(batches: Iterator[T], pool: ThreadPoolExecutor) -> Iterator[T]:
    ahead = pool.submit(next, batches)
    while True:
        batch = ahead.result()
        ahead = pool.submit(next, batches)
        yield batch


def _as_it_is(batch: T) -> T:
    return batch
