"""How far a gradual transition reaches: a window may lie inside it, for a part of a dissolve looks like a dissolve.

The ends are moved outwards as long as the picture goes on as it does within: the coarse picture along the line from the
first frame to the last (dissolve), the blocks that turn (wipe), the depth of the details (fade).
"""

import cv2
import numpy as np

from marey.curate.candidate import Kind
from marey.curate.features import Features

GOES_ON = 0.35
"""A frame belongs to a transition if it goes on by at least this share of its usual step."""
TURNED = 16
"""A pixel of a signature whose luma changes by more from frame to frame, in grey levels, turns."""


def grown(features: Features, kind: Kind, a_end: int, b_start: int, most: int) -> tuple[int, int]:
    """The ends of a window, each moved outwards by at most `most` frames."""
    low, high = max(0, a_end - most - 2), min(len(features) - 1, b_start + most + 2)
    if kind == "fade":
        depth = np.sqrt(features.energy[low : high + 1])
        steps = np.diff(depth)  # of frames low + k to low + k + 1
        # Of a ramp the first step out of the tone tells the rest; a cut to black has all of it in that one.
        before, after = -steps[: a_end - low + 1][::-1], steps[b_start - low - 1 :]
        usual = [
            max(float(side[0]), _mean(depth, low, a_end, b_start, n), 1e-3) for n, side in ((0, before), (1, after))
        ]
        return a_end - _runs(before[1:], usual[0], most), b_start + _runs(after[1:], usual[1], most)
    if kind == "wipe":
        light = features.luma[low : high + 1].reshape(high + 1 - low, -1)
        steps = (cv2.absdiff(light[1:], light[:-1]) > TURNED).mean(axis=1)
        # What moves in either shot turns too, all the time.
        outside = np.concatenate([steps[: max(0, a_end - low - most // 2)], steps[b_start - low + most // 2 :]])
        steps = steps - (np.median(outside) if len(outside) else 0.0)
    else:
        coarse = features.coarse[low : high + 1].reshape(high + 1 - low, -1)
        way = coarse[b_start - low] - coarse[a_end - low]
        steps = np.diff(coarse @ way)
    usual_step = max(float(steps[a_end - low : b_start - low].mean()), 1e-9)
    before, after = steps[: a_end - low][::-1], steps[b_start - low :]
    return a_end - _runs(before, usual_step, most), b_start + _runs(after, usual_step, most)


def _mean(depth: np.ndarray, low: int, a_end: int, b_start: int, side: int) -> float:
    """The usual step of a ramp inside a window, from its deepest frame to one end."""
    held = depth[a_end - low : b_start - low + 1]
    deepest = int(np.argmin(held))
    length = (len(held) - 1 - deepest) if side else deepest
    return float((held[-1 if side else 0] - held[deepest]) / length) if length else 0.0


def _runs(steps: np.ndarray, usual: float, most: int) -> int:
    """How many steps go on, by themselves or together with the next one."""
    for n in range(min(len(steps), most)):
        if max(steps[n], steps[n : n + 2].mean()) < GOES_ON * usual:
            return n
    return min(len(steps), most)
