"""Motion: what it says of textures that were moved by a known amount."""

import cv2
import numpy as np
import pytest

from marey.signals.motion import diagonal, motion


def texture(height: int = 220, width: int = 320) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 255, (height, width)).astype(np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)


def shifted(x: int, y: int) -> tuple[np.ndarray, np.ndarray]:
    big = texture()
    return big[40:168, 40:232], big[40 - y : 168 - y, 40 - x : 232 - x]


@pytest.mark.parametrize(("x", "y"), [(3, 0), (-3, 0), (0, 4), (2, -2)])
def test_a_shift_is_found_with_its_direction(x: int, y: int) -> None:
    found = motion(*shifted(x, y), 128, 192)
    assert found.right == pytest.approx(x, abs=0.3)
    assert found.down == pytest.approx(y, abs=0.3)
    assert found.magnitude == pytest.approx(np.hypot(x, y), abs=0.35)
    assert abs(found.zoom) < 0.01


def test_it_is_told_in_pixels_of_the_source_and_as_a_share_it_does_not_depend_on_them() -> None:
    small, large = motion(*shifted(3, 0), 128, 192), motion(*shifted(3, 0), 1280, 1920)
    assert large.magnitude == pytest.approx(10 * small.magnitude, rel=1e-5)
    assert large.magnitude / diagonal(1280, 1920) == pytest.approx(small.magnitude / diagonal(128, 192), rel=1e-5)


def test_two_ways_at_once_do_not_cancel() -> None:
    before, right = shifted(4, 0)
    _, left = shifted(-4, 0)
    after = np.concatenate([left[:, :96], right[:, 96:]], axis=1)
    found = motion(before, after, 128, 192)
    assert abs(found.right) < 0.6
    assert found.magnitude > 3


def test_zoom_is_growth_about_the_centre() -> None:
    before = texture()
    grown = cv2.warpAffine(before, cv2.getRotationMatrix2D((160, 110), 0, 1.04), (320, 220))
    assert motion(before, grown, 220, 320).zoom == pytest.approx(0.04, abs=0.012)
    assert motion(grown, before, 220, 320).zoom == pytest.approx(-0.04, abs=0.012)


def test_nothing_moves_in_a_still() -> None:
    before, _ = shifted(0, 0)
    assert motion(before, before, 128, 192).magnitude < 0.01


def test_sizes_that_differ_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="differ in size"):
        motion(np.zeros((8, 8), np.uint8), np.zeros((8, 9), np.uint8), 8, 8)
