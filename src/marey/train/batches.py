"""Which windows a training step sees, and with which noise: a pure function of (seed, stage, step).

Nothing here remembers the steps before, so a run that was killed and goes on draws what the undisturbed run would have
drawn, and every process of a distributed run can draw the same global batch and take its share of it.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from marey.diffusion.noise import draw_sigma


def seed_of(*key: int | str) -> int:
    """A seed in 0..2**63-1 that depends on every part of the key, and on nothing else."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in key)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def stream(*key: int | str) -> torch.Generator:
    """A generator on the CPU, seeded by the key: the same numbers on every machine with this torch, whatever the
    device.
    """
    return torch.Generator().manual_seed(seed_of(*key))


@lru_cache(maxsize=64)
def permutation(count: int, *key: int | str) -> tuple[int, ...]:
    """The numbers 0..count-1 in an order that the key decides."""
    return tuple(int(n) for n in np.random.default_rng(seed_of(*key)).permutation(count))


def choose(count: int, size: int, seed: int, stage: str, step: int) -> list[int]:
    """The `size` items of step `step` (from 0) out of `count`.

    The items of all steps, one after another, are one permutation of everything after another: each item is seen
    exactly once an epoch, also where a batch straddles two epochs or is larger than the data.
    """
    if count < 1:
        raise ValueError("there is nothing to draw a batch from")
    first = step * size
    return [
        permutation(count, seed, stage, "epoch", number // count)[number % count]
        for number in range(first, first + size)
    ]


@dataclass(frozen=True)
class Draws:
    """Everything that is random in one step of a diffusion stage, for a batch of B clips.

    Noise comes as generators, because its shape is known only where the latents are.
    """

    sigma: torch.Tensor
    """(B,): one noise level a clip, shared by its frames; log sigma ~ N(p_mean, p_std^2) (svd.md §1.5)."""
    keep_token: torch.Tensor
    """(B,) of 0 or 1: 0 zeroes the clip's cross-attention context."""
    keep_frame: torch.Tensor
    """(B,) of 0 or 1, drawn apart from keep_token: 0 zeroes the clip's conditioning frame."""
    augmentation: torch.Tensor
    """(B,): strength of the pixel noise on the conditioning frame; its logarithm is normal (svd.md §1.6)."""
    uniform: torch.Tensor
    """(B,) in 0..1: where a clip gives one frame, which."""

    def of(self, rows: Sequence[int]) -> "Draws":
        """Those of some clips of the batch."""
        return Draws(**{name: value[list(rows)] for name, value in vars(self).items()})


def draw(
    size: int,
    seed: int,
    stage: str,
    step: int,
    *,
    p_mean: float,
    p_std: float,
    drop: float,
    augmentation_mean: float,
    augmentation_std: float,
    drop_both: float = 0.0,
) -> Draws:
    """The draws of one step. Each kind has a stream of its own, so that a changed setting of one leaves the others
    alone.
    """

    def uniform(kind: str) -> torch.Tensor:
        return torch.rand(size, generator=stream(seed, stage, step, kind))

    keep_both = (uniform("both") >= drop_both).float()
    return Draws(
        sigma=draw_sigma(stream(seed, stage, step, "sigma"), size, p_mean, p_std),
        keep_token=(uniform("token") >= drop).float() * keep_both,
        keep_frame=(uniform("frame") >= drop).float() * keep_both,
        augmentation=draw_sigma(stream(seed, stage, step, "augmentation"), size, augmentation_mean, augmentation_std),
        uniform=uniform("pick"),
    )


def draw_caption(captions: Sequence[tuple[str, float]], *key: int | str) -> str:
    """One of several captions, each by its share (1 in all), as the key decides; "" of none."""
    at = seed_of(*key) / 2**63
    for text, share in captions:
        at -= share
        if at < 0:
            return text
    return captions[-1][0] if captions else ""


def noise(shape: Sequence[int], *key: int | str) -> torch.Tensor:
    """Standard normal noise that the key alone decides."""
    return torch.randn(tuple(shape), generator=stream(*key))


def noise_rows(shape: Sequence[int], rows: Sequence[int], *key: int | str) -> torch.Tensor:
    """Unit normal noise (len(rows), *shape) of some rows of a batch, each decided by the key and its number."""
    return torch.stack([noise(shape, *key, row) for row in rows])


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the numbers 0..count-1, evenly spaced, in order."""
    if count <= most:
        return list(range(count))
    return [math.floor((n + 0.5) * count / most) for n in range(most)]
