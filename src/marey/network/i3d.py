"""I3D: the Inception network inflated to three dimensions, whose 400 class scores a Frechet video distance is made of.

Source: Carreira and Zisserman, "Quo vadis, action recognition? A new model and the Kinetics dataset" (2017), fig. 3.
The names are those of the PyTorch conversions of the Kinetics-400 weights (`i3d_pretrained_400.pt`, which VideoGPT and
TATS use), so that such a file loads.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.errors import MareyError
from marey.network.weights import read_pickled

SIZE = 224
LEAST_FRAMES = 9

_MIXED = {  # out channels: 1x1; 1x1 then 3x3; 1x1 then 3x3; pooled 1x1
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
_POOLS = {"Mixed_3b": ((1, 3, 3), (1, 2, 2)), "Mixed_4b": ((3, 3, 3), (2, 2, 2)), "Mixed_5b": ((2, 2, 2), (2, 2, 2))}
"""Kernel and stride of the pool that stands before a module."""


class I3d(nn.Module):
    """From videos to class scores before the softmax.

    Args:
        classes: 400 of Kinetics; fewer, with a smaller `width`, for a test.
        width: of every layer, against the published network's.
    """

    def __init__(self, classes: int = 400, width: float = 1.0) -> None:
        super().__init__()

        def wide(channels: int) -> int:
            return max(1, round(channels * width))

        self.Conv3d_1a_7x7 = Unit(3, wide(64), (7, 7, 7), (2, 2, 2))
        self.Conv3d_2b_1x1 = Unit(wide(64), wide(64))
        self.Conv3d_2c_3x3 = Unit(wide(64), wide(192), (3, 3, 3))
        channels = wide(192)
        for name, sizes in _MIXED.items():
            mixed = Mixed(channels, tuple(wide(size) for size in sizes))
            self.add_module(name, mixed)
            channels = mixed.channels
        self.logits = Unit(channels, classes, plain=True)

    def forward(self, x: Tensor) -> Tensor:
        """Videos `(B, 3, T, 224, 224)` in -1..1, T of 9 or more, to class scores `(B, classes)`."""
        x = self.Conv3d_1a_7x7(x)
        x = pooled(x, (1, 3, 3), (1, 2, 2))
        x = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x))
        for name in _MIXED:
            if name in _POOLS:
                x = pooled(x, *_POOLS[name])
            x = getattr(self, name)(x)
        x = functional.avg_pool3d(x, (2, 7, 7), stride=1)
        scores: Tensor = self.logits(x)
        return scores.squeeze(-1).squeeze(-1).mean(dim=2)


class Unit(nn.Module):
    """Convolution, batch norm, ReLU, with TensorFlow's "same" padding; `plain` has a bias and nothing after it."""

    def __init__(
        self,
        inner: int,
        outer: int,
        kernel: tuple[int, int, int] = (1, 1, 1),
        stride: tuple[int, int, int] = (1, 1, 1),
        *,
        plain: bool = False,
    ) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inner, outer, kernel, stride, bias=plain)
        self.bn = None if plain else nn.BatchNorm3d(outer, eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, T, H, W)`."""
        kernel, stride = self.conv3d.kernel_size, self.conv3d.stride
        x = self.conv3d(padded(x, kernel, stride))
        return x if self.bn is None else functional.relu(self.bn(x))


class Mixed(nn.Module):
    """Four branches side by side."""

    def __init__(self, inner: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        one, reduce_two, two, reduce_three, three, four = sizes
        self.b0 = Unit(inner, one)
        self.b1a, self.b1b = Unit(inner, reduce_two), Unit(reduce_two, two, (3, 3, 3))
        self.b2a, self.b2b = Unit(inner, reduce_three), Unit(reduce_three, three, (3, 3, 3))
        self.b3b = Unit(inner, four)
        self.channels = one + two + three + four

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, T, H, W)`."""
        near = pooled(x, (3, 3, 3), (1, 1, 1))
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(near)], dim=1)


def padded(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    """Zeros around the last three dimensions so that a stride of s gives ceil(size / s); an odd one goes behind."""
    sides: list[int] = []
    for size, width, step in zip(reversed(x.shape[2:]), reversed(kernel), reversed(stride), strict=True):
        total = max(width - (size % step or step), 0)
        sides += [total // 2, total - total // 2]
    return functional.pad(x, sides)


def pooled(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    """Max pooling with "same" padding. Zeros are as good as nothing after a ReLU."""
    return functional.max_pool3d(padded(x, kernel, stride), kernel, stride)


def load_i3d(path: Path, sha256: str) -> I3d:
    """The network with the weights of `i3d_pretrained_400.pt`, ready to use.

    Raises:
        MareyError: no such file, another sha256, or weights of another network.
    """
    state = read_pickled(path, sha256)
    try:
        outer, scores = state["Conv3d_1a_7x7.conv3d.weight"].shape[0], state["logits.conv3d.bias"].shape[0]
        network = I3d(scores, outer / 64)
        network.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise MareyError(f"{path} holds no I3D: {error}") from error
    return network.eval().requires_grad_(False)
