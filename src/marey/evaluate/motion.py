"""How much moves in a video, and whether the right things move.

A consistency score says nothing without a motion score beside it: a frozen frame is perfectly consistent. Frames are
uint8 `(H, W, 3)` RGB; a video is `(T, H, W, 3)`.
"""

from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from marey.evaluate.frames import Picture
from marey.signals.motion import SHORT_SIDE
from marey.signals.motion import flow as luma_flow


def flow(a: Picture, b: Picture) -> npt.NDArray[np.float32]:
    """Farneback's optical flow from `a` to `b`: `(h, w, 2)` as (right, down), in pixels of the pictures as given.

    On luma with the short side at most 96 (smaller pictures are not enlarged), with the parameters of the curation's
    motion signal, so that both mean the same.
    """
    return flow_of(small_luma(a), small_luma(b), *a.shape[:2])


def small_luma(picture: Picture) -> npt.NDArray[np.uint8]:
    """The luma `(h, w)` that flow is found on."""
    height, width = picture.shape[:2]
    scale = min(1.0, SHORT_SIDE / min(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def flow_of(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.float32]:
    """The flow between two of `small_luma`, in pixels of pictures of `height` by `width`."""
    rows, columns = a.shape
    if np.array_equal(a, b):  # Farneback's rounding alone would leave some thousandths of a pixel
        return np.zeros((rows, columns, 2), np.float32)
    return np.asarray(luma_flow(a, b) * np.array([width / columns, height / rows], dtype=np.float32))


def magnitude(a: Picture, b: Picture) -> float:
    """Mean length of the flow from `a` to `b`, in pixels. Variant `motion/farneback-96-mean`."""
    return float(np.linalg.norm(flow(a, b), axis=2).mean())


def mean_flow(video: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """The mean flow vector (right, down) per frame over all pixels and neighbouring frames: `(2,)`, in pixels.

    Opposite motions cancel: this is what a camera would do that followed the average, not how much moves.
    """
    if len(video) < 2:
        raise ValueError(f"A video of {len(video)} frame has no flow: two or more would do.")
    return np.mean([flow(a, b).mean(axis=(0, 1)) for a, b in pairwise(video)], axis=0, dtype=np.float64)


def temporal_difference_error(a0: Picture, a1: Picture, b0: Picture, b1: Picture) -> float:
    """Mean of |(a1 - a0) - (b1 - b0)| over pixels and channels, in 8-bit levels (0..510). Variant
    `temporal-difference/l1-rgb`.

    The change from one frame to the next, against the change that truly came: blind to an offset that stays, 0 only
    where each pixel changes as it should. A frozen video scores the mean absolute change of the truth.
    """
    return change_error(change(a0, a1), change(b0, b1))


def change(before: Picture, after: Picture) -> npt.NDArray[np.int16]:
    """`after` minus `before`, `(H, W, 3)`, in 8-bit levels."""
    return np.asarray(cv2.subtract(after, before, dtype=cv2.CV_16S), dtype=np.int16)


def change_error(a: npt.NDArray[np.int16], b: npt.NDArray[np.int16]) -> float:
    """Mean absolute difference of two changes, in 8-bit levels (0..510)."""
    return float(cv2.norm(a, b, cv2.NORM_L1)) / a.size
