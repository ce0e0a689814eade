"""Draws: noise levels for training, and noise that depends on its seed alone."""

from collections.abc import Sequence

import torch
from torch import Tensor


def draw_sigma(generator: torch.Generator, n: int, mean: float, std: float) -> Tensor:
    """n noise levels with ln(sigma) ~ N(mean, std^2), float32 (n,) on the generator's device.

    The law of training (arXiv 2206.00364, table 1, P_mean and P_std), and of the conditioning frame's noise
    augmentation (arXiv 2311.15127, appendix D: mean -3, std 0.5).
    """
    return torch.exp(mean + std * torch.randn(n, generator=generator, device=generator.device))


def seeded(seed: int) -> torch.Generator:
    """A generator on the processor: the same draws on every device."""
    return torch.Generator("cpu").manual_seed(seed)


def normal(generators: Sequence[torch.Generator], shape: Sequence[int]) -> Tensor:
    """Unit normal noise (len(generators), *shape), float32; each row from its own generator, so that no row knows of
    the others.
    """
    return torch.stack([torch.randn(*shape, generator=generator) for generator in generators])
