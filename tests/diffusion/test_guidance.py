"""Guidance by frame."""

import math

import pytest
import torch

from marey.diffusion.guidance import constant, guide, linear, trapezoid, triangle, within
from marey.errors import MareyError


def test_weights_rise_evenly_from_the_first_frame_to_the_last():
    torch.testing.assert_close(linear(1.0, 3.0, 5), torch.tensor([1.0, 1.5, 2.0, 2.5, 3.0]))
    assert linear(1.5, 3.0, 1).tolist() == [1.5]


def test_each_frame_goes_by_its_own_weight():
    unconditional, conditional = torch.randn(2, 3, 4, 5, 5), torch.randn(2, 3, 4, 5, 5)
    guided = guide(unconditional, conditional, torch.tensor([0.0, 1.0, 2.5]))
    torch.testing.assert_close(guided[:, 0], unconditional[:, 0])
    torch.testing.assert_close(guided[:, 1], conditional[:, 1])
    torch.testing.assert_close(guided[:, 2], 2.5 * conditional[:, 2] - 1.5 * unconditional[:, 2])


def test_a_weight_that_is_no_number_is_an_error():
    with pytest.raises(MareyError, match="guidance of nan"):
        linear(math.nan, 1.0, 2)


def test_a_triangle_closes_the_circle():
    # SV3D's: 2 |v - floor(v + 1/2)| for v from 0 to 1, without the 1 that is the first again.
    torch.testing.assert_close(triangle(1.0, 2.5, 6), torch.tensor([1.0, 1.5, 2.0, 2.5, 2.0, 1.5]))
    weights = triangle(1.0, 2.5, 21)
    torch.testing.assert_close(weights[1:], weights[1:].flip(0))
    assert float(weights[0]) == 1.0


def test_a_trapezoid_has_two_edges_and_a_top():
    torch.testing.assert_close(trapezoid(1.0, 3.0, 8, 0.25), torch.tensor([1.0, 2.0, 3, 3, 3, 3, 2.0, 1.0]))
    assert trapezoid(1.0, 3.0, 5, 0.0).tolist() == [3.0] * 5
    with pytest.raises(MareyError, match=r"edge is 0\.6"):
        trapezoid(1.0, 3.0, 5, 0.6)


def test_outside_its_interval_there_is_no_guidance():
    weights = constant(3.0, 4)
    assert within(weights, 2.0, 0.5, 10.0).tolist() == [3.0] * 4
    for sigma in (0.5, 11.0):
        assert within(weights, sigma, 0.5, 10.0).tolist() == [1.0] * 4
