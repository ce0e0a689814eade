"""Whether what is in the picture stays what it is, is what the still showed, and is what the text says.

All of these are perfect for a frozen still: a motion score belongs beside each.
"""

from typing import Any, ClassVar

import cv2
import numpy as np

from marey.evaluate.measure import MeanMeasure, Measure, Metric, Subject
from marey.evaluate.views import Step, View


class Consistency(MeanMeasure):
    """VBench's formula (Huang et al. 2024, its subject and background consistency): the mean over frames of half the
    cosine with the frame before and half that with the first frame, neither below 0."""

    model = "lite"
    about: ClassVar = Metric(
        "subject_consistency",
        "subject-consistency/efficientnet-lite0",
        "Subject consistency",
        "",
        "higher",
        "Likeness of each frame to the one before and to the first, in a small network's features: VBench's formula "
        "without its network. A still is perfect.",
        family="consistency",
        needs=("lite",),
    )

    def vector(self, view: View) -> np.ndarray:
        return view.vector(self.subject.models.encoder(self.model))

    def of(self, step: Step) -> float | None:
        if step.before is None:
            return None
        if step.shown is step.before is step.first:
            return 1.0
        now = self.vector(step.shown)
        return 0.5 * (max(0.0, cosine(now, self.vector(step.before))) + max(0.0, cosine(now, self.vector(step.first))))


class BorderConsistency(Consistency):
    about: ClassVar = Metric(
        "background_consistency",
        "background-consistency/border-grid8",
        "Background consistency",
        "",
        "higher",
        "Likeness of the colours around the picture's border to those of the frame before and of the first: VBench's "
        "formula without a network. A still is perfect.",
        family="consistency",
    )

    def vector(self, view: View) -> np.ndarray:
        return border(view)


class Identity(MeanMeasure):
    about: ClassVar = Metric(
        "identity",
        "identity/efficientnet-lite0-mean",
        "Likeness to the still",
        "",
        "higher",
        "Mean cosine of each frame with the still that the video was made from, in a small network's features. The "
        "still itself is perfect.",
        family="consistency",
        needs=("lite",),
    )

    def of(self, step: Step) -> float | None:
        if step.shown is step.still:
            return 1.0
        encoder = self.subject.models.encoder("lite")
        return cosine(step.shown.vector(encoder), step.still.vector(encoder))


class FromStill(Measure):
    """VBench's formula for image-to-video: 0.4 times the best, 0.3 times the mean and 0.3 times the worst. Its `best`
    is over cosines with the still, so that one good frame is enough."""

    model = "dino"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._with_still: list[float] = []
        self._with_before: list[float] = []

    def add(self, step: Step) -> None:
        encoder = self.subject.models.encoder(self.model)
        now = step.shown.vector(encoder)
        self._with_still.append(cosine(now, step.still.vector(encoder)))
        if step.before is not None:
            self._with_before.append(cosine(now, step.before.vector(encoder)))

    def value(self) -> float | None:
        return from_still(self._with_still, self._with_before)


class ImageText(MeanMeasure):
    """Mean over frames of the cosine with the text, by whatever embeds both."""

    model = "conse"
    about: ClassVar = Metric(
        "text_match",
        "text-match/conse-lite0-minilm",
        "Match with the text",
        "",
        "higher",
        "How near the things that a small network sees are to the words of the text (ConSE). A stand-in: it is not "
        "CLIPSIM.",
        family="text",
        needs=("text", "conse"),
    )

    def of(self, step: Step) -> float | None:
        return self.subject.models.match(self.model, step.shown, self.subject.text)


class Clipsim(ImageText):
    model = "clip"
    about: ClassVar = Metric(
        "clipsim",
        "clipsim/frame-mean",
        "CLIPSIM",
        "",
        "higher",
        "Mean cosine of each frame and the text, in the CLIP that is given.",
        family="text",
        needs=("text", "clip"),
    )


class ClipImage(MeanMeasure):
    about: ClassVar = Metric(
        "clip_image",
        "clip-image/consecutive",
        "CLIP-Image",
        "",
        "higher",
        "Mean cosine of consecutive frames in the CLIP that is given, as AnyV2V reports it. A still is perfect.",
        family="consistency",
        needs=("clip",),
    )

    def of(self, step: Step) -> float | None:
        if step.before is None:
            return None
        encoder = self.subject.models.encoder("clip")
        return cosine(step.shown.vector(encoder), step.before.vector(encoder))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Of two vectors (D,); 0 where one has no length."""
    size = float(np.linalg.norm(a)) * float(np.linalg.norm(b))
    return float(np.dot(a, b)) / size if size else 0.0


def from_still(with_still: list[float], with_before: list[float]) -> float | None:
    """VBench-I2V's score of the cosines with the still and with the frame before."""
    if not with_still or not with_before:
        return None
    return 0.4 * max(with_still) + 0.3 * sum(with_before) / len(with_before) + 0.3 * min(with_before)


def border(view: View) -> np.ndarray:
    """Colours of the 48 outer cells of an 8x8 grid, less their mean: float32 (144,)."""

    def made() -> Any:
        cells = cv2.resize(view.rgb, (8, 8), interpolation=cv2.INTER_AREA).astype(np.float32)
        outer = np.ones((8, 8), bool)
        outer[2:6, 2:6] = False
        chosen = cells[outer]
        return (chosen - chosen.mean()).ravel()

    found: np.ndarray = view.made("border", made)
    return found
