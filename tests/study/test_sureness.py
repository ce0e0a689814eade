"""Simulated voters whose truth is known: do the intervals hold it, as often as they say, and no oftener?"""

from itertools import pairwise

import numpy as np
import pytest

from marey.study.ballots import Ballots, all_pairs
from marey.study.bradley_terry import SCALE
from marey.study.elo import elo
from marey.study.needed import needed
from marey.study.sureness import sureness
from marey.study.voters import Voters

RUNS = 200
STRENGTHS = (0.0, 0.3, 0.5, 0.9)
PEOPLE = Voters(STRENGTHS, prompt_spread=0.6, tie=0.5, left=0.2)
ARMS = np.eye(4) - 1 / 4


def contrasts(arms: int) -> np.ndarray:
    pairs = all_pairs(arms)
    return np.eye(arms)[pairs[:, 0]] - np.eye(arms)[pairs[:, 1]]


def covered(people: Voters, prompts: int, votes: int, voters: int, ties: str = "davidson", resamples: int = 200):
    """Of each arm the share of runs whose interval holds the truth, and the mean width."""
    truth = people.truth(ties)
    held, widths = [], []
    for run in range(RUNS):
        sure = sureness([people.vote(prompts, votes, voters, seed=run)], ties=ties, resamples=resamples, seed=run)
        reach = sure.reach() * sure.error(ARMS)
        held.append(np.abs(sure.strengths - truth) <= reach)
        widths.append(2 * reach.mean())
    return np.mean(held, axis=0), float(np.mean(widths))


def test_intervals_hold_each_true_strength_as_often_as_they_say():
    held, _ = covered(PEOPLE, 64, 3, 8)
    assert (held >= 0.91).all(), held
    assert (held <= 0.98).all(), held


def test_the_spread_of_shuffled_orders_would_not():
    truth = PEOPLE.truth() * SCALE
    held = []
    for run in range(25):
        orders = elo(PEOPLE.vote(64, 3, 8, seed=run), shuffles=200, seed=run)
        held.append(np.abs(orders.mean(axis=0) - 1000 - truth) <= 1.96 * orders.std(axis=0))
    assert np.mean(held) < 0.5


def test_width_falls_as_one_over_the_square_root_of_the_votes():
    widths = []
    for prompts in (16, 64, 256):
        runs = 40
        errors = [
            sureness([PEOPLE.vote(prompts, 3, 8, seed=run)], resamples=200, seed=run).error(ARMS).mean()
            for run in range(runs)
        ]
        widths.append(np.mean(errors))
    for wide, narrow in pairwise(widths):
        assert wide / narrow == pytest.approx(2, rel=0.15)


def test_more_votes_on_the_same_prompts_help_less_than_that():
    few, many = (
        np.mean(
            [sureness([PEOPLE.vote(32, votes, 8, seed=r)], resamples=200, seed=r).error(ARMS).mean() for r in range(30)]
        )
        for votes in (2, 32)
    )
    assert few / many < 3  # four would be the square root of sixteen


def separated(ballots: Ballots, seed: int) -> bool:
    sure = sureness([ballots], resamples=200, seed=seed)
    pairs = contrasts(len(ballots.arms))
    return bool((np.abs(pairs @ sure.strengths) > sure.reach_of_all(pairs) * sure.error(pairs)).any())


@pytest.mark.parametrize("arms", [4, 7])
def test_shuffled_votes_separate_no_pair(arms):
    people = Voters(tuple(np.linspace(0, 1, arms)), prompt_spread=0.6, tie=0.5)
    found = [separated(people.vote(32, 2, 8, seed=run).shuffled(run), run) for run in range(RUNS)]
    assert np.mean(found) <= 0.10
    told = [separated(people.vote(32, 2, 8, seed=run), run) for run in range(20)]
    assert np.mean(told) > 0.7, "the votes as they were do separate"


@pytest.mark.slow
@pytest.mark.parametrize("ties", ["davidson", "half"])
@pytest.mark.parametrize(
    ("people", "prompts", "votes", "voters"),
    [
        (PEOPLE, 32, 3, 8),
        (PEOPLE, 128, 2, 24),
        (Voters(STRENGTHS, prompt_spread=0.6, voter_spread=0.5, tie=0.5), 64, 3, 24),
        (Voters(STRENGTHS, tie=0.0), 64, 3, 8),
        (Voters((0.0, 0.1, 0.2, 2.0), prompt_spread=0.3, tie=1.0), 64, 2, 8),
    ],
)
def test_intervals_hold_the_truth_of_other_people_too(people, prompts, votes, voters, ties):
    held, _ = covered(people, prompts, votes, voters, ties, resamples=400)
    assert 0.93 <= held.mean() <= 0.98, held
    assert (held >= 0.90).all(), held  # the share of 200 runs has an error of 1.5 %, and there are forty of them


def test_without_voters_tastes_in_them_intervals_are_too_narrow_where_voters_differ():
    people = Voters(STRENGTHS, voter_spread=0.8, tie=0.3)
    truth = people.truth()
    with_voters, without = [], []
    for run in range(60):
        sure = sureness([people.vote(32, 6, 12, seed=run)], resamples=200, seed=run)
        off = np.abs(sure.strengths - truth)
        with_voters.append(off <= sure.reach() * sure.error(ARMS))
        without.append(off <= sure.reach() * np.sqrt(np.diag(ARMS @ sure.clusters @ ARMS.T)))
    assert np.mean(without) < 0.75
    assert np.mean(with_voters) > np.mean(without) + 0.15


def test_few_prompts_are_told():
    sure = sureness([PEOPLE.vote(3, 8, seed=0)], resamples=100)
    assert "only 3 prompts" in sure.note
    assert sureness([PEOPLE.vote(8, 3, seed=0)], resamples=100).note == ""


def test_the_same_votes_and_seed_give_the_same_intervals():
    one, two = (sureness([PEOPLE.vote(16, 2, seed=3)], resamples=100, seed=5) for _ in range(2))
    np.testing.assert_array_equal(one.clusters, two.clusters)


def test_the_votes_that_are_still_needed_are_enough_and_not_many_more():
    there, more = 24, 0
    wanted = 0.07
    errors = {}
    for prompts in (there, 400):
        sures = [sureness([PEOPLE.vote(prompts, 3, 8, seed=r)], resamples=200, seed=r) for r in range(20)]
        errors[prompts] = [float(np.mean([one(s) for s in sures])) for one in (error, error_of_votes)]
    need = needed(there * 18, *errors[there], wanted)
    more = need.new_prompts // 18
    then = np.mean(
        [error(sureness([PEOPLE.vote(there + more, 3, 8, seed=r)], resamples=200, seed=r)) for r in range(20)]
    )
    assert then == pytest.approx(wanted, rel=0.1)
    assert need.same_prompts is None or need.same_prompts > need.new_prompts


def error(sure) -> float:
    return float(sure.error(ARMS).mean())


def error_of_votes(sure) -> float:
    return float(sure.error_of_votes(ARMS).mean())


def test_needed_in_closed_form():
    assert needed(100, 1.0, 1.0, 0.5).new_prompts == 300
    assert needed(100, 1.0, 1.0, 0.5).same_prompts == 300
    assert needed(100, 1.0, 1.0, 2.0).new_prompts == 0
    half = needed(100, 1.0, np.sqrt(0.5), 0.8)  # 0.5 stays, 0.5 goes: 0.64 = 0.5 + 0.5 * 100 / n
    assert half.same_prompts == pytest.approx(100 * (0.5 / 0.14 - 1), abs=1)
    assert needed(100, 1.0, np.sqrt(0.5), 0.5).same_prompts is None
    assert "no number on these prompts" in str(needed(100, 1.0, np.sqrt(0.5), 0.5))
    assert needed(100, 1.0, 1.0, 1e-9).new_prompts is None
    with pytest.raises(ValueError, match="more than 0"):
        needed(0, 1, 1, 1)
