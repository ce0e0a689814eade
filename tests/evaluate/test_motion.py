import cv2
import numpy as np
import pytest

from marey.evaluate.motion import flow, magnitude, mean_flow, temporal_difference_error

from .moving import pan, texture


@pytest.mark.parametrize(("right", "down"), [(2, 0), (0, 3), (-2, 1)])
def test_a_pan_of_known_speed(right: int, down: int) -> None:
    video = pan(right, down)
    assert mean_flow(video) == pytest.approx([right, down], abs=0.35)
    assert magnitude(video[0], video[1]) == pytest.approx(np.hypot(right, down), rel=0.2)


def test_the_flow_of_a_large_picture_is_in_its_own_pixels() -> None:
    small = pan(2, 0, frames=2, side=120)
    large = np.stack([cv2.resize(frame, (480, 480), interpolation=cv2.INTER_CUBIC) for frame in small])
    assert flow(large[0], large[1]).shape == (96, 96, 2)
    assert mean_flow(large) == pytest.approx([8, 0], abs=1.2)


def test_still_pictures_do_not_move() -> None:
    still = texture()[:64, :64]
    assert magnitude(still, still) == 0.0


def test_the_temporal_difference_error_counts_only_change() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(40, 200, (2, 16, 16, 3), dtype=np.uint8)
    assert temporal_difference_error(true[0], true[1], true[0], true[1]) == 0.0
    shifted = true + 30
    assert temporal_difference_error(shifted[0], shifted[1], true[0], true[1]) == 0.0, (
        "an offset that stays is not change"
    )
    frozen = temporal_difference_error(true[0], true[0], true[0], true[1])
    assert frozen == pytest.approx(np.abs(true[1].astype(float) - true[0]).mean())
    white, black = np.full((2, 2, 3), 255, np.uint8), np.zeros((2, 2, 3), np.uint8)
    assert temporal_difference_error(black, white, white, black) == 510.0
