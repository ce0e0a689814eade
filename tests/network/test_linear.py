"""The fast linear layer against torch's."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from marey.network.linear import Linear, project


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
