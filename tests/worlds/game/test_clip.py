"""Clips by number: the same at any time and in any order, and of all policies."""

import pytest

from marey.worlds.game.agents import POLICIES
from marey.worlds.game.clip import Clip, actions, clip, frames_of, pressed
from marey.worlds.game.hero import STAY, Action


def known(one: Clip) -> tuple[object, ...]:
    return one.policy, one.level.seed, one.states, one.text, one.paraphrases()


def test_a_clip_is_rebuilt_from_its_seed_and_number() -> None:
    assert known(clip(7, 4, 96)) == known(clip(7, 4, 96))
    forwards = [clip(7, n, 30) for n in range(4)]
    backwards = [clip(7, n, 30) for n in reversed(range(4))][::-1]
    assert [known(one) for one in forwards] == [known(one) for one in backwards]
    assert known(clip(8, 4, 96)) != known(clip(7, 4, 96))


def test_policies_take_turns_and_one_can_be_asked_for() -> None:
    assert {clip(7, n, 2).policy for n in range(len(POLICIES))} == set(POLICIES)
    assert clip(7, 0, 2, "hunter").policy == "hunter"


def test_every_clip_has_its_frames_one_after_the_other() -> None:
    for number in range(14):
        times = [state.t for state in clip(7, number, 64).states]
        assert times == list(range(times[0], times[0] + 64))
    assert frames_of(3.2) == 96


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="no policy 'hero': one of runner"):
        clip(7, 0, 10, "hero")
    with pytest.raises(ValueError, match="0 frames"):
        clip(7, 0, 0)


def test_a_clip_is_played_again_by_its_keys() -> None:
    for number in range(7):
        one = clip(7, number, 40)
        again = clip(7, number, 40, keys=one.keys)
        assert known(again) == known(one)
        assert again.keys == one.keys == pressed(actions(one.keys))
    assert clip(7, 0, 40, keys=pressed([STAY] * 400)).states != clip(7, 0, 40).states
    with pytest.raises(ValueError, match="the keys of clip 0 end after 3 frames"):
        clip(7, 0, 40, keys=pressed([STAY] * 3))


def test_every_action_has_a_sign_of_its_own() -> None:
    both = (False, True)
    every = [
        Action(side, jump, run, climb, duck)
        for side in (-1, 0, 1)
        for jump in both
        for run in both
        for climb in (-1, 0, 1)
        for duck in both
    ]
    done = [action for n, action in enumerate(every) for _ in range(1 + n % 12)]
    assert actions(pressed(done)) == done
    assert actions("") == []
    for keys in ("7", "z", "_A", "a-", "a1é"):
        with pytest.raises(ValueError, match="are no keys"):
            actions(keys)
