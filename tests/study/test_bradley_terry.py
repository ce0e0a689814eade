"""Strengths against closed forms, a slow reference, and what must not change them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marey.study.ballots import Ballots, all_pairs, tally
from marey.study.bradley_terry import connected, fit, information, win_chance

COUNTS = st.lists(st.integers(0, 30), min_size=18, max_size=18).filter(lambda votes: sum(votes) > 0)


def two(first: float, second: float, tied: float) -> np.ndarray:
    return np.array([[[first, second, tied]]])


def test_two_arms_have_the_logarithm_of_their_odds():
    assert np.ptp(fit(two(30, 10, 0), 2, prior=1e6)[0]) == pytest.approx(np.log(3), abs=1e-6)


def test_davidson_reads_two_arms_apart_from_their_ties_and_half_votes_do_not():
    with_ties, without = (fit(two(30, 10, ties), 2, prior=1e6)[0] for ties in (40, 0))
    np.testing.assert_allclose(with_ties, without, atol=1e-6)
    halves = fit(two(30, 10, 40), 2, "half", prior=1e6)[0]
    assert np.ptp(halves) == pytest.approx(np.log(50 / 30), abs=1e-6)


def test_without_ties_both_forms_are_one():
    counts = np.random.default_rng(0).integers(1, 20, (5, 6, 3)).astype(float)
    counts[..., 2] = 0
    np.testing.assert_allclose(fit(counts, 4), fit(counts, 4, "half"), atol=1e-9)


def slow(counts: np.ndarray, arms: int) -> np.ndarray:
    """Hunter's minorise-maximise (2004) for Bradley-Terry, thousands of plain steps."""
    wins, games = np.zeros(arms), np.zeros((arms, arms))
    for (a, b), (first, second, _) in zip(all_pairs(arms), counts, strict=True):
        wins[a] += first
        wins[b] += second
        games[a, b] = games[b, a] = first + second
    worth = np.ones(arms)
    for _ in range(5000):
        worth = wins / (games / (worth[:, None] + worth[None, :])).sum(axis=1)
        worth /= worth.sum()
    return np.log(worth) - np.log(worth).mean()


def test_newton_finds_what_minorise_maximise_finds():
    counts = np.random.default_rng(1).integers(1, 30, (10, 3)).astype(float)
    counts[:, 2] = 0
    np.testing.assert_allclose(fit(counts[None], 5, prior=1e6)[0], slow(counts, 5), atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(COUNTS)
def test_the_maximum_is_one_whatever_the_counts(votes):
    counts = np.array(votes, dtype=float).reshape(1, 6, 3)
    found = fit(counts, 4)[0]
    assert np.isfinite(found).all()
    assert found.mean() == pytest.approx(0, abs=1e-9)

    pairs, log_nu = all_pairs(4), np.linspace(-12, 12, 2401)[:, None]  # the ties' own weight is found by trying
    tied = bool(counts[..., 2].any())

    def likelihood(strengths: np.ndarray) -> float:
        half = np.broadcast_to((strengths[pairs[:, 0]] - strengths[pairs[:, 1]]) / 2, (2401, 6))
        parts = np.stack([half, -half, np.broadcast_to(log_nu if tied else np.float64(-99), half.shape)], axis=-1)
        logs = parts - np.log(np.exp(parts).sum(axis=-1, keepdims=True))
        value = (counts * logs).sum(axis=(1, 2)) - (strengths @ strengths + tied * log_nu[:, 0] ** 2) / 18
        return float(value.max())

    here = likelihood(found)
    for arm in range(4):
        for moved in (-0.3, 0.3):
            other = found.copy()
            other[arm] += moved
            other -= other.mean()
            assert likelihood(other) < here


def test_an_arm_that_wins_all_is_finite_and_ahead():
    found = fit(np.array([[[40.0, 0, 0], [40.0, 0, 0], [20.0, 20.0, 0]]]), 3)[0]
    assert np.isfinite(found).all()
    assert found[0] > found[1] + 2
    assert found[1] == pytest.approx(found[2])


def test_more_votes_of_the_same_kind_are_surer():
    counts = np.array([[10.0, 5, 0], [8.0, 8, 0], [3.0, 9, 0]])
    strengths = fit(counts[None], 3)[0]
    one, four = (np.diag(information(counts * times, strengths, prior=1e3)) for times in (1, 4))
    contrast = np.array([1.0, -1, 0])
    ratio = (contrast @ information(counts, strengths) @ contrast) / (
        contrast @ information(4 * counts, strengths) @ contrast
    )
    assert ratio == pytest.approx(4, rel=0.1)
    assert (four < one).all()


def test_the_information_of_one_pair_is_that_of_a_coin():
    counts = np.array([[60.0, 40.0, 0.0]])
    covariance = information(counts, fit(counts[None], 2, prior=1e4)[0], prior=1e4)
    contrast = np.array([1.0, -1.0])
    assert contrast @ covariance @ contrast == pytest.approx(1 / (100 * 0.6 * 0.4), rel=1e-3)
    assert win_chance(np.array([np.log(1.5), 0.0]))[0, 1] == pytest.approx(0.6)


def test_arms_that_no_votes_link_are_seen():
    linked = np.array([[1.0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 1.0, 0], [0, 0, 0], [0, 0, 1.0]])
    assert connected(linked, 4)
    linked[3] = 0
    assert not connected(linked, 4)


def test_a_vote_counts_for_its_pair_whoever_stood_left():
    ballots = Ballots.of(
        ["a", "b", "c"],
        [("a", "b", 1.0, "p", "x"), ("b", "a", 0.0, "p", "y"), ("c", "b", 0.5, "q", "x"), ("b", "c", 1.0, "q", "x")],
    )
    counts = tally(ballots)
    assert counts.shape == (2, 3, 3)
    np.testing.assert_array_equal(counts[0], [[2, 0, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(counts[1], [[0, 0, 0], [0, 0, 0], [1, 0, 1]])


def test_turning_every_pair_round_changes_nothing():
    rng = np.random.default_rng(2)
    left, right = rng.integers(3, size=200), rng.integers(3, size=200)
    keep = left != right
    score = rng.choice([0, 0.5, 1], 200)
    zeros = np.zeros(keep.sum(), dtype=int)
    one = Ballots(("a", "b", "c"), left[keep], right[keep], score[keep], zeros, zeros)
    other = Ballots(("a", "b", "c"), right[keep], left[keep], 1 - score[keep], zeros, zeros)
    np.testing.assert_array_equal(tally(one), tally(other))


@pytest.mark.parametrize(
    "columns",
    [([0], [0], [1.0], [0], [0]), ([0], [1], [0.3], [0], [0]), ([0], [1], [1.0], [0, 1], [0])],
    ids=["beside itself", "a third of a vote", "lengths"],
)
def test_what_is_no_vote_is_refused(columns):
    with pytest.raises(ValueError, match=r"itself|none of|length"):
        Ballots(("a", "b"), *(np.array(column) for column in columns))
