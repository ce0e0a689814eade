"""Power-function averages: what each past step weighs, and any width made afterwards."""

import numpy as np
import pytest
import torch
from torch import nn

from marey.errors import MareyError
from marey.train.posthoc import PowerAverage, combination, exponent, reconstruct, save_snapshot, snapshots

from .toy import Toy, train


@pytest.mark.parametrize("width", [0.01, 0.05, 0.1, 0.2, 0.28])
def test_the_exponent_gives_the_width(width):
    gamma = exponent(width)
    s = (np.arange(200_000) + 0.5) / 200_000
    profile = (gamma + 1) * s**gamma
    mean = (profile * s).mean()
    assert np.sqrt((profile * s**2).mean() - mean**2) == pytest.approx(width, rel=1e-4)


@pytest.mark.parametrize("width", [0.0, -1.0, 0.3])
def test_a_width_that_is_none_is_told(width):
    with pytest.raises(MareyError, match=r"up to 0.28"):
        exponent(width)


def ones(count: int) -> list[nn.Module]:
    """Module n has weight 1 at n and 0 elsewhere: the average of them is the weights of past steps."""
    modules = []
    for n in range(count):
        module = nn.Linear(count, 1, bias=False)
        nn.init.zeros_(module.weight)
        module.weight.data[0, n] = 1.0
        modules.append(module)
    return modules


@pytest.mark.parametrize("width", [0.05, 0.1, 0.25])
def test_past_steps_weigh_what_the_closed_form_says(width):
    count, gamma = 40, exponent(width)
    start = nn.Linear(count, 1, bias=False)
    average = PowerAverage(start, width)
    for update, module in enumerate(ones(count)):
        average.update(module, update)
    s = np.arange(1, count + 1)
    expected = (s ** (gamma + 1) - (s - 1.0) ** (gamma + 1)) / count ** (gamma + 1)
    assert average.weights["weight"][0].numpy() == pytest.approx(expected, abs=1e-6)
    assert average.weights["weight"].sum().item() == pytest.approx(1.0, abs=1e-5)  # nothing of the start is left


def test_a_profile_that_is_there_is_made_of_itself():
    profiles = [(50, exponent(0.05)), (100, exponent(0.05)), (100, exponent(0.1))]
    assert combination(profiles, 100, exponent(0.1)) == pytest.approx([0, 0, 1], abs=1e-6)
    assert combination(profiles, 50, exponent(0.05)) == pytest.approx([1, 0, 0], abs=1e-6)


def test_any_width_is_put_together_from_snapshots_of_two(tmp_path):
    """A walk of weights, averaged directly at a third width, and from snapshots of two."""
    count = 400
    walk = torch.randn(count, 8, generator=torch.Generator().manual_seed(0)).cumsum(0)
    module = nn.Linear(8, 1, bias=False)
    kept = [PowerAverage(module, width) for width in (0.05, 0.1)]
    wanted = {width: PowerAverage(module, width) for width in (0.05, 0.07, 0.15)}
    for update in range(count):
        module.weight.data[0] = walk[update]
        for average in (*kept, *wanted.values()):
            average.update(module, update)
        if (update + 1) % 20 == 0:
            for average in kept:
                save_snapshot(tmp_path, update + 1, average.width, average.weights)
    assert len(snapshots(tmp_path)) == 40
    spread = walk.std().item()
    for width, direct in wanted.items():
        made = reconstruct(tmp_path, width)["weight"]
        error = (made - direct.weights["weight"]).abs().max().item()
        assert error < (1e-5 if width == 0.05 else 0.02) * spread
        # The nearest one that was kept is no stand-in for it.
        if width == 0.15:
            assert error < 0.1 * (kept[1].weights["weight"] - direct.weights["weight"]).abs().max().item()


def test_without_snapshots_what_would_do_is_told(tmp_path):
    with pytest.raises(MareyError, match=r"ema_widths"):
        reconstruct(tmp_path, 0.1)


def test_the_loop_keeps_them_and_the_choice_is_what_it_returns(tmp_path):
    chosen = train(tmp_path / "a", Toy(), ema_widths=(0.05, 0.1), ema_choice=0.1)
    folder = tmp_path / "a" / "checkpoints" / "toy" / "averages"
    assert {step for step, _ in snapshots(folder)} == {7, 14, 21, 28, 30}
    assert all(torch.allclose(chosen[name], value) for name, value in reconstruct(folder, 0.1).items())
    plain = train(tmp_path / "b", Toy(), ema_widths=(0.05, 0.1))
    assert not torch.allclose(plain["layer.weight"], chosen["layer.weight"])
    assert not torch.allclose(reconstruct(folder, 0.05)["layer.weight"], chosen["layer.weight"])
