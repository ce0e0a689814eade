"""Buckets: every item in every epoch, one shape and a budget a batch, a function of the step alone."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marey.train.batches import choose
from marey.train.sampler import Sampler

SHAPES = [(14, 64, 64), (14, 48, 80), (8, 64, 64), (25, 80, 48)]


def pixels(shape):
    return shape[0] * shape[1] * shape[2]


@given(
    which=st.lists(st.integers(0, 3), min_size=2, max_size=60).filter(lambda found: len(set(found)) > 1),
    budget=st.integers(pixels((14, 64, 64)), 12 * pixels((14, 64, 64))),
    seed=st.integers(0, 5),
)
def test_an_epoch_covers_every_item_and_every_batch_has_one_shape_within_the_budget(which, budget, seed):
    shapes = [SHAPES[n] for n in which]
    sampler = Sampler(shapes, 4, budget, seed, "video")
    counts = Counter(shapes)
    batches = sum(-(-counts[shape] // max(1, budget // pixels(shape))) for shape in counts)
    for epoch in range(2):
        seen: Counter[int] = Counter()
        for step in range(epoch * batches, (epoch + 1) * batches):
            chosen = sampler.chosen(step)
            assert len(chosen) == sampler.size(step) > 0
            assert {shapes[item] for item in chosen} == {sampler.shape(step)}
            assert len(chosen) == 1 or len(chosen) * pixels(sampler.shape(step)) <= budget
            seen.update(chosen)
        assert set(seen) == set(range(len(shapes)))
        for shape, count in counts.items():
            filled = -count % max(1, budget // pixels(shape))
            times = sum(seen[item] for item in range(len(shapes)) if shapes[item] == shape)
            assert times == count + filled


def test_epochs_differ_and_steps_do_not_depend_on_one_another():
    shapes = [SHAPES[n % 3] for n in range(50)]
    one, other = Sampler(shapes, 4, None, 0, "video"), Sampler(shapes, 4, None, 0, "video")
    late = other.chosen(31)
    steps = [one.chosen(step) for step in range(32)]
    assert steps[31] == late
    epoch = sum(-(-len([s for s in shapes if s == shape]) // 4) for shape in SHAPES[:3])
    assert steps[:epoch] != steps[epoch : 2 * epoch]
    assert steps != [Sampler(shapes, 4, None, 1, "video").chosen(step) for step in range(32)]
    order = [one.shape(step) for step in range(epoch)]
    assert order != sorted(order)  # the buckets' batches are mixed


def test_of_one_shape_it_is_what_it_always_was():
    sampler = Sampler([SHAPES[0]] * 10, 4, None, 3, "video")
    assert [sampler.chosen(step) for step in range(9)] == [choose(10, 4, 3, "video", step) for step in range(9)]


def test_a_budget_gives_larger_batches_to_smaller_shapes():
    sampler = Sampler([(14, 64, 64), (7, 64, 64), (14, 32, 32)] * 20, 4, 4 * pixels((14, 64, 64)), 0, "video")
    sizes = {sampler.shape(step): sampler.size(step) for step in range(60)}
    assert sizes == {(14, 64, 64): 4, (7, 64, 64): 8, (14, 32, 32): 16}


def test_an_item_larger_than_the_budget_comes_alone():
    assert Sampler([(14, 64, 64)] * 3, 4, 100, 0, "video").size(0) == pytest.approx(1)
