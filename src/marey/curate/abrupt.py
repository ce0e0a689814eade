"""Hard cuts, and joins of a few frames, whatever lies in them.

The picture before and the picture after are far apart, as the least distance between the three frames on each side has
it, against what changes within either side; and their details have nothing in common, now or a little later. So a
flash, a shake or a jump after a freeze is none.
"""

from collections.abc import Callable

import numpy as np

from marey.curate.candidate import Candidate, Kind
from marey.curate.features import Features, logistic

SIDE = 3
"""Frames of a shot on each side of a boundary that speak for it."""
GAP = 5
"""A join of so many frames at most is found here, as a boundary with a gap."""
MEMORY = 8
"""What was there so many frames ago and is there again was not cut away."""
LEAST_CHANGE = 0.035
"""Two shots differ by at least this mean distance, 0..1."""
SAME = 0.25
"""Details of two frames that correlate by more are of one shot; between shots it hardly passes 0.1."""
RICH = 12.0
"""A picture whose details have more energy, in squared grey levels, can be known again by them."""
YIELDS = 0.6
"""A join that `gradual` can tell the ends of is taken from there: candidates with a gap rank lower by this factor."""


def abrupt(features: Features) -> list[Candidate]:
    """Hard cuts, and dissolves, fades and wipes of 1 to `GAP` frames."""
    cuts: list[Candidate] = []
    found: list[Candidate] = []
    for gap in range(GAP + 1):
        sure = _boundaries(features, gap)
        change = features.apart(1)
        for i in (int(n) for n in np.flatnonzero(sure > 0.05)):
            near = slice(max(0, i - 2), i + 3)
            if sure[i] < sure[near].max():
                continue
            if gap:
                if any(one.sure > sure[i] and i <= one.a_end <= i + gap for one in cuts):
                    continue  # that one hard cut says it all
                rank = float(sure[i]) * YIELDS * 0.93**gap
                found.append(Candidate(_kind(features, i, i + 1 + gap), i, i + 1 + gap, float(sure[i]), rank))
            elif change[i] >= change[near].max():  # of neighbours that all see the change, the one where it happens
                cuts.append(Candidate("cut", i, i + 1, float(sure[i]), float(sure[i])))
    return cuts + found


def _boundaries(features: Features, gap: int) -> np.ndarray:
    """How sure it is that a shot ends with frame i and another one begins with frame i + 1 + gap: 0..1, (K,)."""
    last = np.arange(max(0, len(features) - 1 - gap))
    if not len(last):
        return np.zeros(0)
    first = last + 1 + gap
    across = np.stack([_pairs(features.apart, last - i, first + j) for i in range(SIDE) for j in range(SIDE)])
    steps = [_pairs(features.apart, last - i - 1, last - i) for i in range(SIDE)]
    steps += [_pairs(features.apart, first + j, first + j + 1) for j in range(SIDE)]
    within = np.concatenate([np.stack(steps), np.zeros((1, len(last)), np.float32)])
    # A jitter within one side is not its usual pace: the median is.
    pace = np.minimum(np.nanmax(within, axis=0), 3 * np.nanmedian(within, axis=0) + 0.02) * (1 + 0.5 * gap)
    least = np.nanmin(across, axis=0)
    contrast = least / (1.35 * pace + 0.012)
    sure = logistic(2.6 * np.log(np.maximum(contrast, 1e-6)) - 0.8) * logistic((least - LEAST_CHANGE) * 160)
    if gap == 0:
        sure = np.maximum(sure, _details_break(features, last, first) * logistic((least - LEAST_CHANGE / 2) * 300))
    sure = sure * logistic((SAME - _seen_again(features, last, first, gap)) * 40)
    return sure * logistic((sure - 0.7) * 20) if gap else sure


def _details_break(features: Features, last: np.ndarray, first: np.ndarray) -> np.ndarray:
    """How sure it is that the details stay within either side: between two shots of like tones that tells more than
    the distance."""
    sides = []
    for steps in (
        [_pairs(features.alike, last - i - 1, last - i) for i in range(SIDE)],
        [_pairs(features.alike, first + j, first + j + 1) for j in range(SIDE)],
    ):
        sides.append(np.nanmin(np.concatenate([np.stack(steps), np.ones((1, len(last)), np.float32)]), axis=0))
    rich = np.minimum(features.energy[last], features.energy[first])
    return logistic((np.minimum(*sides) - 0.7) * 20) * logistic((rich - RICH) * 0.5)


def _seen_again(features: Features, last: np.ndarray, first: np.ndarray, gap: int) -> np.ndarray:
    """The highest correlation of details between a frame up to `last` and one from `first` on, `MEMORY` apart at
    most."""
    best = np.full(len(last), -1.0, np.float32)
    for i in range(MEMORY - gap):
        for j in range(MEMORY - gap - i):
            best = np.fmax(best, _pairs(features.alike, last - i, first + j))
    return best


def _pairs(measure: Callable[[int], np.ndarray], a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A measure of pairs of frames of one lag; of pairs that reach over the ends, NaN."""
    values = measure(int(b[0] - a[0]))
    out = np.full(len(a), np.nan, np.float32)
    inside = (a >= 0) & (a < len(values))
    out[inside] = values[a[inside]]
    return out


def _kind(features: Features, a_end: int, b_start: int) -> Kind:
    """By how deep the energy of the details dips between: not at all in a wipe, twice as deep in a fade as in a
    dissolve."""
    before, after = features.energy[a_end], features.energy[b_start]
    a = np.arange(1, b_start - a_end) / (b_start - a_end)
    law = a * (1 - a) * (before + after)
    dip = (1 - a) * before + a * after - features.energy[a_end + 1 : b_start]
    depth = float((dip * law).sum() / max(float((law**2).sum()), 1e-6))
    return "fade" if depth > 1.5 else "dissolve" if depth > 0.5 else "wipe"
