"""Whether a sound is like speech: syllables.

No network and no words: a stretch counts where four things that hold of syllables in any language hold together. Its
level goes up and down by much, mostly two to ten times a second, and not as evenly as a beat; a good part of it has the
pitch of a voice, and not all of it; and its spectrum changes its shape while it is loud, as vowels and consonants do.
Source of the modulation: Houtgast and Steeneken, "A review of the MTF concept in room acoustics" (1985); its use to
tell speech from music: Scheirer and Slaney, "Construction and evaluation of a robust multifeature speech/music
discriminator" (1997).

Singing with words is like speech; whispering, a crowd, and speech under loud music are not told.
"""

import numpy as np

from marey.signals.loudness import HOP, RATE

BANDS = 18
"""Bands of equal width to the ear (mel) from 80 Hz to 8 kHz."""
WINDOW, STEP = 100, 25
"""Hops of a stretch that is judged, 2 s, and from one to the next."""
LEAST = 25
"""Hops of the shortest sound that is judged: 0.5 s."""
LIMITS = {
    "depth": (4.0, 25.0),  # decibels by which the level deviates
    "syllables": (0.3, 1.0),  # share of its ups and downs that come two to ten times a second
    "beat": (-1.0, 0.85),  # how much they are like themselves some time later
    "voiced": (0.2, 0.97),  # share of the loud hops with a pitch from 75 to 400 Hz
    "shape": (4.0, 40.0),  # decibels by which the shape of the spectrum deviates in the loud hops
    "loud": (0.3, 1.0),  # share of the hops that are loud
}
"""What each feature of a stretch must be for it to be like speech: within these, all together."""
_FRAME, _SIZE = 1440, 2048
_PITCHES = (RATE // 400, RATE // 75)  # periods of a voice, in samples
_FLOOR = -70.0  # decibels
_RANGE = 50.0  # decibels below the loudest hop of a stretch that are looked at
_LOUD = 25.0  # decibels below the loudest hop down to which a hop is loud
_ROWS = 512  # hops to which a stretch is filled up for its spectrum, over twice as many as it has
_BEAT = 6  # hops between two beats at least: eight a second


class Analyser:
    """Levels and pitch of a sound that comes in pieces: for each `HOP` samples one row.

    The row of a hop is of the 0.03 s that begin with it.
    """

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self._window = np.hanning(_FRAME).astype(np.float32)
        self._bank = _bank()
        # The window's own correlation, by which that of the sound is divided.
        own = np.fft.irfft(np.abs(np.fft.rfft(self._window, _SIZE)) ** 2)
        self._own = own[_PITCHES[0] : _PITCHES[1]] / own[0]

    def __call__(self, sound: np.ndarray) -> np.ndarray:
        """The next piece of mono sound (N,): float32 (rows, BANDS + 1), the level of each band in decibels and then how
        periodic it is at the pitches of a voice, 0..1."""
        joined = np.concatenate([self._rest, sound.astype(np.float32)])
        count = max(0, (len(joined) - _FRAME) // HOP + 1)
        self._rest = joined[count * HOP :]
        if not count:
            return np.zeros((0, BANDS + 1), np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(joined, _FRAME)[::HOP][:count]
        power = np.abs(np.fft.rfft(frames * self._window, _SIZE)) ** 2  # (rows, bins)
        levels = 10 * np.log10(power @ self._bank + 1e-12)
        again = np.fft.irfft(power)
        pitched = (again[:, _PITCHES[0] : _PITCHES[1]] / self._own).max(axis=1) / (again[:, 0] + 1e-9)
        return np.column_stack([levels, np.clip(pitched, 0, 1)]).astype(np.float32)

    def end(self, hops: int) -> np.ndarray:
        """The last rows, so that there are `hops` more of them: silence follows the sound."""
        return self(np.zeros(max(0, (hops - 1) * HOP + _FRAME - len(self._rest)), np.float32))[:hops]


def speech_like(rows: np.ndarray) -> float | None:
    """The share of a sound's time that is like speech, 0..1.

    Args:
        rows: float (N, BANDS + 1), as `Analyser` gives them.

    Returns:
        None of a sound under half a second.
    """
    if len(rows) < LEAST:
        return None
    starts = range(0, max(1, len(rows) - WINDOW + 1), STEP)
    like = np.zeros(len(rows))
    seen = np.zeros(len(rows))
    for start in starts:
        stretch = slice(start, start + WINDOW)
        like[stretch] += is_like_speech(rows[stretch])
        seen[stretch] += 1
    known = seen > 0
    return float((like[known] / seen[known]).mean())


def is_like_speech(rows: np.ndarray) -> bool:
    """Whether a stretch (n, BANDS + 1) of two seconds or so has what syllables have."""
    found = features(rows)
    return all(low <= found[name] <= high for name, (low, high) in LIMITS.items())


def features(rows: np.ndarray) -> dict[str, float]:
    """What tells a stretch of speech; the names are those of `LIMITS`."""
    bands, pitched = rows[:, :BANDS].astype(np.float64), rows[:, BANDS].astype(np.float64)
    total = 10 * np.log10((10 ** (bands / 10)).sum(axis=1))
    level = np.maximum(total, max(float(total.max()) - _RANGE, _FLOOR))
    loud = level > level.max() - _LOUD
    swing = level - level.mean()
    spectrum = np.abs(np.fft.rfft(swing * np.hanning(len(swing)), _ROWS)) ** 2
    hertz = np.fft.rfftfreq(_ROWS, HOP / RATE)
    syllables = float(spectrum[(hertz >= 2) & (hertz <= 10)].sum())
    every = float(spectrum[(hertz >= 0.9) & (hertz <= 24)].sum())
    # The envelope's correlation with itself, as if it went on for ever.
    again = np.fft.irfft(np.abs(np.fft.rfft(swing, _ROWS)) ** 2)[: len(swing)]
    again = again / np.arange(len(swing), 0, -1) * len(swing)
    shape = np.maximum(bands, bands.max() - _RANGE)[loud]
    shape = shape - shape.mean(axis=1, keepdims=True)
    return {
        "depth": float(level.std()),
        "syllables": syllables / (every + 1e-9),
        "beat": float(again[_BEAT : max(_BEAT + 1, len(swing) // 2)].max() / (again[0] + 1e-9)),
        "voiced": float((pitched[loud] > 0.5).mean()),
        "shape": float(shape.std(axis=0).mean()),
        "loud": float(loud.mean()),
    }


def _bank() -> np.ndarray:
    """Triangles over the bins of a spectrum, each summing to the same: float32 (bins, BANDS)."""
    mel = np.linspace(_mel(80.0), _mel(8000.0), BANDS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    hertz = np.arange(_SIZE // 2 + 1) * RATE / _SIZE
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rise, fall = (hertz - low) / (middle - low), (high - hertz) / (high - middle)
    bank = np.maximum(0, np.minimum(rise, fall)).T
    return (bank / _SIZE).astype(np.float32)


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))
