"""Sounds that are made: something like speech, and much that is not."""

import numpy as np

from marey.signals.loudness import RATE

VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))


def time(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * RATE)) / RATE


def babble(seconds: float, seed: int = 0, pitch: float = 120.0) -> np.ndarray:
    """Syllables of uneven length: a burst of noise, then a vowel of three formants with a gliding pitch; now and then a
    pause. Float (N,) of -1..1."""
    rng = np.random.default_rng(seed)
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < seconds * RATE:
        burst = rng.normal(0, 0.04, round(rng.uniform(0.03, 0.09) * RATE))
        parts.append(np.diff(burst, prepend=0) * np.hanning(len(burst)))
        t = time(rng.uniform(0.08, 0.22))
        turns = np.cumsum(pitch * rng.uniform(0.85, 1.2) * (1 + rng.uniform(-0.15, 0.15) * t / t[-1])) / RATE
        formants = VOWELS[rng.integers(len(VOWELS))]
        wave = np.zeros(len(t))
        for harmonic in range(1, 40):
            hertz = harmonic * pitch
            gain = sum(np.exp(-(((hertz - one) / 110) ** 2)) / (n + 1) for n, one in enumerate(formants)) + 0.01
            wave += gain * np.sin(2 * np.pi * harmonic * turns) / harmonic**0.3
        parts.append(0.25 * rng.uniform(0.5, 1) * wave * np.hanning(len(t)) ** 0.5)
        if rng.random() < 0.15:
            parts.append(np.zeros(round(rng.uniform(0.15, 0.4) * RATE)))
    return np.concatenate(parts)[: round(seconds * RATE)]


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE))


def waving(wave: np.ndarray, hertz: float = 4.0) -> np.ndarray:
    """Louder and softer, four times a second."""
    return wave * (0.5 + 0.5 * np.sin(2 * np.pi * hertz * np.arange(len(wave)) / RATE))


def chord(seconds: float, roots: tuple[float, ...] = (262.0, 330.0, 392.0)) -> np.ndarray:
    t = time(seconds)
    return 0.05 * sum(np.sin(2 * np.pi * root * k * t) / k for root in roots for k in (1, 2, 3, 4))


def tune(seconds: float, note: float = 0.25, seed: int = 0) -> np.ndarray:
    """Plucked notes, one after another."""
    rng = np.random.default_rng(seed)
    t = time(note)
    parts = []
    for _ in range(int(np.ceil(seconds / note))):
        root = 220 * 2 ** (rng.choice([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
        parts.append(0.2 * np.exp(-3 * t / note) * sum(np.sin(2 * np.pi * root * k * t) / k for k in range(1, 6)))
    return np.concatenate(parts)[: round(seconds * RATE)]


def drums(seconds: float, beat: float = 0.25) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE % beat
    return 3 * noise(seconds) * np.exp(-25 * t)


def engine(seconds: float) -> np.ndarray:
    t = time(seconds)
    return 0.1 * sum(np.sin(2 * np.pi * 90 * k * t + np.sin(2 * np.pi * 3 * t)) / k for k in range(1, 20))
