"""The EDM preconditioning with sigma_data = 1, which is v-prediction (arXiv 2206.00364, table 1; arXiv 2311.15127,
appendix D.2).

    x = x0 + sigma * n
    D(x, sigma) = c_skip * x + c_out * F(c_in * x, c_noise)

Weighted by lambda = (1 + sigma^2) / sigma^2, the loss |D - x0|^2 is the plain |F - v|^2 with v = (n - sigma * x0) /
sqrt(1 + sigma^2), since lambda * c_out^2 = 1; nothing in that form grows as 1 / sigma^2, so it is the one that is used.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Network = Callable[[Tensor, Tensor], Tensor]
"""F: (c_in * x (B, ...), c_noise (B,)) -> (B, ...) like x."""


class Scalings(NamedTuple):
    """Each of the shape of sigma."""

    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor
    c_noise: Tensor


def scalings(sigma: Tensor) -> Scalings:
    """c_skip = 1/(s^2+1), c_out = -s/sqrt(s^2+1), c_in = 1/sqrt(s^2+1), c_noise = ln(s)/4. sigma > 0, of any shape."""
    square = sigma.square() + 1.0
    root = square.sqrt()
    return Scalings(c_skip=1.0 / square, c_out=-sigma / root, c_in=1.0 / root, c_noise=0.25 * sigma.log())


def noisy(x0: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """x0 + sigma * noise: x0, noise (B, ...), sigma (B,), one a clip and shared by its frames."""
    return x0 + _like(sigma, x0) * noise


def v_target(x0: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """(noise - sigma * x0) / sqrt(1 + sigma^2): what F is to give. x0, noise (B, ...), sigma (B,)."""
    sigma = _like(sigma, x0)
    return (noise - sigma * x0) / (1.0 + sigma.square()).sqrt()


def v_loss(network: Network, x0: Tensor, noise: Tensor, sigma: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean |F - v|^2 of each clip, (B,): the lambda-weighted denoising loss. x0, noise (B, ...), sigma (B,); `weight`
    spreads to x0, and is how much each error counts."""
    scale = scalings(sigma)
    predicted = network(_like(scale.c_in, x0) * noisy(x0, noise, sigma), scale.c_noise)
    error = (predicted - v_target(x0, noise, sigma)).square()
    return (error if weight is None else error * weight).flatten(1).mean(dim=1)


def denoise(network: Network, x: Tensor, sigma: Tensor | float) -> Tensor:
    """D(x, sigma), the expected x0. x (B, ...) unscaled, sigma > 0 a number or (B,). Like x."""
    # In float64 (which some devices lack) and on the processor: sigma is one number a clip.
    given = torch.as_tensor(sigma, dtype=torch.float64, device="cpu").expand(len(x))
    scale = Scalings(*(value.to(device=x.device, dtype=x.dtype) for value in scalings(given)))
    predicted = network(_like(scale.c_in, x) * x, scale.c_noise)
    return _like(scale.c_skip, x) * x + _like(scale.c_out, x) * predicted


def denoise_discrete(
    network: Network, x: Tensor, sigma: Tensor | float, table: Tensor, prediction: Literal["epsilon", "v"]
) -> Tensor:
    """D(x, sigma) of a network that was trained at discrete timesteps, such as Stable Diffusion 2.1 (arXiv 2206.00364,
    table 1 and appendix C.3.2, its iDDPM column; v: arXiv 2202.00512, appendix D).

    Args:
        network: F: (c_in * x, timestep (B,) as a whole number in float) -> the noise, or v.
        x: (B, ...) unscaled, data plus sigma times noise.
        sigma: > 0, a number or (B,).
        table: (count,) rising: the level of each timestep, as of `schedules.sigmas_of`. The network is told the one
            that is nearest in ln(sigma).
        prediction: what the network gives.
    """
    given = torch.as_tensor(sigma, dtype=torch.float64, device="cpu").expand(len(x))
    timestep = (given.log()[:, None] - table.to(torch.float64).log()[None]).abs().argmin(dim=1)
    c_skip, c_out, c_in, _ = scalings(given)
    if prediction == "epsilon":
        c_skip, c_out = torch.ones_like(given), -given
    c_skip, c_out, c_in = (value.to(device=x.device, dtype=x.dtype) for value in (c_skip, c_out, c_in))
    predicted = network(_like(c_in, x) * x, timestep.to(device=x.device, dtype=x.dtype))
    return _like(c_skip, x) * x + _like(c_out, x) * predicted


def _like(values: Tensor, x: Tensor) -> Tensor:
    """(B,) -> (B, 1, ..., 1), to multiply x."""
    return values.to(x.dtype).reshape(-1, *(1,) * (x.ndim - 1))
