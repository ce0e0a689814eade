"""Dissolves, fades and wipes: windows of many lengths, each judged by what its frames are made of.

A dissolve mixes two pictures: the energy of the details dips as in a mixture (see `features`), and the coarse picture
goes evenly from the first to the last. A fade mixes each with a tone: the dip is twice as deep, and longer if the tone
is held. A wipe has no dip: its blocks are either as in the first frame or as in the last, and the share of the latter
grows evenly.

What is cheap to know of a window comes first. All that speaks for one is a product of shares of 1 at most, so that a
window is passed over as soon as those that are known make too little.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from marey.curate.candidate import Candidate, Kind
from marey.curate.features import Features, logistic
from marey.curate.reach import grown

LENGTHS = (*range(4, 13), *range(14, 31, 2), *range(34, 200, 4))
"""Frames of a window, from whole frame to whole frame."""
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
DIFFERENT = 0.05
"""Blocks whose luma differs by more, 0..1, tell of a wipe."""
LIKELY = 0.3
"""Only where so much speaks for a wipe are the blocks looked at."""
LOOSE = 0.3
"""How much a window counts whose ends differ and between which the picture goes evenly, whatever else is not right."""
FLAT = 5.0
"""Luma that deviates by less over a frame, in grey levels, is of one tone: the middle of a fade."""
TOGETHER = 12000
"""About so many windows are looked at together: few enough for what is known of them to stay in the cache."""
PIECE = 128
"""And so many where blocks are compared."""


@dataclass(frozen=True)
class Windows:
    """K windows of some lengths, and what is known of them from little; (K,) each."""

    start: np.ndarray
    length: np.ndarray
    slot: np.ndarray
    """Which of the lengths it is of."""
    depth: np.ndarray
    astray: np.ndarray
    bare: np.ndarray
    """The lesser energy of the two ends."""
    contrast: np.ndarray
    """Of the coarse pictures of the two ends, root mean square."""
    moved: np.ndarray
    """How sure it is that the ends differ by more than what moves in either shot."""

    def where(self, kept: np.ndarray) -> "Windows":
        """Those for which `kept` holds."""
        at = np.flatnonzero(kept)
        return replace(self, **{name: value[at] for name, value in vars(self).items()})


@dataclass(frozen=True)
class Inside:
    """The frames inside windows of L lengths that are looked at; T of them, or fewer, which then stand first."""

    after: np.ndarray
    """How many frames after the first one of the window, (T, L); 1 where there is none."""
    share: np.ndarray
    """How far through the window, 0..1; (T, L)."""
    held: np.ndarray
    """1 where there is one, 0 where not; (T, L)."""
    count: np.ndarray
    """How many there are, (L,)."""

    @classmethod
    def of(cls, lengths: list[int]) -> "Inside":
        """Spread evenly."""
        after, held = np.ones((SAMPLES, len(lengths)), np.intp), np.zeros((SAMPLES, len(lengths)))
        for n, length in enumerate(lengths):
            some = np.unique(np.linspace(1, length - 1, min(length - 1, SAMPLES)).round().astype(int))
            after[: len(some), n], held[: len(some), n] = some, 1
        return cls(after, after / np.array(lengths), held, held.sum(axis=0).astype(np.intp))


def gradual(features: Features, longest: int, *, bounded: bool = True) -> list[Candidate]:
    """Dissolves, fades and wipes up to `longest` frames from whole frame to whole frame; many of them overlap.

    Args:
        bounded: if not, every window is looked at to the end, which is slow and finds the same.
    """
    found = _held_fades(features, longest)
    lengths = [length for length in LENGTHS if length <= longest and length < len(features)]
    together = max(1, TOGETHER // max(1, len(features)))
    for n in range(0, len(lengths), together):
        found += _of_lengths(features, lengths[n : n + together], longest, LEAST if bounded else -1.0)
    return found


def _of_lengths(features: Features, lengths: list[int], longest: int, least: float) -> list[Candidate]:
    inside, gaps = Inside.of(lengths), features.gaps(longest)
    windows = _windows(features, lengths, inside, gaps)
    depth, wide = windows.depth, windows.length >= SHORTEST_WIPE
    faded, changed = _faded(windows), _changed(windows)
    between = (depth > 0.4) & (depth < 1.7)
    maybe_mixed = changed * logistic((0.5 - np.abs(depth - 1)) * 12)
    maybe_wiped = np.where(wide, changed * windows.moved * logistic((0.6 - depth) * 12), -1)
    windows = windows.where(
        (faded > least) | (maybe_mixed > least) | (between & (changed * LOOSE > least)) | (maybe_wiped * LOOSE > least)
    )

    off, residual, back = _blend(windows, inside, gaps)
    depth, wide = windows.depth, windows.length >= SHORTEST_WIPE
    faded, changed = _faded(windows), _changed(windows)
    mixed = changed * logistic((0.5 - np.abs(depth - 1)) * 12) * logistic((0.11 - windows.astray) * 50)
    mixed *= logistic((0.10 - off) * 50) * logistic((0.12 - back) * 50) * logistic((0.42 - residual) * 18)
    mixed *= logistic((windows.bare - EMPTY) * 0.5)
    blended = changed * logistic((0.3 - back) * 30) * logistic((0.2 - off) * 30) * LOOSE
    blended[(depth <= 0.4) | (depth >= 1.7)] = 0
    likely = np.where(wide, changed * windows.moved * logistic((0.6 - depth) * 12) * logistic((0.3 - back) * 30), 0)
    evenly = likely * logistic((0.2 - off) * 30) * LOOSE
    most = np.maximum.reduce([faded, mixed, blended, evenly, np.where(likely > LIKELY, likely, 0)])
    kept = most > least
    windows, off = windows.where(kept), off[kept]

    another = logistic((SAME - _alike(features, windows)) * 30)
    faded, mixed, blended, likely, evenly = (x[kept] * another for x in (faded, mixed, blended, likely, evenly))
    peaks = Peaks(windows, len(lengths), len(features))
    fit = np.exp(-6 * off - 4 * windows.astray)
    found = peaks.of("dissolve", mixed, fit)
    found += peaks.of("fade", faded, np.exp(-3 * windows.astray - np.abs(windows.depth - 2)))
    found += peaks.of("dissolve", blended, fit)
    found += peaks.of("wipe", evenly, np.exp(-6 * off))
    wiped, uneven = _wiped(features, windows, likely > LIKELY, inside, another, least)
    return found + peaks.of("wipe", wiped, np.exp(-4 * uneven))


def _windows(features: Features, lengths: list[int], inside: Inside, gaps: np.ndarray) -> Windows:
    """All windows of some lengths."""
    counts = [len(features) - length for length in lengths]
    slot = np.repeat(np.arange(len(lengths)), counts)
    start, length = np.concatenate([np.arange(count) for count in counts]), np.array(lengths)[slot]
    before, after = (side[at] for side, at in zip(_settled(features.energy), (start, start + length), strict=True))
    depth, astray = _dip(features.energy, start, slot, inside, before, after)
    contrast = np.sqrt(gaps[length, start])
    moved = logistic((contrast / (_drift(gaps, start, slot, np.array(lengths)) + 0.01) - 1.1) * 4)
    return Windows(start, length, slot, depth, astray, np.minimum(before, after), contrast, moved)


def _changed(windows: Windows) -> np.ndarray:
    return logistic((windows.contrast - LEAST_CHANGE) * 90)


def _faded(windows: Windows) -> np.ndarray:
    dips = logistic((0.4 - np.abs(windows.depth - 2)) * 14) * logistic((0.22 - windows.astray) * 40)
    return dips * logistic((windows.bare - 1.5 * EMPTY) * 0.5)


def _settled(energy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The energy of a shot that ends, and of one that begins, with each frame: the median of three."""
    at, last = np.arange(len(energy))[:, None], len(energy) - 1
    before, after = (np.median(energy[np.clip(at + step * np.arange(3), 0, last)], axis=1) for step in (-1, 1))
    return before, after


def _dip(
    energy: np.ndarray, start: np.ndarray, slot: np.ndarray, inside: Inside, before: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How deep the energy dips, in parts of the dip of a dissolve (least squares), and how far it is from such a dip,
    as a share of the energy at the ends."""
    a, held = inside.share[:, slot], inside.held[:, slot]  # (T, K)
    line = (1 - a) * before + a * after
    law = a * (1 - a) * (before + after) * held
    below = (line - energy[start + inside.after[:, slot]]) * held
    depth = (below * law).sum(axis=0) / np.maximum((law**2).sum(axis=0), 1e-6)
    astray = np.abs(below - depth * law).sum(axis=0) / inside.count[slot]
    return depth, astray / np.maximum((before + after) / 2, 1e-6)


def _drift(gaps: np.ndarray, start: np.ndarray, slot: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """How far the coarse picture goes on either side of windows in as many frames, root mean square."""
    count = gaps.shape[1]
    out = np.zeros(len(start))
    for before in (True, False):
        side = np.full(len(start), np.inf)
        for of_length in (np.full_like(lengths, 3), np.minimum(lengths // 2, 12), lengths):
            # What moves to and fro does not go on for ever.
            reach, pace = of_length[slot], ((lengths / of_length) ** 0.7)[slot]
            first = start - reach if before else start + lengths[slot]
            there = np.flatnonzero((first >= 0) & (first + reach < count))
            side[there] = np.sqrt(gaps[reach[there], first[there]]) * pace[there]
        out = np.maximum(out, side)
    return out


def _blend(windows: Windows, inside: Inside, gaps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the best linear blend of both ends: how far its weight is from growing evenly, what it leaves over as a share,
    and how much the weight ever falls.

    Its weight is alpha = <F_t - A, B - A> / |B - A|^2, by the law of cosines from squared distances.
    """
    whole = np.maximum(gaps[windows.length, windows.start], 1e-9)
    off, left, back, previous = np.zeros((4, len(whole)))
    for after, share, held in zip(inside.after, inside.share, inside.held, strict=True):
        t, here = after[windows.slot], held[windows.slot]
        from_first = gaps[t, windows.start]
        alpha = (from_first + whole - gaps[windows.length - t, windows.start + t]) / (2 * whole)
        off += np.abs(alpha - share[windows.slot]) * here
        left += np.maximum(from_first - alpha**2 * whole, 0) * here
        back += np.maximum(previous - alpha, 0) * here
        previous = alpha
    count = inside.count[windows.slot]
    return off / count, np.sqrt(left / count / whole), back


def _alike(features: Features, windows: Windows) -> np.ndarray:
    """The correlation of the details of the two ends."""
    alike = np.empty(len(windows.start), np.float32)
    for at in _by_length(windows.slot):
        alike[at] = features.alike_at(windows.start[at], int(windows.length[at[0]]))
    return alike


def _wiped(
    features: Features, windows: Windows, likely: np.ndarray, inside: Inside, another: np.ndarray, least: float
) -> tuple[np.ndarray, np.ndarray]:
    """How well blocks that are either as in the first frame or as in the last one explain windows, of those that are
    likely to be wipes, 0..1, and how far the share of the latter is from growing evenly; (K,) each."""
    light = features.coarse[:, 0].reshape(len(features), -1)
    wiped, uneven = np.zeros((2, len(likely)))
    speaks = _changed(windows) * another * windows.moved
    at = np.flatnonzero(likely)
    for n in range(0, len(at), PIECE):
        piece = at[n : n + PIECE]
        first = windows.start[piece]
        size = np.abs(light[first + windows.length[piece]] - light[first])  # (K, 144)
        differ = (size > DIFFERENT).mean(axis=1)
        speaks[piece] *= logistic((differ - 0.3) * 30)
        piece = piece[speaks[piece] > least]
        if len(piece):
            wiped[piece], uneven[piece] = _blocks(
                light, windows.start[piece], windows.length[piece], windows.slot[piece], inside
            )
    return wiped * speaks, uneven


def _blocks(
    light: np.ndarray, first: np.ndarray, length: np.ndarray, slot: np.ndarray, inside: Inside
) -> tuple[np.ndarray, np.ndarray]:
    """The two numbers of `_wiped`, but for the share of blocks that differ at all, of luma of blocks (N, 144)."""
    old, new = light[first], light[first + length]  # (K, 144)
    size = np.abs(new - old)
    differ = size > DIFFERENT
    limit = np.where(differ, 0.25 * size, 0)
    count = np.maximum(differ.sum(axis=1), 1)
    after, share, held = (part[:, slot] for part in (inside.after, inside.share, inside.held))  # (T, K)
    known, is_new = np.empty((2, *after.shape, light.shape[1]), bool)  # (T, K, 144)
    to_old = np.empty_like(old)
    for n, there in enumerate(first + after):
        to_new = light[there]
        np.abs(np.subtract(to_new, old, out=to_old), out=to_old)
        np.abs(np.subtract(to_new, new, out=to_new), out=to_new)
        np.less(to_new, to_old, out=is_new[n])
        np.less(np.minimum(to_old, to_new, out=to_old), limit, out=known[n])
    is_new &= differ
    samples = held.sum(axis=0)
    clear = (_true(known) / count * held).sum(axis=0) / samples
    turned_back = (_true(is_new[:-1] > is_new[1:]) / count * held[1:]).sum(axis=0) / (samples - 1)
    uneven = (np.abs(_true(is_new) / count - share) * held).sum(axis=0) / samples
    known_by = logistic((clear - 0.68) * 16) * logistic((0.06 - turned_back) * 60)
    return known_by * logistic((0.2 - uneven) * 35), uneven


def _true(marks: np.ndarray) -> np.ndarray:
    """How many of the last axis are true."""
    rows = marks.view(np.uint8).reshape(-1, marks.shape[-1])
    return cv2.reduce(rows, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).reshape(marks.shape[:-1])


def _by_length(slot: np.ndarray) -> list[np.ndarray]:
    """Indices of windows, those of each length together."""
    return np.split(np.arange(len(slot)), np.flatnonzero(np.diff(slot)) + 1) if len(slot) else []


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


class Peaks:
    """Windows of some lengths whose confidence times fit is the highest among the five around of their length."""

    def __init__(self, windows: Windows, lengths: int, count: int) -> None:
        self._windows = windows
        self._table = np.zeros((lengths, count + 4))
        self._at = windows.slot * (count + 4) + windows.start  # of the first of the five

    def of(self, kind: Kind, sure: np.ndarray, fit: np.ndarray) -> list[Candidate]:
        """Of one kind, by how sure each window is and how well it fits; (K,)."""
        some = np.flatnonzero(sure > LEAST)
        rank = sure[some] * fit[some]
        table, at = self._table.ravel(), self._at[some]
        table[at + 2] = rank
        highest = np.maximum.reduce([table[at + k] for k in range(5)])
        table[at + 2] = 0
        best = np.flatnonzero((rank > 0) & (rank >= highest))
        start, end = self._windows.start[some[best]], (self._windows.start + self._windows.length)[some[best]]
        rows = zip(start.tolist(), end.tolist(), sure[some[best]].tolist(), rank[best].tolist(), strict=True)
        return [Candidate(kind, *row) for row in rows]
