"""Convolutions for a GPU that meets a picture of another shape at every step.

cuDNN compiles its kernels anew for every shape of a batch, for seconds each. PyTorch's own need no such thing, but are
slow where they could be a matrix product, and run best on contiguous pixels.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@contextmanager
def without_cudnn(device: torch.device) -> Iterator[None]:
    """Training on a GPU runs without cuDNN meanwhile; on a CPU nothing changes.

    It is the process's switch and not a layer's: the way back through a layer looks at it too, at its own time and on
    its own thread.
    """
    before = torch.backends.cudnn.enabled
    torch.backends.cudnn.enabled = before and device.type != "cuda"
    try:
        yield
    finally:
        torch.backends.cudnn.enabled = before


def for_any_shape(model: nn.Module) -> nn.Module:
    """Let every Conv2d of the model run as is quickest without cuDNN, in place; returns the model.

    A 1x1 convolution becomes a matrix product over its channels; any other gets contiguous pixels and gives back
    channels-last ones. The outputs are the same but for rounding; no weight is touched, and a deep copy of the model
    computes with the copy's weights.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            forward = _as_product if _is_product(module) else _on_contiguous
            module.forward = types.MethodType(forward, module)
    return model


def _is_product(conv: nn.Conv2d) -> bool:
    """Is it a plain 1x1 convolution? A subclass may do more than convolve."""
    return (
        type(conv).forward is nn.Conv2d.forward
        and conv.kernel_size == (1, 1)
        and conv.stride == (1, 1)
        and conv.groups == 1
        and conv.padding in ((0, 0), "valid", "same")
    )


def _as_product(self: nn.Conv2d, x: Tensor) -> Tensor:
    return F.linear(x.movedim(-3, -1), self.weight.flatten(1), self.bias).movedim(-1, -3)


def _on_contiguous(self: nn.Conv2d, x: Tensor) -> Tensor:
    return type(self).forward(self, x.contiguous()).contiguous(memory_format=torch.channels_last)
