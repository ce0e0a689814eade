"""Dissolves, fades and wipes: windows of many lengths, each judged by what its frames are made of.

A dissolve mixes two pictures: the energy of the details dips as in a mixture (see `features`), and the coarse picture
goes evenly from the first to the last. A fade mixes each with a tone: the dip is twice as deep, and longer if the tone
is held. A wipe has no dip: its blocks are either as in the first frame or as in the last, and the share of the latter
grows evenly.
"""

import numpy as np

from marey.curate.candidate import Candidate, Kind
from marey.curate.features import Features, logistic
from marey.curate.reach import grown

SAMPLES = 12
"""At most so many frames inside a window are looked at."""
SHORTEST_WIPE = 7
"""Shorter windows are too short to tell a wipe from what moves."""
LEAST_CHANGE = 0.055
"""Coarse pictures of two shots differ by at least this root mean square, 0..1."""
SAME = 0.3
"""Details of the two ends that correlate by more are of one shot."""
EMPTY = 8.0
"""A picture whose details have less energy, in squared grey levels, is of nearly one tone."""
LEAST = 0.05
"""Windows for which less speaks are passed over."""
LOOSE = 0.3
"""How much a window counts whose ends differ and between which the picture goes evenly, whatever else is not right."""
FLAT = 5.0
"""Luma that deviates by less over a frame, in grey levels, is of one tone: the middle of a fade."""


def gradual(features: Features, longest: int) -> list[Candidate]:
    """Dissolves, fades and wipes up to `longest` frames from whole frame to whole frame; many of them overlap."""
    found = _held_fades(features, longest)
    for length in [*range(4, 13), *range(14, 31, 2), *range(34, 200, 4)]:
        if length > longest or length >= len(features):
            break
        found += _of_length(features, length)
    return found


def _of_length(features: Features, length: int) -> list[Candidate]:
    s = np.arange(len(features) - length)
    energy = features.energy
    before, after = _settled(energy, s, -1), _settled(energy, s + length, 1)
    inside = np.unique(np.linspace(1, length - 1, min(length - 1, SAMPLES)).round().astype(int))
    depth, astray = _dip(energy, s, length, inside, before, after)
    off, residual, back = _blend(features, s, length, inside)
    contrast = np.sqrt(features.gap(length))

    another = logistic((SAME - features.alike(length)) * 30)
    changed = another * logistic((contrast - LEAST_CHANGE) * 90)
    mixed = changed * logistic((0.5 - np.abs(depth - 1)) * 12) * logistic((0.11 - astray) * 50)
    mixed *= logistic((0.10 - off) * 50) * logistic((0.12 - back) * 50) * logistic((0.42 - residual) * 18)
    mixed *= logistic((np.minimum(before, after) - EMPTY) * 0.5)
    faded = another * logistic((0.4 - np.abs(depth - 2)) * 14) * logistic((0.22 - astray) * 40)
    faded *= logistic((np.minimum(before, after) - 1.5 * EMPTY) * 0.5)
    found = _peaks("dissolve", length, mixed, np.exp(-6 * off - 4 * astray))
    found += _peaks("fade", length, faded, np.exp(-3 * astray - np.abs(depth - 2)))
    blended = changed * logistic((0.3 - back) * 30) * logistic((0.2 - off) * 30)
    found += _peaks(
        "dissolve", length, np.where((depth > 0.4) & (depth < 1.7), blended * LOOSE, 0), np.exp(-6 * off - 4 * astray)
    )
    if length < SHORTEST_WIPE:
        return found
    moved = logistic((contrast / (_drift(features, s, length) + 0.01) - 1.1) * 4)
    likely = changed * moved * logistic((0.6 - depth) * 12) * logistic((0.3 - back) * 30)
    found += _peaks("wipe", length, likely * logistic((0.2 - off) * 30) * LOOSE, np.exp(-6 * off))
    maybe = np.flatnonzero(likely > 0.3)
    wiped, uneven = np.zeros(len(s)), np.zeros(len(s))
    wiped[maybe], uneven[maybe] = _wiped(features.coarse[:, 0], maybe, inside, length)
    return found + _peaks("wipe", length, wiped * changed * moved, np.exp(-4 * uneven))


def _settled(energy: np.ndarray, at: np.ndarray, step: int) -> np.ndarray:
    """The energy of a shot at a frame and at the two beyond it: their median."""
    near = np.clip(at[:, None] + step * np.arange(3), 0, len(energy) - 1)
    return np.median(energy[near], axis=1)


def _dip(
    energy: np.ndarray, s: np.ndarray, length: int, inside: np.ndarray, before: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How deep the energy dips, in parts of the dip of a dissolve (least squares), and how far it is from such a dip,
    as a share of the energy at the ends."""
    a = (inside / length)[:, None]
    line = (1 - a) * before + a * after  # (T, K)
    law = a * (1 - a) * (before + after)
    held = energy[s + inside[:, None]]
    depth = ((line - held) * law).sum(axis=0) / np.maximum((law**2).sum(axis=0), 1e-6)
    astray = np.abs(line - depth * law - held).mean(axis=0)
    return depth, astray / np.maximum((before + after) / 2, 1e-6)


def _blend(
    features: Features, s: np.ndarray, length: int, inside: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the best linear blend of both ends: how far its weight is from growing evenly, what it leaves over as a share,
    and how much the weight ever falls.

    Its weight is alpha = <F_t - A, B - A> / |B - A|^2, by the law of cosines from squared distances.
    """
    whole = np.maximum(features.gap(length), 1e-9)
    off, left, back, previous = np.zeros((4, len(s)))
    for t in inside:
        from_first = features.gap(t)[s]
        alpha = (from_first + whole - features.gap(length - t)[s + t]) / (2 * whole)
        off += np.abs(alpha - t / length)
        left += np.maximum(from_first - alpha**2 * whole, 0)
        back += np.maximum(previous - alpha, 0)
        previous = alpha
    return off / len(inside), np.sqrt(left / len(inside) / whole), back


def _drift(features: Features, s: np.ndarray, length: int) -> np.ndarray:
    """How far the coarse picture goes on either side of windows in as many frames, root mean square."""
    out = np.zeros(len(s))
    for before in (True, False):
        side = np.full(len(s), np.inf)
        for reach in sorted({3, min(length // 2, 12), length}):
            start = s - reach if before else s + length
            inside = (start >= 0) & (start + reach < len(features))
            # What moves to and fro does not go on for ever.
            side[inside] = np.sqrt(features.gap(reach)[start[inside]]) * (length / reach) ** 0.7
        out = np.maximum(out, side)
    return out


def _wiped(light: np.ndarray, starts: np.ndarray, inside: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """How well blocks that are either as in the first frame or as in the last one explain windows, 0..1, and how far
    the share of the latter is from growing evenly; (K,) each.

    Args:
        light: luma of blocks, float (N, 9, 16).
        starts: first frames of the windows, (K,).
        inside: frames between, from the first one on, (T,).
    """
    explained, uneven = np.zeros((2, len(starts)))
    light = light.reshape(len(light), -1)
    for piece in range(0, len(starts), 64):
        first = starts[piece : piece + 64]
        old, new = light[first], light[first + length]  # (K, 144)
        size = np.maximum(np.abs(new - old), 0.05)
        differ = size > 0.05
        weight = (differ / np.maximum(differ.sum(axis=1, keepdims=True), 1))[:, None]
        middle = light[first[:, None] + inside]  # (K, T, 144)
        to_old, to_new = np.abs(middle - old[:, None]), np.abs(middle - new[:, None])
        is_new = to_new < to_old
        clear = ((np.minimum(to_old, to_new) < 0.25 * size[:, None]) * weight).sum(axis=2).mean(axis=1)
        turned_back = ((is_new[:, :-1] & ~is_new[:, 1:]) * weight).sum(axis=2).mean(axis=1)
        uneven[piece : piece + 64] = np.abs((is_new * weight).sum(axis=2) - inside / length).mean(axis=1)
        explained[piece : piece + 64] = (
            logistic((clear - 0.68) * 16)
            * logistic((0.06 - turned_back) * 60)
            * logistic((differ.mean(axis=1) - 0.3) * 30)
        )
    return explained * logistic((0.2 - uneven) * 35), uneven


def _held_fades(features: Features, longest: int) -> list[Candidate]:
    """Through frames of one tone that are held for any time, with the ramps on both sides."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], features.spread < FLAT, [False]]).astype(int)))
    found = []
    for start, stop in edges.reshape(-1, 2):
        if start == 0 or stop == len(features):
            continue  # the beginning or the end of the footage, no boundary between shots
        a_end, b_start = grown(features, "fade", int(start) - 1, int(stop), longest)
        gone = float(min(features.spread[a_end], features.spread[b_start]))
        sure = logistic(np.array((gone - 2 * FLAT) / 3.0)) * logistic(
            np.array((SAME - features.alike_pair(a_end, b_start)) * 30)
        )
        found.append(Candidate("fade", a_end, b_start, float(sure), float(sure)))
    return found


def _peaks(kind: Kind, length: int, sure: np.ndarray, fit: np.ndarray, least: float = LEAST) -> list[Candidate]:
    """Windows whose confidence times fit is the highest among the five around."""
    rank = np.where(sure > least, sure * fit, 0.0)
    padded = np.pad(rank, 2)
    highest = np.max([padded[k : k + len(rank)] for k in range(5)], axis=0)
    return [
        Candidate(kind, int(n), int(n) + length, float(sure[n]), float(rank[n]))
        for n in np.flatnonzero((rank > 0) & (rank >= highest))
    ]
