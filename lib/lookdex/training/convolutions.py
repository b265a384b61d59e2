"""Convolutions for GPU training with a new image shape at every step.

cuDNN compiles its kernels for every batch shape, which takes seconds. PyTorch's own kernels do not, but they are slow
where a matrix product would do, and fastest on contiguous pixels.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@contextmanager
def disable_cudnn(device: torch.device) -> Iterator[None]:
    """Disable cuDNN while training on a GPU; no effect on a CPU.

    This is a process-wide switch rather than one per layer, because the backward pass reads it too, later and in its
    own thread.
    """
    before = torch.backends.cudnn.enabled
    torch.backends.cudnn.enabled = before and device.type != "cuda"
    try:
        yield
    finally:
        torch.backends.cudnn.enabled = before


def support_any_shape(model: nn.Module) -> nn.Module:
    """Make every Conv2d of the model run as fast as possible without cuDNN, in place; returns the model.

    A 1x1 convolution becomes a matrix product over its channels. Others get contiguous input and return channels-last
    output. Outputs are equal up to rounding, no weight changes, and a deep copy of the model uses the copy's weights.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            forward = _multiply if _is_product(module) else _convolve_contiguous
            module.forward = types.MethodType(forward, module)  # type: ignore[method-assign]  # of this one only
    return model


def _is_product(conv: nn.Conv2d) -> bool:
    """Whether this is a plain 1x1 convolution. A subclass may do more than convolve."""
    return (
        type(conv).forward is nn.Conv2d.forward
        and conv.kernel_size == (1, 1)
        and conv.stride == (1, 1)
        and conv.groups == 1
        and conv.padding in ((0, 0), "valid", "same")
    )


def _multiply(self: nn.Conv2d, x: Tensor) -> Tensor:
    return F.linear(x.movedim(-3, -1), self.weight.flatten(1), self.bias).movedim(-1, -3)


def _convolve_contiguous(self: nn.Conv2d, x: Tensor) -> Tensor:
    return type(self).forward(self, x.contiguous()).contiguous(memory_format=torch.channels_last)
