"""What the detectors look at: that it is fast changes none of it."""

import cv2
import numpy as np
import pytest
from panning import shot
from test_transitions import signature

from marey.curate.features import WIDE, Area, Features
from marey.curate.gradual import gradual
from marey.worlds.edits import Join, compose


@pytest.fixture(scope="module")
def edit() -> tuple[np.ndarray, np.ndarray]:
    joins = [Join("cut"), Join("dissolve", 14), Join("fade", 11, "black"), Join("wipe", 16, "left")]
    video, _ = compose([shot(200 + n, 60, 0.3 + n) for n in range(5)], joins)
    return signature(video)


@pytest.fixture(scope="module")
def features(edit: tuple[np.ndarray, np.ndarray]) -> Features:
    return Features(*edit, Area.of(edit[0]))


def test_the_coarse_picture_is_made_of_means(features: Features) -> None:
    light = features.luma.reshape(-1, 9, 4, 16, 4).mean(axis=(2, 4)) / 255
    colour = features.chroma.reshape(-1, 9, 2, 16, 2, 2).mean(axis=(2, 4)).transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(features.coarse[:, 0], light, atol=1e-6)
    np.testing.assert_allclose(features.coarse[:, 1:], colour, atol=1e-6)


@pytest.mark.parametrize("area", [Area(0, 36, 0, 64), Area(4, 31, 3, 62), Area(10, 16, 0, 64)])
def test_details_are_those_of_each_picture_alone(edit: tuple[np.ndarray, np.ndarray], area: Area) -> None:
    made = Features(*edit, area)
    for n in (0, 1, 63, 64, len(made) - 1):
        light = made.luma[n, area.top : area.bottom, area.left : area.right].astype(np.float32)
        details = (light - cv2.blur(light, (WIDE, WIDE))).ravel()
        assert made.energy[n] == pytest.approx((details**2).mean(), rel=1e-5)
        details -= details.mean()
        details /= max(np.linalg.norm(details), details.size**0.5)
        np.testing.assert_allclose(made.details[n], details, atol=1e-6)


def test_gaps_are_mean_squared_distances_and_exact(features: Features) -> None:
    coarse = features.coarse.reshape(len(features), -1).astype(np.float64)
    gaps = features.gaps(50)
    for lag in (0, 1, 17, 50):
        slow = ((coarse[lag:] - coarse[: len(coarse) - lag]) ** 2).mean(axis=1)
        np.testing.assert_allclose(gaps[lag, : len(slow)], slow, rtol=1e-5, atol=1e-12)
        assert not gaps[lag, len(slow) :].any()


def test_a_part_of_a_trace_gives_the_same_numbers_to_the_last_bit(
    edit: tuple[np.ndarray, np.ndarray], features: Features
) -> None:
    luma, chroma = edit
    part = Features(luma[37:150], chroma[37:150], Area.of(luma))
    np.testing.assert_array_equal(part.gaps(30)[:, :80], features.gaps(30)[:, 37:117])
    np.testing.assert_array_equal(part.details, features.details[37:150])
    np.testing.assert_array_equal(part.coarse, features.coarse[37:150])


def test_correlations_of_some_frames_are_those_of_all(features: Features) -> None:
    at = np.array([0, 1, 2, 5, 30, 31, 90, 150])
    np.testing.assert_array_equal(features.alike_at(at, 9), features.alike(9)[at])
    assert features.alike_pair(5, 14) == pytest.approx(features.alike(9)[5], abs=1e-6)


def test_windows_are_passed_over_only_where_nothing_could_be_found(features: Features) -> None:
    """The bounds of `gradual` lose nothing."""
    assert len(features) > 200
    fast, slow = (gradual(features, 62, bounded=bounded) for bounded in (True, False))
    assert len(fast) > 40
    assert {one.kind for one in fast} == {"dissolve", "fade", "wipe"}
    assert fast == slow


def test_bars_that_leave_next_to_nothing_are_no_bars() -> None:
    luma = np.zeros((8, 36, 64), np.uint8)
    luma[:, 17:19] = 200
    assert Area.of(luma) == Area(0, 36, 0, 64)
    luma[:, 10:22] = 200
    assert Area.of(luma) == Area(11, 21, 0, 64)
