"""Where one shot ends and the next begins, from the trace of a footage: no decode, so a new threshold costs nothing.

The cascade of the paper (appendix C: cuts at several frame rates) is read here from the signatures at every lag that a
transition can have. `abrupt` finds hard cuts and joins of a few frames, `gradual` dissolves, fades and wipes of all
lengths; of candidates that overlap the one with the highest rank counts, and what no hard cut can lie in yields to it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from marey.curate.abrupt import abrupt
from marey.curate.candidate import Candidate, Kind
from marey.curate.features import Area, Features
from marey.curate.gradual import FLAT, gradual
from marey.curate.reach import grown
from marey.recipe import Transitions

VERSION = "2"
CHUNK = 2048
"""Frames that are looked at together: memory does not grow with the length of the footage."""
FASTEST = 40.0
"""Above so many frames a second, gradual transitions are looked for in every other frame, or fewer."""
LONGEST = 90
"""A gradual transition is of so many frames at most, among those that are looked at."""
SAME = 0.33
"""Details of the two ends that correlate by more, one of them shifted, are of one shot that the camera moves over;
between shots it hardly passes 0.2."""
OUTWARDS = (0, 4, 8, 12)
"""Frames beyond the ends of a wipe that are compared."""
HARD = 0.7
"""A hard cut so sure lies inside no other transition."""


@dataclass(frozen=True)
class Transition:
    """One boundary between two shots. Frame numbers count from 0 in presentation order."""

    kind: Kind
    a_end: int
    """The last whole frame before."""
    b_start: int
    """The first whole frame after."""
    confidence: float
    """0..1."""


def find_transitions(luma: np.ndarray, chroma: np.ndarray, fps: float, settings: Transitions) -> list[Transition]:
    """The transitions of a footage, in order, none overlapping.

    Args:
        luma: uint8 (N, 36, 64); chroma: uint8 (N, 18, 32, 2).
        fps: frames a second, for the longest gradual transition.
    """
    if len(luma) < 4:
        return []
    area = Area.of(luma)
    stride = max(1, round(fps / 30)) if fps > FASTEST else 1
    longest = int(min(max(8, round(settings.longest_seconds * fps / stride)), LONGEST))
    margin = stride * (3 * longest + 16)  # what lies in a chunk is judged as if there were no chunks
    found: list[Candidate] = []
    for start in range(0, len(luma), stride * CHUNK):
        stop = start + stride * CHUNK
        low, high = max(0, start - margin), min(len(luma), stop + margin)
        here = _within(luma[low:high], chroma[low:high], area, stride, longest, settings)
        moved = [replace(one, a_end=one.a_end + low, b_start=one.b_start + low) for one in here]
        found += [one for one in moved if start <= one.a_end < stop]
    return [Transition(one.kind, one.a_end, one.b_start, round(one.sure, 4)) for one in _strongest(found)]


def shots(count: int, transitions: list[Transition], luma: np.ndarray) -> list[tuple[int, int]]:
    """First and last whole frame of each shot between the transitions; frames of one tone at either end of the footage
    are cut away."""
    ends = [transition.a_end for transition in transitions]
    starts = [transition.b_start for transition in transitions]
    flat = luma.reshape(count, -1).std(axis=1) < FLAT
    first, last = 0, count - 1
    if not flat.all():
        first, last = int(np.argmin(flat)), count - 1 - int(np.argmin(flat[::-1]))
    pieces = zip([first, *starts], [*ends, last], strict=True)
    return [(start, end) for start, end in pieces if end >= start]


def _within(
    luma: np.ndarray, chroma: np.ndarray, area: Area, stride: int, longest: int, settings: Transitions
) -> list[Candidate]:
    features = native = Features(luma, chroma, area)
    sudden = abrupt(features)
    hard = [one.a_end for one in sudden if one.kind == "cut" and one.sure > HARD]
    if stride > 1:
        features = Features(luma[::stride], chroma[::stride], area)
    slow = [
        replace(one, a_end=stride * one.a_end, b_start=stride * one.b_start)
        for one in gradual(features, min(longest, len(features) - 2))
    ]
    slow = [one for one in slow if not any(one.a_end < cut < one.b_start - 1 for cut in hard)]
    least = {"cut": settings.cut}
    sure = [one for one in [*sudden, *slow] if one.sure >= least.get(one.kind, settings.gradual)]
    chosen = _strongest(sure, lambda one: _one_shot(native, one))
    return [_reaching(one, features, stride, chosen) for one in chosen]


def _one_shot(features: Features, one: Candidate) -> bool:
    """Whether the two ends show the same. Of a wipe, frames further out are asked too: something that passes close to
    the camera looks like one while it covers an end."""
    for out in OUTWARDS if one.kind == "wipe" else (0,):
        a, b = max(0, one.a_end - out), min(len(features) - 1, one.b_start + out)
        if features.alike_shifted(a, b) > SAME:
            return True
    return False


def _reaching(one: Candidate, features: Features, stride: int, chosen: list[Candidate]) -> Candidate:
    """A gradual transition with its ends where they really are, unless it would reach into its neighbour."""
    if one.kind == "cut":
        return one
    a_end, b_start = one.a_end // stride, -(-one.b_start // stride)
    b_start = min(b_start, len(features) - 1)
    a_end, b_start = grown(features, one.kind, a_end, b_start, (b_start - a_end) // 2 + 4)
    low = max((other.b_start for other in chosen if other.a_end < one.a_end), default=0)
    high = min((other.a_end for other in chosen if other.a_end > one.a_end), default=10**9)
    return replace(
        one, a_end=min(one.a_end, max(low, stride * a_end)), b_start=max(one.b_start, min(high, stride * b_start))
    )


def _strongest(found: list[Candidate], refused: Callable[[Candidate], bool] = lambda one: False) -> list[Candidate]:
    """Of those that overlap, the one with the highest rank that is not refused, in order of time."""
    chosen: list[Candidate] = []
    for one in sorted(found, key=lambda one: (-one.rank, one.a_end, one.b_start)):
        free = all(one.a_end >= other.b_start or one.b_start <= other.a_end for other in chosen)
        if free and not refused(one):
            chosen.append(one)
    return sorted(chosen, key=lambda one: one.a_end)
