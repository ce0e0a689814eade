"""Which pair is asked next: where it matters, over all prompts, and never blindly led by an accident."""

import numpy as np
import pytest

from marey.study.ballots import Ballots
from marey.study.pairing import next_pairs, worth
from marey.study.sureness import sureness
from marey.study.voters import Voters

NONE = Voters((0.0, 0.1, 1.5, 1.6)).vote(8, 1, seed=0).take(np.arange(0))


def joined(one: Ballots, two: Ballots) -> Ballots:
    names = ("left", "right", "score", "prompt", "voter")
    return Ballots(one.arms, *(np.concatenate([getattr(one, name), getattr(two, name)]) for name in names))


def test_without_votes_every_pair_and_prompt_is_asked_alike():
    trials = next_pairs(NONE, 48, 8, seed=1)
    pairs, asked = np.unique(trials[:, :2], axis=0, return_counts=True)
    assert len(pairs) == 6
    assert np.ptp(asked) <= 4
    assert np.ptp(np.bincount(trials[:, 2], minlength=8)) <= 2
    assert len(np.unique(trials, axis=0)) > 40


def test_what_is_told_apart_is_asked_less():
    ballots = Voters((0.0, 0.05, 3.0, 3.05)).vote(16, 4, seed=2)
    trials = next_pairs(ballots, 200, 16, seed=2)
    near = sum(tuple(pair) in {(0, 1), (2, 3)} for pair in trials[:, :2].tolist())
    assert near > 0.6 * len(trials)
    top = sum(tuple(pair) == (2, 3) for pair in trials[:, :2].tolist())
    assert top > near - top, "who is best matters more than who is last"


def test_only_arms_of_one_axis_are_shown_together():
    trials = next_pairs(NONE, 60, 8, families=[(0, 1), (0, 2, 3)], seed=3)
    assert {tuple(pair) for pair in trials[:, :2].tolist()} == {(0, 1), (0, 2), (0, 3), (2, 3)}


def test_asking_where_it_matters_tells_the_best_apart_sooner():
    people = Voters((0, 0.1, 0.5, 0.6, 1.2, 1.5), prompt_spread=0.4, tie=0.3)
    top = np.array([[0, 0, 0, 0, -1.0, 1.0]])
    errors = {}
    for adaptive in (False, True):
        found = []
        for run in range(12):
            blank = people.vote(40, 1, seed=run).take(np.arange(0))
            ballots = people.vote(40, 1, seed=run, tastes=run, pairs=next_pairs(blank, 180, 40, seed=run))
            for n in range(5):
                trials = next_pairs(ballots if adaptive else blank, 60, 40, seed=10 * run + n)
                more = people.vote(40, 1, seed=1000 * run + n + 1, tastes=run, pairs=trials)
                ballots = joined(ballots, more)
            found.append(sureness([ballots], resamples=150, seed=run).error(top)[0])
        errors[adaptive] = np.mean(found)
    assert errors[True] < 0.9 * errors[False]


@pytest.mark.slow
def test_intervals_hold_the_truth_where_pairs_were_chosen_by_earlier_votes():
    people = Voters((0.0, 0.1, 0.8, 1.0), prompt_spread=0.5, tie=0.3)
    truth, held = people.truth(), []
    for run in range(200):
        blank = people.vote(48, 1, seed=run).take(np.arange(0))
        ballots = people.vote(48, 1, seed=run, tastes=run, pairs=next_pairs(blank, 120, 48, seed=run))
        for n in range(6):
            trials = next_pairs(ballots, 60, 48, seed=10 * run + n)
            ballots = joined(ballots, people.vote(48, 1, seed=1000 * run + n + 1, tastes=run, pairs=trials))
        sure = sureness([ballots], resamples=300, seed=run)
        held.append(np.abs(sure.strengths - truth) <= sure.reach() * sure.error(np.eye(4) - 0.25))
    assert (np.mean(held, axis=0) >= 0.91).all()


def test_the_worth_of_a_pair_is_how_much_its_vote_shrinks_the_variance():
    ballots = Voters((0.0, 0.4)).vote(10, 3, seed=4)
    assert worth(ballots).gain.shape == (1,)
    few, many = (worth(Voters((0.0, 0.2)).vote(prompts, 3, seed=4)).gain[0] for prompts in (10, 100))
    assert few > 5 * many


def test_the_same_votes_and_seed_give_the_same_trials():
    np.testing.assert_array_equal(next_pairs(NONE, 20, 8, seed=5), next_pairs(NONE, 20, 8, seed=5))
