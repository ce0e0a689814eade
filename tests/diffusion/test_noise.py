"""Draws have their laws, and depend on their seeds alone."""

import math

import torch

from marey.diffusion.noise import draw_sigma, normal, seeded


def test_noise_levels_are_log_normal():
    logs = draw_sigma(seeded(0), 100_000, 0.7, 1.6).log()
    assert abs(float(logs.mean()) - 0.7) < 0.02
    assert abs(float(logs.std()) - 1.6) < 0.02
    beyond = float((logs > 0.7 + 1.6).float().mean())
    assert abs(beyond - 0.5 * math.erfc(1 / math.sqrt(2))) < 0.005


def test_the_same_seed_draws_the_same_and_another_another():
    assert torch.equal(draw_sigma(seeded(3), 5, 0, 1), draw_sigma(seeded(3), 5, 0, 1))
    assert not torch.equal(draw_sigma(seeded(3), 5, 0, 1), draw_sigma(seeded(4), 5, 0, 1))


def test_a_row_of_noise_does_not_know_of_the_others():
    together = normal([seeded(1), seeded(2), seeded(3)], (2, 4))
    alone = normal([seeded(2)], (2, 4))
    assert together.shape == (3, 2, 4)
    assert torch.equal(together[1:2], alone)


def test_generators_go_on_where_they_were():
    generator = seeded(5)
    first, second = normal([generator], (4,)), normal([generator], (4,))
    assert not torch.equal(first, second)
