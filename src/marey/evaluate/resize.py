"""Resizing as other people's evaluations do it, exactly: which grid, which kernel, with or without antialiasing.

A resize is a matrix on each axis, so that the obvious form is also the one that runs. Pictures are `(H, W, C)`; results
are float64 and not rounded.
"""

from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]
Kernel = Literal["bilinear", "bicubic"]
Grid = Literal["centres", "corners"]
"""Where the pixels of the result lie: `centres` as in torch and Pillow; `corners` as in TensorFlow 1, whose first
pixels coincide and whose last do not."""
_REACH = {"bilinear": 1.0, "bicubic": 2.0}


def resize(
    picture: npt.NDArray[np.generic],
    size: tuple[int, int],
    *,
    antialias: bool,
    kernel: Kernel = "bilinear",
    grid: Grid = "centres",
) -> Array:
    """A picture `(H, W, C)` at another (height, width), as float64 in the same unit.

    With `antialias` the kernel is as wide as a pixel of the result, as Pillow's and torch's with antialias=True;
    without it is as wide as a pixel of the source, so that shrinking skips pixels, as torch's and TensorFlow's default.
    """
    values = picture.astype(np.float64)
    if picture.shape[:2] == size:
        return values
    down = matrix(picture.shape[0], size[0], antialias, kernel, grid)
    across = matrix(picture.shape[1], size[1], antialias, kernel, grid)
    narrow = np.einsum("ow,hwc->hoc", across, values, optimize=True)
    return np.einsum("oh,hwc->owc", down, narrow, optimize=True)


def resize_as_torch(picture: Single, size: tuple[int, int], *, antialias: bool) -> Single:
    """What torch's bilinear `interpolate` makes of a float32 picture `(H, W, C)`, in its own order of rounding.

    A code that truncates to whole levels afterwards makes a level out of the last bit wherever a picture is flat, so
    that the last bit has to be right: products are fused with the sum that takes them, as on any processor of the last
    ten years.
    """
    if antialias:
        for axis in (1, 0):
            if picture.shape[axis] != size[axis]:
                picture = _along(picture, *_taps(picture.shape[axis], size[axis]), axis)
        return picture
    (top, down), (left, right) = (_between(old, new) for old, new in zip(picture.shape[:2], size, strict=True))
    corners = [
        (picture[rows[0]][:, columns[0]], rows[1][:, None, None] * columns[1][None, :, None])
        for rows in (top, down)
        for columns in (left, right)
    ]
    total = _fused(*corners[0], corners[1][0] * corners[1][1])
    for values, weights in corners[2:]:
        total = _fused(values, weights, total)
    return total


def shorter_to(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """The (height, width) that has `side` as its shorter one; the longer is rounded up, as TATS and cd-fvd do."""
    height, width = shape[:2]
    scale = side / min(height, width)
    if height < width:
        return side, int(np.ceil(width * scale))
    return int(np.ceil(height * scale)), side


def covering(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int]:
    """The smallest (height, width) of the picture's own shape, to the nearest pixel, that covers `size`."""
    height, width = shape[:2]
    scale = max(size[0] / height, size[1] / width)
    return max(size[0], round(height * scale)), max(size[1], round(width * scale))


def centre(picture: npt.NDArray[np.generic], size: tuple[int, int]) -> npt.NDArray[np.generic]:
    """The middle `size` of a picture; of an odd rest the smaller half lies above and left."""
    top, left = ((have - want) // 2 for have, want in zip(picture.shape[:2], size, strict=True))
    return picture[top : top + size[0], left : left + size[1]]


@lru_cache(maxsize=64)
def matrix(old: int, new: int, antialias: bool, kernel: Kernel = "bilinear", grid: Grid = "centres") -> Array:
    """`(new, old)`: the weight of each pixel of the source in each of the result; rows sum to one."""
    scale = old / new
    if grid == "corners":
        centres = np.arange(new) * scale
    else:
        centres = (np.arange(new) + 0.5) * scale - 0.5
    if antialias and scale > 1:
        apart = np.abs(np.arange(old)[None] - centres[:, None]) / scale
        weights = _weight(apart, kernel, -0.5)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))
    weights = np.zeros((new, old))
    reach = int(_REACH[kernel])
    first = np.floor(centres).astype(int)
    rows = np.arange(new)
    for step in range(1 - reach, reach + 1):  # what lies outside is the pixel at the edge
        apart = np.abs(centres - (first + step))
        if antialias:  # nothing lies outside: the rest is weighted anew
            inside = (first + step >= 0) & (first + step < old)
            weights[rows[inside], (first + step)[inside]] += _weight(apart, kernel, -0.5)[inside]
        else:
            np.add.at(weights, (rows, np.clip(first + step, 0, old - 1)), _weight(apart, kernel, -0.75))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@lru_cache(maxsize=64)
def _taps(old: int, new: int) -> tuple[npt.NDArray[np.int64], Single, npt.NDArray[np.bool_]]:
    """The pixels `(new, taps)` under each pixel's triangle, their weights, in float32 throughout, and which are fused.

    After the first tap, torch's loop takes four at a time, whose products it rounds; only the rest is fused.
    """
    one, half = np.float32(1), np.float32(0.5)
    scale = np.float32(old) / np.float32(new)
    reach = max(scale, one)
    taps = int(np.ceil(reach)) * 2 + 1
    index, weights = np.zeros((new, taps), np.int64), np.zeros((new, taps), np.float32)
    fused = np.zeros((new, taps), bool)
    for n in range(new):
        middle = scale * np.float32(n + 0.5)
        first = max(int(middle - reach + half), 0)
        end = min(int(middle + reach + half), old)
        total = np.float32(0)
        for k in range(end - first):
            apart = (np.float32(k) + (np.float32(first) - middle) + half) * (one / reach)
            weights[n, k] = max(np.float32(0), one - abs(apart))
            total += weights[n, k]
        index[n] = first
        index[n, : end - first] = np.arange(first, end)
        weights[n] /= total
        fused[n, 1 + (end - first - 1) // 4 * 4 :] = True
    return index, weights, fused


def _along(
    picture: Single, index: npt.NDArray[np.int64], weights: Single, fused: npt.NDArray[np.bool_], axis: int
) -> Single:
    rows = np.moveaxis(picture, axis, 0)
    total = rows[index[:, 0]] * weights[:, 0, None, None]
    for tap in range(1, index.shape[1]):
        values, weight = rows[index[:, tap]], weights[:, tap, None, None]
        total = np.where(fused[:, tap, None, None], _fused(values, weight, total), total + values * weight)
    return np.moveaxis(total, 0, axis)


Place = tuple[npt.NDArray[np.int64], Single]


@lru_cache(maxsize=64)
def _between(old: int, new: int) -> tuple[Place, Place]:
    """The two pixels that each pixel of the result lies between, with their weights."""
    scale = np.float32(old) / np.float32(new)
    at = _fused(scale, np.arange(new, dtype=np.float32) + np.float32(0.5), np.float32(-0.5)).clip(0)
    first = np.minimum(at.astype(np.int64), old - 1)
    far = np.clip(at - first.astype(np.float32), 0, 1).astype(np.float32)
    return (first, np.float32(1) - far), (np.minimum(first + 1, old - 1), far)


def _fused(a: Single | np.float32, b: Single, c: Single | np.float32) -> Single:
    """a * b + c, rounded once."""
    return np.asarray((a.astype(np.float64) * b + c).astype(np.float32))


def _weight(apart: Array, kernel: Kernel, a: float) -> Array:
    """The kernel at a distance; `a` is the cubic's parameter: -0.5 of Pillow, -0.75 of torch without antialias."""
    if kernel == "bilinear":
        return np.asarray(np.clip(1 - apart, 0, None))
    near = ((a + 2) * apart - (a + 3)) * apart**2 + 1
    far = ((apart - 5) * apart + 8) * apart * a - 4 * a
    return np.where(apart < 1, near, np.where(apart < 2, far, 0.0))
