"""Speech-like sound: syllables are told from noise, tones, music and machines."""

import numpy as np
import pytest
import voices

from marey.signals.loudness import HOP, RATE
from marey.signals.speech import BANDS, LIMITS, Analyser, features, speech_like


def rows(sound: np.ndarray, piece: int = RATE) -> np.ndarray:
    analyser = Analyser()
    parts = [analyser(sound[n : n + piece]) for n in range(0, len(sound), piece)]
    return np.concatenate([*parts, analyser.end(len(sound) // HOP - sum(map(len, parts)))])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("pitch", [95.0, 130.0, 210.0])
def test_syllables_are_speech_like(seed: int, pitch: float) -> None:
    speech = voices.babble(6, seed, pitch)
    assert speech_like(rows(speech)) > 0.8
    assert speech_like(rows(0.05 * speech)) > 0.8
    assert speech_like(rows(speech + 0.1 * speech.std() * voices.noise(6) / 0.1)) > 0.6  # 20 dB over noise


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(6 * RATE),
        voices.noise(6),
        voices.waving(voices.noise(6)),
        voices.waving(np.sin(2 * np.pi * 300 * voices.time(6))),
        voices.chord(6),
        voices.waving(voices.chord(6), 5),
        voices.tune(6),
        voices.tune(6, 0.125),
        voices.tune(6, 0.5) + voices.drums(6),
        voices.drums(6),
        voices.engine(6),
        0.3 * np.sin(2 * np.pi * np.cumsum(700 + 300 * np.sin(np.pi * voices.time(6))) / RATE),
    ],
    ids=[
        "silence", "noise", "waving noise", "waving tone", "chord", "tremolo", "tune", "fast tune", "band", "drums",
        "engine", "siren",
    ],
)  # fmt: skip
def test_what_has_no_syllables_is_not(sound: np.ndarray) -> None:
    assert speech_like(rows(sound)) == 0


def test_the_share_is_that_of_the_time() -> None:
    half = np.concatenate([voices.babble(8), voices.noise(8)])
    assert speech_like(rows(half)) == pytest.approx(0.5, abs=0.12)
    assert speech_like(rows(voices.babble(0.4))) is None


def test_each_thing_by_itself_is_not_enough() -> None:
    """Waving noise has the syllables' rhythm, a tune has pitch and shape, drums go up and down."""
    found = {name: features(rows(sound)[:100]) for name, sound in {
        "noise": voices.waving(voices.noise(3)), "tune": voices.tune(3), "babble": voices.babble(3)
    }.items()}  # fmt: skip
    outside = {
        name: {key for key, (low, high) in LIMITS.items() if not low <= one[key] <= high} for name, one in found.items()
    }
    assert outside["babble"] == set()
    assert outside["noise"] >= {"voiced", "shape"}
    assert outside["tune"] >= {"beat"}


def test_pieces_make_no_difference_and_a_row_is_of_its_time() -> None:
    sound = voices.babble(2)
    np.testing.assert_allclose(rows(sound, 7777), rows(sound), atol=1e-4)
    click = np.zeros(RATE)
    click[20 * HOP + 500] = 1
    levels = rows(click)[:, :BANDS].max(axis=1)
    assert set(np.flatnonzero(levels > levels.max() - 30)) <= {19, 20}
    assert len(levels) == RATE // HOP


def test_a_tone_has_a_pitch_and_noise_has_none() -> None:
    tone = sum(np.sin(2 * np.pi * 150 * k * voices.time(1)) / k for k in range(1, 9))
    assert rows(tone)[:40, BANDS].min() > 0.8
    assert np.median(rows(voices.noise(1))[:40, BANDS]) < 0.4
