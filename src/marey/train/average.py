"""The exponential moving average of the trained weights, which is what a model is made of in the end."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from marey.train.processes import like, reshard


class Average:
    """A float32 average of a module's trained parameters: average += (1 - decay) * (weights - average).

    With warm-up the decay of update t (from 0) is min(decay, (1 + t) / (10 + t)), so that the first, random weights are
    soon forgotten. Frozen parameters are not kept.

    Args:
        module: whose parameters are averaged; those that require no gradient are left out.
        decay: 0..1; 0 makes the average equal to the weights.
        warmup: whether the decay rises from 0.1 to `decay`.
    """

    def __init__(self, module: nn.Module, decay: float, warmup: bool = True) -> None:
        self._decay, self._warmup = decay, warmup
        self.weights = {
            name: value.detach().float().clone() for name, value in module.named_parameters() if value.requires_grad
        }

    def decay(self, update: int) -> float:
        """The decay of update number `update`, from 0."""
        return min(self._decay, (1 + update) / (10 + update)) if self._warmup else self._decay

    @torch.no_grad()
    def update(self, module: nn.Module, update: int) -> None:
        """Take in the weights of `module` as update number `update`, from 0."""
        share = 1.0 - self.decay(update)
        for name, value in module.named_parameters():
            if name in self.weights:
                self.weights[name].lerp_(value.detach().float(), share)

    def load(self, weights: dict[str, torch.Tensor]) -> None:
        """Replace the average by a saved one, with the same names and shapes."""
        if weights.keys() != self.weights.keys():
            raise ValueError("the saved average is of another network")
        for name, value in weights.items():
            self.weights[name].copy_(like(value, self.weights[name]))

    @torch.no_grad()
    def _swap(self, module: nn.Module) -> None:
        """The parameters of `module` and the average change places, one tensor at a time. Both are float32."""
        for name, value in module.named_parameters():
            if name in self.weights:
                own = value.detach().clone()
                value.copy_(self.weights[name])
                self.weights[name].copy_(own)

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[None]:
        """Within the context `module` has the averaged weights, and `weights` are its own; after it, each has its own
        again, bit for bit. No second copy of all of them is made."""
        self._swap(module)
        try:
            yield
        finally:
            reshard(module)
            self._swap(module)
