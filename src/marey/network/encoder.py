"""The encoder of Stable Diffusion's autoencoder, with the state-dict keys of diffusers' Encoder (svd.md §1.4).

Frames are encoded one by one. The layout is that of `resblock`: channels-last.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.network.config import GROUPS
from marey.network.decoder import PixelAttention
from marey.network.norm import GroupNorm
from marey.network.resblock import ResBlock

_EPS = 1e-6


class Downsampler(nn.Module):
    """A 3x3 convolution of stride 2, padded at the right and the bottom alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(functional.pad(x, (0, 1, 0, 1)))


class EncoderLevel(nn.Module):
    """Residual blocks of one size and, but for the last level, the halving."""

    def __init__(self, width_in: int, width: int, layers: int, halves: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(ResBlock(width if n else width_in, width, None, _EPS) for n in range(layers))
        self.downsamplers: nn.ModuleList | None = nn.ModuleList([Downsampler(width)]) if halves else None

    def forward(self, x: Tensor) -> Tensor:
        for resnet in self.resnets:
            x = resnet(x, None)
        return x if self.downsamplers is None else self.downsamplers[0](x)


class EncoderMiddle(nn.Module):
    """R, attention among pixels, R."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([ResBlock(width, width, None, _EPS)])
        self.attentions = nn.ModuleList([PixelAttention(width)])
        self.resnets.append(ResBlock(width, width, None, _EPS))

    def forward(self, x: Tensor) -> Tensor:
        first, last = self.resnets
        return last(self.attentions[0](first(x, None)), None)


class Encoder(nn.Module):
    """Pixels to the mean and the log-variance of latents, before `quant_conv`.

    Args:
        in_channels: of the pixels.
        latent_channels: of the latents; twice as many come out.
        channels: width of each level, finest first, multiples of 32.
        layers: residual blocks a level.
    """

    def __init__(self, in_channels: int, latent_channels: int, channels: Sequence[int], layers: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(in_channels, channels[0], 3, padding=1)
        widths = [channels[0], *channels]
        self.down_blocks = nn.ModuleList(
            EncoderLevel(widths[level], widths[level + 1], layers, halves=level < len(channels) - 1)
            for level in range(len(channels))
        )
        self.mid_block = EncoderMiddle(channels[-1])
        self.conv_norm_out = GroupNorm(GROUPS, channels[-1], eps=_EPS)
        self.conv_out = nn.Conv2d(channels[-1], 2 * latent_channels, 3, padding=1)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 2*C, h, w)."""
        x = self.conv_in(pixels.contiguous(memory_format=torch.channels_last))
        for level in self.down_blocks:
            x = level(x)
        return self.conv_out(functional.silu(self.conv_norm_out(self.mid_block(x))))
