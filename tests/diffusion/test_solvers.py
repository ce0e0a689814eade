"""Solvers against the closed form of a Gaussian.

Data of N(mean, std^2) has the denoiser D = (std^2 x + sigma^2 mean) / (std^2 + sigma^2), under which x - mean shrinks
along the flow as sqrt(std^2 + sigma^2): from any start the end is known exactly.
"""

from itertools import pairwise

import pytest
import torch

from marey.diffusion.schedules import karras
from marey.diffusion.solvers import SOLVERS, euler, heun, solver_named
from marey.errors import MareyError

MEAN, STD = 0.7, 0.4


def optimal(x: torch.Tensor, sigma: float) -> torch.Tensor:
    return (STD**2 * x + sigma**2 * MEAN) / (STD**2 + sigma**2)


def exact(x: torch.Tensor, start: float, end: float) -> torch.Tensor:
    return MEAN + (x - MEAN) * ((STD**2 + end**2) / (STD**2 + start**2)) ** 0.5


def error(solver, steps: int) -> float:
    # Ends above 0: the last step to 0 is of first order in every solver.
    sigmas = karras(steps + 1, 0.01, 20.0)[:-1]
    x = 20.0 * torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    return float((solver(optimal, x, sigmas) - exact(x, 20.0, 0.01)).abs().max())


@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (heun, 2)])
def test_the_order_of_convergence(solver, order):
    errors = [error(solver, steps) for steps in (64, 128, 256)]
    ratios = [coarse / fine for coarse, fine in pairwise(errors)]
    for ratio in ratios:
        assert ratio == pytest.approx(2**order, rel=0.12)


@pytest.mark.parametrize(("name", "tolerance"), [("euler", 0.03), ("heun", 0.002)])
def test_samples_have_the_mean_and_the_deviation_of_the_data(name, tolerance):
    generator = torch.Generator().manual_seed(0)
    x = (1 + 80.0**2) ** 0.5 * torch.randn(20_000, 1, generator=generator, dtype=torch.float64)
    samples = SOLVERS[name](optimal, x, karras(200, 0.002, 80.0))
    drawn = x / (1 + 80.0**2) ** 0.5
    # Against the same draws, so that the tolerance is the solver's and not the sample's.
    assert float(samples.mean()) == pytest.approx(MEAN + STD * float(drawn.mean()), abs=0.01)
    assert float(samples.std()) == pytest.approx(STD * float(drawn.std()), rel=tolerance)


def test_one_step_to_zero_is_the_denoiser():
    x = torch.randn(5, 3)
    for solver in SOLVERS.values():
        torch.testing.assert_close(solver(optimal, x, torch.tensor([3.0, 0.0])), optimal(x, 3.0))


@pytest.mark.parametrize(("solver", "calls"), [(euler, 6), (heun, 11)])
def test_how_often_the_denoiser_is_called(solver, calls):
    levels = []

    def counting(x, sigma):
        levels.append(sigma)
        return optimal(x, sigma)

    solver(counting, torch.randn(2, 2), karras(6, 0.01, 10.0))
    assert len(levels) == calls
    assert min(levels) > 0  # never at 0, where the slope has no value


def test_the_callback_sees_every_step_and_the_start_is_left_alone():
    sigmas = karras(4, 0.1, 5.0)
    start = torch.randn(2, 3)
    kept = start.clone()
    for solver in SOLVERS.values():
        seen = []
        end = solver(optimal, start, sigmas, lambda *told, seen=seen: seen.append(told))
        assert [told[0] for told in seen] == [0, 1, 2, 3]
        assert [told[1] for told in seen] == sigmas[:-1].tolist()
        assert torch.equal(seen[-1][2], end)
        assert torch.equal(start, kept)


def test_levels_that_rise_and_unknown_names_are_errors():
    with pytest.raises(MareyError, match="falling"):
        euler(optimal, torch.zeros(1), torch.tensor([1.0, 2.0]))
    with pytest.raises(MareyError, match=r"'dpm'.*euler or heun"):
        solver_named("dpm")
