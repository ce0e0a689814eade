"""Frames that were never in a file, as a decoder would give them from a file without loss."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import numpy as np

from marey.media.decode import Frame
from marey.media.orientation import Orientation
from marey.media.pixels import Scaler

_RGB, _FULL_RANGE = 0, 2  # of ITU-T H.273's matrices, and of libav's ranges
_TICKS = 10_000  # at least so many a second: a quarter of one is a whole number of them, or nearly


class Given(Frame):
    """A frame that needs no other to be shown."""

    __slots__ = ()

    @property
    def keyframe(self) -> bool:
        """Always."""
        return True


def given(images: Iterable[np.ndarray], fps: int | Fraction) -> Iterator[Frame]:
    """Pictures as frames: the n-th is shown at the time n / fps, in ticks as short as those of an MP4 file.

    Args:
        images: uint8 RGB (H, W, 3) each, all of one size.
    """
    scaler: Scaler | None = None
    rate = ticks = Fraction(fps)
    while ticks < _TICKS:
        ticks *= 2
    step = int(ticks / rate)
    for n, image in enumerate(images):
        if scaler is None:
            scaler = Scaler(image.shape[0], image.shape[1], Orientation())
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        picture.colorspace, picture.color_range = _RGB, _FULL_RANGE
        yield Given(picture, scaler, n, n * step, 0, 1 / ticks)
