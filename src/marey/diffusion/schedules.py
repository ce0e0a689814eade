"""Which noise levels a solver visits: falling, float64, the last 0."""

from collections.abc import Callable

import torch
from torch import Tensor

from marey.errors import MareyError

AYS = (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034)
"""Levels of ten steps that were optimised for SVD (Align Your Steps, arXiv 2404.14507); after the last comes 0."""


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
    _check(steps, sigma_min, sigma_max)
    ramp = torch.linspace(0.0, 1.0, steps, dtype=torch.float64)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return _ended((high + ramp * (low - high)) ** rho)


def ays(steps: int, sigma_min: float = AYS[-1], sigma_max: float = AYS[0]) -> Tensor:
    """The levels of Align Your Steps, for any number of steps: their curve, linear in ln(sigma) between its points as
    the paper does it, cut where it passes `sigma_max` and `sigma_min`. Arguments and errors as of `karras`."""
    _check(steps, sigma_min, sigma_max)
    curve = torch.tensor(AYS, dtype=torch.float64).log()
    number = torch.arange(len(AYS), dtype=torch.float64)
    start, end = _line(-torch.tensor([sigma_max, sigma_min], dtype=torch.float64).log(), -curve, number)
    place = start + (end - start) * torch.linspace(0.0, 1.0, steps, dtype=torch.float64)
    return _ended(_line(place, number, curve).exp())


def betas_scaled_linear(first: float = 0.00085, last: float = 0.012, count: int = 1000) -> Tensor:
    """Stable Diffusion's variances per timestep, (count,): even in the root."""
    return torch.linspace(first**0.5, last**0.5, count, dtype=torch.float64) ** 2


def sigmas_of(betas: Tensor) -> Tensor:
    """The noise level of each timestep of a discrete model, (count,), rising: sqrt((1 - a) / a), a the product of
    1 - beta up to it."""
    kept = torch.cumprod(1 - betas.to(torch.float64), 0)
    return ((1 - kept) / kept).sqrt()


def trailing(steps: int, table: Tensor) -> Tensor:
    """Levels of a discrete model at even timesteps that begin with the last (arXiv 2305.08891, table 2).

    Args:
        table: (count,) rising: the level of each timestep, as of `sigmas_of`.

    Raises:
        MareyError: more steps than timesteps, or none.
    """
    if not 1 <= steps <= len(table):
        raise MareyError(f"A schedule of {steps} steps cannot be: 1 to {len(table)} would do.")
    count = len(table)
    at = torch.tensor([round(count - n * count / steps) - 1 for n in range(steps)])
    return _ended(table[at].to(torch.float64))


SCHEDULES: dict[str, Callable[[int, float, float], Tensor]] = {"karras": karras, "ays": ays}
"""Those that are told by a number of steps and two levels."""


def schedule_named(name: str, steps: int, sigma_min: float, sigma_max: float) -> Tensor:
    """The levels of a schedule by its name.

    Raises:
        MareyError: there is none, or the numbers make no schedule.
    """
    if name not in SCHEDULES:
        raise MareyError(f"There is no schedule {name!r}: {' or '.join(SCHEDULES)} would do.")
    return SCHEDULES[name](steps, sigma_min, sigma_max)


def _check(steps: int, sigma_min: float, sigma_max: float) -> None:
    if steps < 1:
        raise MareyError(f"A schedule of {steps} steps cannot be: 1 or more would do.")
    if not 0 < sigma_min <= sigma_max < float("inf"):
        raise MareyError(f"sigma_min is {sigma_min} and sigma_max is {sigma_max}: 0 < sigma_min <= sigma_max would do.")


def _ended(levels: Tensor) -> Tensor:
    return torch.cat([levels, torch.zeros(1, dtype=torch.float64)])


def _line(at: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The line through the points (x rising, y) at `at`; past its ends, as its last pieces go on."""
    n = torch.searchsorted(x, at).clamp(1, len(x) - 1)
    return y[n - 1] + (at - x[n - 1]) * (y[n] - y[n - 1]) / (x[n] - x[n - 1])
