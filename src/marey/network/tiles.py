"""A clip decoded piece by piece: windows over time, height and width that overlap, and a linear blend where they do.

Source: the overlapped tiles of diffusers' `AutoencoderKL.tiled_decode`, here over time too; its temporal autoencoder
has neither (svd.md §1.11, 7).
"""

from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor

from marey.errors import MareyError


def windows(length: int, size: int, overlap: int) -> list[tuple[int, int]]:
    """Starts and ends of windows that cover 0..length: all as long, evenly spread, neighbours sharing at least
    `overlap`; one window where `size` is enough.

    Raises:
        MareyError: a size under 1, or an overlap that leaves no way forward.
    """
    if size < 1 or not 0 <= overlap < size:
        raise MareyError(f"A window of {size} cannot overlap by {overlap}: 0 to {max(size, 1) - 1} would do.")
    if size >= length:
        return [(0, length)]
    count = -(-(length - overlap) // (size - overlap))
    starts = [round(n * (length - size) / (count - 1)) for n in range(count)]
    return [(start, start + size) for start in starts]


def ramps(spans: Sequence[tuple[int, int]], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """The weights of windows: linear from 0 to 1 where a window meets its neighbours, such that at every place all
    weights add up to 1. The outermost frame or row of a window, which saw nothing beyond it, has no part where another
    window knows better.
    """
    weights = [torch.ones(stop - start, dtype=dtype) for start, stop in spans]
    for n in range(len(spans) - 1):
        shared = spans[n][1] - spans[n + 1][0]
        if shared > 0:
            rise = torch.linspace(0, 1, shared, dtype=dtype) if shared > 1 else torch.tensor([0.5], dtype=dtype)
            weights[n + 1][:shared] *= rise
            weights[n][-shared:] *= rise.flip(0)
    total = torch.zeros(spans[-1][1], dtype=dtype)
    for (start, stop), weight in zip(spans, weights, strict=True):
        total[start:stop] += weight
    return [weight / total[start:stop] for (start, stop), weight in zip(spans, weights, strict=True)]


def decode_blended(
    decode: Callable[[Tensor], Tensor],
    latents: Tensor,
    factor: int,
    sizes: tuple[int, int, int],
    overlaps: tuple[int, int, int],
) -> Tensor:
    """Latents (B, T, C, h, w) to pixels (B, T, 3, H, W), in windows of `sizes` (frames, height and width in latents)
    that share at least `overlaps`.

    Args:
        decode: latents of a window to its pixels, `factor` times as high and wide.

    Raises:
        MareyError: as of `windows`.
    """
    axes = (latents.shape[1], latents.shape[3], latents.shape[4])
    spans = [windows(length, size, overlap) for length, size, overlap in zip(axes, sizes, overlaps, strict=True)]
    if all(len(some) == 1 for some in spans):
        return decode(latents)
    scales = (1, factor, factor)
    spread = [[(a * k, b * k) for a, b in some] for some, k in zip(spans, scales, strict=True)]
    weights = [[weight.to(latents) for weight in ramps(some)] for some in spread]
    whole: Tensor | None = None
    for t, y, x in product(*(range(len(some)) for some in spans)):
        (t0, t1), (y0, y1), (x0, x1) = spans[0][t], spans[1][y], spans[2][x]
        piece = decode(latents[:, t0:t1, :, y0:y1, x0:x1])
        if whole is None:
            channels = piece.shape[2]
            whole = piece.new_zeros(len(latents), axes[0], channels, axes[1] * factor, axes[2] * factor)
        weight = weights[0][t][:, None, None, None] * (weights[1][y][:, None] * weights[2][x])
        (_, _), (y0, y1), (x0, x1) = spread[0][t], spread[1][y], spread[2][x]
        whole[:, t0:t1, :, y0:y1, x0:x1] += piece.mul_(weight)
    assert whole is not None
    return whole


def seams(frames: Tensor, whole: Tensor) -> Tensor:
    """How much more, or otherwise, a clip changes from frame to frame than the clip that was decoded whole: (T-1,) mean
    absolute differences of their frame differences, over the mean frame difference of the latter. 0 is no seam.

    Args:
        frames, whole: (T, ...).
    """
    ours, theirs = frames[1:] - frames[:-1], whole[1:] - whole[:-1]
    return (ours - theirs).abs().flatten(1).mean(1) / theirs.abs().mean()
