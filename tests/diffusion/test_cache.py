"""When calls are full, and what stands in for them when they are not."""

import math

import pytest
import torch

from marey.diffusion.cache import Line, Pace
from marey.errors import MareyError


def test_a_line_gives_back_what_is_linear_in_time():
    slope, start = torch.randn(3, 4), torch.randn(3, 4)
    line = Line()
    for time in (0.0, 0.7, 1.5):
        line.keep(time, start + time * slope)
    torch.testing.assert_close(line.at(2.2), start + 2.2 * slope)
    torch.testing.assert_close(line.at(1.5), start + 1.5 * slope)


def test_a_line_goes_through_the_last_two_values_only():
    line = Line()
    for time, value in ((0.0, 100.0), (1.0, 2.0), (3.0, 6.0)):
        line.keep(time, torch.tensor(value))
    assert float(line.at(4.0)) == pytest.approx(8.0)


def test_one_value_stands_for_all_times_and_another_at_its_time_replaces_it():
    line = Line()
    line.keep(1.0, torch.tensor(5.0))
    assert float(line.at(9.0)) == 5.0
    line.keep(1.0, torch.tensor(7.0))
    assert float(line.at(9.0)) == 7.0
    line.keep(2.0, torch.tensor(8.0))
    line.keep(2.0, torch.tensor(9.0))
    assert float(line.at(3.0)) == pytest.approx(11.0)


def test_nothing_kept_is_an_error():
    with pytest.raises(MareyError, match="a full call first"):
        Line().at(0.0)


def calls(pace: Pace, angles: list[float]) -> str:
    """Inputs on the unit circle, whose relative change is the chord 2 sin(angle / 2)."""
    points = (torch.tensor([math.cos(angle), math.sin(angle)]) for angle in angles)
    return "".join("F" if pace.due(x) else "." for x in points)


def test_calls_are_full_where_the_input_has_changed_by_the_threshold_since_the_last_full_one():
    # Steps of 0.1 radians: after two full ones, the third from the last is the first at 0.29 or more.
    angles = [0.1 * n for n in range(11)]
    assert calls(Pace(0.29, most=99), angles) == "FF..F..F..F"
    # Fast, then slow, then fast again.
    angles = [0.0, 0.3, 0.6, 0.65, 0.7, 0.75, 1.1, 1.4]
    assert calls(Pace(0.29, most=99), angles) == "FFF...FF"


def test_at_a_threshold_of_0_all_calls_are_full_even_where_nothing_changes():
    assert calls(Pace(0.0), [0.0] * 5) == "FFFFF"


def test_there_are_no_more_cached_calls_in_a_row_than_said():
    assert calls(Pace(0.5, most=2), [0.0] * 9) == "FF..F..F."
    assert calls(Pace(0.5), [0.0] * 7) == "FF.F.F."
    assert calls(Pace(0.5, first=1), [0.0] * 5) == "F.F.F"
    assert calls(Pace(0.5, most=0), [0.0] * 4) == "FFFF"


@pytest.mark.parametrize("threshold", [-0.1, float("inf"), float("nan")])
def test_a_threshold_that_cannot_be(threshold):
    with pytest.raises(MareyError, match="0 \\(no cache\\) or more"):
        Pace(threshold)
