"""Elo against the paper's rule, written out vote by vote."""

import random

import numpy as np
import pytest

from marey.study.ballots import Ballots
from marey.study.elo import elo
from marey.study.voters import Voters


def plain(ballots: Ballots, order: list[int]) -> list[float]:
    ratings = [1000.0] * len(ballots.arms)
    for n in order:
        a, b, score = int(ballots.left[n]), int(ballots.right[n]), float(ballots.score[n])
        expected = 1 / (1 + 10 ** ((ratings[b] - ratings[a]) / 400))
        ratings[a] += 1.0 * (score - expected)
        ratings[b] += 1.0 * ((1 - score) - (1 - expected))
    return ratings


def test_one_vote_moves_half_a_point():
    ballots = Ballots.of(["a", "b"], [("a", "b", 1.0, 0, 0)])
    np.testing.assert_allclose(elo(ballots, shuffles=3), [[1000.5, 999.5]] * 3)


def test_the_mean_over_orders_is_that_of_the_plain_rule():
    ballots = Voters((0, 0.3, 0.9), tie=0.4).vote(20, 3, seed=1)
    rng = random.Random(0)
    slow = []
    for _ in range(300):
        order = list(range(len(ballots)))
        rng.shuffle(order)
        slow.append(plain(ballots, order))
    fast = elo(ballots, shuffles=1000)
    np.testing.assert_allclose(fast.mean(axis=0), np.mean(slow, axis=0), atol=0.25)
    np.testing.assert_allclose(fast.std(axis=0), np.std(slow, axis=0), rtol=0.15)


def test_points_are_only_passed_on():
    ballots = Voters((0, 0.3, 0.9)).vote(10, 2, seed=2)
    np.testing.assert_allclose(elo(ballots, shuffles=50).sum(axis=1), 3000)


def test_orders_in_parts_are_orders(monkeypatch):
    ballots = Voters((0, 0.8)).vote(30, 2, seed=3)
    whole = elo(ballots, shuffles=40, seed=4)
    monkeypatch.setattr("marey.study.elo._CELLS", 600)
    parts = elo(ballots, shuffles=40, seed=4)
    assert parts.shape == whole.shape
    np.testing.assert_allclose(parts.mean(axis=0), whole.mean(axis=0), atol=0.3)


def test_the_same_seed_is_the_same_rating():
    ballots = Voters((0, 0.8)).vote(30, 2, seed=3)
    np.testing.assert_array_equal(elo(ballots, shuffles=9, seed=4), elo(ballots, shuffles=9, seed=4))
    assert not np.array_equal(elo(ballots, shuffles=9, seed=4), elo(ballots, shuffles=9, seed=5))


def test_the_favourite_gains_less_from_a_win():
    ballots = Ballots.of(["a", "b"], [("a", "b", 1.0, 0, 0)] * 200)
    first, last = elo(ballots.take(np.arange(1)), shuffles=1)[0, 0] - 1000, elo(ballots, shuffles=1)[0, 0]
    gain = last - elo(ballots.take(np.arange(199)), shuffles=1)[0, 0]
    assert 0 < gain < first
    assert last < 1000 + 200 * first
    assert first == pytest.approx(0.5)
