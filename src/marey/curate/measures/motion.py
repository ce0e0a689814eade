"""How much moves, as in the paper, and where to; and what of it the camera does."""

from dataclasses import asdict, astuple
from typing import Any, ClassVar

import numpy as np

from marey.curate.measure import Measure, Measured, View
from marey.signals.camera import CLEAR, STEADY, STILL, camera_move
from marey.signals.motion import FARNEBACK, MOTION, PAIR_SECONDS, SHORT_SIDE, diagonal, motion

PARAMS = {
    "flow": "farneback " + " ".join(str(value) for value in FARNEBACK.values()),
    "start": "phase correlation",
    "short_side": SHORT_SIDE,
    "pair_seconds": PAIR_SECONDS,
}


class Motion(Measure):
    """Mean length of the flow over half a second."""

    name, version, unit, bad, params, photos = "motion", "2", "px", "low", PARAMS, False

    def measure(self, view: View) -> Measured:
        """In pixels of the source; the data tells the direction, and whether the clip was too short for a pair."""
        return Measured(*_moved(view))


class MotionShare(Measure):
    """The same as a share of the picture's diagonal, so that sizes compare."""

    name, version, unit, bad, params, photos = "motion_share", "2", "1", "low", PARAMS, False

    def measure(self, view: View) -> Measured:
        """From 0."""
        value, data = _moved(view)
        return Measured(value / diagonal(view.footage["height"], view.footage["width"]), data)


class CameraMotion(Measure):
    """Mean length of the affine flow that fits the picture over half a second: what a moving camera does."""

    name, version, unit, photos = "camera_motion", "1", "px", False
    params: ClassVar = {**PARAMS, "fit": "affine", "still": STILL, "clear": CLEAR, "steady": STEADY}

    def measure(self, view: View) -> Measured:
        """In pixels of the source; the data tells the move: a word, pan and tilt in pixels, zoom as a share,
        and roll in degrees."""
        table, _ = motion_table(view)
        move = asdict(camera_move(table, view.footage["height"], view.footage["width"]))
        data = {name: one if isinstance(one, str) else round(one, 4) for name, one in move.items()}
        return Measured(_column(table, "camera"), data)


class ObjectMotion(Measure):
    """Mean length of what is left of the flow over half a second without the camera: what moves by itself."""

    name, version, unit, photos = "object_motion", "1", "px", False
    params: ClassVar = {**PARAMS, "fit": "affine"}

    def measure(self, view: View) -> Measured:
        """In pixels of the source."""
        return Measured(_column(motion_table(view)[0], "object"))


def _moved(view: View) -> tuple[float, dict[str, Any]]:
    """Mean magnitude over half a second in source pixels, and what else the flow says."""
    table, short = motion_table(view)
    found = dict(zip(MOTION, table.mean(axis=0).tolist(), strict=True))
    magnitude = found.pop("magnitude")
    data = {name: round(value, 6) for name, value in found.items()}
    return magnitude, {**data, "pairs": len(view.pairs), "short": short}


def motion_table(view: View) -> tuple[np.ndarray, bool]:
    """The motion of a clip's pairs, (P, 7) with P at least 1, and whether they are closer than half a second."""
    if len(view.pairs):
        short = bool((np.diff(view.pts[view.pairs], axis=1) * view.tick).max() < PAIR_SECONDS - 1e-3)
        return view.motion, short
    # No pair of the pass lies in it: its widest, from the signatures that were kept, scaled.
    moved = motion(view.luma[0], view.luma[-1], view.footage["height"], view.footage["width"])
    fps = view.clip["fps"]
    scale = PAIR_SECONDS / max((len(view.luma) - 1) / fps, 1e-6) if fps else 1.0
    return np.array([astuple(moved.scaled(scale))], np.float32), True


def _column(table: np.ndarray, name: str) -> float:
    return float(table[:, MOTION.index(name)].mean())
