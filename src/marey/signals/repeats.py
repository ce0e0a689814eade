"""Frames that repeat the one before: a picture that stands, and the regular repeats of a converted frame rate.

Both look at how far the signature of a frame is from that of the frame before. A repeat that was encoded again differs
by compression noise: some hundredths of a grey level where x264 works at its default, while the noise of a camera that
stands still, let alone movement, makes a tenth and more.
"""

from dataclasses import dataclass

import numpy as np

EQUAL = 0.06
"""Mean absolute difference, in grey levels, up to which two signatures are of the same picture."""
EQUAL_CELL = 3
"""And no cell of them differs by more: something small that moves is no repeat."""
LONGEST = 30
"""Frames of the longest pattern that is looked for; 24 frames as 25 repeat one of 25."""
ROUNDS = 4
"""So many rounds of a pattern must be seen."""
_WINDOW = 150  # frames that are looked at together: a dropped frame shifts a pattern
_AROUND = 31  # frames by whose movement it is judged whether one stands out
_SMALL = 0.25  # of that movement: a repeat in a shot that moves
_MOVES = 0.12  # mean grey levels under which there is no movement to stand out from
_AGREE = 0.9


@dataclass(frozen=True)
class Cadence:
    """A regular pattern of repeats."""

    share: float
    """Of its frames that are repeats, 0..1."""
    period: int
    """Frames of a round."""
    kept: int
    """Of them, the frames that are none."""


def steps(luma: np.ndarray) -> np.ndarray:
    """How far each frame but the first is from the one before: mean and largest absolute difference of the cells.

    Args:
        luma: uint8 (T, H, W).

    Returns:
        float32 (T - 1, 2), in grey levels.
    """
    out = np.zeros((max(len(luma) - 1, 0), 2), np.float32)
    for start in range(0, len(out), 512):
        stop = min(start + 512, len(out))
        a, b = luma[start:stop], luma[start + 1 : stop + 1]
        apart = (np.maximum(a, b) - np.minimum(a, b)).reshape(stop - start, -1)  # stays in uint8
        out[start:stop, 0] = apart.mean(axis=1, dtype=np.float32)
        out[start:stop, 1] = apart.max(axis=1)
    return out


def freeze_share(luma: np.ndarray) -> float:
    """The share of the frames but the first that equal the one before up to compression noise, 0..1.

    Args:
        luma: uint8 (T, H, W), T at least 1; a single frame has none.
    """
    apart = steps(luma)
    if not len(apart):
        return 0.0
    return float(((apart[:, 0] <= EQUAL) & (apart[:, 1] <= EQUAL_CELL)).mean())


def cadence(luma: np.ndarray) -> Cadence | None:
    """The pattern in which frames are repeated, such as one of five where 24 frames a second became 30.

    A frame counts as a repeat if it is nearer to the one before than a quarter of what moves around it: so a repeat is
    found in spite of compression, and a shot in which nothing moves has none.

    Args:
        luma: uint8 (T, H, W).

    Returns:
        None where there is no regular pattern, or nothing moves.
    """
    apart = steps(luma)[:, 0]
    count = -(-len(apart) // _WINDOW)
    found = [_pattern(part) for part in np.array_split(apart, count)] if count else []
    known = [one for one in found if one is not None]
    if 2 * len(known) <= len(found):
        return None
    usual = max({(one.period, one.kept) for one in known}, key=lambda kind: sum(_is(one, kind) for one in known))
    same = [one for one in known if _is(one, usual)]
    if 2 * len(same) <= len(found):
        return None
    period, kept = usual
    return Cadence((period - kept) / period, period, kept)


def _is(one: Cadence, kind: tuple[int, int]) -> bool:
    return (one.period, one.kept) == kind


def _pattern(apart: np.ndarray) -> Cadence | None:
    if len(apart) < 2 * ROUNDS:
        return None
    padded = np.pad(apart, _AROUND // 2, mode="reflect") if len(apart) > _AROUND // 2 else apart
    around = np.lib.stride_tricks.sliding_window_view(padded, min(_AROUND, len(padded)))
    moves = np.percentile(around, 80, axis=1)
    moves = moves if len(moves) == len(apart) else np.full(len(apart), moves.max())
    repeat = (apart < _SMALL * moves) & (moves > _MOVES)
    if not repeat.any():
        return None
    for period in range(2, min(LONGEST, len(apart) // ROUNDS) + 1):
        phase = np.arange(len(apart)) % period
        rate = np.bincount(phase, repeat, period) / np.bincount(phase, minlength=period)
        repeats = rate > 0.5
        hit = (repeat & repeats[phase]).sum()
        agreement = 2 * hit / max(repeat.sum() + repeats[phase].sum(), 1)  # the F1 of the pattern
        if repeats.any() and not repeats.all() and agreement >= _AGREE:
            number = int(repeats.sum())
            return Cadence(number / period, period, period - number)
    return None
