"""The spatio-temporal transformer: attention among the pixels of a frame, then among the frames of a pixel, mixed.

Tokens are (B, T, P, C), P = H*W pixels; which of T and P is attended over is a matter of views.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.network.config import GROUPS
from marey.network.linear import Linear, project
from marey.network.norm import GroupNorm
from marey.network.resblock import Clips, Mixer

_MOST_WEIGHTS = 2**25
"""Attention weights that may lie in memory at once."""
_LEAST_TOKENS, _TILE = 512, 2**20
"""Fewer tokens are not worth attending in tiles; weights in a tile."""
_ROWS = 2048
"""Tokens that a feed-forward layer takes at a time on a CPU without gradients: its four times wider rows stay in the
cache."""


def sinusoid(values: Tensor, width: int) -> Tensor:
    """Cosines, then sines, of the values at `width` / 2 frequencies from 1 down to 1/10000 (never scaled): (N,) -> (N,
    width).

    Computed in float32 whatever the dtype of the values, as diffusers does; `width` is even.
    """
    half = width // 2
    exponent = -math.log(10000) * torch.arange(half, dtype=torch.float32, device=values.device) / half
    angles = values.float()[:, None] * torch.exp(exponent)
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)


class Embedding(nn.Module):
    """Linear, SiLU, Linear."""

    def __init__(self, in_width: int, width: int, out_width: int | None = None) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(in_width, width)
        self.linear_2 = nn.Linear(width, out_width or width)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_2(functional.silu(self.linear_1(x)))


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of q (N, heads, L, d) to k and v (N, heads, M, d): (N, heads, L, d)."""
    few = q.numel() // q.shape[-1] * k.shape[-2] <= _MOST_WEIGHTS
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and few:
        # The fused kernel for it takes three times as long there.
        flat = (y.flatten(0, 1) for y in (q, k, v))
        return attend_by_products(*flat).view(*q.shape[:3], -1)
    many = min(q.shape[-2], k.shape[-2]) >= _LEAST_TOKENS
    if q.device.type == "cpu" and q.dtype == torch.float32 and many and not torch.is_grad_enabled():
        return attend_by_tiles(q, k, v)
    return functional.scaled_dot_product_attention(q, k, v)


def attend_by_tiles(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The same, some queries of one head at a time: their weights stay in the cache, and both products are done by the
    kernels of `project`, which torch's fused kernel does not use; two thirds of its time for 1,024 tokens."""
    count, heads, queries, depth = q.shape
    out = q.new_empty(count, queries, heads, depth).transpose(1, 2)  # as those who call it lay it out
    at_once = max(_LEAST_TOKENS, _TILE // k.shape[-2])
    for n in range(count):
        for head in range(heads):
            keys, values = k[n, head].contiguous(), v[n, head].t().contiguous()
            for start in range(0, queries, at_once):
                some = slice(start, start + at_once)
                weights = torch.softmax(project(q[n, head, some] * depth**-0.5, keys, None), dim=-1)
                out[n, head, some] = project(weights, values, None)
    return out


def attend_by_products(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of q (N, L, d) to k and v (N, M, d), with the weights (N, L, M) in memory."""
    weights = torch.softmax(torch.bmm(q * q.shape[-1] ** -0.5, k.transpose(1, 2)), dim=-1)
    return torch.bmm(weights, v)


class Attention(nn.Module):
    """Multi-head attention without bias in the projections in, with one in the projection out."""

    def __init__(self, width: int, heads: int, context: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = Linear(width, width, bias=False)
        self.to_k = Linear(context or width, width, bias=False)
        self.to_v = Linear(context or width, width, bias=False)
        self.to_out = nn.ModuleList([Linear(width, width)])

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """x: (N, L, C). context: (N, M, D), or None for attention of x to itself."""
        source = x if context is None else context
        q, k, v = (self._split(y) for y in (self.to_q(x), self.to_k(source), self.to_v(source)))  # (N, heads, L, d)
        return self.to_out[0](attend(q, k, v).transpose(1, 2).flatten(2))

    def over_time(self, x: Tensor) -> Tensor:
        """Attention among the frames of each pixel: x (B, T, P, C)."""
        batch, frames, pixels, width = x.shape

        def sequences(y: Tensor) -> Tensor:  # (B, T, P, C) -> (B*P*heads, T, d)
            y = y.view(batch, frames, pixels * self.heads, width // self.heads)
            return y.transpose(1, 2).reshape(-1, frames, width // self.heads)

        q, k, v = (sequences(y) for y in (self.to_q(x), self.to_k(x), self.to_v(x)))
        # Thousands of sequences of a few frames: plain products win over the fused kernel.
        y = attend_by_products(q, k, v).view(batch, pixels * self.heads, frames, -1).transpose(1, 2)
        return self.to_out[0](y.reshape(batch, frames, pixels, width))

    def of_one_token(self, context: Tensor) -> Tensor:
        """What every query gets from a context of one token, (B, 1, D) -> (B, 1, C): the softmax over one key is 1."""
        return self.to_out[0](self.to_v(context))

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class GEGLU(nn.Module):
    """A linear layer of which one half gates the other (arXiv 2002.05202)."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.proj = Linear(width, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        if type(self.proj) is not Linear:  # wrapped, by LoRA for one: it has to be called whole
            value, gate = self.proj(x).chunk(2, dim=-1)
        else:
            # Two products of half the size: nothing is copied apart afterwards, and what is allocated is half as large.
            weights, biases = self.proj.weight.chunk(2), self.proj.bias.chunk(2)
            value, gate = project(x, weights[0], biases[0]), project(x, weights[1], biases[1], gelu=True)
            return value * gate if torch.is_grad_enabled() else value.mul_(gate)
        return value * functional.gelu(gate)


class FeedForward(nn.Module):
    """GEGLU of four times the width, and back.

    Attributes:
        rows: without gradients at most so many tokens at a time, which is the same and takes less memory; None: all.
    """

    rows: int | None = None

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.ModuleList([GEGLU(width, 4 * width), nn.Identity(), Linear(4 * width, width)])

    def forward(self, x: Tensor) -> Tensor:
        if self.rows is None or torch.is_grad_enabled() or x.numel() <= self.rows * x.shape[-1]:
            return self.net[2](self.net[0](x))
        y = torch.empty_like(x)
        for some, place in zip(x.flatten(0, -2).split(self.rows), y.flatten(0, -2).split(self.rows), strict=True):
            place.copy_(self.net[2](self.net[0](some)))
        return y

    def add_to(self, x: Tensor, norm: nn.Module) -> Tensor:
        """x plus the layer of its normalisation. Without gradients x is overwritten, some rows at a time."""
        if torch.is_grad_enabled():
            return x + self(norm(x))
        flat = x.view(-1, x.shape[-1])
        for some in flat.split(self.rows or (_ROWS if x.device.type == "cpu" else len(flat))):
            some.add_(self(norm(some)))
        return x


class TransformerBlock(nn.Module):
    """Attention among pixels, attention to the context, feed-forward; each after a layer normalisation, each added."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.attn2 = Attention(width, heads, context)
        self.norm3 = nn.LayerNorm(width)
        self.ff = FeedForward(width)

    def forward(self, x: Tensor, context: Tensor, clips: Clips) -> Tensor:
        """x: (B, T, P, C), overwritten where no gradients are asked for. context: (B, N, D)."""
        x = _plus(x, self.attend(self.norm1(x)))
        x = self.to_context(x, context, clips)
        return self.ff.add_to(x, self.norm3)

    def attend(self, x: Tensor) -> Tensor:
        return self.attn1(x.flatten(0, 1)).view_as(x)

    def to_context(self, x: Tensor, context: Tensor, clips: Clips) -> Tensor:
        """Every pixel of every frame asks the context of its clip, so that keys and values are made once a clip."""
        if context.shape[1] == 1:
            return _plus(x, clips.once(self.attn2, lambda: self.attn2.of_one_token(context))[:, None])
        return _plus(x, self.attn2(self.norm2(x).flatten(1, 2), context).view_as(x))


class TemporalTransformerBlock(TransformerBlock):
    """The same among the frames of each pixel, after a feed-forward of its own."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__(width, heads, context)
        self.norm_in = nn.LayerNorm(width)
        self.ff_in = FeedForward(width)

    def forward(self, x: Tensor, context: Tensor, clips: Clips) -> Tensor:
        """x: (B, T, P, C), overwritten where no gradients are asked for. context: (B, N, D)."""
        return super().forward(self.ff_in.add_to(x, self.norm_in), context, clips)

    def attend(self, x: Tensor) -> Tensor:
        return self.attn1.over_time(x)


class SpatioTemporalTransformer(nn.Module):
    """`layers` pairs of a spatial and a temporal block, each pair mixed (svd.md §1.2, A)."""

    def __init__(self, width: int, heads: int, context: int, layers: int = 1) -> None:
        super().__init__()
        self.norm = GroupNorm(GROUPS, width, eps=1e-6)
        self.proj_in = Linear(width, width)
        self.transformer_blocks = nn.ModuleList(TransformerBlock(width, heads, context) for _ in range(layers))
        self.temporal_transformer_blocks = nn.ModuleList(
            TemporalTransformerBlock(width, heads, context) for _ in range(layers)
        )
        self.time_pos_embed = Embedding(width, 4 * width, width)
        self.time_mixer = Mixer()
        self.proj_out = Linear(width, width)

    def forward(self, x: Tensor, context: Tensor, clips: Clips) -> Tensor:
        """x: (B*T, C, H, W) channels-last. context: (B, N, D)."""
        _, channels, height, width = x.shape
        tokens = self.norm(x).permute(0, 2, 3, 1).reshape(clips.batch, clips.frames, height * width, channels)
        tokens = self.proj_in(tokens)
        if not clips.only_stills:
            place = clips.once(self, lambda: self._place(clips.frames, tokens))
            share = self.time_mixer.temporal(clips)[..., None, None].to(tokens.dtype)  # (1 or B, 1 or T, 1, 1)
        for spatial, temporal in zip(self.transformer_blocks, self.temporal_transformer_blocks, strict=True):
            tokens = spatial(tokens, context, clips)
            if not clips.only_stills:
                own = None if torch.is_grad_enabled() else tokens
                tokens = torch.lerp(tokens, temporal(tokens + place, context, clips), share, out=own)
        tokens = self.proj_out(tokens).view(-1, height, width, channels)
        return _plus(tokens.permute(0, 3, 1, 2), x)

    def _place(self, frames: int, like: Tensor) -> Tensor:
        """What tells the frames apart: (T, 1, C)."""
        number = torch.arange(frames, device=like.device)
        return self.time_pos_embed(sinusoid(number, like.shape[-1]).to(like.dtype))[:, None]


def _plus(x: Tensor, y: Tensor) -> Tensor:
    """x + y; without gradients in the place of x."""
    return x + y if torch.is_grad_enabled() else x.add_(y)
