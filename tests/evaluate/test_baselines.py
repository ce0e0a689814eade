import numpy as np
import pytest

from marey.evaluate.baselines import drift, drift_velocity, frozen

from .moving import pan, texture


def test_frozen_is_the_still_held() -> None:
    still = texture()[:32, :40]
    video = frozen(still, 5)
    assert video.shape == (5, 32, 40, 3)
    assert (video == still).all()


def test_drift_slides_at_the_velocity_it_is_given() -> None:
    still = texture()[:64, :64]
    video = drift(still, 4, (16.0, -8.0), fps=8.0)  # 2 px right and 1 px up a frame
    assert (video[0] == still).all()
    assert (video[1][:-1, 2:] == still[1:, :-2]).all()
    assert (video[3][:-3, 6:] == still[3:, :-6]).all()
    assert (video[3][5, :6] == video[3][5, 6]).all(), "what comes in repeats the border"


def test_drift_at_rest_is_frozen() -> None:
    still = texture()[:32, :32]
    assert (drift(still, 3, (0.0, 0.0), 8.0) == frozen(still, 3)).all()


def test_the_velocity_is_the_mean_of_the_training_windows_a_second() -> None:
    assert drift_velocity([(pan(2, 0), 8.0)]) == pytest.approx((16, 0), abs=3)
    both = drift_velocity([(pan(2, 0), 8.0), (pan(2, 0), 24.0)])
    assert both == pytest.approx((32, 0), abs=6)
    assert drift_velocity([(pan(2, 0), 8.0), (pan(-2, 0), 8.0)]) == pytest.approx((0, 0), abs=2), "opposites cancel"
    assert drift_velocity([]) == (0.0, 0.0)


def test_a_drifting_truth_is_predicted_by_drift_and_not_by_frozen() -> None:
    true = pan(2, 0, frames=6)
    moved = drift(true[0], 6, drift_velocity([(true, 8.0)]), 8.0)
    inside = (slice(None), slice(8, -8), slice(16, -8))
    gap = np.abs(moved.astype(float) - true)[inside].mean()
    held = np.abs(frozen(true[0], 6).astype(float) - true)[inside].mean()
    assert gap < 0.4 * held
