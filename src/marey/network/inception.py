"""Inception v3 as the Frechet inception distance uses it: the network of 2015-12-05, 2048 features of a picture.

Source: Szegedy et al., "Rethinking the Inception architecture for computer vision" (2016); Heusel et al., "GANs trained
by a two time-scale update rule" (2017). It differs from torchvision's in its pools, as TensorFlow's frozen graph does:
averages do not count the padding, and the last block takes a maximum. The names are those of the common conversion
(`pt_inception-2015-12-05-6726825d.pth`), so that it loads.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.errors import MareyError
from marey.network.weights import read_pickled

SIZE = 299
Wide = Callable[[int], int]
"""From a published number of channels to a layer's own."""
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


class Inception(nn.Module):
    """From pictures to the 2048 features of the last pool. A smaller `width` is for tests."""

    def __init__(self, width: float = 1.0, classes: int = 1008) -> None:
        super().__init__()

        def wide(channels: int) -> int:
            return max(1, round(channels * width))

        self.Conv2d_1a_3x3 = Unit(3, wide(32), 3, stride=2)
        self.Conv2d_2a_3x3 = Unit(wide(32), wide(32), 3)
        self.Conv2d_2b_3x3 = Unit(wide(32), wide(64), 3, padding=1)
        self.Conv2d_3b_1x1 = Unit(wide(64), wide(80), 1)
        self.Conv2d_4a_3x3 = Unit(wide(80), wide(192), 3)
        self.Mixed_5b = Squares(wide(192), wide(32), wide)
        self.Mixed_5c = Squares(self.Mixed_5b.channels, wide(64), wide)
        self.Mixed_5d = Squares(self.Mixed_5c.channels, wide(64), wide)
        self.Mixed_6a = Shrink(self.Mixed_5d.channels, wide)
        self.Mixed_6b = Lines(self.Mixed_6a.channels, wide(128), wide)
        self.Mixed_6c = Lines(self.Mixed_6b.channels, wide(160), wide)
        self.Mixed_6d = Lines(self.Mixed_6c.channels, wide(160), wide)
        self.Mixed_6e = Lines(self.Mixed_6d.channels, wide(192), wide)
        self.Mixed_7a = ShrinkAgain(self.Mixed_6e.channels, wide)
        self.Mixed_7b = Spread(self.Mixed_7a.channels, wide, average=True)
        self.Mixed_7c = Spread(self.Mixed_7b.channels, wide, average=False)
        self.d = self.Mixed_7c.channels
        self.fc = nn.Linear(self.d, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures `(B, 3, 299, 299)` in -1..1 to features `(B, 2048)`."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = functional.max_pool2d(x, 3, stride=2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = functional.max_pool2d(x, 3, stride=2)
        for block in (self.Mixed_5b, self.Mixed_5c, self.Mixed_5d, self.Mixed_6a, self.Mixed_6b, self.Mixed_6c):
            x = block(x)
        for block in (self.Mixed_6d, self.Mixed_6e, self.Mixed_7a, self.Mixed_7b, self.Mixed_7c):
            x = block(x)
        return x.mean(dim=(2, 3))


class Sides(TypedDict):
    """Of a layer that is not square."""

    kernel: tuple[int, int]
    padding: tuple[int, int]


class Unit(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(
        self,
        inner: int,
        outer: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outer, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)`."""
        return functional.relu(self.bn(self.conv(x)))


class Squares(nn.Module):
    """Block of 1x1, 5x5, twice 3x3, and an average."""

    def __init__(self, inner: int, pool: int, wide: Wide) -> None:
        super().__init__()
        self.branch1x1 = Unit(inner, wide(64), 1)
        self.branch5x5_1 = Unit(inner, wide(48), 1)
        self.branch5x5_2 = Unit(wide(48), wide(64), 5, padding=2)
        self.branch3x3dbl_1 = Unit(inner, wide(64), 1)
        self.branch3x3dbl_2 = Unit(wide(64), wide(96), 3, padding=1)
        self.branch3x3dbl_3 = Unit(wide(96), wide(96), 3, padding=1)
        self.branch_pool = Unit(inner, pool, 1)
        self.channels = 2 * wide(64) + wide(96) + pool

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)`."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        near = self.branch_pool(averaged(x))
        return torch.cat([self.branch1x1(x), self.branch5x5_2(self.branch5x5_1(x)), double, near], dim=1)


class Shrink(nn.Module):
    """Halves the sides, from 35x35 to 17x17."""

    def __init__(self, inner: int, wide: Wide) -> None:
        super().__init__()
        self.branch3x3 = Unit(inner, wide(384), 3, stride=2)
        self.branch3x3dbl_1 = Unit(inner, wide(64), 1)
        self.branch3x3dbl_2 = Unit(wide(64), wide(96), 3, padding=1)
        self.branch3x3dbl_3 = Unit(wide(96), wide(96), 3, stride=2)
        self.channels = wide(384) + wide(96) + inner

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)`."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, functional.max_pool2d(x, 3, stride=2)], dim=1)


class Lines(nn.Module):
    """Block of 7x7 as pairs of 1x7 and 7x1."""

    def __init__(self, inner: int, middle: int, wide: Wide) -> None:
        super().__init__()
        flat: Sides = {"kernel": (1, 7), "padding": (0, 3)}
        tall: Sides = {"kernel": (7, 1), "padding": (3, 0)}
        self.branch1x1 = Unit(inner, wide(192), 1)
        self.branch7x7_1 = Unit(inner, middle, 1)
        self.branch7x7_2 = Unit(middle, middle, **flat)
        self.branch7x7_3 = Unit(middle, wide(192), **tall)
        self.branch7x7dbl_1 = Unit(inner, middle, 1)
        self.branch7x7dbl_2 = Unit(middle, middle, **tall)
        self.branch7x7dbl_3 = Unit(middle, middle, **flat)
        self.branch7x7dbl_4 = Unit(middle, middle, **tall)
        self.branch7x7dbl_5 = Unit(middle, wide(192), **flat)
        self.branch_pool = Unit(inner, wide(192), 1)
        self.channels = 4 * wide(192)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)`."""
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), single, double, self.branch_pool(averaged(x))], dim=1)


class ShrinkAgain(nn.Module):
    """Halves the sides, from 17x17 to 8x8."""

    def __init__(self, inner: int, wide: Wide) -> None:
        super().__init__()
        self.branch3x3_1 = Unit(inner, wide(192), 1)
        self.branch3x3_2 = Unit(wide(192), wide(320), 3, stride=2)
        self.branch7x7x3_1 = Unit(inner, wide(192), 1)
        self.branch7x7x3_2 = Unit(wide(192), wide(192), (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = Unit(wide(192), wide(192), (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = Unit(wide(192), wide(192), 3, stride=2)
        self.channels = wide(320) + wide(192) + inner

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)`."""
        lines = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        squares = self.branch3x3_2(self.branch3x3_1(x))
        return torch.cat([squares, lines, functional.max_pool2d(x, 3, stride=2)], dim=1)


class Spread(nn.Module):
    """The widest block; its pool is an average, or in the last one a maximum."""

    def __init__(self, inner: int, wide: Wide, *, average: bool) -> None:
        super().__init__()
        flat: Sides = {"kernel": (1, 3), "padding": (0, 1)}
        tall: Sides = {"kernel": (3, 1), "padding": (1, 0)}
        self._average = average
        self.branch1x1 = Unit(inner, wide(320), 1)
        self.branch3x3_1 = Unit(inner, wide(384), 1)
        self.branch3x3_2a = Unit(wide(384), wide(384), **flat)
        self.branch3x3_2b = Unit(wide(384), wide(384), **tall)
        self.branch3x3dbl_1 = Unit(inner, wide(448), 1)
        self.branch3x3dbl_2 = Unit(wide(448), wide(384), 3, padding=1)
        self.branch3x3dbl_3a = Unit(wide(384), wide(384), **flat)
        self.branch3x3dbl_3b = Unit(wide(384), wide(384), **tall)
        self.branch_pool = Unit(inner, wide(192), 1)
        self.channels = wide(320) + 4 * wide(384) + wide(192)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)`."""
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        near = averaged(x) if self._average else functional.max_pool2d(x, 3, stride=1, padding=1)
        return torch.cat(
            [
                self.branch1x1(x),
                self.branch3x3_2a(single),
                self.branch3x3_2b(single),
                self.branch3x3dbl_3a(double),
                self.branch3x3dbl_3b(double),
                self.branch_pool(near),
            ],
            dim=1,
        )


def averaged(x: Tensor) -> Tensor:
    """The mean of each 3x3 neighbourhood, of what lies inside."""
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def load_inception(path: Path, sha256: str = SHA256) -> Inception:
    """The network with the weights of a file, ready to use.

    Raises:
        MareyError: no such file, another sha256, or weights of another network.
    """
    state = read_pickled(path, sha256)
    try:
        width = state["Conv2d_1a_3x3.conv.weight"].shape[0] / 32
        network = Inception(width, state["fc.bias"].shape[0])
        network.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise MareyError(f"{path} holds no Inception v3: {error}") from error
    return network.eval().requires_grad_(False)
