"""A problem small enough to train in a blink: fit a line. Run as a program it trains until it is killed or done."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from marey.train.batches import choose, noise
from marey.train.loop import Batch, Pace, fit

STEPS = 30


class Line(nn.Module):
    """y = w x + b, with a part that is trained, a part that is frozen, and a loss for each sample."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layer = nn.Linear(3, 1)
            self.frozen = nn.Linear(3, 1).requires_grad_(False)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (self.layer(x) - y).square().flatten(1).mean(1)


class Toy:
    """A task whose batches are functions of the step."""

    name = "toy"

    def __init__(self, before: Callable[[int], None] = lambda step: None) -> None:
        self.module = Line()
        self._before = before
        self._x = noise((20, 3), "x")
        self._y = self._x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 3.0

    def batch(self, step: int) -> Batch:
        self._before(step)
        chosen = choose(20, 4, 0, self.name, step)
        return {"x": self._x[chosen], "y": self._y[chosen]}

    def heldout(self, losses: Callable[[Batch], torch.Tensor]) -> dict[str, Any]:
        return {"heldout": float(losses({"x": self._x, "y": self._y}).mean())}


def pace(**changes: Any) -> Pace:
    plain = Pace(
        steps=STEPS,
        lr=0.1,
        warmup=3,
        clip_norm=1.0,
        ema=0.9,
        ema_warmup=True,
        checkpoint_every=7,
        evaluate_every=10,
        precision="no",
    )
    return Pace(**{**{name: getattr(plain, name) for name in plain.__dataclass_fields__}, **changes})


def train(run: Path, task: Toy, fingerprint: str = "one", **changes: Any) -> dict[str, torch.Tensor]:
    return fit(task, pace(**changes), run, fingerprint, device=torch.device("cpu"))


if __name__ == "__main__":
    folder, stop = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)

    def die(step: int) -> None:
        if step == stop:
            os.kill(os.getpid(), signal.SIGKILL)

    train(folder, Toy(die))
