"""How far each frame goes from the unconditional prediction to the conditional one and past it.

Guiders give a weight a frame: (frames,), float32. `guide` goes by them.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from marey.errors import MareyError


def constant(weight: float, frames: int) -> Tensor:
    """The same weight for each frame."""
    return linear(weight, weight, frames)


def linear(low: float, high: float, frames: int) -> Tensor:
    """From `low` at the first frame to `high` at the last (arXiv 2311.15127, appendix D.5).

    Raises:
        MareyError: a weight that is not a finite number.
    """
    _check(low, high)
    return torch.linspace(low, high, frames)


def triangle(low: float, high: float, frames: int) -> Tensor:
    """`low` at the first frame, `high` in the middle of the clip and back again (SV3D, arXiv 2403.12008): for orbits,
    whose last frame is beside the first. Frame n of N is at n / N of the way round."""
    _check(low, high)
    place = torch.arange(frames) / frames
    return low + (high - low) * 2 * (place - (place + 0.5).floor()).abs()


def trapezoid(low: float, high: float, frames: int, edge: float = 0.1) -> Tensor:
    """Up from `low` to `high` over a share `edge` of the frames, and down again over the last of them.

    Raises:
        MareyError: the edges are more than the whole.
    """
    _check(low, high)
    if not 0 <= edge <= 0.5:
        raise MareyError(f"edge is {edge}: 0 to 0.5 would do.")
    count = round(frames * edge)
    # The frame after an edge has the full weight, and is no part of it.
    up = low + (high - low) * torch.arange(count) / max(count, 1)
    return torch.cat([up, torch.full((frames - 2 * count,), float(high)), up.flip(0)])


GUIDERS: dict[str, Callable[[float, float, int], Tensor]] = {
    "linear": linear,
    "triangle": triangle,
    "trapezoid": trapezoid,
}
"""Those that are told by a low and a high weight."""


def weights_named(guidance: float | str | tuple[float, float], frames: int) -> Tensor:
    """The weights of each frame, (frames,).

    Args:
        guidance: one weight for all frames; the low and the high one of `linear`; or, as a text, a number, `LOW:HIGH`,
            `constant:WEIGHT`, or NAME:LOW:HIGH with a name of `GUIDERS`, such as triangle:1:2.5.

    Raises:
        MareyError: a guider that there is not, or weights that cannot be.
    """
    if isinstance(guidance, (int, float)):
        return constant(guidance, frames)
    if not isinstance(guidance, str):
        return linear(*guidance, frames)
    name, *words = guidance.split(":")
    if name != "constant" and name not in GUIDERS:  # numbers alone
        name, words = ("constant" if not words else "linear"), [name, *words]
    try:
        weights = [float(word) for word in words]
    except ValueError:
        weights = []
    if len(weights) != (1 if name == "constant" else 2):
        raise MareyError(
            f"There is no guidance {guidance!r}: a weight such as 2, two such as 1:3, or {', '.join(GUIDERS)} with "
            "two, such as triangle:1:2.5, would do."
        )
    low, high = weights[0], weights[-1]
    return constant(low, frames) if name == "constant" else GUIDERS[name](low, high, frames)


def within(weights: Tensor, sigma: float, low: float, high: float) -> Tensor:
    """The weights where low < sigma <= high, and 1, which is no guidance, elsewhere (arXiv 2404.07724, equation 6)."""
    return weights if low < sigma <= high else torch.ones_like(weights)


def guide(unconditional: Tensor, conditional: Tensor, weights: Tensor) -> Tensor:
    """u + w (c - u) of predictions (B, T, C, h, w), frame by frame with weights (T,). Of D or F: D is affine in F."""
    weights = weights.to(device=conditional.device, dtype=conditional.dtype).reshape(1, -1, 1, 1, 1)
    return unconditional + weights * (conditional - unconditional)


def _check(*weights: float) -> None:
    for weight in weights:
        if not abs(weight) < float("inf"):
            raise MareyError(f"A guidance of {weight} cannot be: a number such as 1.0 or 3.0 would do.")
