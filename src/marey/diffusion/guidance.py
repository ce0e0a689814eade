"""How far each frame goes from the unconditional prediction to the conditional one and past it."""

import torch
from torch import Tensor

from marey.errors import MareyError


def linear(low: float, high: float, frames: int) -> Tensor:
    """Weights (frames,), float32, from `low` at the first frame to `high` at the last (arXiv 2311.15127, appendix D.5).

    Raises:
        MareyError: a weight that is not a finite number.
    """
    for weight in (low, high):
        if not abs(weight) < float("inf"):
            raise MareyError(f"A guidance of {weight} cannot be: a number such as 1.0 or 3.0 would do.")
    return torch.linspace(low, high, frames)


def guide(unconditional: Tensor, conditional: Tensor, weights: Tensor) -> Tensor:
    """u + w (c - u) of predictions (B, T, C, h, w), frame by frame with weights (T,). Of D or F: D is affine in F."""
    weights = weights.to(device=conditional.device, dtype=conditional.dtype).reshape(1, -1, 1, 1, 1)
    return unconditional + weights * (conditional - unconditional)
