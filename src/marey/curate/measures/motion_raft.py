"""How much moves, by RAFT, where its weights are given."""

from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

import numpy as np

from marey.curate.measure import Measure, Measured, View
from marey.signals.given import Given
from marey.signals.motion import MOTION, PAIR_SECONDS, described
from marey.signals.raft import SHORT_SIDE, RaftFlow, lacking

PAIRS = 8
"""Of a clip that are looked at, evenly spread over it."""


class MotionRaft(Measure):
    """Mean length of RAFT's flow over half a second: as `motion`, between the same frames, at most eight pairs."""

    name, unit, bad, photos, of_pairs = "motion_raft", "px", "low", False, True

    def __init__(self, given: Given | None = None) -> None:
        super().__init__(given)
        self.version = f"1+{self.given.raft_sha256[:12]}"  # type: ignore[misc]
        self.params: Mapping[str, Any] = {  # type: ignore[misc]
            "flow": "raft",
            "weights": self.given.raft_sha256,
            "short_side": SHORT_SIDE,
            "pair_seconds": PAIR_SECONDS,
            "pairs": PAIRS,
            "fit": "affine",
        }

    @classmethod
    def offered(cls, given: Given) -> bool:
        """With weights."""
        return bool(given.raft)

    def lacking(self) -> str:
        """torch."""
        return lacking()

    def setup(self, threads: int) -> None:
        """Load the network."""
        self._flow = RaftFlow(self.given, threads)

    def measure(self, view: View) -> Measured:
        """In pixels of the source; the data tells the direction, and what of it is the camera and what the objects."""
        height, width = view.footage["height"], view.footage["width"]
        if len(view.pairs):
            chosen = np.unique(np.linspace(0, len(view.pairs) - 1, PAIRS).round().astype(int)).tolist()
            pairs = [(view.pair(n), float(np.diff(view.pts[view.pairs[n]])[0] * view.tick)) for n in chosen]
        else:
            # No pair of the pass lies in it: its widest, from the stills.
            seconds = float((view.pts[-1] - view.pts[0]) * view.tick)
            pairs = [((view.stills[0], view.stills[-1]), seconds)] if len(view.stills) > 1 else []
        if not pairs:
            return Measured(None, reason="it has a single still")
        found = [
            described(self._flow(*pictures), height, width).scaled(PAIR_SECONDS / max(seconds, 1e-6))
            for pictures, seconds in pairs
        ]
        means = dict(zip(MOTION, np.mean([astuple(one) for one in found], axis=0).tolist(), strict=True))
        value = means.pop("magnitude")
        short = bool(max(seconds for _, seconds in pairs) < PAIR_SECONDS - 1e-3)
        data = {name: round(one, 6) for name, one in means.items()}
        return Measured(value, {**data, "pairs": len(pairs), "short": short})
