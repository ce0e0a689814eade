"""How far a gradual transition reaches: a window may lie inside it, for a part of a dissolve looks like a dissolve.

First the ends are moved outwards as long as the picture goes on as it does within (`grown`). Then the way from one shot
to the other is measured frame by frame and a course is fitted to it (`fitted`): even, or slow at one end or at both, as
editing programs have it. Where it begins and ends follows from the course, for the slow end of one changes less than a
grey level a frame.
"""

import cv2
import numpy as np

from marey.curate.candidate import Kind
from marey.curate.features import Features

GOES_ON = 0.35
"""A frame belongs to a transition if it goes on by at least this share of its usual step."""
TURNED = 16
"""A pixel of a signature whose luma changes by more from frame to frame, in grey levels, turns."""
APART = 20
"""Pixels of a signature that differ by more between the two shots, in grey levels, tell how far a wipe is."""
KNOWN = (0.07, 0.93)
"""Between these shares of the way a frame tells where it is; nearer to the ends noise and motion do."""
ASTRAY = 0.07
"""A course that is further from what was measured, root mean square, is not believed."""
LEFT = 0.03
"""A wipe has begun when so large a share of the picture has turned."""
LEANING = 0.3
"""Ends are rounded outwards if they are further out than so much of a frame: a frame too much is trimmed rather than
one too few kept."""

_GRID = np.linspace(0, 1, 201)
_COURSES = (_GRID, _GRID**2 * (3 - 2 * _GRID), _GRID**2, 1 - (1 - _GRID) ** 2, _GRID**3, 1 - (1 - _GRID) ** 3)
_SIDES = (_GRID, (3 * _GRID**2 - _GRID**3) / 2, _GRID**2, 1 - (1 - _GRID) ** 2)
"""Of one half of a fade: the first half of a course that is slow at both ends is not slow in the middle."""


def reach(features: Features, kind: Kind, a_end: int, b_start: int, low: int, high: int) -> tuple[int, int]:
    """The ends of the transition that a window lies in.

    Args:
        low: the first frame that may belong to the shot before.
        high: the last one that may belong to the shot after.
    """
    most = (b_start - a_end) // 2 + 4
    a, b = grown(features, kind, a_end, b_start, most)
    a, b = max(a, min(low, a_end)), min(b, max(high, b_start))
    for _ in range(2):
        again = fitted(features, kind, a, b, max(low, a_end - 2 * most), min(high, b_start + 2 * most))
        if again is None or again == (a, b):
            break
        a, b = again
    return a, b


def fitted(features: Features, kind: Kind, a_end: int, b_start: int, low: int, high: int) -> tuple[int, int] | None:
    """Ends by the course that fits best, at least `low` and at most `high`; None where none does."""
    if b_start - a_end < 4:
        return None
    if kind == "fade":
        return _fitted_fade(features, a_end, b_start, low, high)
    reach = (b_start - a_end) // 2 + 2
    first, last = max(low, a_end - reach), min(high, b_start + reach)
    # Beside the window, where it may not yet have begun: at its first frame the way is nought by definition.
    out = min((b_start - a_end) // 8, 4)
    before, after = max(first, a_end - out), min(last, b_start + out)
    way = (_turned if kind == "wipe" else _mixed)(features, before, after, first, last)
    ends = _course(way, a_end - first, b_start - first, _COURSES)
    if kind == "wipe":
        ends = _crossing(way, a_end - first, b_start - first, ends)
    if ends is None:
        return None
    a, b = first + int(np.floor(ends[0] + LEANING)), first + int(np.ceil(ends[1] - LEANING))
    a, b = max(a, low), min(b, high)
    return (a, b) if b - a >= 3 else None


def _fitted_fade(features: Features, a_end: int, b_start: int, low: int, high: int) -> tuple[int, int] | None:
    depth = np.sqrt(features.energy)
    inside = depth[a_end : b_start + 1]
    least = float(inside.min())
    flat = np.flatnonzero(inside <= least + 0.05 * float(np.median(inside)) + 0.3)
    bottom = a_end + int(flat[0]), a_end + int(flat[-1])
    ends = []
    for end, middle, limit in ((a_end, bottom[0], low), (b_start, bottom[1], high)):
        step = 1 if middle > end else -1
        far = max(limit, end - abs(middle - end) - 3) if step > 0 else min(limit, end + abs(middle - end) + 3)
        frames = np.arange(far, middle + step, step)
        whole = float(np.median(depth[np.clip(np.arange(end - 2, end + 3), min(far, end), max(far, end))]))
        if abs(middle - end) < 3 or whole <= least + 1:
            ends.append(end)
            continue
        way = 1 - (depth[frames] - least) / (whole - least)
        found = _course(way, abs(end - far), len(frames) - 1, _SIDES)
        # The courses of a side only tell where it leaves its shot.
        ends.append(end if found is None else int(far + step * int(np.floor(found[0] + LEANING))))
    a, b = max(ends[0], low), min(ends[1], high)
    return (a, b) if b - a >= 3 else None


def _mixed(features: Features, a_end: int, b_start: int, first: int, last: int) -> np.ndarray:
    """Of frames first..last: how far each is on the straight way from the coarse picture of one shot to the other."""
    coarse = features.coarse[first : last + 1].reshape(last + 1 - first, -1)
    before, after = features.coarse[a_end].ravel(), features.coarse[b_start].ravel()
    way = after - before
    return (coarse - before) @ way / max(float(way @ way), 1e-9)


def _turned(features: Features, a_end: int, b_start: int, first: int, last: int) -> np.ndarray:
    """Of frames first..last: the share of pixels that are more like the shot after than like the one before."""
    before, after = (features.luma[n].astype(np.int16).ravel() for n in (a_end, b_start))
    tell = np.abs(after - before) > APART
    if tell.sum() < 40:
        return _mixed(features, a_end, b_start, first, last)
    light = features.luma[first : last + 1].reshape(last + 1 - first, -1)[:, tell].astype(np.int16)
    return (np.abs(light - after[tell]) < np.abs(light - before[tell])).mean(axis=1)


def _crossing(way: np.ndarray, start: int, stop: int, course: tuple[float, float] | None) -> tuple[float, float] | None:
    """Where `way` leaves the one shot and comes to the other; a course may say that it does so a little further out."""
    middle = start + int(np.argmin(np.abs(way[start : stop + 1] - 0.5)))
    before, after = float(np.median(way[:4])), float(np.median(way[-4:]))
    at_first, at_last = np.flatnonzero(way[:middle] <= before + LEFT), np.flatnonzero(way[middle:] >= after - LEFT)
    if before > 0.25 or after < 0.75 or not len(at_first) or not len(at_last):
        return course
    a, b = float(at_first[-1]), float(middle + at_last[0])
    more = max(2.0, (b - a) / 8)
    if course is None:
        return a - 1, b + 1
    return max(min(a, course[0]), a - more), min(max(b, course[1]), b + more)


def _course(way: np.ndarray, start: int, stop: int, courses: tuple[np.ndarray, ...]) -> tuple[float, float] | None:
    """Where the course that fits `way` best begins and ends, in frames of `way`; `start` and `stop` are near there."""
    middle = start + int(np.argmin(np.abs(way[start : stop + 1] - 0.5)))
    below, above = np.flatnonzero(way[:middle] < KNOWN[0]), np.flatnonzero(way[middle:] > KNOWN[1])
    begin = int(below[-1]) + 1 if len(below) else 0
    end = middle + int(above[0]) - 1 if len(above) else len(way) - 1
    at = np.arange(begin, end + 1)
    if len(at) < 3:
        return None
    best, ends = ASTRAY, None
    spread = float(((at - at.mean()) ** 2).sum())
    for course in courses:
        place = np.interp(np.clip(way[at], 0, 1), course, _GRID)
        slope = float((at - at.mean()) @ place) / spread
        if slope <= 1e-6:
            continue
        offset = float(place.mean()) - slope * float(at.mean())
        guess = np.interp(np.clip(offset + slope * np.arange(len(way)), 0, 1), _GRID, course)
        astray = float(np.sqrt(np.mean((guess - np.clip(way, 0, 1)) ** 2)))
        if astray < best:
            best, ends = astray, (-offset / slope, (1 - offset) / slope)
    return ends


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
