"""The metrics of one video against its truth, registered in one place, and the pass that computes them all.

One pass over frame pairs feeds every metric, so that a video is decoded once and only two frames are held. A new
metric is one entry in `METRICS` and one line in `Scorer`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from marey.errors import MareyError
from marey.evaluate.frames import PSNR_CAP, Picture, psnr, ssim
from marey.evaluate.motion import SHORT_SIDE, magnitude, temporal_difference_error


@dataclass(frozen=True)
class Metric:
    """What a number is called, what exactly it is, and which way is better."""

    name: str
    id: str
    """The variant; numbers with different ids are not compared."""
    title: str
    unit: str
    better: Literal["higher", "lower", "near truth"]
    says: str
    """One sentence for a reader."""


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "psnr",
            "psnr/rgb-frame-cap100",
            "PSNR",
            "dB",
            "higher",
            "Pixel by pixel closeness to the true continuation.",
        ),
        Metric(
            "ssim",
            "ssim/wang-luma-11-valid",
            "SSIM",
            "",
            "higher",
            "Likeness of local structure; 1 is the same picture.",
        ),
        Metric(
            "difference",
            "temporal-difference/l1-rgb",
            "Temporal difference error",
            "levels",
            "lower",
            "Change from frame to frame against the change that truly came.",
        ),
        Metric(
            "motion_error",
            f"motion-error/farneback-{SHORT_SIDE}-mean",
            "Motion error",
            "px/frame",
            "lower",
            "How far the amount of motion is from the true amount, video by video.",
        ),
        Metric(
            "motion",
            f"motion/farneback-{SHORT_SIDE}-mean",
            "Motion",
            "px/frame",
            "near truth",
            "How much moves. Not better or worse by itself: compare it with the truth's.",
        ),
    )
}
"""All per-video metrics, by name, in the order in which they are shown."""


def scores(video: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8], *, given: int = 1) -> dict[str, float]:
    """All of `METRICS` for one video `(T, H, W, 3)` against its truth, of the same shape.

    Args:
        given: so many first frames were given to the model: they are not scored, but the first change starts from the
            last of them.
    """
    if video.shape != truth.shape:
        raise MareyError(f"A video of shape {video.shape} cannot be scored against a truth of shape {truth.shape}.")
    scorer = Scorer(given=given)
    for shown, true in zip(video, truth, strict=True):
        scorer.add(shown, true)
    return scorer.values()


class Scorer:
    """Takes a video and its truth frame by frame, and holds only the last pair."""

    def __init__(self, *, given: int = 1) -> None:
        if given < 0:
            raise ValueError(f"given is {given}: 0 or more would do.")
        self._given = given
        self._seen = 0
        self._before: tuple[Picture, Picture] | None = None
        self._sums = {name: _Mean() for name in ("psnr", "ssim", "difference", "motion", "true_motion")}

    def add(self, shown: Picture, true: Picture) -> None:
        """The next frame of the video, and of the truth."""
        if self._seen >= self._given:
            self._sums["psnr"].add(psnr(shown, true, PSNR_CAP))
            self._sums["ssim"].add(ssim(shown, true))
            if self._before is not None:
                before, true_before = self._before
                self._sums["difference"].add(temporal_difference_error(before, shown, true_before, true))
                self._sums["motion"].add(magnitude(before, shown))
                self._sums["true_motion"].add(magnitude(true_before, true))
        self._before = shown, true
        self._seen += 1

    def values(self) -> dict[str, float]:
        """The mean of each metric over the frames that were scored.

        Raises:
            MareyError: too few frames were added.
        """
        if not self._sums["difference"].n:
            raise MareyError(f"A video of {self._seen} frames, {self._given} of them given, cannot be scored.")
        found = {name: mean.value for name, mean in self._sums.items()}
        found["motion_error"] = abs(found["motion"] - found["true_motion"])
        return {name: found[name] for name in METRICS}

    @property
    def true_motion(self) -> float:
        """The truth's own motion, in px/frame, over the frames that were scored."""
        return self._sums["true_motion"].value


class _Mean:
    def __init__(self) -> None:
        self.n, self._sum = 0, 0.0

    def add(self, value: float) -> None:
        self.n += 1
        self._sum += value

    @property
    def value(self) -> float:
        return self._sum / self.n


def mean_motion(frames: Iterable[Picture]) -> float:
    """Motion of a video by itself: the mean of `motion.magnitude` over neighbouring frames, in px/frame."""
    mean, before = _Mean(), None
    for frame in frames:
        if before is not None:
            mean.add(magnitude(before, frame))
        before = frame
    if not mean.n:
        raise MareyError("A video of fewer than two frames has no motion.")
    return mean.value
