"""How a task is trained: steps, rate, clipping, averages, precision, and how often it is saved and measured."""

import math
from dataclasses import dataclass
from typing import Any

import torch

from marey import recipe


@dataclass(frozen=True)
class Pace:
    """How a task is trained."""

    steps: int
    lr: float
    warmup: int
    """Steps over which the rate rises linearly; from there it falls on a cosine to a tenth."""
    clip_norm: float
    ema: float
    ema_warmup: bool
    checkpoint_every: int
    evaluate_every: int
    precision: str
    """no (float32), bf16, fp16 or auto: autocast; weights, average and optimizer stay in float32."""

    full_rate_inputs: int | None = None
    """A weight with more inputs than this has its rate divided by as much as it has more: Adam moves each weight by
    about the rate, so that a layer's output moves by the rate times its inputs (arXiv 2203.03466). None: one for all.
    """
    accumulate: int = 1
    """A process goes through its share of a batch in so many pieces, one after another; the step is the same."""
    ema_widths: tuple[float, ...] = ()
    """Relative widths of power-function averages that are kept beside (`posthoc`)."""
    ema_choice: float | None = None
    """The model is made of the power-function average of this width, instead of the exponential one."""
    samples_every: int | None = None
    """Steps between validation videos; None: none are made."""
    trackers: tuple[Any, ...] = ()
    """Names of accelerate's trackers, such as "tensorboard", or trackers themselves."""

    @classmethod
    def of(cls, stage: recipe.Stage) -> "Pace":
        """The pace of a training stage's section of the recipe."""
        return cls(**{name: getattr(stage, name) for name in cls.__dataclass_fields__ if hasattr(stage, name)})

    def rate(self, step: int) -> float:
        """The learning rate of step `step`, from 0."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.lr * (0.1 + 0.9 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done))))

    def share(self, parameter: torch.Tensor) -> float:
        """What part of the learning rate a parameter has."""
        if self.full_rate_inputs is None or parameter.ndim < 2:
            return 1.0
        return min(1.0, self.full_rate_inputs / parameter[0].numel())
