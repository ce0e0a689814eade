"""Nearest doubling of images and the 3x3 convolution that follows it."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from marey.network.bands import side_by_side
from marey.network.linear import has_products, product
from marey.network.winograd import lay_rows

_BAND = 2**19
"""Numbers of an image that are taken at a time by nine products."""
_LEAST_WIDTH = 96
"""Of fewer channels, in or out, four convolutions are as fast as nine products."""
_CHUNK, _CHUNK_ELSEWHERE = 2**22, 2**27
"""Numbers of the images that are doubled at a time, on a CPU and elsewhere."""


def doubled(x: Tensor, conv: nn.Conv2d, size: tuple[int, int] | None = None) -> Tensor:
    """conv of x in twice its height and width, or in another `size`: (N, C, H, W) -> (N, C', 2H, 2W)."""
    height, width = x.shape[-2:]
    size = size or (2 * height, 2 * width)
    if not torch.is_grad_enabled() and x.device.type == "cpu" and size == (2 * height, 2 * width):
        wide = min(conv.weight.shape[:2]) >= _LEAST_WIDTH
        single = x.dtype == conv.weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        return by_nine(x, conv) if wide and single and has_products() else by_quarters(x, conv)
    at_once = max(1, _CHUNK_ELSEWHERE * len(x) // (4 * x.numel()))
    if torch.is_grad_enabled() or at_once >= len(x):
        return conv(functional.interpolate(x, size=size, mode="nearest"))
    shape = (len(x), conv.weight.shape[0], *size)
    out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    for some, place in zip(x.split(at_once), out.split(at_once), strict=True):
        place.copy_(conv(functional.interpolate(some, size=size, mode="nearest")))
    return out


def by_nine(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """The same for twice the size in a quarter of the multiplications: nine products with the kernel's weights.

    Along a side let x' = x[i] be a pixel, and a, b, c the taps. The two results over it are a x[i-1] + (b + c) x' and
    (a + b) x' + c x[i+1], or s - a (x' - x[i-1]) and s + c (x[i+1] - x') with s = (a + b + c) x'. These are three
    products instead of four, and nine instead of sixteen along both sides. Nothing is lost in rounding.
    """
    count, channels, height, width = x.shape
    weight = conv.weight
    wide = weight.shape[0]
    taps = weight.new_tensor(((1, 1, 1), (-1, 0, 0), (0, 0, 1)))  # of the pixel, the step to it, the step from it
    kernels = (torch.kron(taps, taps) @ weight.reshape(-1, 9).T).view(3, 3, wide, channels)
    pixels = x.permute(0, 2, 3, 1)
    out = x.new_empty(count, 2 * height, 2 * width, wide)

    threads = torch.get_num_threads()
    line = width * max(channels, wide)
    lines = max(1, min(_BAND // line, count * height // threads))
    images, rows = max(1, min(count, lines // height)), min(height, lines)
    bands = [(first, top) for first in range(0, count, images) for top in range(0, height, rows)]

    def convolve(at: tuple[int, int], padded: Tensor) -> None:
        some = slice(at[0], min(at[0] + images, count))
        band = slice(at[1], min(at[1] + rows, height))
        image = padded[: some.stop - some.start, : band.stop - band.start + 2]
        lay_rows(image, pixels[some], band.start - 1)
        steps = image[:, 1:] - image[:, :-1]
        beside = (image[:, 1:-1], steps[:, :-1], steps[:, 1:])
        sums = [_two_columns(*given) for given in zip(beside, kernels, (conv.bias, None, None), strict=True)]
        place = out[some, 2 * band.start : 2 * band.stop].unflatten(1, (-1, 2)).unflatten(3, (-1, 2))
        for row in (0, 1):
            for column in (0, 1):  # place: (N, h, 2, W, 2, K)
                torch.add(sums[0][column], sums[1 + row][column], out=place[:, :, row, :, column])

    rooms = range(min(threads, len(bands)))
    side_by_side(convolve, bands, [x.new_zeros(images, rows + 2, width + 2, channels) for _ in rooms])
    return out.permute(0, 3, 1, 2)


def _two_columns(lines: Tensor, kernels: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Lines (N, h, W + 2, C) and three kernels (3, K, C) of `by_nine` to the even and the odd columns, (N, h, W, K)."""
    steps = lines[:, :, 1:] - lines[:, :, :-1]
    whole = product(lines[:, :, 1:-1], kernels[0], bias)
    even, odd = product(steps[:, :, :-1], kernels[1], None), product(steps[:, :, 1:], kernels[2], None)
    return even.add_(whole), odd.add_(whole)


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
