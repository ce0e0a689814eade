"""Solvers against the closed form of a Gaussian.

Data of N(mean, std^2) has the denoiser D = (std^2 x + sigma^2 mean) / (std^2 + sigma^2), under which x - mean shrinks
along the flow as sqrt(std^2 + sigma^2): from any start the end is known exactly.
"""

from itertools import pairwise

import pytest
import torch
from diffusers import EDMDPMSolverMultistepScheduler

from marey.diffusion.precondition import scalings
from marey.diffusion.schedules import karras
from marey.diffusion.solvers import SOLVERS, dpmpp_2m, euler, heun, invert, unipc
from marey.diffusion.stochastic import STOCHASTIC, dpmpp_2m_sde, edm, euler_ancestral, lcm, solver_named
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


@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (heun, 2), (dpmpp_2m, 2), (unipc, 3)])
def test_the_order_of_convergence(solver, order):
    errors = [error(solver, steps) for steps in (64, 128, 256)]
    ratios = [coarse / fine for coarse, fine in pairwise(errors)]
    for ratio in ratios:
        assert ratio == pytest.approx(2**order, rel=0.12)


@pytest.mark.parametrize(
    ("name", "tolerance"), [("euler", 0.03), ("heun", 0.002), ("dpmpp_2m", 0.002), ("unipc", 0.002)]
)
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


@pytest.mark.parametrize(("solver", "calls"), [(euler, 6), (heun, 11), (dpmpp_2m, 6), (unipc, 6)])
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
    with pytest.raises(MareyError, match=r"'dpm'.*euler, .*or lcm"):
        solver_named("dpm")


# Two bumps, of which the flow must keep the weights.

WEIGHTS, CENTRES, WIDTHS = torch.tensor([0.3, 0.7]), torch.tensor([-1.0, 1.2]), torch.tensor([0.2, 0.4])


def of_two(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """The denoiser of data that are a mixture of two Gaussians."""
    spread = WIDTHS**2 + sigma**2
    chance = torch.softmax(WEIGHTS.log() - 0.5 * spread.log() - 0.5 * (x[..., None] - CENTRES) ** 2 / spread, dim=-1)
    return (chance * (WIDTHS**2 * x[..., None] + sigma**2 * CENTRES) / spread).sum(dim=-1)


def source(seed: int, like: torch.Tensor):
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(like.shape, generator=generator, dtype=like.dtype)


def marginal(solver, steps: int) -> tuple[float, ...]:
    """Share, mean and deviation of the lower bump, and mean and deviation of the upper one, of what comes out."""
    x = 80.0 * torch.randn(40_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    out = solver(of_two, x, karras(steps, 0.002, 80.0), None)
    low, high = out[out < 0.1], out[out >= 0.1]
    return (len(low) / len(out), *(float(value) for part in (low, high) for value in (part.mean(), part.std())))


MARGINAL = (0.3, -1.0, 0.2, 1.2, 0.4)


@pytest.mark.parametrize("name", [*SOLVERS, "euler_ancestral", "edm", "dpmpp_2m_sde"])
def test_every_solver_leads_to_the_mixture(name):
    x = torch.zeros(40_000, dtype=torch.float64)
    found = marginal(solver_named(name)(source(7, x)), 100)
    # Euler's own error at 100 steps, and that of 40,000 samples. The bumps overlap a little at .1.
    assert found == pytest.approx(MARGINAL, abs=0.03)


def test_stale_noise_does_not_lead_to_the_mixture():
    # Control: noise that is the same at each step is no diffusion.
    stale = source(7, torch.zeros(40_000, dtype=torch.float64))()
    found = marginal(euler_ancestral(lambda: stale), 100)
    assert max(abs(one - true) for one, true in zip(found, MARGINAL, strict=True)) > 0.1


def test_without_their_noise_they_are_the_deterministic_ones():
    x, sigmas = 20 * torch.randn(50, dtype=torch.float64), karras(12, 0.01, 20.0)
    silent = source(0, x)
    torch.testing.assert_close(edm(silent, churn=0)(of_two, x, sigmas, None), heun(of_two, x, sigmas))
    torch.testing.assert_close(dpmpp_2m_sde(silent, eta=0)(of_two, x, sigmas, None), dpmpp_2m(of_two, x, sigmas))


def test_consistency_steps_begin_anew_from_each_estimate():
    # A perfect consistency function of data that are one point gives it, whatever the noise; and the levels matter.
    seen = []

    def point(x, sigma):
        seen.append((sigma, float(x.std())))
        return torch.full_like(x, 0.5)

    x = 14.6 * torch.randn(5_000, dtype=torch.float64)
    out = lcm(source(3, x))(point, x, torch.tensor([14.6, 2.0, 0.5, 0.0]), None)
    assert torch.equal(out, torch.full_like(x, 0.5))
    for sigma, spread in seen:
        assert spread == pytest.approx(sigma, rel=0.05)


def test_a_solver_that_draws_depends_on_its_source_alone():
    x, sigmas = torch.randn(4, 3), karras(5, 0.1, 5.0)
    for make in STOCHASTIC.values():
        first, again, other = (make(source(seed, x))(optimal, x, sigmas, None) for seed in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


def test_inversion_is_the_way_back_of_euler():
    sigmas = karras(20, 0.02, 20.0)[:-1]
    noise = 20 * torch.randn(30, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    data = euler(of_two, noise, sigmas)
    exactly = invert(of_two, data, sigmas.flip(0), rounds=60)
    torch.testing.assert_close(exactly, noise, atol=1e-6, rtol=0)
    usual, better = invert(of_two, data, sigmas.flip(0)), invert(of_two, data, sigmas.flip(0), rounds=4)
    assert (better - noise).abs().max() < 0.5 * (usual - noise).abs().max()
    # From data themselves, where the level is 0.
    assert invert(of_two, data, torch.tensor([0.0, 0.1, 1.0])).shape == data.shape
    with pytest.raises(MareyError, match="falling"):
        invert(of_two, data, sigmas)


def test_the_multistep_solver_is_the_one_that_diffusers_has():
    scheduler = EDMDPMSolverMultistepScheduler(
        sigma_min=0.002, sigma_max=80.0, sigma_data=1.0, prediction_type="v_prediction", final_sigmas_type="zero"
    )
    scheduler.set_timesteps(9)
    sigmas = scheduler.sigmas.to(torch.float64)
    x = theirs = float(sigmas[0]) * torch.randn(6, 2, dtype=torch.float64)
    for sigma, timestep in zip(sigmas.tolist(), scheduler.timesteps, strict=False):
        c_skip, c_out, _, _ = scalings(torch.tensor(sigma, dtype=torch.float64))
        predicted = (of_two(theirs, sigma) - c_skip * theirs) / c_out
        theirs = scheduler.step(predicted, timestep, theirs, return_dict=False)[0]
    torch.testing.assert_close(dpmpp_2m(of_two, x, sigmas).float(), theirs.float(), atol=2e-5, rtol=1e-4)
