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
    count = max(0, len(features) - 1 - gap)
    if not count:
        return np.zeros(0)
    first = 1 + gap  # of the shot after, from the last frame of the one before
    least = np.fmin.reduce([_pairs(features.apart, -i, first + j, count) for i in range(SIDE) for j in range(SIDE)])
    before = [_pairs(features.apart, -i - 1, -i, count) for i in range(SIDE)]
    after = [_pairs(features.apart, first + j, first + j + 1, count) for j in range(SIDE)]
    within = np.stack([*before, *after, np.zeros(count, np.float32)])
    # A jitter within one side is not its usual pace: the median is.
    pace = np.minimum(np.fmax.reduce(within), 3 * _median(within) + 0.02) * (1 + 0.5 * gap)
    contrast = least / (1.35 * pace + 0.012)
    sure = logistic(2.6 * np.log(np.maximum(contrast, 1e-6)) - 0.8) * logistic((least - LEAST_CHANGE) * 160)
    if gap == 0:
        sure = np.maximum(sure, _details_break(features, count) * logistic((least - LEAST_CHANGE / 2) * 300))
    sure = sure * logistic((SAME - _seen_again(features, gap, count)) * 40)
    return sure * logistic((sure - 0.7) * 20) if gap else sure


def _median(rows: np.ndarray) -> np.ndarray:
    """Of each column, without what is NaN."""
    ordered, count = np.sort(rows, axis=0), (~np.isnan(rows)).sum(axis=0)
    columns = np.arange(rows.shape[1])
    return (ordered[(count - 1) // 2, columns] + ordered[count // 2, columns]) / 2


def _details_break(features: Features, count: int) -> np.ndarray:
    """How sure it is that the details stay within either side of the first `count` cuts: between two shots of like
    tones that tells more than the distance."""
    before = [_pairs(features.alike, -i - 1, -i, count) for i in range(SIDE)]
    after = [_pairs(features.alike, j + 1, j + 2, count) for j in range(SIDE)]
    steady = np.fmin.reduce([*before, *after, np.ones(count, np.float32)])
    rich = np.minimum(features.energy[:count], features.energy[1 : count + 1])
    return logistic((steady - 0.7) * 20) * logistic((rich - RICH) * 0.5)


def _seen_again(features: Features, gap: int, count: int) -> np.ndarray:
    """The highest correlation of details between a frame up to the last one before and one from the first one after on,
    `MEMORY` apart at most."""
    best = np.full(count, -1.0, np.float32)
    for i in range(MEMORY - gap):
        for j in range(MEMORY - gap - i):
            np.fmax(best, _pairs(features.alike, -i, 1 + gap + j, count), out=best)
    return best


def _pairs(measure: Callable[[int], np.ndarray], a: int, b: int, count: int) -> np.ndarray:
    """A measure of frames n + a and n + b for each n of `count`; of pairs that reach over the ends, NaN."""
    values = measure(b - a)
    if a >= 0 and a + count <= len(values):
        return values[a : a + count]
    out = np.full(count, np.nan, np.float32)
    low, high = max(0, -a), min(count, len(values) - a)
    if high > low:
        out[low:high] = values[low + a : high + a]
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
