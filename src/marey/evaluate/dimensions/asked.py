"""VBench's dimensions in which a network is asked whether a video shows what its text says: detectors, taggers and
models of actions, which the user gives as TorchScript that takes a clip and its text.

VBench asks GRiT for objects, their number, colours and places, Tag2Text for the scene, UMT for the action, CoTracker
for the camera, ViCLIP for the whole. What each needs around it (the words that are looked for in the text, thresholds)
is part of the script, as it is part of VBench's code.
"""

from typing import ClassVar

import numpy as np

from marey.evaluate.dimensions.likeness import Clipsim
from marey.evaluate.measure import Measure, Metric, Subject
from marey.evaluate.views import Step

MOST = 16
"""So many frames of a video are held at most: every first, second, fourth ... one."""


def _metric(name: str, title: str, says: str, network: str) -> Metric:
    return Metric(
        f"vbench_{name}", f"vbench/{name.replace('_', '-')}", title, "", "higher", says, "text", ("text", network)
    )


class Asked(Measure):
    """What a network of the user's answers, asked about a video and its text."""

    network: ClassVar[str]
    frames: ClassVar[int] = MOST
    """So many are shown to it, evenly through what is held."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._held: list[np.ndarray] = []
        self._every, self._seen = 1, 0

    def add(self, step: Step) -> None:
        if self._seen % self._every == 0:
            self._held.append(step.shown.rgb)
            if len(self._held) > MOST:
                self._held = self._held[::2]
                self._every *= 2
        self._seen += 1

    def value(self) -> float | None:
        if not self._held:
            return None
        places = np.linspace(0, len(self._held) - 1, self.frames).round().astype(int)
        return self.subject.models.answer(self.network, [self._held[n] for n in places], self.subject.text)


class ObjectClass(Asked):
    network = "object_class"
    about: ClassVar = _metric("object_class", "VBench object class", "Whether the thing of the text is there.", network)


class MultipleObjects(Asked):
    network = "multiple_objects"
    about: ClassVar = _metric("multiple_objects", "VBench multiple objects", "Whether all things are there.", network)


class Colour(Asked):
    network = "color"
    about: ClassVar = _metric("color", "VBench colour", "Whether the thing has the text's colour.", network)


class SpatialRelationship(Asked):
    network = "spatial_relationship"
    about: ClassVar = _metric(
        "spatial_relationship", "VBench spatial relationship", "Whether the things stand as the text says.", network
    )


class Scene(Asked):
    network = "scene"
    about: ClassVar = _metric("scene", "VBench scene", "Whether it is the scene of the text.", network)


class HumanAction(Asked):
    network = "human_action"
    about: ClassVar = _metric("human_action", "VBench human action", "Whether people do what the text says.", network)


class CameraMotion(Asked):
    network = "camera"
    about: ClassVar = _metric("camera_motion", "VBench I2V camera motion", "Whether it moves as asked.", network)


class OverallConsistency(Asked):
    network, frames = "viclip", 8
    about: ClassVar = _metric(
        "overall_consistency", "VBench overall consistency", "Likeness of the video and its text in ViCLIP.", network
    )


class TemporalStyle(Asked):
    network, frames = "viclip", 8
    about: ClassVar = _metric(
        "temporal_style", "VBench temporal style", "Likeness of the video and its text of style in ViCLIP.", network
    )


class AppearanceStyle(Clipsim):
    about: ClassVar = _metric(
        "appearance_style", "VBench appearance style", "Likeness of the frames and their text of style in CLIP.", "clip"
    )
