"""What a training step gives of each window beside noise: its given frames as tokens and as noised latents.

A giver is a plug-in of `VideoTask`. Those here make all anew in each step; `conditions.Conditions` keeps what a frozen
model is told of first frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from marey.network.autoencoder import Autoencoder
from marey.network.condition import Draw, Ends
from marey.train.conditions import Tokens
from marey.train.encoded import Encoded
from marey.train.processes import Batch
from marey.train.windows import Window


class Giver(Protocol):
    """Makes the conditions of windows."""

    def of(self, windows: Sequence[Window], pick: torch.Tensor, strength: torch.Tensor, draw: Draw) -> Batch:
        """condition (B, C, h, w), or (B, S, C, h, w) where several frames are given; token (B, S, D), or the still
        (B, 3, H, W) that it is made of; and strength (B,): of the noise that was added.

        Args:
            pick: (B,) in 0..1: which of a window's kept draws; 0 the first, whose strength is the usual one.
            strength: (B,) of the noise, where it is not kept.
            draw: of a shape: unit noise (B, *shape).
        """
        ...


@dataclass(frozen=True)
class FirstFrames:
    """The first frame, with noise on its pixels, encoded in each step; its token is made by the network itself."""

    data: Encoded
    autoencoder: Autoencoder

    @torch.no_grad()
    def of(self, windows: Sequence[Window], pick: torch.Tensor, strength: torch.Tensor, draw: Draw) -> Batch:
        stills = self.data.stills(windows)
        noised = stills + strength[:, None, None, None] * draw(stills.shape[1:])
        device = next(self.autoencoder.parameters()).device
        mean, _ = self.autoencoder.encode(noised[:, None].to(device))
        return {"still": stills, "condition": mean[:, 0].cpu(), "strength": strength}


@dataclass(frozen=True)
class BothEnds:
    """The first and the last frame: the means that the windows' latents have there, with noise on them."""

    data: Encoded
    tokens: Tokens
    """Of the first and the last frame."""

    def of(self, windows: Sequence[Window], pick: torch.Tensor, strength: torch.Tensor, draw: Draw) -> Batch:
        means = torch.stack([self.data.moments(window)[0][[0, -1]] for window in windows])
        noised = Ends.noised(means, strength, draw, self.data.scale)
        return {"token": self.tokens.of(windows), "condition": noised, "strength": strength}


Numbers = Callable[[Sequence[Window]], torch.Tensor]
"""What windows are told in numbers by their condition, (B, n) or (B, T, n)."""
