"""Distributed training, one process per GPU: `torchrun --nproc-per-node N -- jobs/train_detector.py …`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from lookdex.models.device import open_device

PATIENCE = timedelta(hours=2)  # the others wait while the first one evaluates


@dataclass(frozen=True, slots=True)
class Group:
    """This process within the training."""

    rank: int
    size: int
    device: torch.device
    """Of this process."""

    @property
    def first(self) -> bool:
        """Whether this process writes, evaluates and prints."""
        return self.rank == 0

    def spread(self, module: nn.Module) -> nn.Module:
        """Wrap the module so that gradients are averaged over the group."""
        if self.size == 1:
            return module
        return DistributedDataParallel(
            module, device_ids=[self.device] if self.device.type == "cuda" else None
        )

    def agree(self, value: float) -> float:
        """Broadcast the first process's value; waits for the slowest process."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, 0)
        return float(shared)


@contextmanager
def join(device: str) -> Iterator[Group]:
    """Join torchrun's process group, or run alone.

    Args:
        device: 'cpu', 'cuda' or 'cuda:N'; with several processes on 'cuda', each uses the GPU of its local rank.

    Raises:
        ConfigError, DeviceUnavailable.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    if size == 1:
        yield Group(0, 1, open_device(device))
        return
    own = open_device(f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" else device)
    if own.type == "cuda":
        torch.cuda.set_device(own)
    distributed.init_process_group("nccl" if own.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Group(rank, size, own)
    finally:
        distributed.destroy_process_group()
