"""From noise to data: solvers of dx/dsigma = (x - D(x, sigma)) / sigma as pure functions.

Any solver goes with any denoiser: `solver(denoise, x, sigmas, callback)`. A new one is a function here and a name in
`SOLVERS`.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

from torch import Tensor

from marey.errors import MareyError

Denoise = Callable[[Tensor, float], Tensor]
"""D: (x (B, ...), sigma) -> the expected x0, like x."""
Callback = Callable[[int, float, Tensor, Tensor], None]
"""Called after each step as (step from 0, its sigma, x after it, D at its start)."""
Solver = Callable[[Denoise, Tensor, Tensor, Callback | None], Tensor]


def euler(denoise: Denoise, x: Tensor, sigmas: Tensor, callback: Callback | None = None) -> Tensor:
    """First order: one call a step (arXiv 2206.00364, algorithm 1 without its lines 6 to 8, no churn).

    Args:
        denoise: D.
        x: (B, ...) at the first level, of standard deviation about sigma.
        sigmas: (steps + 1,) falling levels; the last may be 0.
        callback: told of each step.

    Returns:
        x at the last level.
    """
    for step, sigma, after in _steps(sigmas):
        denoised = denoise(x, sigma)
        x = x + (x - denoised) * ((after - sigma) / sigma)
        if callback is not None:
            callback(step, sigma, x, denoised)
    return x


def heun(denoise: Denoise, x: Tensor, sigmas: Tensor, callback: Callback | None = None) -> Tensor:
    """Second order: two calls a step, one for a step to 0 (arXiv 2206.00364, algorithm 1, no churn). Arguments as of
    `euler`.
    """
    for step, sigma, after in _steps(sigmas):
        denoised = denoise(x, sigma)
        slope = (x - denoised) / sigma
        ahead = x + slope * (after - sigma)
        if after > 0:
            slope = 0.5 * (slope + (ahead - denoise(ahead, after)) / after)
            ahead = x + slope * (after - sigma)
        x = ahead
        if callback is not None:
            callback(step, sigma, x, denoised)
    return x


SOLVERS: dict[str, Solver] = {"euler": euler, "heun": heun}


def solver_named(name: str) -> Solver:
    """The solver of a name.

    Raises:
        MareyError: there is none.
    """
    if name not in SOLVERS:
        raise MareyError(f"There is no solver {name!r}: {' or '.join(SOLVERS)} would do.")
    return SOLVERS[name]


def _steps(sigmas: Tensor) -> Iterator[tuple[int, float, float]]:
    """(number, from, to) of each step."""
    levels = sigmas.tolist()
    if len(levels) < 2 or any(after >= sigma or after < 0 for sigma, after in pairwise(levels)):
        raise MareyError(f"The noise levels {levels} are no schedule: two or more, falling, none under 0, would do.")
    for step, (sigma, after) in enumerate(pairwise(levels)):
        yield step, sigma, after
