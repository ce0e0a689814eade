"""Agents that play well, and differently: the same levels, other lives."""

import numpy as np
import pytest

from marey.worlds.game.agents import POLICIES, Agent
from marey.worlds.game.engine import Game
from marey.worlds.game.level import make_level

LEVELS, FRAMES = 50, 300


def played(policy: str, seed: int, frames: int = FRAMES) -> dict[str, float]:
    game = Game(make_level(1000 + seed))
    agent = Agent(policy, seed)
    counts = {"coins": 0.0, "gems": 0.0, "deaths": 0.0, "stomps": 0.0, "far": 0.0}
    while game.t < frames and not game.over:
        state = game.step(agent.act(game))
        kinds = [event.kind for event in state.events]
        counts["coins"] += kinds.count("coin")
        counts["gems"] += kinds.count("gem")
        counts["deaths"] += kinds.count("killed")
        counts["stomps"] += kinds.count("stomp")
        counts["far"] = max(counts["far"], state.x)
    return counts


@pytest.fixture(scope="module")
def intervals() -> dict[str, dict[str, tuple[float, float]]]:
    """95 % of the mean over 50 levels, by policy and by what is counted."""
    found = {}
    for policy in POLICIES:
        plays = [played(policy, seed) for seed in range(LEVELS)]
        found[policy] = {}
        for name in plays[0]:
            values = np.array([play[name] for play in plays])
            error = 1.96 * values.std(ddof=1) / LEVELS**0.5
            found[policy][name] = (values.mean() - error, values.mean() + error)
    return found


def above(intervals: dict[str, dict[str, tuple[float, float]]], name: str, one: str, other: str) -> bool:
    return intervals[one][name][0] > intervals[other][name][1]


def test_policies_differ_in_what_they_take_how_far_they_come_and_how_they_end(
    intervals: dict[str, dict[str, tuple[float, float]]],
) -> None:
    assert above(intervals, "far", "runner", "cautious")
    assert above(intervals, "far", "cautious", "loiterer")
    assert above(intervals, "coins", "collector", "cautious")
    assert above(intervals, "coins", "cautious", "loiterer")
    assert above(intervals, "stomps", "hunter", "cautious")
    assert above(intervals, "stomps", "hunter", "runner")
    for policy in ("runner", "collector", "cautious", "loiterer"):
        assert above(intervals, "deaths", "clumsy", policy)


def test_they_play_well(intervals: dict[str, dict[str, tuple[float, float]]]) -> None:
    assert intervals["runner"]["far"][0] > 30
    assert intervals["collector"]["coins"][0] > 3
    assert all(intervals[policy]["deaths"][1] < 0.6 for policy in POLICIES if policy not in ("clumsy", "hunter"))


def test_the_same_seed_plays_the_same_way() -> None:
    assert played("explorer", 3, 120) == played("explorer", 3, 120)
    assert any(played("clumsy", 3, 150) != played("clumsy", seed, 150) for seed in (4, 5))
