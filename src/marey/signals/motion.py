"""Motion as in the paper: Farneback's dense flow between frames half a second apart, and the mean of its magnitude.

Source: Stable Video Diffusion, appendix C (optical flow at 2 fps); Farneback, "Two-frame motion estimation based on
polynomial expansion" (2003). The magnitude is averaged, never the signed components: a pan to the left and one to the
right do not cancel.
"""

from dataclasses import astuple, dataclass, fields
from functools import lru_cache

import cv2
import numpy as np

SHORT_SIDE = 96
"""Frames are compared at this short side: what 128 finds, at a third of its time (clips in the same order, Spearman's
rank correlation 0.99 on real clips)."""
PAIR_SECONDS = 0.5
"""Frames of a pair are so far apart."""
FARNEBACK = {
    "pyr_scale": 0.5,
    "levels": 3,
    "winsize": 13,
    "iterations": 2,
    "poly_n": 5,
    "poly_sigma": 1.2,
}
_SURE = 0.1  # peak of the phase correlation from which a shift of the whole picture is believed,
_FAR = 4  # if it is of so many pixels in a direction, which the flow alone may lose,
_BETTER = 0.7  # and leaves at most this share of the difference
_STEP = 4  # the affine fit takes every fourth row and column of the flow, which is smooth
_ROUNDS = 2


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
    rotation: float
    """Mean turn about the centre in radians; positive is clockwise."""
    camera: float
    """Mean length of the affine flow that fits the whole picture: what a moving camera does."""
    object: float
    """Mean length of what that fit leaves over: what moves by itself."""

    def scaled(self, factor: float) -> "Motion":
        """The same motion over another time, so many times as long."""
        return Motion(*(factor * value for value in astuple(self)))


MOTION = tuple(field.name for field in fields(Motion))
"""The columns of a trace's array `motion`, each over half a second."""


def flow(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Dense flow between two luma pictures uint8 (H, W): float32 (H, W, 2), x and y in pixels of these pictures."""
    if before.shape != after.shape:
        raise ValueError(f"the pictures differ in size: {before.shape} and {after.shape}")
    start = _shift(before, after)
    flags = 0 if start is None else cv2.OPTFLOW_USE_INITIAL_FLOW
    return cv2.calcOpticalFlowFarneback(before, after, start, **FARNEBACK, flags=flags)  # type: ignore[call-overload]


def _shift(before: np.ndarray, after: np.ndarray) -> np.ndarray | None:
    """The shift of the whole picture as a flow to start from, float32 (H, W, 2), by phase correlation (Kuglin and Hines
    1975). Farneback's method by itself loses a pan of more than a tenth of the height. None where the pictures do not
    agree better with a shift than without one, or the shift is small."""
    rows, columns = before.shape
    if min(rows, columns) < 16:
        return None
    (x, y), sure = cv2.phaseCorrelate(before.astype(np.float32), after.astype(np.float32), _window(rows, columns))
    dx, dy = round(x), round(y)
    if sure < _SURE or max(abs(dx), abs(dy)) < _FAR or abs(dx) > columns // 2 or abs(dy) > rows // 2:
        return None
    # What both show, with the shift and without.
    a = before[max(0, -dy) : rows - max(0, dy), max(0, -dx) : columns - max(0, dx)]
    b = after[max(0, dy) : rows - max(0, -dy), max(0, dx) : columns - max(0, -dx)]
    if cv2.absdiff(a, b).mean() > _BETTER * cv2.absdiff(before, after).mean():
        return None
    return np.full((rows, columns, 2), (x, y), np.float32)


@lru_cache(16)
def _window(rows: int, columns: int) -> np.ndarray:
    window = cv2.createHanningWindow((columns, rows), cv2.CV_32F)
    window.setflags(write=False)
    return window


def motion(before: np.ndarray, after: np.ndarray, height: int, width: int) -> Motion:
    """The motion between two luma pictures of a source that is `height` by `width` pixels as shown."""
    return described(flow(before, after), height, width)


def described(field: np.ndarray, height: int, width: int) -> Motion:
    """The motion that a flow field (H, W, 2) tells of, x and y in its own pixels, of a source that is `height` by
    `width` pixels as shown."""
    rows, columns = field.shape[:2]
    field = field * np.array([width / columns, height / rows], np.float32)
    x = ((np.arange(columns, dtype=np.float32) + 0.5) / columns - 0.5) * width
    y = ((np.arange(rows, dtype=np.float32) + 0.5) / rows - 0.5) * height
    # The zoom is the least-squares factor k of a flow (k x, k y) about the centre, the turn that of (-k y, k x).
    right, down = field[..., 0], field[..., 1]
    along = float(right.sum(axis=0) @ x + down.sum(axis=1) @ y)
    across = float(down.sum(axis=0) @ x - right.sum(axis=1) @ y)
    arms = float((x**2).sum() * rows + (y**2).sum() * columns)
    sparse = field[min(_STEP // 2, rows - 1) :: _STEP, min(_STEP // 2, columns - 1) :: _STEP]
    camera = global_affine(sparse)
    return Motion(
        magnitude=_length(field),
        right=float(right.mean()),
        down=float(down.mean()),
        zoom=along / arms,
        rotation=across / arms,
        camera=_length(camera),
        object=_length(sparse - camera),
    )


def global_affine(field: np.ndarray) -> np.ndarray:
    """The affine flow that fits most of a flow field (H, W, 2), of the same shape.

    Least squares, then two rounds in which vectors far from the fit count less and less (Tukey's biweight): what moves
    by itself on less than about a third of the picture does not drag the camera along.
    """
    design = _places(*field.shape[:2])  # (3, N)
    vectors = field.reshape(-1, 2).T.astype(np.float64)  # (2, N)
    weighted, fit = design, vectors
    for n in range(1 + _ROUNDS):
        # A tiny ridge: of one row or one column of vectors not all six numbers can be told.
        normal = weighted @ design.T + 1e-9 * vectors.shape[1] * np.eye(3)
        fit = np.linalg.solve(normal, weighted @ vectors.T).T @ design
        if n < _ROUNDS:
            left = vectors - fit
            squares = left[0] ** 2 + left[1] ** 2
            reach = 3.0 * float(np.sqrt(np.median(squares))) + 1e-3 * float(np.abs(vectors).max()) + 1e-9
            weighted = design * np.maximum(0.0, 1 - squares / reach**2) ** 2
    return fit.T.reshape(field.shape).astype(np.float32)


@lru_cache(16)
def _places(rows: int, columns: int) -> np.ndarray:
    """One, x and y of each vector, from -1 to 1: float64 (3, N)."""
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    places = np.stack([np.ones(rows * columns), x.ravel(), y.ravel()])
    places.setflags(write=False)
    return places


def diagonal(height: int, width: int) -> float:
    """The diagonal of a picture in pixels; motion over it does not depend on the resolution."""
    return float(np.hypot(height, width))


def _length(field: np.ndarray) -> float:
    """Mean length of the vectors of a flow."""
    return float(np.sqrt(field[..., 0] ** 2 + field[..., 1] ** 2).mean())
