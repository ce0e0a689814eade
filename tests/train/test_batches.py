"""What a step sees is a function of (seed, stage, step) alone, and an epoch is a permutation."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from marey.train.batches import choose, draw, draw_caption, noise, noise_rows, permutation, seed_of, spread, stream

LAW = {"p_mean": 0.7, "p_std": 1.6, "drop": 0.1, "augmentation_mean": -3.0, "augmentation_std": 0.5}


@given(count=st.integers(1, 40), size=st.integers(1, 50), seed=st.integers(0, 9))
def test_an_epoch_holds_every_item_once(count, size, seed):
    steps = math.ceil(3 * count / size)
    seen = [n for step in range(steps) for n in choose(count, size, seed, "video", step)]
    for epoch in range(3):
        assert sorted(seen[epoch * count : (epoch + 1) * count]) == list(range(count))


def test_the_order_differs_by_epoch_seed_and_stage():
    orders = {
        permutation(50, 0, "video", "epoch", 0),
        permutation(50, 0, "video", "epoch", 1),
        permutation(50, 1, "video", "epoch", 0),
        permutation(50, 0, "image", "epoch", 0),
    }
    assert len(orders) == 4
    assert permutation(50, 0, "video", "epoch", 0) != tuple(range(50))


def test_nothing_to_choose_from_is_an_error():
    with pytest.raises(ValueError, match="nothing to draw"):
        choose(0, 4, 0, "video", 0)


def test_a_step_is_the_same_whatever_was_drawn_before():
    early = draw(8, 3, "video", 17, **LAW)
    for step in range(5):
        draw(8, 3, "video", step, **LAW)
        torch.randn(3)
    late = draw(8, 3, "video", 17, **LAW)
    for name in ("sigma", "keep_token", "keep_frame", "augmentation", "uniform"):
        assert torch.equal(getattr(early, name), getattr(late, name))
    assert torch.equal(noise((2, 3), 3, "video", 17), noise((2, 3), 3, "video", 17))
    assert not torch.equal(noise((2, 3), 3, "video", 17), noise((2, 3), 3, "video", 18))


def test_the_draws_follow_their_laws():
    draws = [draw(50, 0, "video", step, **LAW) for step in range(400)]
    sigma = torch.cat([d.sigma for d in draws]).log()
    assert sigma.mean().item() == pytest.approx(0.7, abs=0.05)
    assert sigma.std().item() == pytest.approx(1.6, abs=0.05)
    augmentation = torch.cat([d.augmentation for d in draws]).log()
    assert augmentation.mean().item() == pytest.approx(-3.0, abs=0.02)
    assert augmentation.std().item() == pytest.approx(0.5, abs=0.02)
    token, frame = torch.cat([d.keep_token for d in draws]), torch.cat([d.keep_frame for d in draws])
    n = len(token)
    for keep in (token, frame):
        assert set(keep.unique().tolist()) == {0.0, 1.0}
        assert 1 - keep.mean().item() == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / n))
    # Dropped independently: both at once in one case of a hundred.
    both = ((1 - token) * (1 - frame)).mean().item()
    assert both == pytest.approx(0.01, abs=4 * math.sqrt(0.01 * 0.99 / n))
    correlation = torch.corrcoef(torch.stack([sigma, augmentation, token, frame])) - torch.eye(4)
    assert correlation.abs().max().item() < 0.04


def test_without_dropout_everything_is_kept():
    draws = draw(64, 0, "image", 0, **{**LAW, "drop": 0.0})
    assert draws.keep_token.min().item() == draws.keep_frame.min().item() == 1.0


def test_one_setting_leaves_the_other_draws_alone():
    a, b = draw(16, 0, "video", 3, **LAW), draw(16, 0, "video", 3, **{**LAW, "drop": 0.5})
    assert torch.equal(a.sigma, b.sigma)
    assert torch.equal(a.augmentation, b.augmentation)
    assert (a.keep_token - b.keep_token).min().item() >= 0  # more is dropped, and what was dropped stays so


def test_keys_are_told_apart_by_every_part():
    keys = [("a", 1), ("a", "1"), ("a1",), ("a", 1, 1), (1, "a")]
    assert len({seed_of(*key) for key in keys}) == len(keys)
    assert torch.equal(torch.rand(4, generator=stream("a", 1)), torch.rand(4, generator=stream("a", 1)))


@given(count=st.integers(0, 60), most=st.integers(1, 30))
def test_spread_is_even(count, most):
    taken = spread(count, most)
    assert len(taken) == min(count, most)
    assert sorted(set(taken)) == taken
    if count > most:
        gaps = [b - a for a, b in itertools.pairwise(taken)]
        assert not gaps or max(gaps) - min(gaps) <= 1
        assert taken[0] <= count / most
        assert count - 1 - taken[-1] <= count / most


def test_captions_are_drawn_by_their_shares_and_by_their_keys_alone():
    captions = (("image", 0.5), ("video", 0.25), ("merged", 0.25))
    drawn = [draw_caption(captions, 7, "image", step, "caption", "clip") for step in range(4000)]
    assert drawn == [draw_caption(captions, 7, "image", step, "caption", "clip") for step in range(4000)]
    for text, share in captions:
        assert drawn.count(text) / 4000 == pytest.approx(share, abs=0.03)
    assert drawn != [draw_caption(captions, 8, "image", step, "caption", "clip") for step in range(4000)]
    assert drawn != [draw_caption(captions, 7, "image", step, "caption", "other") for step in range(4000)]
    assert draw_caption((), 7) == ""
    assert draw_caption((("only", 1.0),), 7) == "only"


def test_both_conditions_may_be_dropped_together_beside_each_alone():
    draws = [draw(50, 0, "video", step, **{**LAW, "drop_both": 0.2}) for step in range(400)]
    plain = [draw(50, 0, "video", step, **LAW) for step in range(400)]
    token, frame = torch.cat([d.keep_token for d in draws]), torch.cat([d.keep_frame for d in draws])
    both = ((1 - token) * (1 - frame)).mean().item()
    assert both == pytest.approx(0.2 + 0.8 * 0.01, abs=4 * math.sqrt(0.2 * 0.8 / len(token)))
    for kept in (token, frame):
        assert 1 - kept.mean().item() == pytest.approx(0.2 + 0.8 * 0.1, abs=4 * math.sqrt(0.28 * 0.72 / len(token)))
    # What was dropped by itself still is, and nothing else of a step changes.
    assert all((a.keep_token - b.keep_token).max() <= 0 for a, b in zip(draws, plain, strict=True))
    assert all(torch.equal(a.sigma, b.sigma) for a, b in zip(draws, plain, strict=True))


def test_rows_of_a_batch_have_noise_of_their_own():
    whole = noise_rows((2, 3), range(5), 7, "video", 3)
    assert torch.equal(noise_rows((2, 3), [4, 1], 7, "video", 3), whole[[4, 1]])
    assert len({row.numpy().tobytes() for row in whole}) == 5
    draws = draw(5, 7, "video", 3, **LAW)
    assert torch.equal(draws.of([4, 1]).sigma, draws.sigma[[4, 1]])
