"""What an arm is measured by, on clean clips that no arm has seen and whose truth is known.

The primary measure is the loss at fixed noise levels. Beside it stand measures of videos sampled for each clip's first
frame and text: each is told of every clip, so that arms are compared clip by clip.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from marey.evaluate.features import features
from marey.evaluate.features import fit as fit_axes
from marey.evaluate.moments import MomentState, frechet
from marey.worlds.figures import Figure

PRIMARY = "loss"
DIMS = 16
_WAYS = {"to the right": (1, 0), "to the left": (-1, 0), "upwards": (0, -1), "downwards": (0, 1)}
_APART = 24.0
_LEAST = 4


@dataclass(frozen=True)
class Measure:
    """What a number of a clip is."""

    name: str
    title: str
    unit: str
    better: str
    """higher or lower."""


MEASURES = (
    Measure(PRIMARY, "held-out loss", "", "lower"),
    Measure("psnr", "PSNR", "dB", "higher"),
    Measure("place", "place error", "px", "lower"),
    Measure("way", "way asked for", "share", "higher"),
    Measure("frechet", "Frechet distance", "", "lower"),
)


@dataclass(frozen=True)
class Truth:
    """Held-out clips as they truly are, at the size of an arm."""

    videos: np.ndarray
    """uint8 (N, T, H, W, 3)."""
    figures: Sequence[Figure]
    """Of each, drawn at `side` pixels."""
    side: int


def judged(sampled: np.ndarray, truth: Truth) -> dict[str, list[float | None]]:
    """Of each clip, by the names of `MEASURES`; None where a measure says nothing of a clip."""
    found: dict[str, list[float | None]] = {"psnr": [], "place": [], "way": []}
    for video, true, figure in zip(sampled, truth.videos, truth.figures, strict=True):
        error = np.square(video[1:].astype(np.float64) - true[1:]).mean(axis=(1, 2, 3))
        found["psnr"].append(float((10 * np.log10(255.0**2 / np.maximum(error, 1e-2))).mean()))
        centres = places(video, figure, truth.side)
        found["place"].append(_astray(centres, places(true, figure, truth.side), figure, truth.side, video.shape[1]))
        found["way"].append(_went(centres, figure))
    return found


def distance(sampled: np.ndarray, real: np.ndarray) -> float | None:
    """The Frechet distance of sampled to true videos on Marey's hand features, in the axes of the true ones.

    It is biased by the number of clips, which is the same for all arms. None with too few clips or frames.
    """
    dims = min(DIMS, len(real) // 4)
    if dims < 2 or real.shape[1] < 4:
        return None
    rows = [np.stack([features(video) for video in videos]) for videos in (sampled, real)]
    axes = fit_axes(rows[1], dims)
    fake, true = (MomentState(axes.dims).update(axes(x)) for x in rows)
    return frechet(fake, true)


def places(video: np.ndarray, figure: Figure, side: int) -> np.ndarray:
    """Where the figure is seen in each frame, (T, 2) x and y in pixels of the video; NaN where it is not.

    It is what differs from the ground, apart from a bar that stands before it.
    """
    size = video.shape[1]
    scene, scale = figure.scene, side // size
    ground = scene.background[0, 0].astype(np.float64)
    apart = np.abs(video.astype(np.float64) - ground).max(axis=3) > _APART  # (T, H, W)
    if scene.front is not None:
        bar = scene.front[..., 3].reshape(size, scale, size, scale).max(axis=(1, 3)) > 0
        apart &= ~bar
    y, x = np.mgrid[:size, :size]
    centres = np.full((len(video), 2), np.nan)
    for n, mask in enumerate(apart):
        if mask.sum() >= _LEAST:
            centres[n] = x[mask].mean(), y[mask].mean()
    return centres


def _astray(centres: np.ndarray, true: np.ndarray, figure: Figure, side: int, size: int) -> float | None:
    """Mean distance to the true places over the frames in which the true figure is seen; one that is gone is as far
    off as half the picture."""
    seen = ~np.isnan(true[1:, 0])
    if not seen.any():
        return None
    away = np.linalg.norm(centres[1:][seen] - true[1:][seen], axis=1)
    return float(np.where(np.isnan(away), size / 2, away).mean())


def _went(centres: np.ndarray, figure: Figure) -> float | None:
    """Of a figure that is told to go to a side: 1 if from first to last it went there more than anywhere else."""
    way = _WAYS.get(figure.told.way)
    if way is None:
        return None
    seen = centres[~np.isnan(centres[:, 0])]
    if len(seen) < 2:
        return 0.0
    gone = seen[-1] - seen[0]
    along, across = float(gone @ np.array(way)), float(abs(gone @ np.array(way)[::-1]))
    return float(along > max(across, 1.0))
