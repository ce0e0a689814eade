"""Loudness: the standard's own sines, the cases of EBU Tech 3341, libav's meter, and the recursive filter."""

from fractions import Fraction

import av
import numpy as np
import pytest
import voices

from marey.signals.loudness import HOP, RATE, KFilter, loudness, powers, response, silence_share, weights

STEREO = ("FL", "FR")


def sine(level: float, seconds: float, hertz: float = 1000.0, channels: int = 2) -> np.ndarray:
    """A sine whose peak is `level` decibels below full scale, in all channels."""
    wave = 10 ** (level / 20) * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return np.repeat(wave[None], channels, axis=0)


def lufs(sound: np.ndarray, channels: tuple[str, ...] = STEREO, piece: int = RATE) -> float | None:
    ear = KFilter(len(sound))
    parts = [powers(ear(sound[:, n : n + piece])) for n in range(0, sound.shape[1], piece)]
    return loudness(weights(channels) @ np.concatenate(parts, axis=1))


def test_the_sine_of_the_standard() -> None:
    assert lufs(sine(0, 4, 997, channels=1), ("FC",)) == pytest.approx(-3.01, abs=0.01)
    assert lufs(sine(0, 4, 997)) == pytest.approx(0, abs=0.01)
    assert lufs(sine(-18, 4, 997)) == pytest.approx(-18, abs=0.01)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([(-23, 20)], -23),
        ([(-33, 20)], -33),
        ([(-36, 10), (-23, 60), (-36, 10)], -23),
        ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
        ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
    ],
)
def test_the_cases_of_ebu_tech_3341(parts: list[tuple[float, float]], told: float) -> None:
    sound = np.concatenate([sine(level, seconds) for level, seconds in parts], axis=1)
    assert lufs(sound, piece=10 * RATE) == pytest.approx(told, abs=0.1)


def test_five_channels_and_a_deep_one() -> None:
    levels = {"FL": -28, "FR": -28, "FC": -24, "LFE": 0, "SL": -30, "SR": -30}
    sound = np.concatenate([sine(level, 4, channels=1) for level in levels.values()])
    assert lufs(sound, tuple(levels)) == pytest.approx(-23, abs=0.1)


def test_low_tones_count_less_and_high_ones_more() -> None:
    low, middle, high = (lufs(sine(-20, 2, hertz)) for hertz in (40, 1000, 8000))
    assert low < middle - 3
    assert high > middle + 2


def test_silence_has_no_loudness_and_neither_has_a_moment() -> None:
    assert lufs(np.zeros((2, RATE))) is None
    assert lufs(sine(-80, 2)) is None
    assert lufs(sine(-20, 0.38)) is None
    assert lufs(sine(-20, 0.4)) == pytest.approx(-20, abs=0.5)


def test_the_filter_is_the_recursion_of_the_standard_and_pieces_make_no_difference() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 3000)
    slow = sound
    for top, bottom in (
        ((1.53512485958697, -2.69169618940638, 1.19839281085285), (-1.69065929318241, 0.73248077421585)),
        ((1.0, -2.0, 1.0), (-1.99004745483398, 0.99007225036621)),
    ):
        out = np.zeros(len(slow))
        for n in range(len(slow)):
            out[n] = sum(top[k] * slow[n - k] for k in range(3) if n >= k)
            out[n] -= sum(bottom[k - 1] * out[n - k] for k in (1, 2) if n >= k)
        slow = out
    whole = KFilter(1)(sound[None])[0]
    np.testing.assert_allclose(whole, slow, atol=1e-12)
    ear = KFilter(1)
    pieces = np.concatenate([ear(sound[None, a:b])[0] for a, b in ((0, 7), (7, 1500), (1500, 3000))])
    np.testing.assert_allclose(pieces, whole, atol=1e-12)
    assert abs(response()[-100:]).max() < 1e-12


def test_powers_are_mean_squares() -> None:
    sound = np.concatenate([np.full((1, HOP), 0.5), np.full((1, HOP), 0.1)], axis=1)
    np.testing.assert_allclose(powers(sound), [[0.25, 0.01]])


def test_silence_is_told_by_its_share() -> None:
    level = np.full(100, 0.01)
    level[50:75] = 1e-9
    assert silence_share(level) == pytest.approx(0.25)
    assert silence_share(np.zeros(3)) == 1
    assert silence_share(np.full(7, 1e-5)) == 0
    level = np.full(100, 1e-3)
    level[::2] = 0  # no pause is as long as a tenth of a second
    assert silence_share(level) == 0


def by_libav(sound: np.ndarray, layout: str) -> float:
    """Integrated loudness by the filter ebur128."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="fltp", layout=layout, time_base=Fraction(1, RATE))
    meter, sink = graph.add("ebur128", "metadata=1"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    told = ""
    for n in range(0, sound.shape[1], 4800):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(sound[:, n : n + 4800].astype(np.float32)), format="fltp", layout=layout
        )
        frame.sample_rate, frame.pts, frame.time_base = RATE, n, Fraction(1, RATE)
        graph.push(frame)
        try:
            while True:
                told = graph.pull().metadata.get("lavfi.r128.I", told)
        except (av.error.BlockingIOError, av.error.EOFError):
            pass
    return float(told)


@pytest.mark.parametrize(
    ("layout", "channels", "sound"),
    [
        ("mono", ("FC",), voices.babble(10)[None]),
        ("mono", ("FC",), (voices.tune(10) + voices.drums(10))[None]),
        ("stereo", STEREO, np.stack([voices.babble(10), 0.3 * voices.noise(10)])),
        ("5.1", ("FL", "FR", "FC", "LFE", "BL", "BR"), np.random.default_rng(0).normal(0, 0.05, (6, 10 * RATE))),
    ],
    ids=["babble", "band", "stereo", "5.1"],
)
def test_it_is_what_libav_measures(layout: str, channels: tuple[str, ...], sound: np.ndarray) -> None:
    assert lufs(sound, channels) == pytest.approx(by_libav(sound, layout), abs=0.02)
