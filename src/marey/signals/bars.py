"""Black bars around a picture: letterbox, pillarbox, or both; and the crop that leaves the picture.

A bar is black from the edge of the frame inwards, and ends for the whole width of the picture on one straight line. A
dark scene is black too, but the light in it begins here at one height and there at another. Logos and subtitles may
stand in a bar. Black means nearly one dark tone, so that bars of 16, where a file claims a range that it has not, are
bars as well. A dark shot does not show where its picture ends: then other shots of the footage may.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

DARKEST = 22
"""Grey levels that the tone of a bar has at most."""
LIGHT = 12
"""Grey levels above that tone from which on a pixel is of the picture."""
WIDEST = 0.4
"""Share of the height or width that one bar takes at most."""
ALONE = 0.04
"""A bar without one opposite takes at most this share: what a capture leaves at an edge. A larger one is a scene."""
UNEVEN = 0.5
"""Of two opposite bars the smaller one has at least this share of the larger, unless both are small."""
_FULL = 0.3  # of a line lit, from which on a picture shows where it ends
_OUTSIDE = 0.3  # of a line within a bar, that logos and subtitles may take in the mean
_JUMP = 0.6  # of the lit share, that must begin at the edge
_EVEN, _FLAT = 4, 0.7  # grey levels about its tone, within which so much of a bar lies; stars and clouds lie beyond
_SOFT = 2  # lines over which an edge may be spread


@dataclass(frozen=True)
class Bars:
    """Black lines at each side, in pixels of the picture as shown, even numbers."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def share(self, height: int, width: int) -> float:
        """The share of the whole picture that they take, 0..1."""
        return 1 - (height - self.top - self.bottom) * (width - self.left - self.right) / (height * width)


def bars(
    stills: Sequence[np.ndarray],
    height: int,
    width: int,
    *,
    elsewhere: Callable[[], Sequence[np.ndarray]] = tuple,
) -> tuple[Bars, bool]:
    """The bars of a clip, and whether its picture (or its footage's) showed where it ends.

    Args:
        stills: of the clip, luma uint8 (H, W), all of one size.
        height, width: of the source as shown; the stills may be smaller. Edges are found to a fraction of their pixels.
        elsewhere: gives stills of other clips of the same footage. They tell where a picture ends that is too dark to.
    """
    peak = np.max(np.stack(stills), axis=0)
    ends, seen = _ends(peak)
    others = [] if seen else [one for one in elsewhere() if one.shape == peak.shape]
    if others:
        ends, seen = _ends(np.max(np.stack([*others, peak]), axis=0))
    high, wide = peak.shape
    top, bottom = _pair(ends[0] / high, ends[1] / high)
    left, right = _pair(ends[2] / wide, ends[3] / wide)
    return Bars(_even(top * height), _even(bottom * height), _even(left * width), _even(right * width)), seen


def _ends(peak: np.ndarray) -> tuple[tuple[float, float, float, float], bool]:
    """Lines of bar at the top, bottom, left and right of the lightest values, and whether the picture is light enough
    to tell."""
    middle = peak
    top = bottom = left = right = 0.0
    seen = True
    for _ in range(2):  # the second time within the other pair of bars, whose black says nothing of an edge
        high, wide = peak.shape
        middle = peak[:, int(np.ceil(left)) : wide - int(np.ceil(right))]
        top, lit = _edge(middle)
        bottom, _ = _edge(middle[::-1])
        middle = peak[int(np.ceil(top)) : high - int(np.ceil(bottom))]
        left, seen = _edge(middle.T)
        right, _ = _edge(middle.T[::-1])
        seen = seen and lit
    return (top, bottom, left, right), seen


def _edge(picture: np.ndarray) -> tuple[float, bool]:
    """How many lines at the top are bar, and whether the picture is light enough to tell."""
    high = len(picture)
    border = picture[: max(1, high // 200)]
    tone = float(np.median(border))
    lit = (picture > (tone if tone <= DARKEST else 0) + LIGHT).mean(axis=1)  # (H,)
    full = float(np.percentile(lit, 75))
    if full < _FULL:
        return 0.0, False
    if tone > DARKEST:
        return 0.0, True
    furthest = int(WIDEST * high)
    at = np.arange(1, furthest + 1)
    jump = lit[np.minimum(at + 1, high - 1)] - lit[np.maximum(at - _SOFT, 0)]
    outside = np.cumsum(lit)[at - 1] / at
    inside = np.array([(lit[n : n + max(3, high // 20)] >= 0.5 * full).mean() for n in at + 1])
    even = (np.abs(picture[:furthest].astype(np.int16) - round(tone)) <= _EVEN).mean(axis=1)
    flat = np.cumsum(even)[at - 1] / at
    good = (jump >= _JUMP * full) & (outside <= _OUTSIDE * full) & (inside >= 0.9) & (flat >= _FLAT)
    if not good.any():
        return 0.0, True
    edge = int(at[good][np.argmax(jump[good])])
    # What of the lines at the edge is picture, told by their light against that of the line behind them.
    behind = picture[min(edge + _SOFT, high - 1)].astype(np.float32) - tone
    bright = behind > LIGHT
    if not bright.any():
        return float(edge), True
    first = max(edge - _SOFT, 0)
    band = picture[first : edge + _SOFT, bright].astype(np.float32) - tone
    covered = np.clip(np.median(band / behind[bright], axis=1), 0, 1)
    return float(first + len(band) - covered.sum()), True


def _pair(a: float, b: float) -> tuple[float, float]:
    """Two opposite bars as shares of the side, without one that may be a dark part of the scene."""
    small, large = sorted((a, b))
    if large <= ALONE or small >= UNEVEN * large:
        return a, b
    return (a if a <= ALONE else 0.0), (b if b <= ALONE else 0.0)


def _even(lines: float) -> int:
    """To an even number: a line of black that stays is worse than a line of the picture lost."""
    return 0 if lines < 1.5 else 2 * int(np.ceil((lines - 0.75) / 2))
