"""Prefetch batches: in a thread, or in worker processes when training on a GPU."""

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
AHEAD = 4  # batches prefetched per process


def count_workers(device: torch.device) -> int:
    """Number of prefetch processes for training on this device: the GPU's share of the cores minus one, else 0.

    On a CPU, training needs the cores itself, so a thread prefetches.
    """
    gpus = int(os.environ.get("LOCAL_WORLD_SIZE", 1))  # torchrun's processes on this machine
    return max(1, (os.cpu_count() or 1) // gpus - 1) if device.type == "cuda" else 0


@contextmanager
def prefetch(make: Callable[[int], Iterator[T]], workers: int) -> Iterator[Iterator[T]]:
    """Yield an endless iterator of batches.

    The workers' batches are interleaved, so that the same number of workers gives the same batches.

    Args:
        make: worker number (a random seed) → endless batches; pickled if there are workers.
    """
    if workers:
        loader = DataLoader(
            _Endless(make),
            batch_size=None,
            num_workers=workers,
            collate_fn=_identity,
            # PyTorch's threads do not survive a fork of this process, and a spawned worker may abort at exit:
            # Python finalizes it while a thread sends its tensors. A fork server's worker just exits.
            multiprocessing_context="forkserver",
            prefetch_factor=AHEAD,
        )
        yield iter(loader)
        return
    with ThreadPoolExecutor(1) as pool:
        yield _run_ahead(make(0), pool)


class _Endless(IterableDataset[T]):
    def __init__(self, make: Callable[[int], Iterator[T]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[T]:
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        worker = get_worker_info()
        return self._make(worker.id if worker else 0)


def _run_ahead(batches: Iterator[T], pool: ThreadPoolExecutor) -> Iterator[T]:
    ahead = pool.submit(next, batches)
    while True:
        batch = ahead.result()
        ahead = pool.submit(next, batches)
        yield batch


def _identity(batch: T) -> T:
    return batch
