"""Black frames and flicker: closed forms."""

import numpy as np
import pytest

from marey.signals.exposure import black_share, flicker


def test_black_frames_are_counted_and_dark_ones_are_not() -> None:
    video = np.full((10, 36, 64), 4, np.uint8)
    assert black_share(video) == 1
    video[:4] = 40
    assert black_share(video) == pytest.approx(0.6)
    video[4:, :2] = 200  # a line of light is more than two in a hundred cells
    assert black_share(video) == 0


@pytest.mark.parametrize("swing", [1, 5, 40])
def test_light_that_goes_up_and_down_is_told_by_its_swing(swing: int) -> None:
    video = np.full((20, 36, 64), 100, np.uint8)
    video[::2] += np.uint8(2 * swing)
    assert flicker(video) == pytest.approx(swing / 255)


def test_steady_light_and_steady_change_have_none() -> None:
    ramp = np.repeat(np.arange(0, 200, 4), 36 * 64).reshape(-1, 36, 64).astype(np.uint8)
    assert flicker(ramp) == pytest.approx(0, abs=1e-9)
    assert flicker(ramp[:2]) == 0
    noise = np.random.default_rng(0).integers(60, 190, (40, 36, 64)).astype(np.uint8)
    assert flicker(noise) < 0.003
