"""How the single frames look, with no truth to go by."""

from typing import ClassVar

import cv2

from marey.evaluate.measure import MeanMeasure, Metric
from marey.evaluate.views import Step, View
from marey.signals.looks import LEAST, Looks, looks

SIDE = 256
"""Frames are judged at this short side; smaller ones as they are."""


class CleanLooks(MeanMeasure):
    about: ClassVar = Metric(
        "looks",
        f"looks/marey-hand-{SIDE}",
        "Looks",
        "",
        "higher",
        "Detail, freedom from noise, exposure, contrast and colour of the frames, by hand-made measures: a stand-in, "
        "and no judge of beauty.",
        family="appearance",
    )

    def of(self, step: Step) -> float | None:
        found = looked_at(step.shown)
        return None if found is None else found.value


class Clarity(MeanMeasure):
    about: ClassVar = Metric(
        "clarity",
        f"clarity/marey-hand-{SIDE}",
        "Clarity",
        "",
        "higher",
        "Sharpness and freedom from noise and blocks of the frames, by hand-made measures: a stand-in for VBench's "
        "imaging quality.",
        family="appearance",
    )

    def of(self, step: Step) -> float | None:
        found = looked_at(step.shown)
        return None if found is None else found.detail * found.clean * found.whole


def looked_at(view: View) -> Looks | None:
    """What hand-made measures say of a frame; None where it is too small."""
    height, width = view.rgb.shape[:2]
    if min(height, width) < LEAST:
        return None

    def made() -> Looks:
        scale = SIDE / min(height, width)
        if scale >= 1:
            return looks(view.rgb)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return looks(cv2.resize(view.rgb, size, interpolation=cv2.INTER_AREA))

    found: Looks = view.made("looks", made)
    return found
