"""The rules of the game, on levels written by hand."""

import itertools

import pytest
from playing import flat, kinds, level, played

from marey.worlds.game.engine import DYING_FRAMES, SHIELD_FRAMES, Game
from marey.worlds.game.hero import STAY, WALK, Action
from marey.worlds.game.level import Item
from marey.worlds.game.monsters import KINDS, STOMPABLE, Monster

RIGHT, JUMP = Action(1), Action(0, jump=True)


def standing(kind: str, x: float, y: float = 12.0) -> Monster:
    return Monster(kind, x, x, y, 0.0)


def test_a_walk_gains_speed_to_its_greatest_and_brakes() -> None:
    game = Game(flat())
    states = played(game, [RIGHT] * 30 + [STAY] * 10)
    assert states[29].vx == pytest.approx(WALK)
    assert states[29].x - states[28].x == pytest.approx(WALK)
    assert states[-1].vx == 0
    assert [states[20].pose, states[-1].pose] == ["walk", "stand"]
    assert {state.step for state in states[:30]} == {0, 1}


def test_a_held_jump_is_higher_than_a_tapped_one_and_both_come_down() -> None:
    held = played(Game(flat()), [JUMP] * 20 + [STAY] * 30)
    tapped = played(Game(flat()), [JUMP] * 3 + [STAY] * 30)
    assert 12 - min(state.y for state in held) == pytest.approx(2.2, abs=0.2)
    assert 12 - min(state.y for state in tapped) < 1.3
    assert held[-1].y == tapped[-1].y == 12
    assert kinds(held) == kinds(tapped) == ["jump", "land"]


def test_one_press_is_one_jump() -> None:
    assert kinds(played(Game(flat()), [JUMP] * 90)) == ["jump", "land"]


def test_a_wall_stops_and_a_crate_is_jumped_on() -> None:
    made = level(["......cc........", "================", "################"])
    stopped = played(Game(made), [RIGHT] * 90)[-1]
    assert stopped.x == pytest.approx(5.7, abs=0.01)
    assert stopped.vx == 0
    up = played(Game(made), [RIGHT] * 18 + [Action(1, jump=True)] * 26 + [STAY] * 8)
    assert up[-1].y == 11


def test_a_ceiling_is_bumped() -> None:
    made = level(["..########......", "................", "................", "================"])
    assert kinds(played(Game(made), [JUMP] * 20))[:2] == ["jump", "bump"]


def test_a_ladder_leads_up_and_its_top_carries() -> None:
    rows = ["....====", "..H.####", "..H.####", "..H.####", "========", "########"]
    rows = [row[:2] + "H" + row[3:] if n == 0 else row for n, row in enumerate(rows)]
    made = level(rows, start=1.5)
    game = Game(made)
    states = played(game, [RIGHT] * 12 + [Action(0, climb=-1)] * 70)
    assert "climb" in kinds(states)
    assert {"climb"} <= {state.pose for state in states}
    assert states[-1].y == 8.0  # four rungs above the ground at 12
    assert states[-1].pose == "stand"
    down = played(game, [Action(0, climb=1)] * 80)
    assert down[-1].y == 12.0


def test_lava_ends_it_and_the_hero_starts_again_where_it_stood() -> None:
    made = level([".." * 8, "=======^^=======", "################"])
    states = played(Game(made), [RIGHT] * 80)
    assert kinds(states)[0] == "killed"
    n = next(n for n, state in enumerate(states) if state.events and state.events[0].kind == "killed")
    assert states[n].events[0].what == "lava"
    assert states[n + 3].pose == "hit"
    again = states[n + DYING_FRAMES + 1]
    assert again.x < 7
    assert again.y == 12


@pytest.mark.parametrize("kind", KINDS)
def test_a_fall_on_a_monster_ends_it_or_the_hero(kind: str) -> None:
    game = Game(flat(monsters=[standing(kind, 2.5)]))
    game.safe, game.body.y, game.body.grounded = 0, 9.0, False
    states = list(itertools.takewhile(lambda state: state.t < 40, played(game, [STAY] * 40)))
    happened = kinds(states)
    assert ("stomp" in happened) == (kind in STOMPABLE)
    assert ("killed" in happened) == (kind not in STOMPABLE)


def test_a_monster_that_is_met_from_the_side_strikes_and_a_shield_takes_one_blow() -> None:
    met = Game(flat(monsters=[standing("worm", 8.0)]))
    assert "killed" in kinds(played(met, [RIGHT] * 60))
    shielded = Game(flat(monsters=[standing("worm", 8.0)], items=[Item("gem", 4.0, 11.5)]))
    states = played(shielded, [RIGHT] * 52)
    assert kinds(states)[:3] == ["gem", "hit", "shield_off"]
    assert [states[n].shield for n in (5, 30, 51)] == [False, True, False]


def test_a_shield_lasts_its_time() -> None:
    states = played(Game(flat(items=[Item("gem", 2.5, 11.5)])), [STAY] * (SHIELD_FRAMES + 2))
    assert kinds(states) == ["gem", "shield_off"]
    assert sum(state.shield for state in states) == SHIELD_FRAMES - 1


def test_coins_are_taken_once() -> None:
    states = played(Game(flat(items=[Item("coin", 4.0, 11.5), Item("coin", 6.0, 11.5)])), [RIGHT] * 60)
    assert kinds(states) == ["coin", "coin"]
    assert states[-1].items == frozenset()


def test_the_end_is_reached() -> None:
    game = Game(flat(16))
    assert kinds(played(game, [Action(1, run=True)] * 90))[0] == "goal"
    assert game.over


def test_the_same_actions_give_the_same_states() -> None:
    actions = [Action(1, jump=n % 30 < 12, run=n % 50 > 25) for n in range(200)]
    made = flat(monsters=[Monster("frog", 6, 12, 12, 0.3)], items=[Item("coin", 9, 11)])
    assert played(Game(made), actions) == played(Game(made), actions)
    assert played(Game(made), actions) != played(Game(made), actions[1:] + actions[:1])
