"""Stability's VideoUNet as its paper and its state dict describe it, written for the tests over plain tensors: every
weight is looked up under its name in sgm's layout, every epsilon is sgm's, and the axes are sgm's own."""

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv3d, gelu, group_norm, interpolate, layer_norm, linear, silu, softmax


class VideoUNet:
    """F(x, c_noise, context, added) of a state dict with sgm's names.

    Args:
        state: under `model.diffusion_model.`.
        heads: attention heads by width.
        frames: of each clip.
    """

    def __init__(self, state: dict[str, Tensor], heads: dict[int, int], frames: int, embed: int) -> None:
        self.state = {k.removeprefix("model.diffusion_model."): v for k, v in state.items() if "diffusion_model" in k}
        self.heads, self.frames, self.embed = heads, frames, embed

    def __call__(self, x: Tensor, c_noise: Tensor, context: Tensor, added: Tensor) -> Tensor:
        """x (B*T, C, h, w), c_noise (B*T,), context (B*T, N, D), added (B*T, 3)."""
        width = self.at("input_blocks.0.0.weight").shape[0]
        emb = self.mlp("time_embed", waves(c_noise, width))
        emb = emb + self.mlp("label_emb.0", waves(added.flatten(), self.embed).reshape(len(added), -1))
        skips, n = [], 0
        while self.has(f"input_blocks.{n}."):
            x = self.stage(f"input_blocks.{n}", x, emb, context)
            skips.append(x)
            n += 1
        x = self.stage("middle_block", x, emb, context)
        n = 0
        while self.has(f"output_blocks.{n}."):
            x = self.stage(f"output_blocks.{n}", torch.cat([x, skips.pop()], 1), emb, context)
            n += 1
        x = silu(self.gn("out.0", x, 1e-5))
        return conv2d(x, self.at("out.2.weight"), self.at("out.2.bias"), padding=1)

    def stage(self, at: str, x: Tensor, emb: Tensor, context: Tensor) -> Tensor:
        n = 0
        while self.has(f"{at}.{n}."):
            name = f"{at}.{n}"
            if self.has(f"{name}.in_layers."):
                x = self.residual(name, x, emb)
            elif self.has(f"{name}.norm."):
                x = self.transformer(name, x, context)
            elif self.has(f"{name}.op."):
                x = conv2d(x, self.at(f"{name}.op.weight"), self.at(f"{name}.op.bias"), stride=2, padding=1)
            elif self.has(f"{name}.conv."):
                x = interpolate(x, scale_factor=2, mode="nearest")
                x = conv2d(x, self.at(f"{name}.conv.weight"), self.at(f"{name}.conv.bias"), padding=1)
            else:
                x = conv2d(x, self.at(f"{name}.weight"), self.at(f"{name}.bias"), padding=1)
            n += 1
        return x

    def residual(self, at: str, x: Tensor, emb: Tensor) -> Tensor:
        h = conv2d(silu(self.gn(f"{at}.in_layers.0", x)), *self.layer(f"{at}.in_layers.2"), padding=1)
        h = h + self.dense(f"{at}.emb_layers.1", silu(emb))[:, :, None, None]
        h = conv2d(silu(self.gn(f"{at}.out_layers.0", h)), *self.layer(f"{at}.out_layers.3"), padding=1)
        if self.has(f"{at}.skip_connection."):
            x = conv2d(x, *self.layer(f"{at}.skip_connection"))
        space = self.to_clips(x + h)  # (B, C, T, h, w)
        stack = f"{at}.time_stack"
        h = conv3d(silu(self.gn(f"{stack}.in_layers.0", space)), *self.layer(f"{stack}.in_layers.2"), padding=(1, 0, 0))
        shift = self.dense(f"{stack}.emb_layers.1", silu(emb)).unflatten(0, (-1, self.frames)).transpose(1, 2)
        h = h + shift[..., None, None]
        h = silu(self.gn(f"{stack}.out_layers.0", h))
        time = space + conv3d(h, *self.layer(f"{stack}.out_layers.3"), padding=(1, 0, 0))
        share = torch.sigmoid(self.at(f"{at}.time_mixer.mix_factor"))
        return (share * space + (1 - share) * time).transpose(1, 2).flatten(0, 1)

    def transformer(self, at: str, x: Tensor, context: Tensor) -> Tensor:
        height, width = x.shape[2:]
        h = self.gn(f"{at}.norm", x, 1e-6).flatten(2).transpose(1, 2)  # (B*T, h*w, C)
        h = self.dense(f"{at}.proj_in", h)
        first = context[:: self.frames].repeat_interleave(height * width, 0)  # of each clip's first frame, a place each
        places = waves(torch.arange(self.frames, dtype=x.dtype), h.shape[-1]).repeat(len(x) // self.frames, 1)
        places = self.mlp(f"{at}.time_pos_embed", places)[:, None]
        share = torch.sigmoid(self.at(f"{at}.time_mixer.mix_factor"))
        n = 0
        while self.has(f"{at}.transformer_blocks.{n}."):
            block, stack = f"{at}.transformer_blocks.{n}", f"{at}.time_stack.{n}"
            h = h + self.attention(f"{block}.attn1", self.ln(f"{block}.norm1", h), None)
            h = h + self.attention(f"{block}.attn2", self.ln(f"{block}.norm2", h), context)
            h = h + self.feed(f"{block}.ff", self.ln(f"{block}.norm3", h))
            t = (h + places).unflatten(0, (-1, self.frames)).transpose(1, 2).flatten(0, 1)  # (B*h*w, T, C)
            t = t + self.feed(f"{stack}.ff_in", self.ln(f"{stack}.norm_in", t))
            t = t + self.attention(f"{stack}.attn1", self.ln(f"{stack}.norm1", t), None)
            t = t + self.attention(f"{stack}.attn2", self.ln(f"{stack}.norm2", t), first)
            t = t + self.feed(f"{stack}.ff", self.ln(f"{stack}.norm3", t))
            t = t.unflatten(0, (-1, height * width)).transpose(1, 2).flatten(0, 1)
            h = share * h + (1 - share) * t
            n += 1
        h = self.dense(f"{at}.proj_out", h)
        return x + h.transpose(1, 2).unflatten(2, (height, width))

    def attention(self, at: str, x: Tensor, context: Tensor | None) -> Tensor:
        heads = self.heads[x.shape[-1]]
        context = x if context is None else context
        q, k, v = (
            linear(value, self.at(f"{at}.to_{name}.weight")).unflatten(-1, (heads, -1)).transpose(1, 2)
            for name, value in (("q", x), ("k", context), ("v", context))
        )
        weights = softmax(q @ k.transpose(2, 3) / math.sqrt(q.shape[-1]), dim=-1)
        return self.dense(f"{at}.to_out.0", (weights @ v).transpose(1, 2).flatten(2))

    def feed(self, at: str, x: Tensor) -> Tensor:
        x, gate = self.dense(f"{at}.net.0.proj", x).chunk(2, dim=-1)
        return self.dense(f"{at}.net.2", x * gelu(gate))

    def mlp(self, at: str, x: Tensor) -> Tensor:
        return self.dense(f"{at}.2", silu(self.dense(f"{at}.0", x)))

    def dense(self, at: str, x: Tensor) -> Tensor:
        return linear(x, *self.layer(at))

    def layer(self, at: str) -> tuple[Tensor, Tensor]:
        return self.at(f"{at}.weight"), self.at(f"{at}.bias")

    def gn(self, at: str, x: Tensor, eps: float = 1e-5) -> Tensor:
        return group_norm(x, 32, *self.layer(at), eps=eps)

    def ln(self, at: str, x: Tensor) -> Tensor:
        return layer_norm(x, x.shape[-1:], *self.layer(at))

    def to_clips(self, x: Tensor) -> Tensor:
        return x.unflatten(0, (-1, self.frames)).transpose(1, 2)

    def at(self, name: str) -> Tensor:
        return self.state[name]

    def has(self, prefix: str) -> bool:
        return any(name.startswith(prefix) for name in self.state)


def waves(values: Tensor, width: int) -> Tensor:
    """Cosines, then sines, of periods up to 10000; in float32, as sgm has them whatever the weights are in."""
    rates = torch.exp(-math.log(10000) * torch.arange(width // 2, dtype=torch.float32) / (width // 2))
    angles = values[:, None].float() * rates
    return torch.cat([angles.cos(), angles.sin()], dim=-1).to(values.dtype)
