"""Devices are asked for by name, and never replaced by another."""

from __future__ import annotations

import contextlib
import os
from contextlib import AbstractContextManager

import torch

from lookdex.errors import ConfigError, DeviceUnavailable


def open_device(name: str) -> torch.device:
    """'cpu', 'cuda' or 'cuda:N' → the device.

    Raises:
        ConfigError: another name.
        DeviceUnavailable: a GPU that this machine, or this build of PyTorch, does not have.
    """
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and (kind == "cpu" or not number.isdigit())):
        raise ConfigError(f"no device is called {name!r}: use cpu, cuda or cuda:N")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count <= int(number or 0):
            seen = f"PyTorch {torch.__version__} sees {count} GPU{'s' * (count != 1)} here"
            raise DeviceUnavailable(
                f"the device {name} was asked for, but {seen}: use device=cpu, or a machine with it"
            )
    return torch.device(name)


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_cores(calls: int) -> None:
    """Let so many calls of models run side by side on the CPU: torch would give each of them every core."""
    torch.set_num_threads(max(1, cores() // calls))


def precision(device: torch.device) -> AbstractContextManager:
    """float16 where it is fast (GPUs), float32 on the CPU."""
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.float16)
    return contextlib.nullcontext()
