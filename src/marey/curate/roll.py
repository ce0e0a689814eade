"""All taps over one reel of a source, and the shards that they end in."""

from pathlib import Path
from typing import Any

import numpy as np

from marey.catalog import flatten, new_shard, shard_name, write_shard
from marey.curate.album import StillsTap
from marey.curate.asking import ShotTap
from marey.curate.pairs import PairsTap
from marey.curate.taps import LightTap, MotionTap, Pass, SignatureTap, Tap
from marey.media import Frame


class Roll:
    """The taps of the pass, over one reel.

    Args:
        second: whether the frames are kept that a second opinion on transitions sees.
        pairs: whether the frames are kept in colour between which motion was measured.

    Attributes:
        frames: how many were taken.
        first_pts, last_pts: times of the first and the last of them.
    """

    def __init__(self, second: bool = False, pairs: bool = False) -> None:
        self._stills = StillsTap()
        taps: list[Tap] = [SignatureTap(), MotionTap(), LightTap(), self._stills]
        taps += [ShotTap()] if second else []
        taps += [PairsTap()] if pairs else []
        self._pass = Pass(taps)
        self.frames = 0
        self.first_pts = self.last_pts = 0

    def take(self, frame: Frame) -> None:
        """One frame, in order."""
        if self.frames == 0:
            self.first_pts = frame.pts
        self.frames += 1
        self.last_pts = frame.pts
        self._pass.take(frame)

    def seconds_to(self, frame: Frame) -> float:
        """How long after its first frame this one comes."""
        return float((frame.pts - self.first_pts) * frame.time_base)

    def end(self) -> tuple[dict[str, np.ndarray], dict[int, bytes]]:
        """After the last frame: the arrays of the trace, and the stills as JPEG by frame number."""
        return self._pass.end(), self._stills.stills


def write_part(library: Path, footage: str, roll: Roll) -> dict[str, Any]:
    """Write what a reel gave as two shards, and tell where they lie."""
    trace, stills = roll.end()
    return write_shards(library, footage, trace, stills) | {
        "frames": roll.frames,
        "first_pts": roll.first_pts,
        "last_pts": roll.last_pts,
    }


def write_shards(library: Path, footage: str, trace: dict[str, np.ndarray], stills: dict[int, bytes]) -> dict[str, Any]:
    """Write a trace, and stills by the number of their frame; returns the names of the shards, and the numbers."""
    traces, album = new_shard(library, "trace"), new_shard(library, "stills")
    write_shard(traces, flatten({footage: trace}))
    pictures = {f"{footage}:{n}": np.frombuffer(data, np.uint8) for n, data in stills.items()}
    write_shard(album, flatten(pictures))
    return {
        "trace": shard_name(library, traces),
        "stills": shard_name(library, album),
        "still_frames": sorted(stills),
    }
