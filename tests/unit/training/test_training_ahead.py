"""Training batches that a thread draws ahead."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch

from lookdex.training.ahead import count_workers, prefetch


def test_without_workers_a_thread_draws_in_order() -> None:
    with prefetch(itertools.count, 0) as drawn:
        assert list(itertools.islice(drawn, 5)) == [0, 1, 2, 3, 4]


def test_an_error_while_drawing_ends_the_training() -> None:
    def broken(worker: int) -> Iterator[int]:
        yield worker
        raise FileNotFoundError("photo 7 is missing")

    with prefetch(broken, 0) as drawn, pytest.raises(FileNotFoundError, match="photo 7"):
        list(itertools.islice(drawn, 3))


def test_processes_on_gpus_share_the_cores_and_a_cpu_has_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    assert count_workers(torch.device("cpu")) == 0
    assert count_workers(torch.device("cuda")) == 15
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert count_workers(torch.device("cuda", 1)) == 3
