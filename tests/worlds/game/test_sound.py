"""What is heard: effects begin with their frame, and nothing is heard of what does not happen."""

from dataclasses import replace

import numpy as np
import pytest
from playing import flat, played

from marey.worlds.game.clip import clip
from marey.worlds.game.engine import Game
from marey.worlds.game.hero import STAY, Action
from marey.worlds.game.level import THEMES, Item
from marey.worlds.game.sound import EFFECTS, FRAME, effect, heard, soundtrack


def onsets(wave: np.ndarray) -> list[int]:
    """Frames in which it becomes loud after silence."""
    loud = np.abs(wave).reshape(-1, FRAME).max(axis=1) > 0.02
    return [int(n) for n in np.flatnonzero(loud) if n == 0 or not loud[n - 1]]


def test_effects_begin_in_the_frame_of_their_event() -> None:
    game = Game(flat(items=[Item("coin", 2.5, 10.3)]))
    states = played(game, [STAY] * 20 + [Action(0, jump=True)] * 20 + [STAY] * 40)
    wave = soundtrack(states, "meadow", 0, music=False)
    events = [n for n, state in enumerate(states) if state.events]
    assert onsets(wave)[0] == events[0] == 20
    assert np.abs(wave[: 20 * FRAME]).max() == 0
    first = int(np.flatnonzero(np.abs(wave) > 0.02)[0])
    assert 0 <= first - 20 * FRAME < FRAME


@pytest.mark.parametrize("number", range(6))
def test_every_event_that_is_heard_begins_within_its_frame(number: int) -> None:
    states = clip(7, number, 48).states
    for n in range(1, len(states)):
        silent = replace(states[n], events=(), pose="stand")
        wave = soundtrack(states[: n + 1], "meadow", 0, music=False)[n * FRAME :]
        without = soundtrack([*states[:n], silent], "meadow", 0, music=False)[n * FRAME :]
        assert bool(np.abs(wave - without).max() > 0.01) == bool(heard(states[n], states[n - 1]))


@pytest.mark.parametrize("name", EFFECTS)
def test_effects_start_at_once_and_fade(name: str) -> None:
    wave = effect(name)
    assert np.abs(wave[:24]).max() > 0.03
    assert np.abs(wave[-24:]).max() < 0.5 * np.abs(wave).max()
    assert np.abs(wave).max() <= 1


def test_no_two_effects_are_alike() -> None:
    spectra = {name: np.abs(np.fft.rfft(effect(name), 16384)) for name in EFFECTS}
    spectra = {name: one / np.linalg.norm(one) for name, one in spectra.items()}
    for n, one in enumerate(EFFECTS):
        for other in EFFECTS[n + 1 :]:
            assert spectra[one] @ spectra[other] < 0.95


def test_tunes_differ_by_theme_and_go_faster_with_the_shield() -> None:
    states = played(Game(flat()), [STAY] * 90)
    tunes = [soundtrack(states, theme, 1) for theme in THEMES]
    for n, one in enumerate(tunes):
        for other in tunes[n + 1 :]:
            assert np.abs(np.corrcoef(one, other)[0, 1]) < 0.5
    shielded = played(Game(flat(items=[Item("gem", 2.5, 11.5)])), [STAY] * 90)
    fast = soundtrack(shielded, "meadow", 1) - soundtrack(shielded, "meadow", 1, music=False)
    slow = soundtrack(states, "meadow", 1)
    # The faster tune is the slower one, read at one and a half times the pace.
    at = (1.5 * np.arange(20 * FRAME)).astype(int)
    assert np.corrcoef(fast[: 20 * FRAME], slow[at])[0, 1] > 0.9


def test_the_same_states_give_the_same_bytes() -> None:
    one = clip(1, 2, 48)
    assert one.sound().tobytes() == clip(1, 2, 48).sound().tobytes()
    assert one.sound().shape == (48 * FRAME,)
    assert np.abs(one.sound()).max() <= 1


def test_an_unknown_effect_is_refused() -> None:
    with pytest.raises(ValueError, match="no effect 'boom': one of killed"):
        effect("boom")
