"""The decoder of Stable Video Diffusion's autoencoder, with the state-dict keys of diffusers' TemporalDecoder (svd.md
§1.4).

The layout is that of `resblock`: channels-last frames that are also clips, without a copy.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.network.config import GROUPS
from marey.network.doubling import doubled
from marey.network.linear import Linear
from marey.network.norm import GroupNorm
from marey.network.resblock import Clips, Mixer, SpatioTemporalResBlock, TemporalConv
from marey.network.transformer import attend

_EPS = 1e-6
_TEMPORAL_EPS = 1e-5


class PixelAttention(nn.Module):
    """Attention of one head among the pixels of a frame, after a group normalisation, added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.group_norm = GroupNorm(GROUPS, width, eps=_EPS)
        self.to_q = Linear(width, width)
        self.to_k = Linear(width, width)
        self.to_v = Linear(width, width)
        self.to_out = nn.ModuleList([Linear(width, width)])

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) channels-last."""
        tokens = self.group_norm(x).permute(0, 2, 3, 1).flatten(1, 2)  # (N, H*W, C)
        q, k, v = (layer(tokens)[:, None] for layer in (self.to_q, self.to_k, self.to_v))  # (N, 1 head, H*W, C)
        tokens = self.to_out[0](attend(q, k, v)[:, 0])
        return x + tokens.unflatten(1, x.shape[-2:]).permute(0, 3, 1, 2)


class Upsampler(nn.Module):
    """Nearest doubling and a 3x3 convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return doubled(x, self.conv)


class DecoderMiddle(nn.Module):
    """R, then attention and R once (diffusers builds more of them where layers > 2, and never runs them)."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(_block(width, width) for _ in range(layers))
        self.attentions = nn.ModuleList([PixelAttention(width)])

    def forward(self, x: Tensor, clips: Clips) -> Tensor:
        x = self.resnets[0](x, None, clips)
        if len(self.resnets) > 1:
            x = self.resnets[1](self.attentions[0](x), None, clips)
        return x


class DecoderLevel(nn.Module):
    """Residual blocks of one size and, but for the last level, the doubling."""

    def __init__(self, width_in: int, width: int, layers: int, doubles: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(_block(width if n else width_in, width) for n in range(layers))
        self.upsamplers: nn.ModuleList | None = nn.ModuleList([Upsampler(width)]) if doubles else None

    def steps(self, clips: Clips) -> Iterator[Callable[[Tensor], Tensor]]:
        """One after the other: whoever calls them lets go of what each was given, the largest there is."""
        for resnet in self.resnets:
            yield partial(resnet.over_space, emb=None, clips=clips)
            yield partial(resnet.over_time, emb=None, clips=clips)
        if self.upsamplers is not None:
            yield self.upsamplers[0]

    def forward(self, x: Tensor, clips: Clips) -> Tensor:
        for step in self.steps(clips):
            x = step(x)
        return x


class TemporalDecoder(nn.Module):
    """Latents to pixels, frame by frame and mixed over time.

    Args:
        latent_channels: channels of the latents.
        out_channels: of the pixels.
        channels: width of each level, finest first, multiples of 32.
        layers: residual blocks in the middle; each level has one more.
    """

    def __init__(self, latent_channels: int, out_channels: int, channels: Sequence[int], layers: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(latent_channels, channels[-1], 3, padding=1)
        self.mid_block = DecoderMiddle(channels[-1], layers)
        self.up_blocks = nn.ModuleList()
        width = channels[-1]
        for level in reversed(range(len(channels))):
            self.up_blocks.append(DecoderLevel(width, channels[level], layers + 1, doubles=level > 0))
            width = channels[level]
        self.conv_norm_out = GroupNorm(GROUPS, channels[0], eps=_EPS)
        self.conv_out = nn.Conv2d(channels[0], out_channels, 3, padding=1)
        self.time_conv_out = TemporalConv(out_channels, out_channels)

    def set_dtype(self, dtype: torch.dtype) -> None:
        """Run in another precision: bfloat16 is up to a half faster on CPUs that compute in it. Statistics of the
        normalisations stay float32, and so do the last layers in bfloat16, whose steps near 1 are those of 8 bits."""
        last = torch.float32 if dtype == torch.bfloat16 else dtype
        self.to(dtype)
        for layer in (self.conv_norm_out, self.conv_out, self.time_conv_out):
            layer.to(last)

    def forward(self, sample: Tensor, image_only_indicator: Tensor | None = None, num_frames: int = 1) -> Tensor:
        """(B*T, C, h, w) -> (B*T, 3, H, W), T = `num_frames`. The arguments bear the names that diffusers calls them
        by; `image_only_indicator` is not used, as it is not by diffusers' decoder."""
        clips = Clips(len(sample) // num_frames, num_frames)
        inner = sample.to(self.conv_in.weight.dtype).contiguous(memory_format=torch.channels_last)
        x = self.conv_in(inner)
        x = self.mid_block(x, clips)
        for level in self.up_blocks:
            for step in level.steps(clips):
                x = step(x)
        x = self.conv_norm_out(x.to(self.conv_out.weight.dtype))
        x = self.conv_out(functional.silu(x, inplace=not torch.is_grad_enabled()))
        height, width = x.shape[-2:]
        return clips.to_frames(self.time_conv_out(clips.to_clips(x)), height, width)


def _block(width_in: int, width: int) -> SpatioTemporalResBlock:
    return SpatioTemporalResBlock(
        width_in, width, None, _EPS, temporal_eps=_TEMPORAL_EPS, mixer=Mixer(0.0, inverted=True), quick=True
    )
