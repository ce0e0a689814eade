"""The fast group normalisation against torch's."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from marey.network.norm import GroupNorm, _ChannelsLast


@pytest.mark.parametrize(("channels", "height", "width"), [(32, 40, 32), (64, 32, 33), (96, 8, 256), (64, 4, 4)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_values_and_gradients_are_those_of_torch(channels, height, width, layout):
    torch.manual_seed(0)
    ours, theirs = GroupNorm(32, channels, eps=1e-6), nn.GroupNorm(32, channels, eps=1e-6)
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict())
    x = (3.0 + 2.0 * torch.randn(2, channels, height, width)).contiguous(memory_format=layout)
    grad = torch.randn_like(x)
    results = []
    for norm in (ours, theirs):
        given = x.clone().requires_grad_()
        y = norm(given)
        y.backward(grad)
        results.append((y.detach(), given.grad, norm.weight.grad, norm.bias.grad))
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-4, atol=2e-4)


def test_half_precision_is_float32_rounded_at_the_end():
    norm = GroupNorm(32, 64)
    x = torch.randn(2, 64, 6, 5).bfloat16().contiguous(memory_format=torch.channels_last)
    expected = functional.group_norm(x.float(), 32, norm.weight, norm.bias, norm.eps).bfloat16()
    for given in (norm, norm.bfloat16()):
        assert torch.equal(given(x), expected)


def test_the_derivative_is_exact():
    x = torch.randn(2, 12, 3, 4, dtype=torch.float64).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight, bias = torch.randn(2, 12, dtype=torch.float64).requires_grad_().unbind()
    assert torch.autograd.gradcheck(lambda *given: _ChannelsLast.apply(*given, 4, 1e-5), (x, weight, bias))
    slow = functional.group_norm(x, 4, weight, bias, 1e-5)
    torch.testing.assert_close(_ChannelsLast.apply(x, weight, bias, 4, 1e-5), slow)
