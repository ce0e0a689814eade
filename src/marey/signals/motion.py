"""Motion as in the paper: Farneback's dense flow between frames half a second apart, and the mean of its magnitude.

Source: Stable Video Diffusion, appendix C (optical flow at 2 fps); Farneback, "Two-frame motion estimation based on
polynomial expansion" (2003). The magnitude is averaged, never the signed components: a pan to the left and one to the
right do not cancel.
"""

from dataclasses import dataclass

import cv2
import numpy as np

SHORT_SIDE = 128
"""Frames are compared at this short side."""
PAIR_SECONDS = 0.5
"""Frames of a pair are so far apart."""
FARNEBACK = {
    "pyr_scale": 0.5,
    "levels": 3,
    "winsize": 15,
    "iterations": 3,
    "poly_n": 5,
    "poly_sigma": 1.2,
    "flags": 0,
}


@dataclass(frozen=True)
class Motion:
    """How one frame became another, in pixels of the source."""

    magnitude: float
    """Mean length of the flow."""
    right: float
    """Mean flow to the right; negative to the left."""
    down: float
    """Mean flow downwards; negative upwards."""
    zoom: float
    """Mean growth away from the centre, as a share: 0.1 is a picture that grows by a tenth; negative shrinks."""


def flow(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Dense flow between two luma pictures uint8 (H, W): float32 (H, W, 2), x and y in pixels of these pictures."""
    if before.shape != after.shape:
        raise ValueError(f"the pictures differ in size: {before.shape} and {after.shape}")
    return cv2.calcOpticalFlowFarneback(before, after, None, **FARNEBACK)  # type: ignore[call-overload]


def motion(before: np.ndarray, after: np.ndarray, height: int, width: int) -> Motion:
    """The motion between two luma pictures of a source that is `height` by `width` pixels as shown."""
    field = flow(before, after)
    rows, columns = before.shape
    field = field * np.array([width / columns, height / rows], np.float32)
    x = (np.arange(columns, dtype=np.float32) + 0.5) / columns * width - width / 2
    y = (np.arange(rows, dtype=np.float32) + 0.5) / rows * height - height / 2
    # The zoom is the least-squares factor k of a flow (k x, k y) about the centre.
    along = (field[..., 0] * x[None, :] + field[..., 1] * y[:, None]).sum()
    return Motion(
        magnitude=float(np.hypot(field[..., 0], field[..., 1]).mean()),
        right=float(field[..., 0].mean()),
        down=float(field[..., 1].mean()),
        zoom=float(along / ((x**2).sum() * rows + (y**2).sum() * columns)),
    )


def diagonal(height: int, width: int) -> float:
    """The diagonal of a picture in pixels; motion over it does not depend on the resolution."""
    return float(np.hypot(height, width))
