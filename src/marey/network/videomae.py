"""VideoMAE's encoder: a transformer over tubes of two frames, whose mean token a debiased Frechet distance is made of.

Source: Tong et al., "VideoMAE: masked autoencoders are data-efficient learners" (2022); Wang et al., "VideoMAE V2"
(2023), whose giant network, tuned on Something-Something V2, Ge et al., "On the content bias in Frechet video distance"
(2024) use. The names are those of the authors' files (`vit_g_hybrid_pt_1200e_ssv2_ft.pth`), so that they load.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.errors import MareyError
from marey.network.weights import read_pickled

TUBE = 2


class VideoMae(nn.Module):
    """From videos to the normed mean of their tokens.

    Args:
        d: width of a token.
        depth: of the network.
        heads: of each attention.
        hidden: width inside a block.
        frames: of a video; even.
        size: height and width of a video, a multiple of `patch`.
    """

    def __init__(
        self,
        d: int = 1408,
        depth: int = 40,
        heads: int = 16,
        hidden: int = 6144,
        *,
        patch: int = 14,
        frames: int = 16,
        size: int = 224,
        classes: int = 174,
    ) -> None:
        super().__init__()
        self.d, self.frames, self.size = d, frames, size
        self.patch_embed = Tubes(d, patch)
        self.blocks = nn.ModuleList([Block(d, heads, hidden) for _ in range(depth)])
        self.fc_norm = nn.LayerNorm(d, eps=1e-6)
        self.head = nn.Linear(d, classes)
        tokens = (frames // TUBE) * (size // patch) ** 2
        self.register_buffer("positions", sinusoids(tokens, d), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Videos `(B, 3, frames, size, size)` to `(B, d)`."""
        x = self.patch_embed(x) + self.positions
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.fc_norm(x.mean(dim=1))
        return out


class Tubes(nn.Module):
    """Tubes of two frames as tokens."""

    def __init__(self, d: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(3, d, (TUBE, patch, patch), (TUBE, patch, patch))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, 3, T, H, W)` to `(B, tokens, d)`."""
        return self.proj(x).flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Self-attention; queries and values have a bias, keys have none."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(d))
        self.v_bias = nn.Parameter(torch.zeros(d))
        self.proj = nn.Linear(d, d)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, tokens, d)`."""
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        parts = functional.linear(x, self.qkv.weight, bias).unflatten(2, (3, self._heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])  # (B, heads, tokens, d / heads)
        out: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return out


class Mlp(nn.Module):
    """Two layers with a GELU between."""

    def __init__(self, d: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(d, hidden), nn.Linear(hidden, d)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, tokens, d)`."""
        out: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """Attention and MLP, each normed before and added."""

    def __init__(self, d: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d, eps=1e-6), nn.LayerNorm(d, eps=1e-6)
        self.attn, self.mlp = Attention(d, heads), Mlp(d, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, tokens, d)`."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def sinusoids(tokens: int, d: int) -> Tensor:
    """Positions `(1, tokens, d)`: sines in even columns, cosines in odd ones (Vaswani et al. 2017, §3.5)."""
    column = torch.arange(d, dtype=torch.float64)
    angle = torch.arange(tokens, dtype=torch.float64)[:, None] / 10000 ** (2 * (column // 2) / d)
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).float()[None]


def load_videomae(path: Path, sha256: str, *, heads: int = 16, frames: int = 16, size: int = 224) -> VideoMae:
    """The network with the weights of one of the authors' files; width, depth and patch are read off them.

    Raises:
        MareyError: no such file, another sha256, or weights of another network.
    """
    state = read_pickled(path, sha256, inside=("model", "module"))
    try:
        d, _, _, patch, _ = state["patch_embed.proj.weight"].shape
        depth = sum(1 for name in state if name.endswith(".norm1.weight"))
        hidden, classes = state["blocks.0.mlp.fc1.bias"].shape[0], state["head.bias"].shape[0]
        network = VideoMae(d, depth, heads, hidden, patch=patch, frames=frames, size=size, classes=classes)
        network.load_state_dict(state)
    except (KeyError, ValueError, RuntimeError) as error:
        raise MareyError(f"{path} holds no VideoMAE: {error}") from error
    return network.eval().requires_grad_(False)
