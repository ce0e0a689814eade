"""What is said of the votes: the arms, the pairs, the errors, and what is refused."""

import numpy as np
import pytest

from marey.errors import MareyError
from marey.study.ballots import Ballots
from marey.study.rating import BOTH, agreement, rate
from marey.study.voters import Voters
from marey.study.words import told, why

PEOPLE = Voters((0.0, 0.1, 0.8, 1.2), prompt_spread=0.5, tie=0.3)


@pytest.fixture(scope="module")
def ratings():
    questions = {"quality": PEOPLE.vote(48, 3, seed=1), "prompt": PEOPLE.vote(48, 3, seed=2)}
    return rate(questions, resamples=300, shuffles=200)


def test_each_question_and_both_together(ratings):
    assert [one.question for one in ratings] == ["quality", "prompt", BOTH]
    quality, prompt, both = ratings
    assert both.votes == quality.votes + prompt.votes == 2 * 48 * 6 * 3
    by_name = [{one.arm: one for one in rating.arms} for rating in ratings]
    for arm in ("arm0", "arm3"):
        assert by_name[2][arm].strength == pytest.approx((by_name[0][arm].strength + by_name[1][arm].strength) / 2)
        assert by_name[2][arm].elo == pytest.approx((by_name[0][arm].elo + by_name[1][arm].elo) / 2)
    assert both.width < quality.width


def test_the_strongest_stands_first_and_what_differs_is_told_apart(ratings):
    quality = ratings[0]
    assert quality.arms[0].arm == "arm3"
    assert quality.arms[0].best > 0.9
    assert sum(one.best for one in quality.arms) == pytest.approx(1)
    verdict = {(one.first, one.second): one.verdict for one in quality.pairs}
    assert verdict["arm0", "arm3"] == "worse"
    assert verdict["arm0", "arm1"] == "not distinguishable"
    for one in quality.pairs:
        assert (one.low > 0 or one.high < 0) == (one.verdict != "not distinguishable")
        assert (one.needed.new_prompts == 0) == (one.verdict != "not distinguishable")
        assert one.won_low <= one.won <= one.won_high


def test_pairs_at_once_have_wider_intervals_than_one_alone(ratings):
    alone = rate({"quality": PEOPLE.vote(48, 3, seed=1)}, families=[("arm0", "arm1")], resamples=300, shuffles=20)[0]
    (one,) = alone.pairs
    same = next(pair for pair in ratings[0].pairs if (pair.first, pair.second) == ("arm0", "arm1"))
    assert same.high - same.low > 1.1 * (one.high - one.low)


def test_shuffles_understate_the_error_and_the_page_says_so(ratings):
    errors = ratings[0].errors
    assert errors.shuffles < errors.votes / 3
    assert errors.votes < errors.prompts
    text = "\n".join(told(rating) for rating in ratings)
    assert why(ratings[0]) in text
    assert "times as much" in text
    assert "still needed" in text
    assert "both questions together" in text


def test_agreement_is_one_nothing_and_between():
    same = Ballots.of(["a", "b"], [(*("a", "b"), float(p % 2), p, v) for p in range(10) for v in range(3)])
    assert agreement(same) == pytest.approx(1)
    chance = Voters((0.0, 0.0)).vote(400, 3, seed=5)
    assert agreement(chance) == pytest.approx(0, abs=0.08)
    assert agreement(Ballots.of(["a", "b"], [("a", "b", 1.0, p, 0) for p in range(5)])) is None
    # Krippendorff by hand: two trials of two votes, one of them at odds.
    small = Ballots.of(
        ["a", "b"], [("a", "b", 1.0, 0, 0), ("a", "b", 1.0, 0, 1), ("a", "b", 1.0, 1, 0), ("a", "b", 0.0, 1, 1)]
    )
    assert agreement(small) == pytest.approx(1 - (2 / 4) / (2 * 3 * 1 / (4 * 3)))


def test_what_cannot_be_rated_is_a_sentence():
    with pytest.raises(MareyError, match="no votes"):
        rate({"quality": Ballots.of(["a", "b"], [])})
    with pytest.raises(MareyError, match="'c' has none"):
        rate({"quality": Ballots.of(["a", "b", "c"], [("a", "b", 1.0, 0, 0)])})
    apart = Ballots.of(["a", "b", "c", "d"], [("a", "b", 1.0, 0, 0), ("c", "d", 1.0, 0, 0)])
    with pytest.raises(MareyError, match="never compared"):
        rate({"quality": apart})


def test_an_arm_that_wins_all_has_an_interval():
    votes = [("a", "b", 1.0, p, v) for p in range(20) for v in range(2)]
    (rating,) = rate({"quality": Ballots.of(["a", "b"], votes)}, resamples=200, shuffles=50)
    assert all(np.isfinite([one.low, one.high]).all() for one in rating.arms)
    assert rating.arms[0].arm == "a"
