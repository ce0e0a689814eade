"""Motion: what it says of textures that were moved by a known amount."""

import cv2
import numpy as np
import pytest

from marey.signals.motion import MOTION, diagonal, global_affine, motion


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


def picture(turn: float = 0.0, grow: float = 1.0, right: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A texture, 240 x 320, and what a camera that turns (degrees clockwise), zooms and pans makes of it."""
    big = texture(400, 480)
    matrix = cv2.getRotationMatrix2D((240, 200), -turn, grow)
    matrix[0, 2] += right
    moved = cv2.warpAffine(big, matrix, (480, 400), flags=cv2.INTER_CUBIC)
    return big[80:320, 80:400], moved[80:320, 80:400]


def lengths(turn: float, grow: float, right: float) -> float:
    """The mean length of the true flow of `picture`."""
    y, x = np.mgrid[-120:120, -160:160] + 0.5
    angle = np.radians(turn)
    u = grow * (np.cos(angle) * x - np.sin(angle) * y) - x + right
    v = grow * (np.sin(angle) * x + np.cos(angle) * y) - y
    return float(np.hypot(u, v).mean())


@pytest.mark.parametrize(("turn", "grow", "right"), [(0, 1, 6), (0, 1.05, 0), (3, 1, 0), (-2, 1.03, 4)])
def test_what_a_camera_does_is_told_as_the_camera(turn: float, grow: float, right: float) -> None:
    found = motion(*picture(turn, grow, right), 240, 320)
    truth = lengths(turn, grow, right)
    assert found.camera == pytest.approx(truth, rel=0.12)
    assert found.object < 0.12 * truth
    assert found.rotation == pytest.approx(np.radians(turn), abs=0.004)
    assert found.zoom == pytest.approx(grow - 1, abs=0.008)


def test_an_object_over_a_background_at_rest_is_told_as_the_object() -> None:
    before = texture(240, 320)
    patch = texture(400, 480)[300:380, 200:290]
    frames = []
    for x in (60, 72):
        frame = before.copy()
        frame[70:150, x : x + 90] = patch
        frames.append(frame)
    found = motion(*frames, 240, 320)
    assert found.object > 0.5
    assert found.object > 3 * found.camera


def test_an_object_does_not_drag_the_camera_along() -> None:
    """A fifth of the vectors go another way: the fit is that of the others, where plain least squares is not."""
    y, x = np.mgrid[-1:1:20j, -1:1:30j]
    truth = np.stack([2 + x, -1 + 0.5 * y], axis=-1).astype(np.float32)
    field = truth.copy()
    field[5:13, 4:19] += 6
    assert np.abs(global_affine(field) - truth).max() < 0.02
    design = np.stack([np.ones(600), x.ravel(), y.ravel()], axis=1)
    plain = design @ np.linalg.lstsq(design, field.reshape(-1, 2), rcond=None)[0]
    assert np.abs(plain.reshape(truth.shape) - truth).max() > 1


def test_columns_and_scale() -> None:
    assert MOTION == ("magnitude", "right", "down", "zoom", "rotation", "camera", "object")
    found = motion(*shifted(3, 0), 128, 192)
    assert found.scaled(2).right == 2 * found.right
    assert found.scaled(0.5).object == 0.5 * found.object


@pytest.mark.parametrize("size", [(2, 2), (3, 40), (40, 3)])
def test_pictures_that_are_too_small_for_a_fit(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    found = motion(rng.integers(0, 255, size).astype(np.uint8), rng.integers(0, 255, size).astype(np.uint8), *size)
    assert np.isfinite([found.camera, found.object, found.rotation]).all()


def test_it_rises_with_the_speed_down_to_a_quarter_of_a_pixel() -> None:
    big = texture(900, 1400)
    speeds = [0, 0.25, 0.5, 1, 2, 4, 8, 16, 32]
    found = []
    for speed in speeds:
        shift = np.array([[1, 0, 0.8 * speed], [0, 1, 0.6 * speed]], np.float32)
        moved = cv2.warpAffine(big, shift, (1400, 900), flags=cv2.INTER_CUBIC)
        pair = [cv2.resize(one[90:810, 60:1340], (171, 96), interpolation=cv2.INTER_AREA) for one in (big, moved)]
        found.append(motion(*pair, 720, 1280).magnitude)
    assert found == sorted(found)
    assert found[0] < 0.02
    np.testing.assert_allclose(found[2:], speeds[2:], rtol=0.25)


def test_fast_pans_are_told_as_fast_as_they_are() -> None:
    rng = np.random.default_rng(3)
    world = cv2.GaussianBlur(rng.normal(0, 1, (96, 400)).astype(np.float32), (0, 0), 3)
    world = (128 + 90 * world / np.abs(world).max()).astype(np.uint8)
    found = []
    for shift in (0, 1, 2, 4, 6, 8, 12, 16, 24, 32, 48):
        moved = motion(world[:, 100:270], world[:, 100 - shift : 270 - shift], 270, 478)
        found.append(moved.magnitude)
        assert moved.right == pytest.approx(shift * 478 / 170, rel=0.12, abs=0.3)
    assert found == sorted(found)


def test_what_moves_fast_by_itself_does_not_carry_the_picture_along() -> None:
    rng = np.random.default_rng(4)
    still = cv2.GaussianBlur(rng.integers(0, 255, (96, 170)).astype(np.float32), (0, 0), 2).astype(np.uint8)
    patch = rng.integers(0, 255, (40, 40)).astype(np.uint8)
    before, after = still.copy(), still.copy()
    before[30:70, 30:70], after[30:70, 50:90] = patch, patch
    moved = motion(before, after, 96, 170)
    assert moved.camera < 1.5
    assert abs(moved.right) < 5
