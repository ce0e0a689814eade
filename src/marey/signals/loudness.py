"""How loud a sound is to the ear, and how much of it is silent.

Source: ITU-R BS.1770-4, annex 1: a filter for the ear ("K"), mean squares over blocks of 0.4 s that overlap by three
quarters, summed over the channels, and two gates. A sine of 997 Hz that just reaches full scale in one front channel
measures -3.01 LUFS.
"""

from collections.abc import Sequence

import numpy as np

RATE = 48_000
"""The coefficients of the filter are those for this rate."""
HOP = 960
"""Samples whose powers are kept as one number: 0.02 s."""
BLOCK, STEP = 20, 5
"""Hops of a gating block, and from one to the next."""
ABSOLUTE, RELATIVE = -70.0, -10.0
"""Gates: in LUFS, and in LU below the loudness of what passes the first."""
SILENT = -60.0
"""Decibels below full scale under which a stretch is silent."""
_SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
_TAPS = 8192  # the response has died away to 1e-17 there
_SURROUND = {"BL", "BR", "SL", "SR"}


def weights(channels: Sequence[str]) -> np.ndarray:
    """How much each channel counts, float64 (C,): 1, of those at the sides and behind 1.41, of the deep one nothing."""
    return np.array([0.0 if name == "LFE" else 1.41 if name in _SURROUND else 1.0 for name in channels])


class KFilter:
    """The filter of the ear for sound that comes in pieces, by fast convolution with its response."""

    def __init__(self, channels: int) -> None:
        self._response = response()
        self._before = np.zeros((channels, _TAPS - 1))

    def __call__(self, sound: np.ndarray) -> np.ndarray:
        """The next piece (C, N) filtered: float64 (C, N)."""
        joined = np.concatenate([self._before, sound], axis=1)
        self._before = joined[:, -(_TAPS - 1) :]
        size = 1 << (joined.shape[1] - 1).bit_length()
        spectrum = np.fft.rfft(joined, size) * np.fft.rfft(self._response, size)
        return np.fft.irfft(spectrum, size)[:, _TAPS - 1 : joined.shape[1]]


def response() -> np.ndarray:
    """What the filter makes of a click: float64 (8192,)."""
    turn = np.exp(-2j * np.pi * np.arange(_TAPS + 1) / (2 * _TAPS))
    both = np.ones(_TAPS + 1, complex)
    for top, bottom in (_SHELF, _PASS):
        both *= np.polyval(top[::-1], turn) / np.polyval(bottom[::-1], turn)
    return np.fft.irfft(both)[:_TAPS]


def powers(sound: np.ndarray) -> np.ndarray:
    """Mean squares of each `HOP` samples of (C, N), N a multiple of it: float64 (C, N / HOP)."""
    return (sound.reshape(len(sound), -1, HOP).astype(np.float64) ** 2).mean(axis=2)


def loudness(power: np.ndarray) -> float | None:
    """Integrated loudness in LUFS.

    Args:
        power: float (N,), for each hop the mean squares behind the filter, weighted and summed over the channels.

    Returns:
        None of under 0.4 s, or where all of it lies under the first gate.
    """
    if len(power) < BLOCK:
        return None
    total = np.concatenate([[0.0], np.cumsum(power, dtype=np.float64)])
    starts = np.arange(0, len(power) - BLOCK + 1, STEP)
    blocks = np.maximum(total[starts + BLOCK] - total[starts], 0) / BLOCK
    for gate in (ABSOLUTE, None):
        level = _lufs(blocks)
        blocks = blocks[level > (gate if gate is not None else _lufs(blocks.mean()) + RELATIVE)]
        if not len(blocks):
            return None
    return float(_lufs(blocks.mean()))


def silence_share(level: np.ndarray) -> float:
    """The share of a sound's time that is silent, 0..1.

    Args:
        level: float (N,), for each hop the mean square of the loudest channel; N at least 1. It is looked at in
            stretches of 0.1 s, so that the pauses within a wave's own period are no silence.
    """
    stretches = np.array_split(level, max(1, len(level) // STEP))
    quiet = [10 * np.log10(part.mean() + 1e-20) < SILENT for part in stretches]
    return float(np.average(quiet, weights=[len(part) for part in stretches]))


def _lufs(power: np.ndarray) -> np.ndarray:
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-20))
