"""How judges learn: one loop, in bfloat16 where the processor multiplies in it, reproducible by a seed."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from marey.errors import require
from marey.progress import Progress

if TYPE_CHECKING:
    import torch


def networks() -> Any:
    """The modules of judges.

    Raises:
        MissingExtra: the extra 'train' is not installed.
    """
    require("torch", "train")
    from marey.network import judges

    return judges


def seeded(seed: int, make: Callable[[], Any]) -> Any:
    """What `make` makes, with first weights that depend on the seed alone."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def mixed() -> AbstractContextManager[Any]:
    """Products in bfloat16 where that is twice as fast, in float32 where it would be slower."""
    import torch

    told: dict[str, Any] = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return torch.autocast("cpu", torch.bfloat16, enabled=bool(told.get("avx512_bf16")))


def fit(
    module: Any,
    loss: Callable[[int], "torch.Tensor"],
    steps: int,
    seed: int,
    progress: Progress,
    what: str,
    lr: float = 3e-3,
    told: Callable[[int, float], None] | None = None,
) -> None:
    """AdamW with a rate that rises for a twentieth of the way and then falls to nothing along a cosine.

    Args:
        loss: of a step, from 0; it draws its own batch.
        told: is given each step and its loss.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module.train()
        optimizer = torch.optim.AdamW(module.parameters(), lr=lr, weight_decay=2e-2)
        for step in range(steps):
            if step % 20 == 0:
                progress(what, step, steps)
            rise = min(1.0, (step + 1) / (0.05 * steps + 1))
            optimizer.param_groups[0]["lr"] = lr * rise * (0.5 + 0.5 * math.cos(math.pi * step / steps))
            with mixed():
                value = loss(step)
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            if told is not None:
                told(step, float(value.detach()))
        progress(what, steps, steps)
        module.eval().requires_grad_(False)
