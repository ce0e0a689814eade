"""The exponential moving average of trained weights."""

import pytest
import torch
from torch import nn

from marey.train.average import Average


def weight(value: float) -> nn.Linear:
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, value)
    return module


def test_it_is_the_exponential_average():
    module = weight(0.0)
    average = Average(module, 0.9, warmup=False)
    expected = 0.0
    for update, value in enumerate([1.0, 3.0, -2.0]):
        nn.init.constant_(module.weight, value)
        average.update(module, update)
        expected = 0.9 * expected + 0.1 * value
    assert average.weights["weight"].item() == pytest.approx(expected)


def test_warm_up_forgets_the_first_weights():
    module = weight(100.0)
    with_warmup, without = Average(module, 0.999), Average(module, 0.999, warmup=False)
    nn.init.constant_(module.weight, 1.0)
    for update in range(50):
        with_warmup.update(module, update)
        without.update(module, update)
    assert with_warmup.weights["weight"].item() == pytest.approx(1.0, abs=1e-3)
    assert without.weights["weight"].item() > 90
    assert with_warmup.decay(0) == pytest.approx(0.1)
    assert with_warmup.decay(10**6) == 0.999
    assert Average(module, 0.0).decay(5) == 0.0


def test_only_trained_parameters_are_averaged():
    module = nn.Sequential(weight(1.0), weight(2.0))
    module[1].requires_grad_(False)
    assert set(Average(module, 0.9).weights) == {"0.weight"}


def test_applying_it_leaves_the_weights_as_they_were():
    module = weight(0.25)
    average = Average(module, 0.5, warmup=False)
    nn.init.constant_(module.weight, 0.1)
    average.update(module, 0)
    own = module.weight.detach().clone()

    def fail() -> None:
        with average.applied(module):
            assert module.weight.item() == pytest.approx(0.175)
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert torch.equal(module.weight, own)
    assert average.weights["weight"].item() == pytest.approx(0.175)
    with average.applied(module):
        assert torch.equal(average.weights["weight"], own)  # changed places: there is no third copy


def test_another_networks_average_is_refused():
    average = Average(weight(0.0), 0.5)
    with pytest.raises(ValueError, match="another network"):
        average.load({"other": torch.zeros(1, 1)})
    average.load({"weight": torch.full((1, 1), 7.0)})
    assert average.weights["weight"].item() == 7.0
