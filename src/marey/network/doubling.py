"""Nearest doubling of images and the 3x3 convolution that follows it."""

import torch
from torch import Tensor, nn
from torch.nn import functional

_CHUNK, _CHUNK_ELSEWHERE = 2**22, 2**27
"""Numbers of the images that are doubled at a time, on a CPU and elsewhere."""


def doubled(x: Tensor, conv: nn.Conv2d, size: tuple[int, int] | None = None) -> Tensor:
    """conv of x in twice its height and width, or in another `size`: (N, C, H, W) -> (N, C', 2H, 2W)."""
    height, width = x.shape[-2:]
    size = size or (2 * height, 2 * width)
    if not torch.is_grad_enabled() and x.device.type == "cpu" and size == (2 * height, 2 * width):
        return by_quarters(x, conv)
    at_once = max(1, _CHUNK_ELSEWHERE * len(x) // (4 * x.numel()))
    if torch.is_grad_enabled() or at_once >= len(x):
        return conv(functional.interpolate(x, size=size, mode="nearest"))
    shape = (len(x), conv.weight.shape[0], *size)
    out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    for some, place in zip(x.split(at_once), out.split(at_once), strict=True):
        place.copy_(conv(functional.interpolate(some, size=size, mode="nearest")))
    return out


def by_quarters(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """The same for twice the size in 4/9 of the multiplications, and without the doubled image.

    A pixel of the doubled image and the neighbours that the kernel sees are only 2x2 pixels of the image: which, and
    with which sums of the kernel's weights, depends on whether its row and its column are even or odd. So four 2x2
    convolutions of the image give all of the result, a quarter each.
    """
    count, _, height, width = x.shape
    weight, bias = conv.weight, conv.bias
    shape = (count, weight.shape[0], 2 * height, 2 * width)
    out = torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)
    at_once = max(1, _CHUNK * count // x.numel())
    for row in (0, 1):
        rows = _summed(weight, row, dim=2)
        for column in (0, 1):
            kernel = _summed(rows, column, dim=3).contiguous(memory_format=torch.channels_last)
            for n in range(0, count, at_once):
                some = slice(n, n + at_once)
                quarter = functional.conv2d(x[some], kernel, bias, padding=1)  # (N, C', H + 1, W + 1)
                quarter = quarter[:, :, row : row + height, column : column + width]
                out[some, :, row::2, column::2] = quarter
    return out


def _summed(weight: Tensor, odd: int, dim: int) -> Tensor:
    """Three taps as two: at an even place the second and the third meet the same pixel, at an odd one the first two."""
    first, second, third = weight.unbind(dim)
    return torch.stack([first + second, third] if odd else [first, second + third], dim)
