"""Convolutions without cuDNN have the same outputs and gradients with the same weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import MethodType

import pytest
import timm
import torch
from torch import nn

from lookdex.training.convolutions import disable_cudnn, support_any_shape


class Doubling(nn.Conv2d):
    """A convolution that does more than convolve, as weight-standardised ones do."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x)


CONVOLUTIONS: dict[str, Callable[[], nn.Module]] = {
    "1x1": lambda: nn.Conv2d(8, 12, 1),
    "1x1 without a bias": lambda: nn.Conv2d(8, 12, 1, bias=False),
    "1x1, padded": lambda: nn.Conv2d(8, 12, 1, padding=1),
    "1x1, strided": lambda: nn.Conv2d(8, 12, 1, stride=2),
    "1x1, in groups": lambda: nn.Conv2d(8, 12, 1, groups=4),
    "1x1 of a subclass": lambda: Doubling(8, 12, 1),
    "3x3, strided": lambda: nn.Conv2d(8, 12, 3, stride=2, padding=1),
    "depthwise": lambda: nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False),
    "in groups": lambda: nn.Conv2d(8, 12, 3, groups=4),
    "reflecting": lambda: nn.Conv2d(8, 12, 3, padding=1, padding_mode="reflect"),
    "patches": lambda: nn.Conv2d(8, 12, 4, stride=4),
}


def run(model: nn.Module, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """Outputs; gradients of the input and of the weights."""
    x = pictures.clone(memory_format=torch.preserve_format).requires_grad_()
    out = model(x)
    weights = list(model.parameters())
    slopes = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).reshape(out.shape)
    of_input, *of_weights = torch.autograd.grad((out * slopes).sum(), [x, *weights])
    return out.detach(), of_input, of_weights


@pytest.mark.parametrize("kind", CONVOLUTIONS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_outputs_and_gradients_equal_those_of_the_convolution(kind: str, layout: torch.memory_format) -> None:
    torch.manual_seed(1)
    plain = CONVOLUTIONS[kind]().double()
    replaced = support_any_shape(copy.deepcopy(plain))
    assert isinstance(replaced.forward, MethodType)
    assert replaced.forward.__func__ is not type(plain).forward
    pictures = torch.randn(3, 8, 16, 20, dtype=torch.float64).contiguous(memory_format=layout)
    torch.testing.assert_close(run(replaced, pictures), run(plain, pictures))
    assert list(replaced.state_dict()) == list(plain.state_dict())


def test_a_copy_of_a_converted_network_has_the_same_outputs_and_its_own_weights() -> None:
    torch.manual_seed(1)
    plain = timm.create_model("tf_efficientnet_lite0", num_classes=5).eval()
    replaced = support_any_shape(support_any_shape(copy.deepcopy(plain)))  # twice is the same as once
    pictures = torch.randn(2, 3, 64, 48)
    expected = plain(pictures)
    torch.testing.assert_close(replaced(pictures), expected)
    copied = copy.deepcopy(replaced)
    with torch.no_grad():
        for weight in replaced.parameters():
            weight.zero_()
    torch.testing.assert_close(copied(pictures), expected)
    assert not replaced(pictures).any()


def test_cudnn_is_off_only_while_a_gpu_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "enabled", True)
    with disable_cudnn(torch.device("cpu")):
        assert torch.backends.cudnn.enabled
    with disable_cudnn(torch.device("cuda")):
        assert not torch.backends.cudnn.enabled
    assert torch.backends.cudnn.enabled
