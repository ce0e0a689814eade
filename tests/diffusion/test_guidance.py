"""Guidance by frame."""

import math

import pytest
import torch

from marey.diffusion.guidance import guide, linear
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
