"""The schedules against their formulas and against diffusers' own."""

import pytest
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler
from diffusers.schedulers.scheduling_utils import AysSchedules

from marey.diffusion.schedules import ays, betas_scaled_linear, karras, schedule_named, sigmas_of, trailing
from marey.errors import MareyError


def test_it_goes_from_the_largest_level_to_the_smallest_and_then_to_zero():
    sigmas = karras(10, 0.002, 80.0)
    assert sigmas.shape == (11,)
    assert sigmas[-1] == 0
    assert float(sigmas[0]) == pytest.approx(80.0)
    assert float(sigmas[-2]) == pytest.approx(0.002)
    assert bool((sigmas[1:] < sigmas[:-1]).all())


def test_it_is_even_in_the_root_of_order_rho():
    for rho in (1.0, 3.0, 7.0):
        roots = karras(9, 0.1, 50.0, rho)[:-1] ** (1 / rho)
        steps = roots[1:] - roots[:-1]
        torch.testing.assert_close(steps, steps[:1].expand_as(steps))


@pytest.mark.parametrize(("low", "high"), [(0.002, 700.0), (0.01, 80.0)])
@pytest.mark.parametrize("steps", [1, 2, 25])
def test_it_is_the_one_that_diffusers_uses(steps, low, high):
    scheduler = EulerDiscreteScheduler(
        use_karras_sigmas=True,
        sigma_min=low,
        sigma_max=high,
        prediction_type="v_prediction",
        timestep_type="continuous",
        timestep_spacing="leading",
    )
    scheduler.set_timesteps(steps)
    torch.testing.assert_close(karras(steps, low, high).float(), scheduler.sigmas, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [((0, 0.1, 1.0), "0 steps"), ((5, 0.0, 1.0), "sigma_min is 0.0"), ((5, 2.0, 1.0), "sigma_max is 1.0")],
)
def test_what_makes_no_schedule_is_an_error_that_names_it(arguments, named):
    with pytest.raises(MareyError, match=named):
        karras(*arguments)


def test_ten_steps_of_align_your_steps_are_the_published_ones():
    torch.testing.assert_close(ays(10).tolist(), AysSchedules["StableDiffusionVideoSigmas"], rtol=1e-9, atol=0)


def test_align_your_steps_keeps_its_curve_for_other_numbers_and_ends():
    ten = ays(10)[:-1].log()
    nineteen = ays(19)[:-1].log()
    torch.testing.assert_close(nineteen[::2], ten)
    torch.testing.assert_close(nineteen[1::2], (ten[1:] + ten[:-1]) / 2)  # linear in the logarithm
    cut = ays(8, 0.02, 80.0)
    assert (float(cut[0]), float(cut[-1])) == (pytest.approx(80.0), 0.0)
    assert float(cut[-2]) == pytest.approx(0.02)  # past the last point, as the last piece goes on
    assert bool((cut[1:] < cut[:-1]).all())
    assert ays(1, 0.02, 80.0).tolist() == [pytest.approx(80.0), 0.0]


@pytest.mark.parametrize("steps", [1, 4, 7, 50])
def test_trailing_levels_are_those_that_diffusers_takes(steps):
    scheduler = DDIMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, timestep_spacing="trailing"
    )
    scheduler.set_timesteps(steps)
    kept = scheduler.alphas_cumprod.to(torch.float64)[scheduler.timesteps]
    levels = trailing(steps, sigmas_of(betas_scaled_linear()))
    torch.testing.assert_close(levels[:-1], ((1 - kept) / kept).sqrt(), rtol=1e-4, atol=0)
    assert levels[-1] == 0


def test_schedules_go_by_name():
    assert torch.equal(schedule_named("karras", 4, 0.1, 5.0), karras(4, 0.1, 5.0))
    with pytest.raises(MareyError, match=r"no schedule 'linear': karras or ays"):
        schedule_named("linear", 4, 0.1, 5.0)
    with pytest.raises(MareyError, match="1001 steps"):
        trailing(1001, sigmas_of(betas_scaled_linear()))
