"""How much moves, as in the paper, and where to."""

from dataclasses import asdict
from typing import Any

import numpy as np

from marey.curate.measure import Measure, Measured, View
from marey.signals.motion import FARNEBACK, MOTION, PAIR_SECONDS, SHORT_SIDE, diagonal, motion

PARAMS = {
    "flow": "farneback " + " ".join(str(value) for value in FARNEBACK.values()),
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


def _moved(view: View) -> tuple[float, dict[str, Any]]:
    """Mean magnitude over half a second in source pixels, and what else the flow says."""
    count = len(view.pairs)
    if count:
        found = dict(zip(MOTION, view.motion.mean(axis=0).tolist(), strict=True))
        short = bool((np.diff(view.pts[view.pairs], axis=1) * view.tick).max() < PAIR_SECONDS - 1e-3)
    else:
        # No pair of the pass lies in it: its widest, from the signatures that were kept, scaled.
        moved = motion(view.luma[0], view.luma[-1], view.footage["height"], view.footage["width"])
        fps = view.clip["fps"]
        scale = PAIR_SECONDS / max((len(view.luma) - 1) / fps, 1e-6) if fps else 1.0
        found = asdict(moved.scaled(scale))
        short = True
    magnitude = found.pop("magnitude")
    return magnitude, {**{name: round(value, 6) for name, value in found.items()}, "pairs": count, "short": short}
