"""VBench's dimensions on the networks that it uses, which the user gives as files: the formulas are its own.

Source: Huang et al., "VBench" (2024) and its published code; VBench-I2V and I2V-Bench (ConsistI2V, 2024) use the same.
Each score is of one video and then averaged over videos, as VBench does on several GPUs; on one GPU it averages its
subject consistency over all frames of all videos instead.
"""

from typing import Any, ClassVar

import cv2
import numpy as np

from marey.evaluate.dimensions.change import absolute_change
from marey.evaluate.dimensions.flows import DynamicDegree, fastest
from marey.evaluate.dimensions.likeness import Consistency, FromStill
from marey.evaluate.measure import MeanMeasure, Measure, Metric, Subject
from marey.evaluate.views import Step, View


def _metric(name: str, title: str, says: str, family: Any, *needs: str, better: Any = "higher") -> Metric:
    return Metric(f"vbench_{name}", f"vbench/{name.replace('_', '-')}", title, "", better, says, family, needs)


class SubjectConsistency(Consistency):
    model = "dino"
    about: ClassVar = _metric(
        "subject_consistency", "VBench subject consistency", "Likeness of frames in DINO.", "consistency", "dino"
    )


class BackgroundConsistency(Consistency):
    model = "clip"
    about: ClassVar = _metric(
        "background_consistency", "VBench background consistency", "Likeness of frames in CLIP.", "consistency", "clip"
    )


class I2vSubject(FromStill):
    about: ClassVar = _metric(
        "i2v_subject", "VBench I2V subject", "Likeness to the still and of frames, in DINO.", "consistency", "dino"
    )


class I2vBackground(FromStill):
    model = "dreamsim"
    about: ClassVar = _metric(
        "i2v_background",
        "VBench I2V background",
        "Likeness to the still and of frames, in DreamSim.",
        "consistency",
        "dreamsim",
    )


class TemporalFlickering(Measure):
    """1 minus the mean change, of static videos only: where the fastest 2 % of the places move little."""

    about: ClassVar = _metric(
        "temporal_flickering",
        "VBench temporal flickering",
        "1 minus the mean change of a pixel, of the videos in which nothing moves.",
        "consistency",
        "raft",
    )

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._changes: list[float] = []
        self._frames = self._fast = 0

    def add(self, step: Step) -> None:
        self._frames += 1
        if step.before is not None:
            self._frames += self._frames == 1
            limit = 3.0 * min(step.shown.rgb.shape[:2]) / 256
            field = self.subject.models.raft_flow(step.before, step.shown)
            self._fast += fastest(field, 0.02) > limit
            self._changes.append(absolute_change(step.before, step.shown))

    def value(self) -> float | None:
        if not self._changes or self._fast >= max(1, round(2 * self._frames / 16)):
            return None
        return (255 - sum(self._changes) / len(self._changes)) / 255


class MotionSmoothness(MeanMeasure):
    """Each second frame against what the network draws between its neighbours."""

    about: ClassVar = _metric(
        "motion_smoothness",
        "VBench motion smoothness",
        "How well AMT foretells every second frame.",
        "consistency",
        "amt",
    )

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._held: list[View] = []

    def of(self, step: Step) -> float | None:
        if not self._held and step.before is not None:
            self._held = [step.before]
        self._held.append(step.shown)
        if len(self._held) < 3:
            return None
        before, between, after = self._held
        self._held = [after]
        drawn = self.subject.models.between("amt", before, after)
        return (255 - float(cv2.norm(between.rgb, drawn, cv2.NORM_L1)) / drawn.size) / 255


class DynamicDegreeByRaft(DynamicDegree):
    about: ClassVar = _metric(
        "dynamic_degree",
        "VBench dynamic degree",
        "Share of videos in which much moves, by RAFT.",
        "movement",
        "raft",
        better="near truth",
    )

    def flow(self, before: View, after: View) -> np.ndarray:
        return self.subject.models.raft_flow(before, after)


class AestheticQuality(MeanMeasure):
    about: ClassVar = _metric(
        "aesthetic_quality",
        "VBench aesthetic quality",
        "LAION's aesthetic score of the frames on CLIP L/14, over 10.",
        "appearance",
        "clip",
        "aesthetic",
    )

    def of(self, step: Step) -> float | None:
        models = self.subject.models
        vector = step.shown.vector(models.encoder("clip"))
        return float(models.aesthetic().scores(vector[None])[0]) / 10


class ImagingQuality(MeanMeasure):
    about: ClassVar = _metric(
        "imaging_quality", "VBench imaging quality", "MUSIQ's score of the frames, over 100.", "appearance", "musiq"
    )

    def of(self, step: Step) -> float | None:
        return self.subject.models.quality("musiq", step.shown) / 100
