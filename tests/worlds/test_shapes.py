"""Moving shapes: what the truth says is what the pixels do."""

import cv2
import numpy as np
import pytest

from marey.worlds.scenes import KINDS, scene
from marey.worlds.shapes import Mover, Scene, bouncing, heading, place, straight

GREY = np.full((120, 160, 3), 100, np.uint8)


def disc(size: int = 31) -> np.ndarray:
    """A white disc as a sprite."""
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    cover = np.clip(size * 0.4 - np.hypot(x - (size - 1) / 2, y - (size - 1) / 2) + 0.5, 0, 1)
    return np.dstack([cover] * 4).astype(np.float32)


def mover(positions: np.ndarray, **more) -> Mover:
    count = len(positions)
    return Mover("a disc", disc(), positions, **({"angles": np.zeros(count), "scales": np.ones(count)} | more))


def centroid(image: np.ndarray) -> np.ndarray:
    weight = image[..., 0].astype(float) - 100
    y, x = np.indices(weight.shape)
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


def test_a_thing_is_where_its_position_says_to_a_fraction_of_a_pixel() -> None:
    positions = straight((40.25, 50.5), (37.0, 11.0), 40, 25)
    moving = Scene("test", "", 25, GREY, (mover(positions),))
    for n, image in enumerate(moving.render()):
        np.testing.assert_allclose(centroid(image), positions[n], atol=0.06)


def test_constant_velocity() -> None:
    steps = np.diff(straight((0, 0), (50, -25), 10, 25), axis=0)
    np.testing.assert_allclose(steps, [(2, -1)] * 9)


def test_bouncing_keeps_its_speed_and_stays_within_the_walls() -> None:
    way = bouncing((30, 40), (400, -310), (20, 10, 140, 110), 200, 25)
    assert way.min(0).tolist() >= [20, 10]
    assert way[:, 0].max() <= 140
    assert way[:, 1].max() <= 110
    steps = np.abs(np.diff(way, axis=0))
    unhit = steps.max(0)
    np.testing.assert_allclose(unhit, (16, 12.4), rtol=1e-6)  # between walls, every step is the whole step
    assert np.median(steps, axis=0) == pytest.approx((16, 12.4))
    signs = np.sign(np.diff(way[:, 0]))
    assert 20 < (np.diff(signs) != 0).sum() < 70  # it hits walls, again and again


def test_scaling_and_turning() -> None:
    half = disc(41)
    half[:, :20] = 0  # the right half only
    count = 3
    turned = Mover("half", half, np.tile((80.0, 60.0), (count, 1)), np.array([0, np.pi / 2, np.pi]), np.ones(count))
    x, y = zip(*(centroid(image) - (80, 60) for image in Scene("test", "", 25, GREY, (turned,)).render()), strict=True)
    assert (x[0] > 4, abs(y[0]) < 0.2) == (True, True)
    assert (abs(x[1]) < 0.2, y[1] > 4) == (True, True)  # a quarter clockwise: right becomes down
    assert (x[2] < -4, abs(y[2]) < 0.2) == (True, True)
    grown = mover(np.tile((80.0, 60.0), (2, 1)), scales=np.array([1.0, 2.0]))
    areas = [(image.astype(float) - 100)[..., 0].sum() for image in Scene("test", "", 25, GREY, (grown,)).render()]
    assert areas[1] / areas[0] == pytest.approx(4, rel=0.03)


def test_what_is_in_front_hides() -> None:
    front = np.zeros((120, 160, 4), np.uint8)
    front[:, 60:100] = (10, 200, 10, 255)
    behind = Scene("test", "", 25, GREY, (mover(np.array([(80.0, 60.0), (20.0, 60.0)])),), front=front)
    hidden, seen = behind.render()
    assert (hidden[60, 80] == (10, 200, 10)).all()
    assert hidden[:, :60].max() == 100
    assert seen[60, 20, 0] == 255
    assert np.abs(behind.flow(0)[:, 60:100]).max() == 0


def test_a_trail_is_fainter_than_the_thing_and_behind_it() -> None:
    way = straight((30, 60), (250, 0), 10, 25)
    image = Scene("test", "", 25, GREY, (mover(way, trail=3),)).frame(9)
    head, ghost = int(way[9, 0]), int(way[3, 0])
    assert image[60, head, 0] == 255
    assert 100 < image[60, ghost - 10, 0] < 255
    assert image[60, head + 25, 0] == 100


def test_partly_and_wholly_outside() -> None:
    for where in ((-5, 60), (165, 60), (80, -5), (80, 125), (-400, -400)):
        image = GREY.copy()
        place(image, disc(), mover(np.array([where], np.float64)).matrix(0))
        assert image.shape == GREY.shape
    assert (image == 100).all()


def test_heading_looks_along_the_way() -> None:
    np.testing.assert_allclose(heading(straight((0, 0), (0, 20), 5, 25)), np.pi / 2)
    np.testing.assert_allclose(np.abs(heading(straight((0, 0), (-20, 0), 5, 25))), np.pi)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "bounce"])
def test_the_flow_carries_each_frame_to_the_next(kind: str) -> None:
    """Warped back by the true motion, the next frame is this one, but where something was uncovered or left."""
    made = scene(kind, 3, seconds=1.0)
    now, then, flow = made.frame(12), made.frame(13), made.flow(12)
    y, x = np.indices(flow.shape[:2], np.float32)
    back = cv2.remap(then, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    moving = np.hypot(flow[..., 0], flow[..., 1]) > 0.3
    assert moving.mean() > 0.01
    inner = cv2.erode(moving.astype(np.uint8), np.ones((7, 7))) > 0
    error = np.abs(back.astype(int) - now)[inner].mean()
    standing = np.abs(then.astype(int) - now)[inner].mean()
    assert error < 0.55 * standing
    assert np.median(np.abs(back.astype(int) - now)) <= 1


def test_no_motion_after_the_last_frame() -> None:
    made = scene("car", 0, seconds=0.4)
    with pytest.raises(ValueError, match="no motion from frame 9 of 10"):
        made.flow(9)
