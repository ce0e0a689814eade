"""What is heard of a game: effects and music, synthesised from its events, to the frame.

Effects begin with the first sample of the frame in which they happen. Each theme has a tune of its own, made of a bass,
chords and a melody from its scale; with the shield on it goes faster.
"""

from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np

from marey.worlds.game.engine import State
from marey.worlds.game.hero import FPS
from marey.worlds.game.level import THEMES

RATE = 24000
"""Samples a second: 800 to a frame."""
FRAME = RATE // FPS
_TUNES = 16  # of each theme
_MUSIC, _EFFECT = 0.16, 0.5
_FASTER = 1.5  # how much with the shield
EFFECTS = ("killed", "stomp", "gem", "coin", "hit", "jump", "bump", "land", "climb", "walk", "goal", "shield_off")
"""What can be heard; of those that begin in one frame the first counts."""


def soundtrack(states: Sequence[State], theme: str, seed: int, music: bool = True) -> np.ndarray:
    """The sound of consecutive states: float32 (len(states) * 800,) in -1..1, mono at 24 kHz.

    Args:
        theme: whose tune is played.
        seed: of the level: which of the theme's sixteen melodies it is.
        music: False leaves the effects alone.
    """
    out = np.zeros(len(states) * FRAME, np.float32)
    for n, state in enumerate(states):
        name = heard(state, states[n - 1] if n else None)
        if name:
            wave = effect(name)[: len(out) - n * FRAME]
            out[n * FRAME : n * FRAME + len(wave)] += _EFFECT * wave
    if music:
        tune = _tune(theme, seed % _TUNES)
        # With the shield on, the tune's time runs faster; it has no jumps, for the time adds up.
        pace = np.repeat([_FASTER if state.shield else 1.0 for state in states], FRAME)
        first = states[0].t * FRAME if states else 0
        at = (first + np.cumsum(pace) - pace[:1]).astype(np.int64) if len(states) else np.zeros(0, np.int64)
        out += _MUSIC * tune[at % len(tune)]
    return np.clip(out, -1, 1).astype(np.float32)


def heard(state: State, before: State | None) -> str:
    """The effect that begins with a frame; empty if none."""
    kinds = {event.kind for event in state.events}
    if state.pose == "walk" and before is not None and before.pose == "walk" and before.step != state.step:
        kinds.add("walk")
    if state.pose == "climb" and before is not None and before.step != state.step:
        kinds.add("climb")
    return next((name for name in EFFECTS if name in kinds), "")


@cache
def effect(name: str) -> np.ndarray:
    """One effect, float32 (N,) in -1..1, beginning at full strength within a millisecond.

    Raises:
        ValueError: no such effect.
    """
    if name not in EFFECTS:
        raise ValueError(f"there is no effect {name!r}: one of {', '.join(EFFECTS)} would do")
    made = {
        "jump": lambda: _sweep(0.16, 320, 720, "square") * 0.5,
        "land": lambda: _noise(0.05, 0.012, 3) * 0.5,
        "bump": lambda: _sweep(0.1, 190, 90, "square") * 0.7,
        "climb": lambda: _sweep(0.05, 500, 560, "triangle") * 0.5,
        "walk": lambda: _noise(0.03, 0.007, 5) * 0.25,
        "coin": lambda: _notes((988, 1319), (0.06, 0.2), "square") * 0.55,
        "gem": lambda: _notes((659, 784, 988, 1319), (0.06, 0.06, 0.06, 0.3), "triangle") * 0.9,
        "shield_off": lambda: _sweep(0.25, 700, 260, "triangle") * 0.6,
        "stomp": lambda: _sweep(0.14, 420, 110, "square") * 0.6 + _noise(0.14, 0.02, 2) * 0.4,
        "hit": lambda: _sweep(0.2, 300, 150, "saw") * 0.6,
        "killed": lambda: _notes((494, 440, 370, 294), (0.1, 0.1, 0.1, 0.35), "square") * 0.7,
        "goal": lambda: _notes((523, 659, 784, 1047), (0.1, 0.1, 0.1, 0.4), "square") * 0.7,
    }[name]()
    wave = np.clip(made, -1, 1).astype(np.float32)
    wave.setflags(write=False)
    return wave


def _phase(seconds: float, start: float, end: float) -> np.ndarray:
    count = round(seconds * RATE)
    return np.cumsum(np.geomspace(start, end, count)) / RATE


def _shape(phase: np.ndarray, kind: str) -> np.ndarray:
    turn = (phase + 0.25) % 1.0
    if kind == "square":
        return np.where(turn < 0.5, 1.0, -1.0)
    if kind == "saw":
        return 2 * turn - 1
    return 1 - 4 * np.abs(turn - 0.5)


def _fading(wave: np.ndarray, seconds: float) -> np.ndarray:
    at = np.arange(len(wave)) / RATE
    return wave * np.exp(-at / seconds) * np.minimum(1, (len(wave) - np.arange(len(wave))) / 60)


def _sweep(seconds: float, start: float, end: float, kind: str) -> np.ndarray:
    return _fading(_shape(_phase(seconds, start, end), kind), seconds / 2.2)


def _notes(pitches: Sequence[float], seconds: Sequence[float], kind: str) -> np.ndarray:
    return np.concatenate([_sweep(length, pitch, pitch, kind) for pitch, length in zip(pitches, seconds, strict=True)])


def _noise(seconds: float, fall: float, smooth: int) -> np.ndarray:
    rng = np.random.default_rng(round(seconds * 1000) + smooth)
    wave = np.convolve(rng.uniform(-1, 1, round(seconds * RATE)), np.ones(smooth) / smooth, "same") * smooth**0.5
    return _fading(wave, fall)


_SCALES = {  # semitones above the root, the root in Hz, beats a minute
    "meadow": ((0, 2, 4, 5, 7, 9, 11), 130.8, 120),
    "desert": ((0, 1, 4, 5, 7, 8, 10), 110.0, 100),
    "dusk": ((0, 2, 3, 5, 7, 8, 10), 123.5, 90),
    "snow": ((0, 2, 4, 7, 9, 12, 14), 146.8, 84),
    "cave": ((0, 2, 3, 5, 7, 8, 11), 98.0, 76),
}
assert set(_SCALES) == set(THEMES)


@lru_cache(maxsize=64)
def _tune(theme: str, seed: int) -> np.ndarray:
    """Eight bars that repeat, float32 in -1..1."""
    scale, root, pace = _SCALES[theme]
    rng = np.random.default_rng([seed, THEMES.index(theme), 0x70E])
    beat = round(RATE * 60 / pace)
    out = np.zeros(32 * beat, np.float32)

    def add(start: int, pitch: float, seconds: float, kind: str, loud: float) -> None:
        wave = loud * _fading(_shape(_phase(seconds, pitch, pitch), kind), seconds * 0.6)
        length = min(len(wave), len(out) - start)
        out[start : start + length] += wave[:length]

    def tone(degree: int, octave: int) -> float:
        turns, place = divmod(degree, len(scale))
        return float(root * 2 ** (octave + turns + scale[place] / 12))

    chords = (0, 5, 3, 4, 0, 5, 3, 4) if rng.random() < 0.5 else (0, 3, 4, 0, 5, 3, 4, 4)
    place = 4
    for bar, chord in enumerate(chords):
        for step in range(4):
            start = (4 * bar + step) * beat
            add(start, tone(chord, -1), 0.9 * beat / RATE, "triangle", 0.5)
            for degree in (0, 2, 4):
                add(start, tone(chord + degree, 0), 0.4 * beat / RATE, "triangle", 0.12)
            for half in range(2):
                if rng.random() < 0.7:
                    place = int(np.clip(place + rng.integers(-2, 3), 0, 9))
                    add(start + half * beat // 2, tone(place, 1), 0.45 * beat / RATE, "square", 0.14)
    out /= np.abs(out).max()
    out.setflags(write=False)
    return out
