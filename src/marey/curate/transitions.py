"""Where one shot ends and the next begins, from the trace of a footage: no decode, so a new threshold costs nothing.

The cascade of the paper (appendix C: cuts at several frame rates) is read here from the signatures at every lag that a
transition can have. `abrupt` proposes hard cuts and joins of a few frames, `gradual` dissolves, fades and wipes of all
lengths; by rank, each is judged by its evidence unless it overlaps one that was found, and its ends are made exact.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from marey.curate.abrupt import abrupt
from marey.curate.candidate import KINDS, Candidate, Kind
from marey.curate.evidence import evidence
from marey.curate.features import Area, Features
from marey.curate.gradual import FLAT, gradual
from marey.curate.judge import judges
from marey.curate.reach import reach
from marey.recipe import Transitions

VERSION = "9"
CHUNK = 2048
"""Frames that are looked at together: memory does not grow with the length of the footage."""
FASTEST = 40.0
"""Above so many frames a second, gradual transitions are looked for in every other frame, or fewer."""
SAME = 0.6
"""Details of the two ends that correlate by more, one of them shifted, are of one shot, whatever else is seen."""
BLINK = 0.8
"""The same of a fade: between its ends the picture was gone."""
SEEN = 3
"""On both sides of a gradual transition at least so many frames of the footage must be there: what goes on where it
begins or ends may be anything."""
SPARE = 0.08
"""Clips keep away from a gradual transition by such a share of its length."""
LEAST_SHOT = 2
"""So few frames between two transitions, of which one is gradual, are no shot."""
SLOW = 25.0
"""Below so many frames a second, gradual transitions are as many frames long as at this rate."""
LONGEST = 90
"""A gradual transition is of so many frames at most, among those that are looked at."""


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


@dataclass(frozen=True)
class Places:
    """Where a footage may be divided."""

    transitions: list[Transition]
    """In order, none overlapping."""
    doubts: list[Transition]
    """Where one may be that is not sure enough to be told of: in order, overlapping none of those."""


def find_transitions(luma: np.ndarray, chroma: np.ndarray, fps: float, settings: Transitions) -> list[Transition]:
    """The transitions of a footage, in order, none overlapping. Arguments as in `find_places`."""
    return find_places(luma, chroma, fps, settings).transitions


def find_places(luma: np.ndarray, chroma: np.ndarray, fps: float, settings: Transitions) -> Places:
    """The transitions of a footage, and where one is in doubt.

    Args:
        luma: uint8 (N, 36, 64); chroma: uint8 (N, 18, 32, 2).
        fps: frames a second, for the longest gradual transition.
    """
    if len(luma) < 4:
        return Places([], [])
    area = Area.of(luma)
    stride, longest = scale(fps, settings)
    margin = stride * (3 * longest + 16)  # what lies in a chunk is judged as if there were no chunks
    found: list[Candidate] = []
    doubts: list[Candidate] = []
    for start in range(0, len(luma), stride * CHUNK):
        stop = start + stride * CHUNK
        low, high = max(0, start - margin), min(len(luma), stop + margin)
        ends = low, len(luma) - high
        here = _within(luma[low:high], chroma[low:high], area, stride, longest, ends, settings)
        for all_of_them, those in zip((found, doubts), here, strict=True):
            moved = (replace(one, a_end=one.a_end + low, b_start=one.b_start + low) for one in those)
            all_of_them += [one for one in moved if start <= one.a_end < stop]
    found = _strongest(found)
    doubts = [one for one in _strongest(doubts) if not any(_overlap(one, other) for other in found)]
    sure, possible = (
        [Transition(one.kind, one.a_end, one.b_start, round(one.sure, 4)) for one in those] for those in (found, doubts)
    )
    return Places(sure, possible)


def scale(fps: float, settings: Transitions) -> tuple[int, int]:
    """Of so many frames a second: every how many frames gradual transitions are looked for, and how many of those the
    longest one has."""
    stride = max(1, round(fps / 30)) if fps > FASTEST else 1
    return stride, int(min(max(8, round(settings.longest_seconds * max(fps, SLOW) / stride)), LONGEST))


def shots(count: int, transitions: list[Transition], luma: np.ndarray) -> list[tuple[int, int]]:
    """First and last frame of each shot between the transitions; frames of one tone at either end of the footage are
    cut away, and some beside a gradual transition, whose very first frames are hardly seen."""
    ends = [transition.a_end - _spare(transition) for transition in transitions]
    starts = [transition.b_start + _spare(transition) for transition in transitions]
    flat = luma.reshape(count, -1).std(axis=1) < FLAT
    first, last = 0, count - 1
    if not flat.all():
        first, last = int(np.argmin(flat)), count - 1 - int(np.argmin(flat[::-1]))
    pieces = zip([first, *starts], [*ends, last], strict=True)
    return [(start, end) for start, end in pieces if end >= start]


def _spare(transition: Transition) -> int:
    return 0 if transition.kind == "cut" else math.ceil(SPARE * (transition.b_start - transition.a_end))


def _within(
    luma: np.ndarray,
    chroma: np.ndarray,
    area: Area,
    stride: int,
    longest: int,
    beyond: tuple[int, int],
    settings: Transitions,
) -> tuple[list[Candidate], list[Candidate]]:
    """The transitions of a run of frames, before and after which the footage has `beyond`, and those in doubt. Evidence
    is only asked for where nothing better was found before."""
    chosen: list[Candidate] = []
    doubts: list[Candidate] = []
    weights = judges()
    for one, features, step, way in sorted(
        proposed(luma, chroma, area, stride, longest), key=lambda row: (-row[0].rank, row[0].a_end, row[0].b_start)
    ):
        here = replace(one, a_end=step * one.a_end, b_start=step * one.b_start)
        if any(_overlap(here, other) for other in chosen):
            continue
        if features.alike_shifted(one.a_end, one.b_start) > (BLINK if one.kind == "fade" else SAME):
            continue
        sure = weights[way].sure(evidence(features, one))
        least = settings.cut if one.kind == "cut" else settings.gradual
        if sure < min(least, settings.doubt):
            continue
        here = _reaching(replace(here, sure=sure), features, step, chosen)
        beside = min(beyond[0] + here.a_end, beyond[1] + len(luma) - 1 - here.b_start)
        if one.kind == "cut" or beside >= SEEN:
            (chosen if sure >= least else doubts).append(here)
    return _joined(sorted(chosen, key=lambda one: one.a_end), luma), doubts


def _overlap(one: Candidate, other: Candidate) -> bool:
    return one.a_end < other.b_start and other.a_end < one.b_start


def _joined(found: list[Candidate], luma: np.ndarray) -> list[Candidate]:
    """Pieces of one transition, in order, made whole: what has less than a shot between them, or nothing but frames of
    one tone."""
    whole: list[Candidate] = []
    for one in found:
        last = whole[-1] if whole else None
        if last is not None:
            between = luma[last.b_start : one.a_end + 1].reshape(max(0, one.a_end + 1 - last.b_start), -1)
            toneless = len(between) > 0 and bool((between.std(axis=1) < FLAT).all())
            if toneless or (len(between) <= LEAST_SHOT and (last.kind, one.kind) != ("cut", "cut")):
                kind = "fade" if toneless else max((last, one), key=lambda part: part.b_start - part.a_end).kind
                sure, rank = max(last.sure, one.sure), max(last.rank, one.rank)
                whole[-1] = Candidate(kind, last.a_end, one.b_start, sure, rank)
                continue
        whole.append(one)
    return whole


def proposed(
    luma: np.ndarray, chroma: np.ndarray, area: Area, stride: int, longest: int
) -> list[tuple[Candidate, Features, int, str]]:
    """All candidates of a run of frames, with the features that they are judged by, the stride of those, and the way in
    which they were found."""
    native = Features(luma, chroma, area)
    strided = Features(luma[::stride], chroma[::stride], area) if stride > 1 else native
    rows = [(one, native, 1, "cut" if one.kind == "cut" else "short") for one in _thinned(abrupt(native))]
    for one in _thinned(gradual(strided, min(longest, len(strided) - 2))):
        rows.append((one, strided, stride, one.kind))
    return rows


def _thinned(found: list[Candidate]) -> list[Candidate]:
    """Without those that are nearly one of the same kind with a higher rank."""
    found = sorted(found, key=lambda one: (-one.rank, one.a_end, one.b_start))
    kinds = np.array([KINDS.index(one.kind) for one in found])
    spans = np.array([(one.a_end, one.b_start) for one in found]).reshape(-1, 2)
    most = np.array([0.75 if one.sure > 0.35 else 0.5 for one in found])
    kept = np.ones(len(found), bool)
    for kind in range(len(KINDS)):
        at = np.flatnonzero(kinds == kind)
        a, b, share = spans[at, 0], spans[at, 1], most[at]
        free = np.ones(len(at), bool)
        for n in range(len(at)):
            if free[n]:
                both, either = np.minimum(b, b[n]) - np.maximum(a, a[n]), np.maximum(b, b[n]) - np.minimum(a, a[n])
                free[n + 1 :] &= (both <= share * either)[n + 1 :]
        kept[at] = free
    return [one for one, keep in zip(found, kept, strict=True) if keep]


def _reaching(one: Candidate, features: Features, stride: int, chosen: list[Candidate]) -> Candidate:
    """A gradual transition with its ends where they really are, unless it would reach into its neighbour."""
    if one.kind == "cut":
        return one
    a_end, b_start = one.a_end // stride, min(-(-one.b_start // stride), len(features) - 1)
    low = max((other.b_start for other in chosen if other.b_start <= one.a_end), default=0)
    high = min((other.a_end for other in chosen if other.a_end >= one.b_start), default=stride * (len(features) - 1))
    a_end, b_start = reach(features, one.kind, a_end, b_start, -(-low // stride), high // stride)
    return replace(one, a_end=max(low, stride * a_end), b_start=min(high, stride * b_start))


def _strongest(found: list[Candidate]) -> list[Candidate]:
    """Of those that overlap, the one with the highest rank, in order of time."""
    chosen: list[Candidate] = []
    for one in sorted(found, key=lambda one: (-one.rank, one.a_end, one.b_start)):
        if not any(_overlap(one, other) for other in chosen):
            chosen.append(one)
    return sorted(chosen, key=lambda one: one.a_end)
