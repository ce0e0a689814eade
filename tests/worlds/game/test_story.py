"""What is told of a clip: the sentence says what happens, and nothing else."""

import itertools

import numpy as np
import pytest
from playing import flat, played

from marey.worlds.game.clip import clip
from marey.worlds.game.engine import Game
from marey.worlds.game.hero import STAY, Action
from marey.worlds.game.level import Item
from marey.worlds.game.monsters import KINDS, Monster
from marey.worlds.game.story import Deed, deeds, paraphrase, parse, tell

ALL = [
    *(Deed(verb, side) for verb in ("walk", "run") for side in (1, -1)),
    *(
        Deed("jump", side, what, count)
        for side in (0, 1, -1)
        for what in ("", "lava", "ladybug", "bee")
        for count in (1, 2, 7)
    ),
    *(Deed("climb", side) for side in (1, -1)),
    *(Deed(verb) for verb in ("duck", "stand", "gem", "goal")),
    *(Deed("coin", count=count) for count in (1, 2, 5)),
    *(Deed(verb, what=kind) for verb in ("stomp", "hit", "killed") for kind in KINDS),
    Deed("killed", what="lava"),
]


def test_every_deed_and_every_pair_is_told_and_read_back() -> None:
    for deed in ALL:
        assert parse(tell([deed])) == [deed], tell([deed])
    for pair in itertools.product(ALL, ALL):
        assert parse(tell(pair)) == list(pair)
    assert parse(tell(ALL)) == ALL
    assert parse(tell([])) == []


def test_what_is_told_of_clips_is_what_happened() -> None:
    for number in range(120):
        one = clip(7, number, 96)
        assert parse(one.text) == one.deeds
        told = {deed.verb for deed in one.deeds}
        seen = {event.kind for state in one.states for event in state.events}
        for kind in ("coin", "gem", "stomp", "hit", "killed", "goal"):
            assert (kind in told) == (kind in seen)
        coins = sum(deed.count for deed in one.deeds if deed.verb == "coin")
        assert coins == sum(event.kind == "coin" for state in one.states for event in state.events)


def test_deeds_of_a_game_played_by_hand() -> None:
    game = Game(flat(monsters=[Monster("worm", 9.0, 9.0, 12.0, 0.0)], items=[Item("coin", 4.0, 11.5)]))
    states = played(game, [STAY] * 10 + [Action(1)] * 48 + [Action(1, jump=True)] * 20 + [Action(1)] * 12 + [STAY] * 20)
    done = deeds(states, game.level)
    assert [deed.verb for deed in done] == ["stand", "walk", "coin", "jump", "walk", "stand"]
    assert done[3] == Deed("jump", 1, "worm")
    assert tell(done).startswith(
        "Jules stands still, walks to the right, collects a coin, jumps to the right over a worm,"
    )


def test_a_sentence_that_is_none_is_refused() -> None:
    for text in ("Jules flies to the moon.", "Mario jumps up.", "Jules jumps up", "Jules stomps on a tiger.", ""):
        with pytest.raises(ValueError, match=r"sentence about Jules|nothing that Jules does"):
            parse(text)


def test_paraphrases_say_the_same_in_other_words() -> None:
    rng = np.random.default_rng(0)
    done = [Deed("run", 1), Deed("stomp", what="bee"), Deed("coin", count=3), Deed("killed", what="lava")]
    texts = {paraphrase(done, rng) for _ in range(60)}
    assert len(texts) > 30
    for text in texts:
        assert text.endswith(".")
        assert text[0].isupper()
        assert "  " not in text
        order = [min(text.find(word) for word in words if word in text) for words in (("bee",), ("coin",), ("lava",))]
        assert order == sorted(order)
        assert not {"frog", "climb", "duck"} & set(text.split())
