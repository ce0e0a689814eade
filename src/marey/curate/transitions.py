"""Where one shot ends and the next begins, from the trace of a footage: no decode, so a new threshold costs nothing.

The cascade of the paper (appendix C: cuts at several frame rates) is read here from one banded matrix of inner
products between signatures. Hard cuts: the least distance across the boundary against the distances within each side,
so that a flash or a fast pan is none. Fades: runs of frames of nearly one tone, with the ramps around them. Dissolves
and wipes: windows of many lengths whose frames go steadily from the first to the last one (the weight alpha of the
best linear blend rises evenly); a dissolve is explained by the blend itself, a wipe by blocks that are either old or
new. Of candidates that overlap, the most certain one counts.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from marey.recipe import Transitions
from marey.signals.signature import distances

VERSION = "1"
Kind = Literal["cut", "dissolve", "fade", "wipe"]

FLAT = 5.0
"""Luma that deviates by less over a frame, in grey levels, is of one tone: a fade's middle."""
SATURATES = 0.5
"""Of a fast motion, frames further apart do not differ more: its drift is counted by at least this share."""
WHOLE = 3
"""A gradual transition has at least so many whole frames of a shot on each side."""
LEAST_CHANGE = 0.035
"""Two shots differ by at least this mean distance, 0..1."""


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
    count = len(luma)
    if count < 4:
        return []
    longest = int(min(max(8, round(settings.longest_seconds * fps)), 100, count - 2))
    fades = _fades(luma, longest)
    gradual = _gradual(luma, chroma, longest)
    found = [one for one in [*fades, *gradual] if one.confidence >= settings.gradual]
    found += [one for one in _cuts(luma, chroma) if one.confidence >= settings.cut]
    return _strongest(found)


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


def _cuts(luma: np.ndarray, chroma: np.ndarray) -> list[Transition]:
    """Hard cuts: after frame i the picture is another one, and stays so."""
    count, reach = len(luma), 3
    apart = {lag: distances(luma, chroma, lag) for lag in range(1, 2 * reach) if lag < count}

    def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Distances of pairs of frames; of pairs that reach over the ends, NaN."""
        out = np.full(a.shape, np.nan, np.float32)
        inside = (a >= 0) & (b < count)
        for lag, values in apart.items():
            here = inside & (b - a == lag)
            out[here] = values[a[here]]
        return out

    last = np.arange(count - 1)  # of the old shot
    across = np.stack([between(last - i, last + 1 + j) for i in range(reach) for j in range(reach)])
    before = np.stack([between(last - i - 1, last - i) for i in range(reach)])
    after = np.stack([between(last + 1 + j, last + 2 + j) for j in range(reach)])
    with np.errstate(all="ignore"):
        least = np.nanmin(across, axis=0)
        within = np.nanmax(np.concatenate([before, after, np.zeros_like(before[:1])]), axis=0)
    # A flash or a jitter within one side is not the usual pace of that side: the median is.
    pace = np.nan_to_num(np.nanmedian(np.concatenate([before, after, np.zeros_like(before[:1])]), axis=0))
    within = np.nan_to_num(np.minimum(within, 3 * pace + 0.02))
    contrast = least / (1.35 * within + 0.012)
    confidence = _logistic(2.6 * np.log(np.maximum(contrast, 1e-6)) - 1.2) * _logistic((least - LEAST_CHANGE) * 160)
    direct = apart[1]
    found = []
    for i in np.nonzero(confidence > 0.05)[0]:
        near = slice(max(0, i - 2), i + 3)
        if direct[i] >= direct[near].max() - 1e-9:  # of neighbours that all see the change, the one where it happens
            found.append(Transition("cut", int(i), int(i) + 1, float(confidence[i])))
    return found


def _fades(luma: np.ndarray, longest: int) -> list[Transition]:
    """Through frames of one tone, black or white mostly, with the ramps on both sides."""
    count = len(luma)
    spread = luma.reshape(count, -1).astype(np.float32).std(axis=1)
    flat = spread < FLAT
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(int)))
    found = []
    for start, stop in edges.reshape(-1, 2):
        if start == 0 or stop == count:
            continue  # the beginning or the end of the footage, no boundary between shots
        a_end = _ramp(spread, start - 1, -1, longest)
        b_start = _ramp(spread, stop, 1, longest)
        if stop - start <= 2 and a_end == start - 1 and b_start == stop:
            continue  # a flash
        gone = float(min(spread[a_end], spread[b_start]))
        found.append(Transition("fade", int(a_end), int(b_start), float(_logistic(np.array((gone - 2 * FLAT) / 3.0)))))
    return found


def _ramp(spread: np.ndarray, start: int, step: int, longest: int) -> int:
    """From the frame beside a flat run outwards, as long as the contrast of the picture still grows steadily."""
    n = start
    while 0 <= n + step < len(spread) and abs(n + step - start) <= longest:
        ahead = [n + step * k for k in (1, 2) if 0 <= n + step * k < len(spread)]
        grown = max(spread[ahead]) - spread[n]
        if grown <= max(0.25, 0.008 * spread[n]):
            break
        n += step
    return n


def _gradual(luma: np.ndarray, chroma: np.ndarray, longest: int) -> list[Transition]:
    """Dissolves and wipes: frames that go steadily from the first to the last of a window."""
    vectors = np.concatenate([luma.reshape(len(luma), -1), chroma.reshape(len(chroma), -1)], axis=1)
    vectors = vectors.astype(np.float32) / 255
    vectors -= vectors.mean(axis=0)  # inner products of what differs keep more digits
    band = _band(vectors, longest + longest // 2 + 2)
    width = vectors.shape[1]
    found = []
    for length in [*range(3, 13), *range(14, 31, 2), *range(34, 200, 4)]:
        if length > longest:
            break
        found += _steady(band, luma, length, width)
    return found


def _band(vectors: np.ndarray, reach: int) -> np.ndarray:
    """Inner products of each frame with those up to `reach` later: float32 (N, reach + 1), zero beyond the end."""
    count = len(vectors)
    band = np.zeros((count, reach + 1), np.float32)
    for start in range(0, count, 256):
        stop = min(start + 256, count)
        block = vectors[start:stop] @ vectors[start : min(stop + reach, count)].T
        for row in range(stop - start):
            held = block[row, row : row + reach + 1]
            band[start + row, : len(held)] = held
    return band


def _steady(band: np.ndarray, luma: np.ndarray, length: int, width: int) -> list[Transition]:
    """Windows of frames s .. s + length that go from the first to the last evenly."""
    count = len(band)
    s = np.arange(count - length)
    norm = band[:, 0]

    def squared(a: np.ndarray, lag: int) -> np.ndarray:
        """Mean squared distance of frames a and a + lag."""
        return np.maximum(norm[a] + norm[a + lag] - 2 * band[a, lag], 0) / width

    whole = squared(s, length)
    contrast = np.sqrt(whole)
    # What a window of this length changes by on either side: if what moves there goes on evenly, as a slow pan does.
    side = np.zeros(len(s))
    for before in (True, False):
        drift = np.full(len(s), np.inf)  # a window without a few frames of a shot on each side joins no two shots
        for reach in (WHOLE, max(WHOLE, min(length // 2, 12))):
            start = s - reach if before else s + length
            inside = (start >= 0) & (start + reach < count)
            drift[inside] = np.sqrt(squared(start[inside], reach)) * max(1.0, length / reach)
        start = s - length if before else s + length
        inside = (start >= 0) & (start + length < count)
        direct = np.sqrt(squared(start[inside], length))
        drift[inside] = np.minimum(drift[inside], np.maximum(direct, drift[inside] * SATURATES))
        side = np.maximum(side, drift)
    off, left, previous, back = np.zeros(len(s)), np.zeros(len(s)), np.zeros(len(s)), np.zeros(len(s))
    steps = np.unique(np.linspace(1, length - 1, min(length - 1, 12)).round().astype(int))
    for t in steps:
        from_first = squared(s, t)
        # alpha = <F_t - A, B - A> / |B - A|^2, by the law of cosines
        alpha = (from_first + whole - squared(s + t, length - t)) / (2 * np.maximum(whole, 1e-12))
        off += np.abs(alpha - t / length)
        left += np.maximum(from_first - alpha**2 * whole, 0)
        back += np.maximum(previous - alpha, 0)
        previous = alpha
    off /= len(steps)
    residual = np.sqrt(left / len(steps) / np.maximum(whole, 1e-12))
    change = _logistic((contrast - 1.6 * LEAST_CHANGE) * 90) * _logistic((contrast / (side + 0.01) - 1.25) * 3.2)
    even = _logistic((0.13 - off) * 40) * _logistic((0.12 - back) * 50)
    likely = change * even
    found = []
    for start in np.nonzero(likely > 0.3)[0]:
        if likely[start] < likely[max(0, start - 2) : start + 3].max():
            continue
        wiped = _wiped(luma[start : start + length + 1])
        same = float(_logistic(np.array((0.72 - _likeness(luma[start], luma[start + length])) * 30)))
        blended = float(_logistic(np.array((0.36 - residual[start]) * 18)))
        kind: Kind = "wipe" if wiped > blended else "dissolve"
        found.append(
            Transition(kind, int(start), int(start) + length, float(likely[start]) * same * max(wiped, blended))
        )
    return found


def _likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two pictures, -1..1: near 1 of one picture in another light, which is no transition."""
    first, second = a.ravel().astype(np.float32), b.ravel().astype(np.float32)
    first, second = first - first.mean(), second - second.mean()
    return float(first @ second / max(float(np.linalg.norm(first) * np.linalg.norm(second)), 1e-6))


def _wiped(window: np.ndarray) -> float:
    """How well blocks that are either as in the first frame or as in the last one explain a window: 0..1."""
    blocks = window.reshape(len(window), 9, 4, 16, 4).astype(np.float32).mean(axis=(2, 4)) / 255  # (T, 9, 16)
    old, new = blocks[0], blocks[-1]
    differ = np.abs(new - old) > 0.08
    if differ.mean() < 0.3:
        return 0.0
    middle = blocks[1:-1][:, differ]
    to_old, to_new = np.abs(middle - old[differ]), np.abs(middle - new[differ])
    decided = (np.minimum(to_old, to_new) / np.abs(new - old)[differ] < 0.25).mean(axis=1)
    is_new = to_new < to_old
    turned_back = (is_new[:-1] & ~is_new[1:]).mean() if len(is_new) > 1 else 0.0
    share = np.concatenate([[0.0], is_new.mean(axis=1), [1.0]])
    even = np.abs(share - np.linspace(0, 1, len(share))).mean()
    # In a dissolve all blocks turn together, at the middle: then the shares leap instead of growing.
    return float(
        _logistic(np.array((decided.mean() - 0.72) * 16))
        * _logistic(np.array((0.16 - even) * 35))
        * _logistic(np.array((0.06 - turned_back) * 60))
    )


def _strongest(found: list[Transition]) -> list[Transition]:
    """Of those that overlap, the most certain one, in order of time. A fade stands before what its ramps look like
    alone."""
    chosen: list[Transition] = []
    for one in sorted(found, key=lambda one: (one.kind != "fade", -one.confidence, one.a_end, one.b_start)):
        if all(one.a_end >= other.b_start or one.b_start <= other.a_end for other in chosen):
            chosen.append(one)
    return sorted(chosen, key=lambda one: one.a_end)


def _logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))
