"""Batch sizes and learning rates of lookdex-tiny's training, on a CPU and on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lookdex_tiny.pairs import Mix


@dataclass(frozen=True, slots=True)
class Pace:
    """How a training proceeds on a device."""

    mix: Mix
    """What a batch consists of."""
    rate: float
    """Peak learning rate."""
    rate_on: float
    """Peak learning rate when continuing from a trained model."""
    average: float
    """Decay of the weights' moving average per step."""
    memory: int
    """Number of vectors of earlier batches."""
    scales: tuple[tuple[float, float], ...]
    """Relative image sides up to a share of the training; smaller images train faster, and slightly larger ones
    afterwards do no harm (Touvron et al., Fixing the train-test resolution discrepancy, 2019).
    """


CPU = Pace(Mix(10, 8, 4, 1), 1.2e-3, 1.2e-3, 0.98, 4096, ((0.5, 176 / 224), (1.0, 200 / 224)))
# Measured on one H100 with two concurrent trainings: 585 images/s each.
GPU = Pace(Mix(80, 56, 44, 8), 1.6e-3, 9e-4, 0.99, 8192, ((0.3, 176 / 224), (0.75, 200 / 224), (1.0, 1.0)))


def choose_pace(device: torch.device) -> Pace:
    return GPU if device.type == "cuda" else CPU


def scale_at(scales: Sequence[tuple[float, float]], progress: float) -> float:
    """The relative side at `progress` (0 … 1)."""
    return next(scale for until, scale in scales if progress <= until)
