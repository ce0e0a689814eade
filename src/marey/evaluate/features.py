"""Hand features of a video for a Frechet distance, under their own name: `frechet/marey-td16`. This is not FVD.

No network: luma, colour, edges and, twice over, what changes from frame to frame, so that the distance sees noise,
blur and (unlike symmetric pooling of frames) freezing. Reduced by a PCA that is fitted on training windows, never on
what is compared.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from marey.errors import MareyError
from marey.evaluate.frames import Picture, luma

Array = npt.NDArray[np.float64]

_GRID = 8
BLOCKS = {"luma": 64, "colour": 32, "edges": 64, "change": 64, "jerk": 64}
"""Name and width of each block of the features: means over time on an 8x8 grid (colour: 4x4, two channels)."""
WIDTH = sum(BLOCKS.values())
SPREAD = {"luma": 50.0, "colour": 25.0, "edges": 10.0, "change": 5.0, "jerk": 5.0}
"""Levels by which each block varies in everyday footage, as round numbers: `scaled` divides by them."""
VERSION = "1"
"""Of the features and of these numbers."""


def features(frames: Iterable[Picture], *, given: int = 1) -> Array:
    """The features `(WIDTH,)` of one video, of any length and size: see `Describer`."""
    describer = Describer(given=given)
    for frame in frames:
        describer.add(frame)
    return describer.values()


class Describer:
    """Takes a video frame by frame, holds the last two, and gives its features.

    Over the frames that were not given: mean luma; mean colour (the two opponent channels R-Y and B-Y); mean gradient
    length of luma; mean |frame - the one before|; mean |second difference|. All in 8-bit levels.
    """

    def __init__(self, *, given: int = 1) -> None:
        self._given = given
        self._seen = 0
        self._held: list[Array] = []
        self._sums = {name: np.zeros(width) for name, width in BLOCKS.items()}
        self._counts = dict.fromkeys(BLOCKS, 0)

    def add(self, frame: Picture) -> None:
        """The next frame, uint8 `(H, W, 3)`."""
        y = luma(frame)
        if self._seen >= self._given:
            self._take("luma", _grid(y))
            self._take("colour", np.concatenate([_grid(frame[..., 0] - y, 4), _grid(frame[..., 2] - y, 4)]))
            self._take("edges", _grid(_gradient(y)))
            if self._held:
                self._take("change", _grid(np.abs(y - self._held[-1])))
            if len(self._held) > 1:
                self._take("jerk", _grid(np.abs(y - 2 * self._held[-1] + self._held[-2])))
        self._held = [*self._held[-1:], y]
        self._seen += 1

    def values(self) -> Array:
        """The features `(WIDTH,)`.

        Raises:
            MareyError: fewer than three frames were added, or none that was not given.
        """
        if not all(self._counts.values()):
            raise MareyError(
                "The features of a Frechet distance need videos of three frames or more, one of them not given."
            )
        return np.concatenate([self._sums[name] / self._counts[name] for name in BLOCKS])

    def _take(self, block: str, value: Array) -> None:
        self._sums[block] += value
        self._counts[block] += 1


def scaled(x: npt.ArrayLike) -> Array:
    """Features `(..., WIDTH)` with each block at about the same total variance, by fixed numbers: unlike those of a
    fitted PCA, distances on these compare from one set of videos to another."""
    divisors = np.concatenate([np.full(width, SPREAD[name] * np.sqrt(width)) for name, width in BLOCKS.items()])
    return np.asarray(np.asarray(x, dtype=np.float64) / divisors)


@dataclass(frozen=True)
class Projection:
    """A PCA: features to `dims` numbers."""

    mean: Array
    """(WIDTH,)"""
    axes: Array
    """(WIDTH, dims): each block is scaled to a total variance of one over the fitted videos, then turned to its
    principal axes."""
    share: float
    """Of the scaled variance of the fitted videos, 0..1, that the axes hold."""

    @property
    def dims(self) -> int:
        return self.axes.shape[1]

    @property
    def id(self) -> str:
        return f"frechet/marey-td{self.dims}"

    def __call__(self, x: npt.ArrayLike) -> Array:
        """`(n, WIDTH)` or `(WIDTH,)` to `(n, dims)` or `(dims,)`."""
        return np.asarray((np.asarray(x, dtype=np.float64) - self.mean) @ self.axes)


def fit(x: npt.ArrayLike, dims: int) -> Projection:
    """The PCA of features `(n, WIDTH)`, to at most `dims` dimensions (fewer where the videos span fewer).

    Raises:
        MareyError: there are not more videos than dimensions.
    """
    rows = np.atleast_2d(np.asarray(x, dtype=np.float64))
    if len(rows) <= dims:
        raise MareyError(f"{dims} principal axes need more than {dims} training videos; there are {len(rows)}.")
    mean = rows.mean(axis=0)
    scale = np.ones(WIDTH)
    start = 0
    for width in BLOCKS.values():
        spread = float(rows[:, start : start + width].var(axis=0).sum())
        scale[start : start + width] = (
            1 / np.sqrt(spread) if spread > 1e-12 else 0.0
        )  # a block that never varies says nothing
        start += width
    _, strengths, axes = np.linalg.svd((rows - mean) * scale, full_matrices=False)
    power = strengths**2
    kept = min(dims, int((power > power.max() * 1e-9).sum())) if power.max() > 0 else 0
    if not kept:
        raise MareyError("The training videos are all alike: no principal axis can be found in them.")
    return Projection(mean, (axes[:kept] * scale).T, float(power[:kept].sum() / power.sum()))


def _grid(plane: Array, side: int = _GRID) -> Array:
    return np.asarray(cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA), dtype=np.float64).reshape(-1)


def _gradient(y: Array) -> Array:
    down, right = np.gradient(y)
    return np.hypot(down, right)
