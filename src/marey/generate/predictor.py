"""The network's part in a run: which branches are computed, in full or from what the steps before left."""

from collections.abc import Callable
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from marey.diffusion import guidance as guiding
from marey.diffusion.cache import Line, Pace
from marey.diffusion.precondition import Network
from marey.generate.plan import Plan
from marey.network.resblock import Known
from marey.network.unet import Around, SpatioTemporalUNet


@dataclass
class Calls:
    """How often the network was called for a clip: `full` and `cached` conditional predictions, and `unconditional`
    ones, which are always full."""

    full: int = 0
    cached: int = 0
    unconditional: int = 0


class Predictor:
    """F with guidance, of scaled noisy latents, for one run of a solver.

    In a cached call the UNet's inner features and the difference of the two branches are those of a line through their
    values at the last two full calls, and only the outer part of the conditional branch is computed.

    Attributes:
        calls: what was done so far.
    """

    def __init__(
        self,
        unet: SpatioTemporalUNet,
        plan: Plan,
        token: Tensor,
        frame: Tensor,
        added: Tensor,
        *,
        dtype: torch.dtype,
        apart: bool = False,
    ) -> None:
        """Args:
        token, frame, added: of the conditional branch: (N, tokens, D), (N, T, C, h, w) and (N, 3).
        apart: compute the two branches one after the other, which takes less memory.
        """
        self.calls = Calls()
        self._unet, self._plan, self._dtype, self._apart = unet, plan, dtype, apart
        # Unconditional first: no text, no token, no frame, the same numbers.
        self._tokens = torch.stack([torch.zeros_like(token), token])
        self._frames = torch.stack([torch.zeros_like(frame), frame])
        self._added = added
        self._pace = Pace(plan.cache) if plan.cache else None
        self._features, self._difference = Line(), Line()
        self._known = Known(), Known(), Known()  # of either branch, and of both together

    def at(self, sigma: float) -> Network:
        """F at a noise level."""
        return lambda x, c_noise: self._predict(x, c_noise, sigma)

    def _predict(self, x: Tensor, c_noise: Tensor, sigma: float) -> Tensor:
        weights, time = self._plan.weights_at(sigma), -log(sigma)
        guided = bool((weights != 1.0).any())
        if self._pace is None or self._pace.due(x, must=guided and not self._difference.known):
            return self._full(x, c_noise, weights, guided, time)
        self.calls.cached += 1
        conditional = self._branch(1, x, c_noise, lambda inner: self._features.at(time))
        if not guided:
            return conditional
        return guiding.guide(conditional - self._difference.at(time), conditional, weights)

    def _full(self, x: Tensor, c_noise: Tensor, weights: Tensor, guided: bool, time: float) -> Tensor:
        self.calls.full += 1
        around = None if self._pace is None else self._keeping(time, len(x) * x.shape[1])
        if not guided:
            return self._branch(1, x, c_noise, around)
        self.calls.unconditional += 1
        if self._apart:
            unconditional, conditional = self._branch(0, x, c_noise), self._branch(1, x, c_noise, around)
        else:
            unconditional, conditional = self._both(x, c_noise, around)
        if self._pace is not None:
            self._difference.keep(time, conditional - unconditional)
        return guiding.guide(unconditional, conditional, weights)

    def _keeping(self, time: float, rows: int) -> Around:
        """Keeps the inner features of the conditional branch, which are the last rows."""

        def around(inner: Callable[[], Tensor]) -> Tensor:
            features = inner()
            self._features.keep(time, features if len(features) == rows else features[-rows:].clone())
            return features

        return around

    def _branch(self, which: int, x: Tensor, c_noise: Tensor, around: Around | None = None) -> Tensor:
        """The unconditional (0) or the conditional prediction (1)."""
        given = self._tokens[which], self._frames[which], self._added, around, self._known[which]
        return self._run(x, c_noise, *given)

    def _both(self, x: Tensor, c_noise: Tensor, around: Around | None) -> tuple[Tensor, Tensor]:
        tokens, frames = self._tokens.flatten(0, 1), self._frames.flatten(0, 1)
        added = torch.cat([self._added, self._added])
        given = tokens, frames, added, around, self._known[2]
        predicted = self._run(torch.cat([x, x]), torch.cat([c_noise, c_noise]), *given)
        unconditional, conditional = predicted.chunk(2)
        return unconditional, conditional

    def _run(
        self,
        x: Tensor,
        c_noise: Tensor,
        token: Tensor,
        frame: Tensor,
        added: Tensor,
        around: Around | None,
        known: Known,
    ) -> Tensor:
        sample = torch.cat([x.to(self._dtype), frame], dim=2)
        told = {} if around is None else {"around": around}
        return self._unet(sample, c_noise, token, added, known=known, **told).to(x.dtype)
