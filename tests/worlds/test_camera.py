"""Camera moves over a photograph."""

import cv2
import numpy as np
import pytest

from marey.worlds.camera import MOVES, move


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    return cv2.resize(noise, (900, 600), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("label", MOVES)
def test_the_label_is_what_the_camera_does(photo: np.ndarray, label: str) -> None:
    made = move(photo, label, np.random.default_rng(1), seconds=1)
    steps = np.diff(made.windows, axis=0)
    expected = {
        "pan right": (1, 0, 0),
        "pan left": (-1, 0, 0),
        "tilt up": (0, -1, 0),
        "tilt down": (0, 1, 0),
        "zoom in": (0, 0, -1),
        "zoom out": (0, 0, 1),
        "static": (0, 0, 0),
    }[label]
    assert (np.sign(np.round(steps, 9)) == expected).all()
    if not label.startswith("zoom"):
        np.testing.assert_allclose(steps, np.broadcast_to(steps[0], steps.shape), atol=1e-9)  # an even pace


@pytest.mark.parametrize("label", MOVES)
def test_the_flow_carries_each_frame_to_the_next(photo: np.ndarray, label: str) -> None:
    made = move(photo, label, np.random.default_rng(2), seconds=1)
    now, then = list(made.render())[10:12]
    flow = made.flow(10)
    y, x = np.indices(flow.shape[:2], np.float32)
    back = cv2.remap(then, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
    inside = np.s_[12:-12, 12:-12]
    error = np.abs(back.astype(int) - now)[inside].mean()
    if label == "static":
        np.testing.assert_array_equal(now, then)
    else:
        assert error < 0.3 * np.abs(then.astype(int) - now)[inside].mean()
        assert np.hypot(*np.moveaxis(flow, -1, 0)).mean() > 0.3


@pytest.mark.parametrize("size", [(40, 900), (900, 40), (512, 512), (100, 120), (1400, 1400)])
@pytest.mark.parametrize("label", MOVES)
def test_it_never_looks_past_the_edge(size: tuple[int, int], label: str) -> None:
    photo = np.full((*size, 3), 128, np.uint8)
    for seed in range(5):
        made = move(photo, label, np.random.default_rng(seed), seconds=2)
        x, y, wide = made.windows.T
        high = wide * made.height / made.width
        assert (x - wide / 2).min() > -1e-6
        assert (y - high / 2).min() > -1e-6
        assert (x + wide / 2).max() < size[1] + 1e-6
        assert (y + high / 2).max() < size[0] + 1e-6
    assert next(made.render()).shape == (240, 320, 3)


def test_what_cannot_be_done(photo: np.ndarray) -> None:
    with pytest.raises(ValueError, match="no camera move 'dolly'"):
        move(photo, "dolly", np.random.default_rng(0))
    with pytest.raises(ValueError, match="20x20 pixels is too small"):
        move(photo[:20, :20], "static", np.random.default_rng(0))
