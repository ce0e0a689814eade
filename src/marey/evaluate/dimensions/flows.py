"""How much moves, and whether the right things move, all from one optical flow a frame."""

from typing import ClassVar

import cv2
import numpy as np

from marey.evaluate.frames import Picture
from marey.evaluate.measure import MeanMeasure, Measure, Metric, Subject
from marey.evaluate.motion import SHORT_SIDE
from marey.evaluate.views import Step, View
from marey.signals.camera import camera_move
from marey.signals.motion import Motion as Moved
from marey.signals.motion import described

_HALF_A_SECOND = 0.5
DYNAMIC_FPS = 8.0
"""VBench looks at so many frames a second, about."""


class Motion(MeanMeasure):
    about: ClassVar = Metric(
        "motion",
        f"motion/farneback-{SHORT_SIDE}-mean",
        "Motion",
        "px/frame",
        "near truth",
        "How much moves. Not better or worse by itself: compare it with the truth's.",
        family="movement",
    )

    def of(self, step: Step) -> float | None:
        return None if step.before is None else length(step.before, step.shown)


class MotionError(Measure):
    about: ClassVar = Metric(
        "motion_error",
        f"motion-error/farneback-{SHORT_SIDE}-mean",
        "Motion error",
        "px/frame",
        "lower",
        "How far the amount of motion is from the true amount, video by video.",
        family="movement",
        needs=("truth",),
    )

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._n, self._shown, self._true = 0, 0.0, 0.0

    def add(self, step: Step) -> None:
        if step.before is not None and step.true is not None and step.true_before is not None:
            self._n += 1
            self._shown += length(step.before, step.shown)
            self._true += length(step.true_before, step.true)

    def value(self) -> float | None:
        return abs(self._shown / self._n - self._true / self._n) if self._n else None


class FlowError(MeanMeasure):
    about: ClassVar = Metric(
        "flow_error",
        f"flow-error/farneback-{SHORT_SIDE}-epe",
        "Flow error",
        "px/frame",
        "lower",
        "Mean distance of each place's motion from its true motion: the right things must move the right way.",
        family="movement",
        needs=("truth",),
    )

    def of(self, step: Step) -> float | None:
        if step.before is None or step.true is None or step.true_before is None:
            return None
        apart = step.shown.flow_from(step.before) - step.true.flow_from(step.true_before)
        return float(np.sqrt(apart[..., 0] ** 2 + apart[..., 1] ** 2).mean())


class WarpError(MeanMeasure):
    """Lai et al., "Learning blind video temporal consistency", ECCV 2018, eq. 7-8: the frame before, moved along the
    flow, against the frame, where the flow there and back agrees. At the size of the flow, levels 0..1, squared."""

    about: ClassVar = Metric(
        "warp_error",
        f"warp-error/farneback-{SHORT_SIDE}",
        "Warping error",
        "1e-3",
        "lower",
        "How far a frame is from the one before it moved along the flow, where nothing is hidden. A still has none.",
        family="consistency",
    )

    def of(self, step: Step) -> float | None:
        if step.before is None:
            return None
        if step.before is step.shown:
            return 0.0
        back = _own(step.shown, step.before)  # from this frame to the one before
        there = _own(step.before, step.shown)
        y, x = np.mgrid[: back.shape[0], : back.shape[1]].astype(np.float32)
        to_x, to_y = x + back[..., 0], y + back[..., 1]
        returned = cv2.remap(there, to_x, to_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        gap = ((back + returned) ** 2).sum(axis=2)
        seen = gap <= 0.01 * ((back**2).sum(axis=2) + (returned**2).sum(axis=2)) + 0.5
        seen &= (to_x >= 0) & (to_x <= x.shape[1] - 1) & (to_y >= 0) & (to_y <= x.shape[0] - 1)
        if not seen.any():
            return None
        now, earlier = (_shrunk(view, back.shape[:2]) for view in (step.shown, step.before))
        moved = cv2.remap(earlier, to_x, to_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return 1e3 * float(((now - moved)[seen] ** 2).mean())


class CameraMotion(MeanMeasure):
    about: ClassVar = Metric(
        "camera_motion",
        f"camera-motion/farneback-{SHORT_SIDE}-affine",
        "Camera motion",
        "px/frame",
        "near truth",
        "The part of the motion that one affine movement of the whole picture explains.",
        family="movement",
    )

    def of(self, step: Step) -> float | None:
        return None if step.before is None else moved(step.before, step.shown).camera


class ObjectMotion(MeanMeasure):
    about: ClassVar = Metric(
        "object_motion",
        f"object-motion/farneback-{SHORT_SIDE}-affine",
        "Motion of things",
        "px/frame",
        "near truth",
        "The part of the motion that is not the camera's.",
        family="movement",
    )

    def of(self, step: Step) -> float | None:
        return None if step.before is None else moved(step.before, step.shown).object


class CameraMatch(Measure):
    about: ClassVar = Metric(
        "camera_match",
        f"camera-match/farneback-{SHORT_SIDE}-affine",
        "Camera as it truly moved",
        "",
        "higher",
        "Share of videos in which the camera's move has the true one's name (pan left, zoom in, static ...).",
        family="movement",
        needs=("truth",),
    )

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._shown: list[tuple[float, ...]] = []
        self._true: list[tuple[float, ...]] = []
        self._size = (0, 0)

    def add(self, step: Step) -> None:
        if step.before is None or step.true is None or step.true_before is None:
            return
        self._size = step.shown.rgb.shape[:2]
        self._shown.append(_in_half_a_second(step.before, step.shown, self.subject.fps))
        self._true.append(_in_half_a_second(step.true_before, step.true, self.subject.fps))

    def value(self) -> float | None:
        if not self._shown:
            return None
        names = [camera_move(np.array(rows), *self._size).move for rows in (self._shown, self._true)]
        return float(names[0] == names[1])


class DynamicDegree(Measure):
    """VBench's rule on our flow: in how many pairs at about 8 frames a second do the fastest 5 % of the places exceed
    6 pixels on a picture of 256?"""

    about: ClassVar = Metric(
        "dynamic_degree",
        f"dynamic-degree/farneback-{SHORT_SIDE}",
        "Dynamic",
        "",
        "near truth",
        "Share of videos in which much moves, by VBench's rule on our own flow: a stand-in for its dynamic degree.",
        family="movement",
    )

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        self._every = max(1, round(subject.fps / DYNAMIC_FPS)) if subject.fps else 1
        self._held: View | None = None
        self._frames = self._fast = self._seen = 0

    def add(self, step: Step) -> None:
        if self._held is None and step.before is not None:
            self._take(step.before)
            self._seen = 1
        if self._seen % self._every == 0:
            self._take(step.shown)
        self._seen += 1

    def _take(self, view: View) -> None:
        self._frames += 1
        if self._held is not None:
            limit = 6.0 * min(view.rgb.shape[:2]) / 256
            self._fast += fastest(self.flow(self._held, view), 0.05) > limit
        self._held = view

    def flow(self, before: View, after: View) -> np.ndarray:
        """(h, w, 2) in pixels of the frame."""
        return after.flow_from(before)

    def value(self) -> float | None:
        return None if self._frames < 2 else float(self._fast >= max(1, round(4 * self._frames / 16)))


def length(before: View, after: View) -> float:
    """Mean length of the flow, in pixels."""

    def found() -> float:
        return float(np.linalg.norm(after.flow_from(before), axis=2).mean())

    return 0.0 if before is after else float(after.made(("length", before.number), found))


def moved(before: View, after: View) -> Moved:
    """What the flow says of camera and things, in pixels of the frame."""

    def found() -> Moved:
        field = after.flow_from(before)
        height, width = after.rgb.shape[:2]
        return described(field * np.array([field.shape[1] / width, field.shape[0] / height], np.float32), height, width)

    result: Moved = after.made(("moved", before.number), found)
    return result


def fastest(field: np.ndarray, share: float) -> float:
    """Mean length of the longest `share` of the vectors of a flow (h, w, 2)."""
    lengths = np.sort(np.linalg.norm(field, axis=2), axis=None)
    return float(lengths[-max(1, int(share * lengths.size)) :].mean())


def _in_half_a_second(before: View, after: View, fps: float) -> tuple[float, ...]:
    from dataclasses import astuple

    apart = after.seconds - before.seconds
    apart = apart if apart > 0 else 1 / (fps or 8.0)
    return astuple(moved(before, after).scaled(_HALF_A_SECOND / apart))


def _own(before: View, after: View) -> np.ndarray:
    """The flow in pixels of its own size."""
    field = after.flow_from(before)
    height, width = after.rgb.shape[:2]
    return np.asarray(field * np.array([field.shape[1] / width, field.shape[0] / height], np.float32))


def _shrunk(view: View, size: tuple[int, ...]) -> np.ndarray:
    def made() -> np.ndarray:
        small: Picture = cv2.resize(view.rgb, (size[1], size[0]), interpolation=cv2.INTER_AREA)
        return small.astype(np.float32) / 255

    found: np.ndarray = view.made(("shrunk", *size), made)
    return found
