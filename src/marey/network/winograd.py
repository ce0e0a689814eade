"""Convolutions of three taps in fewer multiplications, without gradients: Winograd's F(4x4, 3x3) for images, a quarter
of them, and F(4, 3) over time, a half (arXiv 1509.09308, section 4).

Four results of three taps are six products instead of twelve: polynomials are multiplied by their values at six points.
The points here are 0, infinity, and plus and minus the square roots of a half and of two. They keep the numbers of the
transforms near 1, so that float32 loses hardly more than in a plain convolution; with the usual 1 and 2 it loses four
times as much (what points do is arXiv 1803.10986). The transforms are sums of slices, the products are oneDNN's, and a
band of the image at a time stays in the cache. Kernels are brought to the points anew in every call: that costs a
hundredth of it, and nothing can go stale.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from marey.network.bands import side_by_side
from marey.network.linear import has_products, product

_NEAR, _FAR = 0.5**0.5, 2**0.5
_KERNEL = (
    (1.0, 0.0, 0.0),
    (-_NEAR / 1.5, -_NEAR * _NEAR / 1.5, -_NEAR * 0.5 / 1.5),
    (-_NEAR / 1.5, _NEAR * _NEAR / 1.5, -_NEAR * 0.5 / 1.5),
    (1 / 3, _FAR / 3, 2 / 3),
    (1 / 3, -_FAR / 3, 2 / 3),
    (0.0, 0.0, 1.0),
)
"""Three taps at the points, over the products of the points' distances, and scaled to spare `_gather` multiplications.
"""
_ONES = (-1.0, 0.5 + _NEAR, _NEAR - 0.5, 0.0, 0.0, 0.5)
"""What `_gather` makes four ones of."""
_BAND = 2**17
"""Tiles times channels that are transformed at a time."""
_LEAST_WIDTH = 128
"""Of fewer channels, in or out, a plain convolution is about as fast; from here on Winograd's is 1.5 to 2.7 times as
fast over space, more so the more channels there are, and 1.2 to 1.5 times over time."""
_LEAST_SIDE = 8
_MOST_THREADS = 16
"""The small calls are begun one at a time, by Python: with more threads they would wait for that. A guess: what was
measured is one and two."""
_LEAST_NUMBERS = 2**19
"""In images or clips of fewer numbers, the kernels and the many small calls cost more than is spared."""


def quick_over_space(conv: nn.Module, x: Tensor) -> Callable[[Tensor], Tensor]:
    """What convolves images such as x: Winograd's way where it is the faster one, or `conv` itself, as it always is
    where gradients may be asked for.

    Args:
        conv: a 3x3 convolution with a padding of 1.
        x: (N, C, H, W), or any that runs on the same device, in the same precision and on as many pixels.
    """
    if not _may_be_quick(conv, x) or min(x.shape[2:]) < _LEAST_SIDE:
        return conv
    return partial(over_space, kernels=space_kernels(conv.weight), bias=conv.bias)


def quick_over_time(conv: nn.Module, x: Tensor) -> Callable[[Tensor], Tensor]:
    """The same for clips x, (B, C, T, P), and a (3, 1, 1) convolution with a padding of 1 in time."""
    frames = x.shape[2]
    plain = 3 * frames - 2  # products of two matrices; six a tile here, and what else is done costs four more
    if not _may_be_quick(conv, x) or 10 * -(-frames // 4) > plain:
        return conv
    return partial(over_time, kernels=time_kernels(conv.weight), bias=conv.bias)


def space_kernels(weight: Tensor) -> Tensor:
    """A kernel (K, C, 3, 3) at the points: (36, K, C)."""
    points = weight.new_tensor(_KERNEL)
    return (torch.kron(points, points) @ weight.reshape(-1, 9).T).view(36, *weight.shape[:2])


def time_kernels(weight: Tensor) -> Tensor:
    """A kernel (K, C, 3, 1, 1) at the points: (6, K, C)."""
    return (weight.new_tensor(_KERNEL) @ weight.reshape(-1, 3).T).view(6, *weight.shape[:2])


def over_space(x: Tensor, kernels: Tensor, bias: Tensor | None) -> Tensor:
    """The 3x3 convolution, with a padding of 1, whose `space_kernels` these are: (N, C, H, W) -> (N, K, H, W),
    channels-last."""
    count, channels, height, width = x.shape
    out_channels = kernels.shape[1]
    pixels = x.permute(0, 2, 3, 1)
    high, wide = -(-height // 4), -(-width // 4)  # tiles
    out = x.new_empty(count, 4 * high, 4 * wide, out_channels)
    shifts = _shifts(bias, sides=2)

    threads = torch.get_num_threads()
    tiles = max(1, min(_BAND // max(channels, out_channels), count * high * wide // threads))
    images, rows = max(1, min(count, tiles // (high * wide))), max(1, min(high, tiles // wide))
    bands = [(first, top) for first in range(0, count, images) for top in range(0, high, rows)]

    def room() -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return (
            x.new_zeros(images, 4 * rows + 2, 4 * wide + 2, channels),  # left and right of the image it stays 0
            x.new_empty(6, images, rows, 4 * wide + 2, channels),
            x.new_empty(6, images, rows, wide, channels),
            x.new_empty(6, images, rows, 4 * wide, out_channels),
        )

    def convolve(at: tuple[int, int], room: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
        first, top = at
        some, band = slice(0, min(images, count - first)), min(rows, high - top)
        padded = room[0][some, : 4 * band + 2]
        by_row, by_both, sums = ([part[some, :band] for part in parts] for parts in room[1:])
        lay_rows(padded, pixels[first : first + images], 4 * top - 1)
        _spread([padded[:, row : row + 4 * band - 3 : 4] for row in range(6)], by_row)
        for i in range(6):
            _spread([by_row[i][:, :, column : column + 4 * wide - 3 : 4] for column in range(6)], by_both)
            products = [product(by_both[j], kernels[6 * i + j], shifts[6 * i + j]) for j in range(6)]
            _gather(products, sums[i].unflatten(2, (wide, 4)).unbind(3))
        place = out[first : first + images, 4 * top : 4 * (top + band)]
        _gather(sums, place.unflatten(1, (band, 4)).unbind(2))

    side_by_side(convolve, bands, [room() for _ in range(min(threads, len(bands)))])
    out = out[:, :height, :width].permute(0, 3, 1, 2)
    return out.contiguous(memory_format=torch.channels_last)


def over_time(x: Tensor, kernels: Tensor, bias: Tensor | None) -> Tensor:
    """The convolution over T, with a padding of 1, whose `time_kernels` these are: (B, C, T, P) -> (B, K, T, P),
    channels-last."""
    count, channels, frames, places = x.shape
    out_channels = kernels.shape[1]
    out = x.new_empty(count, frames, places, out_channels)
    shifts = _shifts(bias, sides=1)

    clips = x.permute(0, 2, 3, 1)

    threads = torch.get_num_threads()
    at_once = max(1, min(_BAND // max(channels, out_channels), count * places // threads, places))
    bands = [(clip, first) for clip in range(count) for first in range(0, places, at_once)]
    none = x.new_zeros(at_once, channels)

    def convolve(at: tuple[int, int], room: tuple[Tensor, Tensor]) -> None:
        clip, first = at
        band = slice(first, min(first + at_once, places))
        size = band.stop - first
        given, result = clips[clip, :, band], out[clip, :, band]
        values, unasked = [part[:size] for part in room[0]], room[1][:size]
        for tile in range(0, frames, 4):
            near = range(tile - 1, tile + 5)
            _spread([given[frame] if 0 <= frame < frames else none[:size] for frame in near], values)
            products = [product(*given_to) for given_to in zip(values, kernels, shifts, strict=True)]
            _gather(products, [result[frame] if frame < frames else unasked for frame in range(tile, tile + 4)])

    rooms = min(threads, len(bands))
    side_by_side(
        convolve,
        bands,
        [(x.new_empty(6, at_once, channels), x.new_empty(at_once, out_channels)) for _ in range(rooms)],
    )
    return out.permute(0, 3, 1, 2)


def lay_rows(padded: Tensor, pixels: Tensor, top: int) -> None:
    """Lay rows of images (N, H, W, C), from the row `top` on, -1 at least, into (N, rows, W + 2 or more, C), a column
    to the right; zeros where there are none above and below. The outer columns are left as they are."""
    height, width = pixels.shape[1:3]
    first, last = max(top, 0), min(top + padded.shape[1], height)
    padded[:, : first - top] = 0
    padded[:, last - top :] = 0
    padded[:, first - top : last - top, 1 : width + 1] = pixels[:, first:last]


def _may_be_quick(conv: nn.Module, x: Tensor) -> bool:
    weight = conv.weight
    return (
        has_products()
        and torch.get_num_threads() <= _MOST_THREADS
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and x.device.type == weight.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and min(weight.shape[:2]) >= _LEAST_WIDTH
        and x.numel() // x.shape[1] * min(weight.shape[:2]) >= _LEAST_NUMBERS
        and not (conv._forward_hooks or conv._forward_pre_hooks)
    )


def _spread(d: list[Tensor], out: list[Tensor]) -> None:
    """Six neighbours, to be multiplied point by point: the transpose of the evaluation at the points."""
    torch.sub(d[4], d[2], alpha=2.0, out=out[2])
    torch.sub(d[3], d[1], alpha=2.0, out=out[1])
    torch.sub(d[0], d[2], alpha=0.5, out=out[0])
    out[0].add_(out[2])  # d0 - 2.5 d2 + d4
    torch.sub(d[5], d[3], alpha=2.0, out=out[5])
    out[5].sub_(out[1], alpha=0.5)  # d1 - 2.5 d3 + d5
    out[2].sub_(out[1], alpha=_NEAR)  # (d4 - 2 d2) -+ near (d3 - 2 d1)
    torch.add(out[2], out[1], alpha=2 * _NEAR, out=out[1])
    torch.sub(d[4], d[2], alpha=0.5, out=out[4])
    torch.sub(d[3], d[1], alpha=0.5, out=out[3])
    out[4].sub_(out[3], alpha=_FAR)  # (d4 - d2 / 2) -+ far (d3 - d1 / 2)
    torch.add(out[4], out[3], alpha=2 * _FAR, out=out[3])


def _gather(m: list[Tensor], out: Sequence[Tensor]) -> None:
    """Four results of six products, which are overwritten."""
    zero, near, near_gap, far, far_gap, infinity = m
    near.add_(near_gap)
    torch.sub(near, near_gap, alpha=2.0, out=near_gap)
    far.add_(far_gap)
    torch.sub(far, far_gap, alpha=2.0, out=far_gap)
    zero.add_(near, alpha=_FAR)
    torch.add(zero, far, alpha=0.5, out=out[0])
    torch.add(near_gap, far_gap, alpha=_NEAR, out=out[1])
    torch.add(far, near, alpha=_NEAR, out=out[2])
    infinity.add_(near_gap, alpha=0.5)
    torch.add(infinity, far_gap, alpha=_FAR, out=out[3])


def _shifts(bias: Tensor | None, sides: int) -> list[Tensor | None]:
    """What is added to the products so that the bias is added to the results."""
    if bias is None:
        return [None] * 6**sides
    ones = bias.new_tensor(_ONES)
    if sides == 2:
        ones = torch.kron(ones, ones)
    return [one * bias if one else None for one in ones]
