"""The metrics of single videos by name, and the pass over frames that computes them all.

One pass feeds every metric, so that a video is decoded once and only two frames are held. What there is stands in
`dimensions/`.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from marey.errors import MareyError
from marey.evaluate.dimensions import MEASURES
from marey.evaluate.frames import Picture
from marey.evaluate.measure import Measure, Metric, Subject
from marey.evaluate.models import Models
from marey.evaluate.motion import magnitude
from marey.evaluate.views import Step, View

METRICS: dict[str, Metric] = {measure.about.name: measure.about for measure in MEASURES}
"""All per-video metrics, by name, in the order in which they are shown."""
CONTINUATION = ("psnr", "ssim", "difference", "motion_error", "motion")
"""What a run's continuations are scored by."""
USUAL = (
    "psnr", "ssim", "difference", "flow_error", "motion_error", "motion", "dynamic_degree", "background_consistency",
    "flicker", "smoothness",
)  # fmt: skip
"""What videos are scored by where nothing else is asked for: all that needs no network and no text."""
_CLASSES = {measure.about.name: measure for measure in MEASURES}
FAMILIES = ("fidelity", "movement", "consistency", "appearance", "text")


def chosen(words: Sequence[str]) -> list[str]:
    """The names of metrics that words ask for: names, families ("movement") and "all". In the order in which they are
    shown; whatever is of consistency brings the motion with it, because a still is perfectly consistent.

    Raises:
        MareyError: a word is none of these; the sentence names the nearest.
    """
    from difflib import get_close_matches

    wanted: set[str] = set()
    for word in words:
        name = word.strip().replace("-", "_")
        if name == "all":
            wanted |= set(METRICS)
        elif name in FAMILIES:
            wanted |= {metric.name for metric in METRICS.values() if metric.family == name}
        elif name in METRICS:
            wanted.add(name)
        else:
            near = get_close_matches(name, [*METRICS, *FAMILIES, "all"], 1)
            hint = f" {near[0]!r} is near." if near else ""
            raise MareyError(f"There is no metric {word!r}:{hint} `marey evaluate metrics` lists them all.")
    if any(METRICS[name].family == "consistency" for name in wanted):
        wanted.add("motion")
    return [name for name in METRICS if name in wanted]


def scores(video: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8], *, given: int = 1) -> dict[str, float]:
    """`CONTINUATION` for one video `(T, H, W, 3)` against its truth, of the same shape.

    Args:
        given: so many first frames were given to the model: they are not scored, but the first change starts from the
            last of them.
    """
    if video.shape != truth.shape:
        raise MareyError(f"A video of shape {video.shape} cannot be scored against a truth of shape {truth.shape}.")
    scorer = Scorer(given=given)
    for shown, true in zip(video, truth, strict=True):
        scorer.add(View(shown), View(true))
    return scorer.values()


class Scorer:
    """Takes a video, and its truth where there is one, frame by frame, and holds only the last pair and the first."""

    def __init__(self, names: Sequence[str] = CONTINUATION, subject: Subject | None = None, *, given: int = 1) -> None:
        if given < 0:
            raise ValueError(f"given is {given}: 0 or more would do.")
        subject = subject or Subject(Models())
        self._measures: dict[str, Measure] = {name: _CLASSES[name](subject) for name in names}
        self._given = given
        self._seen = 0
        self._first: View | None = None
        self._still: View | None = None
        self._before: View | None = None
        self._true_before: View | None = None

    def add(self, shown: View, true: View | None = None) -> None:
        """The next frame of the video, and of the truth."""
        if self._first is None:
            self._first, self._still = shown, true or shown
        assert self._still is not None
        if self._seen >= self._given:
            step = Step(self._seen, shown, self._before, self._first, true, self._true_before, self._still)
            for measure in self._measures.values():
                measure.add(step)
        self._before, self._true_before = shown, true
        self._seen += 1

    def values(self) -> dict[str, float]:
        """Each metric over the frames that were scored; without those that had too few.

        Raises:
            MareyError: too few frames were added for a single change.
        """
        if self._seen < 2 or self._seen <= self._given:
            raise MareyError(f"A video of {self._seen} frames, {self._given} of them given, cannot be scored.")
        found = {name: measure.value() for name, measure in self._measures.items()}
        return {name: value for name, value in found.items() if value is not None}


def mean_motion(frames: Iterable[Picture]) -> float:
    """Motion of a video by itself: the mean of `motion.magnitude` over neighbouring frames, in px/frame."""
    total, n, before = 0.0, 0, None
    for frame in frames:
        if before is not None:
            total, n = total + magnitude(before, frame), n + 1
        before = frame
    if not n:
        raise MareyError("A video of fewer than two frames has no motion.")
    return total / n
