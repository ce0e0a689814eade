"""From noise to data: solvers of dx/dsigma = (x - D(x, sigma)) / sigma as pure functions.

Any solver goes with any denoiser: `solver(denoise, x, sigmas, callback)`. Those of `stochastic`, which draw noise on
the way, are made with a source of it first. A new one is a function here or there, and a name in its table.

In this form, of data plus sigma times noise, DDIM (arXiv 2010.02502, eta = 0) is Euler's method.
"""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise
from math import expm1, factorial, log

import torch
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
    for step, sigma, after in steps_of(sigmas):
        denoised = denoise(x, sigma)
        x = x + (x - denoised) * ((after - sigma) / sigma)
        if callback is not None:
            callback(step, sigma, x, denoised)
    return x


def heun(denoise: Denoise, x: Tensor, sigmas: Tensor, callback: Callback | None = None) -> Tensor:
    """Second order: two calls a step, one for a step to 0 (arXiv 2206.00364, algorithm 1, no churn). Arguments as of
    `euler`.
    """
    for step, sigma, after in steps_of(sigmas):
        denoised = denoise(x, sigma)
        x = heun_step(denoise, x, denoised, sigma, after)
        if callback is not None:
            callback(step, sigma, x, denoised)
    return x


def heun_step(denoise: Denoise, x: Tensor, denoised: Tensor, sigma: float, after: float) -> Tensor:
    """x at `after`, from x and D at `sigma`: Euler's step, corrected by the slope at its end unless that is at 0."""
    slope = (x - denoised) / sigma
    ahead = x + slope * (after - sigma)
    if after > 0:
        slope = 0.5 * (slope + (ahead - denoise(ahead, after)) / after)
        ahead = x + slope * (after - sigma)
    return ahead


def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: Tensor, callback: Callback | None = None) -> Tensor:
    """Second order from the step before: one call a step (DPM-Solver++(2M), arXiv 2211.01095, algorithm 2).

    Time is -ln(sigma), in which the linear part of the flow is solved exactly and D is taken as a line through its last
    two values. The first step, and one to 0, are of first order. Arguments as of `euler`.
    """
    before: Tensor | None = None
    last = 0.0  # the step before, in -ln(sigma)
    for step, sigma, after in steps_of(sigmas):
        denoised = denoise(x, sigma)
        if after == 0:
            x = denoised
        else:
            length = log(sigma / after)
            line = denoised if before is None else denoised + (denoised - before) * (length / (2 * last))
            x = (after / sigma) * x - expm1(-length) * line
            before, last = denoised, length
        if callback is not None:
            callback(step, sigma, x, denoised)
    return x


def unipc(denoise: Denoise, x: Tensor, sigmas: Tensor, callback: Callback | None = None) -> Tensor:
    """Third order at one call a step: UniPC-2 with B(h) = e^h - 1 (arXiv 2302.04867, algorithms 1 and 2).

    Each step is predicted from the last two values of D; when D is known at the new level, the step is corrected by it,
    so that the correction costs no call. Arguments as of `euler`.
    """
    known: deque[tuple[float, Tensor]] = deque(maxlen=2)  # -ln(sigma) and D, the newest last
    from_x: Tensor | None = None  # x at the level before, as corrected
    for step, sigma, after in steps_of(sigmas):
        denoised = denoise(x, sigma)
        if from_x is not None:
            x = _unified(from_x, known, -log(sigma), denoised)
        known.append((-log(sigma), denoised))
        from_x = x
        x = denoised if after == 0 else _unified(x, known, -log(after), None)
        if callback is not None:
            callback(step, sigma, x, denoised)
    return x


def _unified(x: Tensor, known: deque[tuple[float, Tensor]], time: float, new: Tensor | None) -> Tensor:
    """x at -ln(sigma) = `time` from x at that of the newest known D; corrected where D at `time` is known too.

    Equation 3 of the paper, for the prediction of data: D's change is a polynomial through all that is known of it,
    whose coefficients solve a small Vandermonde system.
    """
    start, base = known[-1]
    length = time - start
    places = [(was - start) / length for was, _ in list(known)[:-1]]
    changes = [value - base for _, value in list(known)[:-1]]
    if new is not None:
        places, changes = [*places, 1.0], [*changes, new - base]
    growth = expm1(-length)  # of the linear part: phi_1 times -h
    x = (1 + growth) * x - growth * base
    if not places:
        return x
    # phi_k(-h) by its recursion; the paper's g_k over B(h), which cancels.
    phi, right = growth / -length - 1, []
    for n in range(1, len(places) + 1):
        right.append(phi * factorial(n) / growth)
        phi = phi / -length - 1 / factorial(n + 1)
    rows = torch.tensor([[place**n for place in places] for n in range(len(places))], dtype=torch.float64)
    weights = torch.linalg.solve(rows, torch.tensor(right, dtype=torch.float64)).tolist()
    for weight, place, change in zip(weights, places, changes, strict=True):
        x = x - growth * (weight / place) * change
    return x


def invert(denoise: Denoise, x: Tensor, sigmas: Tensor, callback: Callback | None = None, *, rounds: int = 1) -> Tensor:
    """From data to the noise that `euler` would make it of (the inverse of DDIM).

    Each step looks for the x' from which Euler's step would have led to x. One round takes D at x itself, as is usual
    (arXiv 2105.05233, appendix F); more rounds repeat that from what was found, until the way back is exact.

    Args:
        denoise, callback: as of `euler`; the callback's sigma is the level that was reached.
        x: (B, ...) at the first level.
        sigmas: rising levels; the first may be 0.

    Raises:
        MareyError: the levels do not rise.
    """
    if rounds < 1:
        raise MareyError(f"rounds is {rounds}: 1 or more would do.")
    steps = list(steps_of(sigmas.flip(0)))
    for step, (_, sigma, before) in enumerate(reversed(steps)):
        start, denoised = x, x
        for _ in range(rounds):
            denoised = denoise(x, sigma)
            x = start + (x - denoised) * ((sigma - before) / sigma)
        if callback is not None:
            callback(step, sigma, x, denoised)
    return x


SOLVERS: dict[str, Solver] = {"euler": euler, "ddim": euler, "heun": heun, "dpmpp_2m": dpmpp_2m, "unipc": unipc}
"""Those that draw no noise on the way."""


def steps_of(sigmas: Tensor) -> Iterator[tuple[int, float, float]]:
    """(number, from, to) of each step.

    Raises:
        MareyError: the levels do not fall.
    """
    levels = sigmas.tolist()
    if len(levels) < 2 or any(after >= sigma or after < 0 for sigma, after in pairwise(levels)):
        raise MareyError(f"The noise levels {levels} are no schedule: two or more, falling, none under 0, would do.")
    for step, (sigma, after) in enumerate(pairwise(levels)):
        yield step, sigma, after
