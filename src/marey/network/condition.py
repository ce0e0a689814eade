"""What a video UNet is told beside its noisy latents: a plug-in, so that interpolation and cameras need no UNet of
their own (arXiv 2311.15127, sections 4.4 and 4.5; svd.md §1.3 and §1.8).

| name      | frames that are given | input channels, of latents of C | tokens | numbers after the usual three        |
|-----------|-----------------------|---------------------------------|--------|--------------------------------------|
| still     | the first             | C noisy, C given                | 1      |                                      |
| ends      | the first, the last   | C noisy, C given, 1 mask        | 2      |                                      |
| elevation | the first             | C noisy, C given                | 1      | the camera's elevation, one a clip   |
| poses     | the first             | C noisy, C given                | 1      | elevation and azimuth of every frame |

Training and sampling ask the same object, and guidance zeroes the same of all of them: tokens and given channels.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from marey.errors import MareyError

BASE = ("fps - 1", "motion bucket", "noise augmentation")
"""The numbers that every video UNet is told first."""

Draw = Callable[[Sequence[int]], Tensor]
"""Of a shape: unit noise (N, *shape)."""


class Condition(nn.Module):
    """The first frame, whose pixels are noised before they are encoded: Stable Video Diffusion's own condition.

    Attributes:
        verb: of the command line, and of `Model`, by which a model that has learned it is asked.
        numbers: names of what the UNet is told after `BASE`.
        by_frame: whether these differ from frame to frame.
        marks: input channels beside the noisy and the given latents.
    """

    name: ClassVar[str] = "still"
    verb: ClassVar[str] = "animate"
    numbers: ClassVar[tuple[str, ...]] = ()
    by_frame: ClassVar[bool] = False
    marks: ClassVar[int] = 0

    def __init__(self, latents: int = 4) -> None:
        """Args:
        latents: channels of a latent.
        """
        super().__init__()
        self.latents = latents

    @property
    def channels(self) -> int:
        """Input channels of the UNet."""
        return 2 * self.latents + self.marks

    def places(self, frames: int) -> tuple[int, ...]:
        """Which frames of a clip of so many are given; each gives a token."""
        return (0,)

    def encoded(
        self, stills: Tensor, strength: Tensor, draw: Draw, encode: Callable[[Tensor], Tensor], scale: float
    ) -> tuple[Tensor, Tensor | None]:
        """Given frames as latents with noise.

        Args:
            stills: (N, S, 3, H, W) in [-1, 1], in the order of `places`.
            strength: (N,) of the noise.
            encode: (N, S, 3, H, W) to the encoder's means (N, S, C, h, w), not scaled.
            scale: the autoencoder's scaling factor.

        Returns:
            (N, S, C, h, w), not scaled; and what the clip's own latents at these frames are, scaled, where that is
            known without noise.
        """
        return encode(stills + _like(strength, stills) * draw(stills.shape[1:])), None

    def concatenated(self, given: Tensor, frames: int) -> Tensor:
        """What is concatenated to the noisy latents of each frame: (N, S, C, h, w) to (N, T, channels - C, h, w)."""
        return given.expand(-1, frames, -1, -1, -1)

    def pinned(self, denoised: Tensor, known: Tensor) -> Tensor:
        """An expected clip (N, T, C, h, w) with its known latents (N, S, C, h, w) at their places."""
        places = self.places(denoised.shape[1])
        denoised = denoised.clone()
        denoised[:, list(places)] = known.to(denoised)
        return denoised


class Ends(Condition):
    """The first and the last frame; the frames between have a learned embedding in place of latents, and a mask tells
    which is which. Noise is added to the latents, of which it is `strength` standard deviations."""

    name = "ends"
    verb = "interpolate"
    marks = 1

    def __init__(self, latents: int = 4) -> None:
        super().__init__(latents)
        self.mask = nn.Parameter(torch.zeros(latents))
        """z_m: of each channel, the same everywhere."""

    def places(self, frames: int) -> tuple[int, ...]:
        return 0, frames - 1

    def encoded(
        self, stills: Tensor, strength: Tensor, draw: Draw, encode: Callable[[Tensor], Tensor], scale: float
    ) -> tuple[Tensor, Tensor | None]:
        means = encode(stills)
        return self.noised(means, strength, draw, scale), means * scale

    @staticmethod
    def noised(means: Tensor, strength: Tensor, draw: Draw, scale: float) -> Tensor:
        """Latents (N, 2, C, h, w), not scaled, with noise."""
        return means + _like(strength, means) * draw(means.shape[1:]).to(means) / scale

    def concatenated(self, given: Tensor, frames: int) -> Tensor:
        count, _, _, height, width = given.shape
        between = self.mask.to(given)[:, None, None].expand(count, frames - 2, -1, height, width)
        latents = torch.cat([given[:, :1], between, given[:, 1:]], dim=1)
        mask = given.new_ones(count, frames, 1, height, width)  # 1 where the frame is given
        mask[:, 1:-1] = 0.0
        return torch.cat([latents, mask], dim=2)


class Elevation(Condition):
    """The first frame and the height, in degrees above the horizon, of a camera that goes around what it shows (section
    4.5: one vector a clip)."""

    name = "elevation"
    verb = "orbit"
    numbers = ("elevation",)


class Poses(Condition):
    """The first frame and the camera of every frame: its elevation and its azimuth past the first frame's, from 0 to
    360, in degrees (as SV3D_p, arXiv 2403.12008, section 3)."""

    name = "poses"
    verb = "orbit"
    numbers = ("elevation", "azimuth")
    by_frame = True


CONDITIONS: dict[str, type[Condition]] = {kind.name: kind for kind in (Condition, Ends, Elevation, Poses)}


def condition_named(name: str, latents: int) -> Condition:
    """A new condition, for latents of so many channels.

    Raises:
        MareyError: there is none of that name.
    """
    if name not in CONDITIONS:
        raise MareyError(f"There is no condition {name!r}: {', '.join(CONDITIONS)} would do.")
    return CONDITIONS[name](latents)


def added(numbers: Tensor, more: Tensor | None) -> Tensor:
    """All that the UNet is told as numbers.

    Args:
        numbers: (N, 3): `BASE`.
        more: (N, n), or (N, T, n) where they differ by frame; None: no more.

    Returns:
        (N, 3 + n) or (N, T, 3 + n).
    """
    if more is None:
        return numbers
    more = more.to(numbers)
    if more.ndim == 3:
        numbers = numbers[:, None].expand(-1, more.shape[1], -1)
    return torch.cat([numbers, more], dim=-1)


def _like(strength: Tensor, x: Tensor) -> Tensor:
    """(N,) to multiply (N, S, C, h, w)."""
    return strength.to(x).view(-1, *(1,) * (x.ndim - 1))
