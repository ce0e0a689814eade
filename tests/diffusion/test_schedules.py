"""The Karras schedule against its formula and against diffusers' scheduler."""

import pytest
import torch
from diffusers import EulerDiscreteScheduler

from marey.diffusion.schedules import karras
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
