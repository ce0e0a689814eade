"""The fast linear layer against torch's."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from marey.network import linear
from marey.network.linear import Linear, PointConv, by_convolution, project


@pytest.mark.parametrize("shape", [(2, 300, 24), (3, 4, 50, 24), (1, 2000, 24), (7, 24), (2, 3, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_those_of_the_plain_layer(shape, bias):
    torch.manual_seed(0)
    layer = Linear(24, 40, bias=bias)
    x = torch.randn(shape, requires_grad=True)
    grad = torch.randn(*shape[:-1], 40)
    layer(x).backward(grad)
    fast = [x.grad, *(p.grad for p in layer.parameters())]
    y = x.detach().clone().requires_grad_()
    plain = nn.Linear(24, 40, bias=bias)
    plain.load_state_dict(layer.state_dict())
    functional.linear(y, plain.weight, plain.bias).backward(grad)
    slow = [y.grad, *(p.grad for p in plain.parameters())]
    torch.testing.assert_close(layer(x), plain(y), rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(fast, slow, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=2e-4)


def test_float64_is_exact_to_the_last_digits_and_other_precisions_keep_theirs():
    x, weight = torch.randn(2, 600, 8, dtype=torch.float64), torch.randn(5, 8, dtype=torch.float64)
    torch.testing.assert_close(project(x, weight, None), x @ weight.T, rtol=1e-13, atol=1e-13)
    assert project(x.bfloat16(), weight.bfloat16(), None).dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        assert project(x.float(), weight.float(), None).dtype == torch.bfloat16


@pytest.mark.parametrize("shape", [(2, 300, 24), (1, 2000, 24), (3, 4, 50, 24), (16, 32, 24)])
@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("fused", [True, False])
def test_without_gradients_it_is_the_same(monkeypatch, shape, gelu, fused):
    torch.manual_seed(0)
    x, weight, bias = torch.randn(shape), torch.randn(40, 24), torch.randn(40)
    expected = functional.linear(x, weight, bias)
    expected = functional.gelu(expected) if gelu else expected
    if not fused:
        monkeypatch.setattr(linear, "_fused", None)
    with torch.no_grad():
        torch.testing.assert_close(project(x, weight, bias, gelu=gelu), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(by_convolution(x, weight, None), x @ weight.T, rtol=1e-5, atol=1e-5)


def test_weights_that_are_parts_of_larger_ones_will_do():
    x, weight = torch.randn(600, 24), torch.randn(80, 24)
    with torch.no_grad():
        for part in weight.chunk(2):
            torch.testing.assert_close(project(x, part, None), x @ part.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_a_convolution_of_single_pixels_is_that_of_torch(layout):
    torch.manual_seed(0)
    ours, theirs = PointConv(12, 20), nn.Conv2d(12, 20, 1)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 12, 20, 16).contiguous(memory_format=layout)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
