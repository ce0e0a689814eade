"""Solvers that draw noise on the way: each is made with a source of noise, and is then a solver like any other.

They forget the errors of their first steps at the price of more steps; with a denoiser of few steps (LCM) the noise is
what leads from one estimate to the next.
"""

from collections.abc import Callable
from math import exp, expm1, log, sqrt

from torch import Tensor

from marey.diffusion.solvers import SOLVERS, Callback, Denoise, Solver, heun_step, steps_of
from marey.errors import MareyError

Draw = Callable[[], Tensor]
"""Unit normal noise, like x; other noise at each call."""


def euler_ancestral(draw: Draw) -> Solver:
    """Euler's step to a lower level than the next, and noise up to that: the ancestral sampling of a Markov chain
    (arXiv 2010.02502, equation 16 with eta = 1)."""

    def solve(denoise: Denoise, x: Tensor, sigmas: Tensor, callback: Callback | None = None) -> Tensor:
        for step, sigma, after in steps_of(sigmas):
            denoised = denoise(x, sigma)
            up = after * sqrt(1 - (after / sigma) ** 2)
            down = after**2 / sigma
            x = x + (x - denoised) * ((down - sigma) / sigma)
            if up > 0:
                x = x + up * draw()
            if callback is not None:
                callback(step, sigma, x, denoised)
        return x

    return solve


def edm(draw: Draw, *, churn: float = 40.0, low: float = 0.05, high: float = 50.0, inflation: float = 1.003) -> Solver:
    """Heun's method with some noise added before each step (arXiv 2206.00364, algorithm 2).

    Args:
        churn: S_churn: how much, over all steps together.
        low, high: S_tmin and S_tmax: at which levels.
        inflation: S_noise: the deviation of the noise that is added.
    """

    def solve(denoise: Denoise, x: Tensor, sigmas: Tensor, callback: Callback | None = None) -> Tensor:
        most = sqrt(2) - 1
        for step, sigma, after in steps_of(sigmas):
            grown = sigma
            if low <= sigma <= high and churn > 0:
                grown = sigma * (1 + min(churn / (len(sigmas) - 1), most))
                x = x + sqrt(grown**2 - sigma**2) * inflation * draw()
            denoised = denoise(x, grown)
            x = heun_step(denoise, x, denoised, grown, after)
            if callback is not None:
                callback(step, sigma, x, denoised)
        return x

    return solve


def dpmpp_2m_sde(draw: Draw, *, eta: float = 1.0) -> Solver:
    """DPM-Solver++(2M) of the stochastic equation (arXiv 2211.01095, section 5 and its SDE variant).

    Args:
        eta: 0 is the deterministic `dpmpp_2m`, 1 the reverse diffusion.
    """

    def solve(denoise: Denoise, x: Tensor, sigmas: Tensor, callback: Callback | None = None) -> Tensor:
        before, last = None, 0.0
        for step, sigma, after in steps_of(sigmas):
            denoised = denoise(x, sigma)
            if after == 0:
                x = denoised
            else:
                length = log(sigma / after)
                line = denoised if before is None else denoised + (denoised - before) * (length / (2 * last))
                x = (after / sigma) * exp(-eta * length) * x - expm1(-(1 + eta) * length) * line
                if eta > 0:
                    x = x + after * sqrt(-expm1(-2 * eta * length)) * draw()
                before, last = denoised, length
            if callback is not None:
                callback(step, sigma, x, denoised)
        return x

    return solve


def lcm(draw: Draw) -> Solver:
    """For consistency models, whose D leads to data in one call: noise of the next level over D (arXiv 2310.04378,
    algorithm 3; arXiv 2303.01469, algorithm 1)."""

    def solve(denoise: Denoise, x: Tensor, sigmas: Tensor, callback: Callback | None = None) -> Tensor:
        for step, sigma, after in steps_of(sigmas):
            denoised = denoise(x, sigma)
            x = denoised + after * draw() if after > 0 else denoised
            if callback is not None:
                callback(step, sigma, x, denoised)
        return x

    return solve


STOCHASTIC: dict[str, Callable[[Draw], Solver]] = {
    "euler_ancestral": euler_ancestral,
    "edm": edm,
    "dpmpp_2m_sde": dpmpp_2m_sde,
    "lcm": lcm,
}
"""Those that draw noise on the way."""


def solver_named(name: str) -> Callable[[Draw], Solver]:
    """The solver of a name, made with a source of noise, which those of `SOLVERS` never ask.

    Raises:
        MareyError: there is none.
    """
    if name in SOLVERS:
        return lambda draw: SOLVERS[name]
    if name in STOCHASTIC:
        return STOCHASTIC[name]
    known = [*SOLVERS, *STOCHASTIC]
    raise MareyError(f"There is no solver {name!r}: {', '.join(known[:-1])} or {known[-1]} would do.")
