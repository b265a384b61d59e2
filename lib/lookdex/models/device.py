"""Devices, selected by name. There is no fallback to another device."""

from __future__ import annotations

import contextlib
import os
from contextlib import AbstractContextManager

import torch

from lookdex.errors import ConfigError, DeviceUnavailable


def open_device(name: str) -> torch.device:
    """Return the device 'cpu', 'cuda' or 'cuda:N'.

    Raises:
        ConfigError: unknown name.
        DeviceUnavailable: this machine, or this build of PyTorch, does not have that GPU.
    """
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and (kind == "cpu" or not number.isdigit())):
        raise ConfigError(f"unknown device {name!r}: use cpu, cuda or cuda:N")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count <= int(number or 0):
            detail = f"PyTorch {torch.__version__} sees {count} GPU{'s' * (count != 1)} here"
            raise DeviceUnavailable(
                f"device {name} is not available: {detail}. Use device=cpu, or a machine that has it"
            )
    return torch.device(name)


def cores() -> int:
    """Number of cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_cores(calls: int) -> None:
    """Divide the CPU cores among this many concurrent model calls; torch would give each call all of them."""
    torch.set_num_threads(max(1, cores() // calls))


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """float16 on GPUs, where it is faster; float32 on the CPU."""
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.float16)
    return contextlib.nullcontext()
