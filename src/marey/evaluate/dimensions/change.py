"""How the picture changes from frame to frame."""

from typing import ClassVar

import cv2

from marey.evaluate.measure import MeanMeasure, Metric, Subject
from marey.evaluate.motion import change_error
from marey.evaluate.views import Step, View


class Difference(MeanMeasure):
    about: ClassVar = Metric(
        "difference",
        "temporal-difference/l1-rgb",
        "Temporal difference error",
        "levels",
        "lower",
        "Change from frame to frame against the change that truly came.",
        needs=("truth",),
    )

    def of(self, step: Step) -> float | None:
        if step.before is None or step.true is None or step.true_before is None:
            return None
        return change_error(step.shown.change_from(step.before), step.true.change_from(step.true_before))


class Flicker(MeanMeasure):
    about: ClassVar = Metric(
        "flicker",
        "flicker/mae-rgb",
        "Calm",
        "",
        "higher",
        "1 minus the mean change of a pixel from frame to frame, as in VBench's temporal flickering, but of any video: "
        "a still is perfect, so read it beside the motion.",
        family="consistency",
    )

    def of(self, step: Step) -> float | None:
        return None if step.before is None else (255 - absolute_change(step.before, step.shown)) / 255


class Smoothness(MeanMeasure):
    """The odd frames against the mean of their neighbours, where VBench has a network draw them."""

    about: ClassVar = Metric(
        "smoothness",
        "smoothness/linear-blend",
        "Smoothness",
        "",
        "higher",
        "How well the mean of the frames before and after foretells a frame. A stand-in for VBench's motion "
        "smoothness; a still is perfect.",
        family="consistency",
    )

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._held: list[View] = []

    def of(self, step: Step) -> float | None:
        if not self._held and step.before is not None:
            self._held = [step.before]
        self._held = [*self._held[-2:], step.shown]
        if len(self._held) < 3:
            return None
        a, between, b = (view.rgb for view in self._held)
        middle = cv2.addWeighted(a, 0.5, b, 0.5, 0)
        return (255 - float(cv2.norm(between, middle, cv2.NORM_L1)) / between.size) / 255


def absolute_change(before: View, after: View) -> float:
    """Mean absolute change of a pixel and channel, in 8-bit levels."""
    if before is after:
        return 0.0
    found: float = after.made(
        ("absolute", before.number), lambda: float(cv2.norm(before.rgb, after.rgb, cv2.NORM_L1)) / after.rgb.size
    )
    return found
