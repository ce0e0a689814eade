"""The spatio-temporal residual block: a convolution over each frame, one over time, and a learned mix of the two.

Layout, here and in all of the UNet: frames are (B*T, C, H, W) in channels-last memory, so that the same bytes are also
the clip (B, C, T, H*W) in channels-last memory and the tokens (B, T, H*W, C), and no permutation ever copies.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.network.config import GROUPS
from marey.network.linear import PointConv
from marey.network.norm import GroupNorm
from marey.network.winograd import quick_over_space, quick_over_time

_CHUNK, _CHUNK_ELSEWHERE = 2**22, 2**27
"""Without gradients a spatial block takes as many frames at a time as have this many numbers: on a CPU what it makes on
the way then stays in the cache, and anywhere large clips take less memory."""
Pair = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]


class Known:
    """What calls with the same context and added numbers have in common, kept from the first of them: the frames'
    places, the folded cross-attention, the embedding of the numbers. For calls without gradients, while the weights
    stay as they are."""

    def __init__(self) -> None:
        self._asked: tuple[Tensor, ...] = ()
        self._values: dict[nn.Module, Tensor] = {}

    def begin(self, *asked: Tensor) -> None:
        """Forget all if a call is asked for by other arguments than the last one."""
        same = len(asked) == len(self._asked) and all(map(torch.equal, asked, self._asked))
        if not same:
            self._asked, self._values = tuple(value.clone() for value in asked), {}

    def of(self, module: nn.Module, make: Callable[[], Tensor]) -> Tensor:
        """What a module made the first time."""
        if module not in self._values:
            self._values[module] = make()
        return self._values[module]


@dataclass(frozen=True)
class Clips:
    """What a batch of frames is made of: `batch` clips of `frames` frames each."""

    batch: int
    frames: int
    stills: Tensor | None = None
    """(B, T) bool: frames that are pictures of their own, past which the temporal layers are led. None: there are none.
    """
    only_stills: bool = False
    """All are: the temporal layers are not run, and get no gradient."""
    known: Known | None = None

    def once(self, module: nn.Module, make: Callable[[], Tensor]) -> Tensor:
        """What a module makes of the conditions alone, made once where something is kept."""
        return make() if self.known is None else self.known.of(module, make)

    def to_clips(self, x: Tensor) -> Tensor:
        """(B*T, C, H, W) -> (B, C, T, H*W), the same bytes."""
        channels = x.shape[1]
        x = x.permute(0, 2, 3, 1).reshape(self.batch, self.frames, -1, channels)
        return x.permute(0, 3, 1, 2)

    def to_frames(self, x: Tensor, height: int, width: int) -> Tensor:
        """(B, C, T, H*W) -> (B*T, C, H, W), the same bytes."""
        channels = x.shape[1]
        x = x.permute(0, 2, 3, 1).reshape(self.batch * self.frames, height, width, channels)
        return x.permute(0, 3, 1, 2)


class Mixer(nn.Module):
    """A learned share: sigmoid(mix_factor) of the spatial result and the rest of the temporal one, or, `inverted`, the
    other way.
    """

    def __init__(self, factor: float = 0.5, inverted: bool = False) -> None:
        super().__init__()
        self.inverted = inverted
        self.mix_factor = nn.Parameter(torch.tensor([factor]))

    def temporal(self, clips: Clips) -> Tensor:
        """The share of the temporal result: (1, 1), or (B, T) where some frames are stills, whose share is 0."""
        # 1 - sigmoid(x) == sigmoid(-x)
        share = torch.sigmoid(self.mix_factor if self.inverted else -self.mix_factor)[None]
        return share if clips.stills is None else share.masked_fill(clips.stills, 0.0)


class TemporalConv(nn.Conv3d):
    """A (3, 1, 1) convolution of (B, C, T, P) over T, done as a 2-D one: the same numbers, on a CPU up to four times as
    fast.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=(3, 1, 1), padding=(1, 0, 0))

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight.squeeze(-1), self.bias, padding=(1, 0))


class ResBlock(nn.Module):
    """GN, SiLU, conv, + embedding, GN, SiLU, conv; over space on frames, or over time on clips.

    Args:
        in_channels, out_channels: widths; the input is carried past by `conv_shortcut` where they differ.
        emb: width of the embedding, or None for a block without.
        eps: of the group normalisations.
        temporal: whether the convolutions run over time.
        quick: without gradients, convolve by Winograd's way where it is the faster one.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        emb: int | None,
        eps: float,
        temporal: bool = False,
        quick: bool = False,
    ) -> None:
        super().__init__()
        self.quick = quick
        self.norm1 = GroupNorm(GROUPS, in_channels, eps=eps)
        self.conv1 = _conv(in_channels, out_channels, temporal)
        self.time_emb_proj = nn.Linear(emb, out_channels) if emb else None
        self.norm2 = GroupNorm(GROUPS, out_channels, eps=eps)
        self.conv2 = _conv(out_channels, out_channels, temporal)
        self.conv_shortcut = PointConv(in_channels, out_channels) if in_channels != out_channels else None

    def branch(self, x: Tensor, shift: Tensor | None, convolutions: Pair | None = None) -> Tensor:
        """The residual alone. `shift`: the projected embedding, broadcast over x after the first convolution.
        `convolutions`: those of x, if they are at hand."""
        first, second = convolutions or self.convolutions(x)
        own = not torch.is_grad_enabled()  # what is made here may be overwritten, and is let go of, here
        x = functional.silu(self.norm1(x), inplace=own)
        x = first(x)
        if shift is not None:
            x = x.add_(shift) if own else x + shift
        x = functional.silu(self.norm2(x), inplace=own)
        return second(x)

    def convolutions(self, x: Tensor) -> Pair:
        """The two, made ready for tensors such as x."""
        if not self.quick:
            return self.conv1, self.conv2
        ready = quick_over_time if isinstance(self.conv1, TemporalConv) else quick_over_space
        return ready(self.conv1, x), ready(self.conv2, x)

    def forward(self, x: Tensor, shift: Tensor | None) -> Tensor:
        """x: (N, C, H, W). shift: (N, C', 1, 1)."""
        if torch.is_grad_enabled():
            return self.past(x) + self.branch(x, shift)
        convolutions = self.convolutions(x)
        at_once = max(1, (_CHUNK if x.device.type == "cpu" else _CHUNK_ELSEWHERE) * len(x) // x.numel())
        if at_once >= len(x):
            return self.branch(x, shift, convolutions).add_(self.past(x))
        shape = (len(x), self.conv2.weight.shape[0], *x.shape[2:])
        out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        for n in range(0, len(x), at_once):
            some = slice(n, n + at_once)
            by = None if shift is None else shift[some]
            torch.add(self.past(x[some]), self.branch(x[some], by, convolutions), out=out[some])
        return out

    def past(self, x: Tensor) -> Tensor:
        """What the residual is added to."""
        return x if self.conv_shortcut is None else self.conv_shortcut(x)


class SpatioTemporalResBlock(nn.Module):
    """A spatial residual block, then a temporal one, mixed (svd.md §1.2, R).

    The temporal block adds its residual r to the spatial result x, so the mix a*x + (1-a)*(x + r) is x + (1-a)*r.

    Args:
        in_channels, out_channels: widths.
        emb: width of the embedding, or None for a block without (the decoder's).
        eps: of the group normalisations.
        temporal_eps: of those of the temporal block, where it differs.
        mixer: the share of the two; None: the UNet's, which begins with sigmoid(0.5) of the spatial result.
        quick: as of `ResBlock`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        emb: int | None,
        eps: float,
        temporal_eps: float | None = None,
        mixer: Mixer | None = None,
        quick: bool = False,
    ) -> None:
        super().__init__()
        self.spatial_res_block = ResBlock(in_channels, out_channels, emb, eps, quick=quick)
        self.temporal_res_block = ResBlock(
            out_channels, out_channels, emb, temporal_eps or eps, temporal=True, quick=quick
        )
        self.time_mixer = mixer or Mixer()

    def forward(self, x: Tensor, emb: Tensor | None, clips: Clips) -> Tensor:
        """x: (B*T, C, H, W) channels-last. emb: SiLU of the embedding, (B, 1, E), or (B, T, E) where it differs by
        frame.
        """
        return self.over_time(self.over_space(x, emb, clips), emb, clips)

    def over_space(self, x: Tensor, emb: Tensor | None, clips: Clips) -> Tensor:
        """The spatial block alone."""
        shift = self.spatial_res_block.time_emb_proj
        if emb is None or shift is None:
            return self.spatial_res_block(x, None)
        by_frame = shift(emb).expand(-1, clips.frames, -1).reshape(clips.batch * clips.frames, -1, 1, 1)
        return self.spatial_res_block(x, by_frame)

    def over_time(self, x: Tensor, emb: Tensor | None, clips: Clips) -> Tensor:
        """The temporal block on what the spatial one made, which is overwritten where no gradients are asked for."""
        if clips.only_stills:
            return x
        height, width = x.shape[-2:]
        clip = clips.to_clips(x)  # (B, C, T, H*W)
        shift = self.temporal_res_block.time_emb_proj
        by_clip = None if emb is None or shift is None else shift(emb).transpose(1, 2)[..., None]  # (B, C, 1 or T, 1)
        share = self.time_mixer.temporal(clips)[:, None, :, None]  # (1 or B, 1, 1 or T, 1)
        residual = self.temporal_res_block.branch(clip, by_clip)
        # Without gradients the mix takes the place of the spatial result, which is no one else's.
        own = None if torch.is_grad_enabled() else clip
        clip = torch.addcmul(clip, residual, share.to(clip.dtype), out=own)
        return clips.to_frames(clip, height, width)


def _conv(in_channels: int, out_channels: int, temporal: bool) -> nn.Module:
    if temporal:
        return TemporalConv(in_channels, out_channels)
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)
