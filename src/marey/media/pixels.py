"""The pixels of one decoded picture, near the size that each consumer needs.

The luma of planar YUV is read in place, without a copy. It is halved as often as the wanted size allows (exact 2x2
means, shared by all consumers of the frame) and then brought to size; for a tiny size it is sampled. A picture at its
own size is only copied where its range must be widened. All results are as shown (upright, square pixels) and full
range: 0 is black, 255 is white, chroma is centred at 128.
"""

import re
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from av.video.format import VideoFormat
from av.video.reformatter import VideoReformatter

from marey.media.orientation import Orientation

Size = int | tuple[int, int] | None
"""A short side in pixels, (height, width), or None for the size as shown."""

_PLANAR = re.compile(r"(?:yuv(?:j|a)?4\d\dp|gray)(?:(9|10|12|14|16)le)?$")
_UNSPECIFIED, _FULL_RANGE, _LIMITED_RANGE, _BT709 = 2, 2, 1, 1
_AREA, _BICUBIC = "AREA", "BICUBIC"
_TINY = 50  # so many pixels of a plane for one of the result


class Scaler:
    """Scales the pictures of one video. It keeps a converter for every size, since making one costs more than using it.

    Args:
        height, width: of the pictures as shown.
        orientation: how they are turned for that.
    """

    def __init__(self, height: int, width: int, orientation: Orientation) -> None:
        self.height = height
        self.width = width
        self.orientation = orientation
        self._converters: dict[tuple[int, int, str], VideoReformatter] = {}

    def resolve(self, size: Size) -> tuple[int, int]:
        """(height, width) as shown of a wanted size."""
        if size is None:
            return self.height, self.width
        if isinstance(size, tuple):
            height, width = size
        else:
            short = min(self.height, self.width)
            height, width = round(self.height * size / short), round(self.width * size / short)
        if (isinstance(size, int) and size < 1) or height < 1 or width < 1:
            raise ValueError(f"a picture cannot have the size {size!r}")
        return height, width

    def stored(self, height: int, width: int) -> tuple[int, int]:
        """The same size before the picture is turned."""
        return (width, height) if self.orientation.swaps else (height, width)

    def convert(self, picture: Any, height: int, width: int, pixel_format: str) -> Any:
        """The picture in another size (as stored) and format."""
        key = (height, width, pixel_format)
        if key not in self._converters:
            self._converters[key] = VideoReformatter()
        smaller = height <= picture.height and width <= picture.width
        # Untagged video of 720 lines and more is BT.709 by custom; libav would take it for BT.601.
        guessed = picture.colorspace == _UNSPECIFIED and picture.height >= 720 and not picture.format.is_rgb
        return self._converters[key].reformat(
            picture,
            width,
            height,
            pixel_format,
            src_colorspace=_BT709 if guessed else None,
            dst_color_range=_LIMITED_RANGE if pixel_format == "yuv420p" else None,
            interpolation=_AREA if smaller else _BICUBIC,
            threads=1,
        )


class Pixels:
    """One decoded picture. Each size of each kind is computed once, when it is first asked for."""

    __slots__ = ("_cache", "_levels", "_picture", "_planar", "_scaler")

    def __init__(self, picture: Any, scaler: Scaler) -> None:
        self._picture = picture
        self._scaler = scaler
        self._planar: Any = None
        self._levels: list[np.ndarray] = []
        self._cache: dict[tuple[str, int, int], Any] = {}

    def gray(self, size: Size = None) -> np.ndarray:
        """Luma, uint8 (H, W). A short side keeps the proportions, (height, width) does not."""
        height, width = self._scaler.resolve(size)
        key = ("gray", height, width)
        if key not in self._cache:
            self._cache[key] = self._luma(height, width)
        return self._cache[key]

    def yuv(self, size: Size = None) -> tuple[np.ndarray, np.ndarray]:
        """Luma uint8 (H, W) and chroma Cb, Cr uint8 (ceil(H / 2), ceil(W / 2), 2)."""
        height, width = self._scaler.resolve(size)
        key = ("chroma", height, width)
        if key not in self._cache:
            self._cache[key] = self._chroma((height + 1) // 2, (width + 1) // 2)
        return self.gray(size), self._cache[key]

    def lines(self, count: int = 256) -> np.ndarray:
        """The middle rows of the luma, at most so many, as they are stored: uint8 (R, W), neither scaled nor turned."""
        picture = self._as_planar()
        plane = _plane(picture, 0)
        top = max(0, plane.shape[0] - count) // 2
        return _widened(plane[top : top + count], picture, chroma=False)

    def rgb(self, size: Size = None, *, crop: bool = False) -> np.ndarray:
        """Colour, uint8 (H, W, 3).

        Args:
            crop: the largest centred part of the picture with the proportions of `size` (a number asks for a square),
                instead of the whole picture.
        """
        if crop and size is not None:
            wanted = (size, size) if isinstance(size, int) else size
            return centre(self.rgb(cover(self._scaler.height, self._scaler.width, *wanted)), *wanted)
        height, width = self._scaler.resolve(size)
        key = ("rgb", height, width)
        if key not in self._cache:
            converted = self._scaler.convert(self._picture, *self._scaler.stored(height, width), "rgb24")
            self._cache[key] = self._scaler.orientation.apply(converted.to_ndarray())
        return self._cache[key]

    def _luma(self, height: int, width: int) -> np.ndarray:
        picture = self._as_planar()
        if not self._levels:
            self._levels.append(_plane(picture, 0))
        high, wide = self._scaler.stored(height, width)
        small = shrunk(self._levels, high, wide)
        return self._scaler.orientation.apply(_widened(small, picture, chroma=False))

    def _chroma(self, height: int, width: int) -> np.ndarray:
        picture = self._as_planar()
        if _layout(picture.format.name)[3]:
            return np.full((height, width, 2), 128, np.uint8)
        high, wide = self._scaler.stored(height, width)
        planes = [shrunk([_plane(picture, n)], high, wide) for n in (1, 2)]
        return self._scaler.orientation.apply(_widened(cv2.merge(planes), picture, chroma=True))

    def _as_planar(self) -> Any:
        """The picture itself if its planes can be read in place, else converted, once."""
        if self._planar is None:
            picture = self._picture
            readable = _layout(picture.format.name)[0] and all(plane.line_size > 0 for plane in picture.planes)
            self._planar = (
                picture if readable else self._scaler.convert(picture, picture.height, picture.width, "yuv420p")
            )
        return self._planar


def shrunk(levels: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """The plane `levels[0]` in another size, in the cheapest way that is near the area mean.

    To a signature, which is tiny, even halving the plane once costs more than all that is left to do: it is sampled at
    four times the wanted size, and sixteen samples of two by two pixels make one of the result.
    """
    high, wide = levels[0].shape[:2]
    if high >= 5 * height and wide >= 5 * width and high * wide >= _TINY * height * width:
        samples = cv2.resize(levels[0], (4 * width, 4 * height), interpolation=cv2.INTER_LINEAR)
        return cv2.resize(samples, (width, height), interpolation=cv2.INTER_AREA)
    return resize(halved(levels, height, width), height, width)


def halved(levels: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """The smallest halving still twice as large as wanted; `levels`, from the plane itself on, grows as needed."""
    n = 0
    while True:
        high, wide = levels[n].shape[:2]
        if high < 4 * height or wide < 4 * width or high % 2 or wide % 2:
            return levels[n]
        n += 1
        if n == len(levels):
            levels.append(cv2.resize(levels[n - 1], (wide // 2, high // 2), interpolation=cv2.INTER_AREA))


def resize(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """A plane in another size: area means downwards, linear upwards. The same array where the size is right."""
    high, wide = plane.shape[:2]
    if (high, wide) == (height, width):
        return plane
    if high >= 5 * height and wide >= 5 * width:
        # An odd size could not be halved. Linear to twice the size costs a tenth of the area mean, and looks alike.
        plane = cv2.resize(plane, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
    smaller = high >= height and wide >= width
    return cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def cover(height: int, width: int, high: int, wide: int) -> tuple[int, int]:
    """The smallest size in the proportions of `height` by `width` that covers `high` by `wide`."""
    if high * width <= wide * height:  # the picture is the taller one: its width decides
        return max(high, round(height * wide / width)), wide
    return high, max(wide, round(width * high / height))


def centre(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle of a picture (H, W, ...), contiguous."""
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width])


def _plane(picture: Any, n: int) -> np.ndarray:
    """A view of a plane, uint8 or uint16 (H, W), without its padding. It keeps the picture's memory alive."""
    plane = picture.planes[n]
    deep = _layout(picture.format.name)[1] > 8
    values = np.frombuffer(plane, np.uint16 if deep else np.uint8)
    row = plane.line_size // (2 if deep else 1)
    return values[: row * plane.height].reshape(plane.height, row)[:, : plane.width]


def _widened(values: np.ndarray, picture: Any, *, chroma: bool) -> np.ndarray:
    """Eight bits in full range, from whatever depth and range the picture has."""
    _, bits, full, grey = _layout(picture.format.name)
    full = full or picture.color_range == _FULL_RANGE or (grey and picture.color_range != _LIMITED_RANGE)
    if bits == 8:
        return values if full else cv2.LUT(values, _table(8, False, chroma))
    return _table(bits, full, chroma)[np.minimum(values, (1 << bits) - 1)]


@lru_cache
def _layout(name: str) -> tuple[bool, int, bool, bool]:
    """Of a pixel format: whether its planes can be read in place, its bits, whether it is full range, whether grey."""
    return (
        bool(_PLANAR.match(name)),
        VideoFormat(name).components[0].bits,
        name.startswith("yuvj"),
        name.startswith("gray"),
    )


@lru_cache
def _table(bits: int, full: bool, chroma: bool) -> np.ndarray:
    """What each stored value is in eight bits of full range (ITU-T H.273, equations 20 to 31)."""
    stored = np.arange(1 << bits, dtype=np.float64) / (1 << (bits - 8))
    if full:
        shown = stored * (255 * (1 << (bits - 8)) / ((1 << bits) - 1))
    elif chroma:
        shown = (stored - 128) * (255 / 224) + 128
    else:
        shown = (stored - 16) * (255 / 219)
    table = np.clip(np.rint(shown), 0, 255).astype(np.uint8)
    table.setflags(write=False)
    return table
