"""Which noise levels a solver visits."""

import torch
from torch import Tensor

from marey.errors import MareyError


def karras(steps: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """sigma_i = (max^(1/rho) + i/(n-1) (min^(1/rho) - max^(1/rho)))^rho, then 0 (arXiv 2206.00364, equation 5).

    Args:
        steps: calls of the denoiser for a first-order solver; 1 or more.
        sigma_min, sigma_max: the last level above 0, and the first.
        rho: how much the levels crowd at the low end.

    Returns:
        (steps + 1,) float64, falling, the last 0. One step goes from sigma_max to 0.

    Raises:
        MareyError: levels or a number of steps that make no schedule.
    """
    if steps < 1:
        raise MareyError(f"A schedule of {steps} steps cannot be: 1 or more would do.")
    if not 0 < sigma_min <= sigma_max < float("inf"):
        raise MareyError(f"sigma_min is {sigma_min} and sigma_max is {sigma_max}: 0 < sigma_min <= sigma_max would do.")
    ramp = torch.linspace(0.0, 1.0, steps, dtype=torch.float64)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return torch.cat([(high + ramp * (low - high)) ** rho, torch.zeros(1, dtype=torch.float64)])
