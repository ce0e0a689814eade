"""The camera's move: closed forms, and pictures that a known camera made."""

from dataclasses import astuple

import cv2
import numpy as np
import pytest

from marey.signals.camera import MOVES, camera_move
from marey.signals.motion import MOTION, motion

SIZE = (288, 512)


def filmed(pan: float = 0, tilt: float = 0, zoom: float = 1, roll: float = 0, pairs: int = 3) -> np.ndarray:
    """The motion of pairs of pictures by a camera that does so much between them; roll in degrees clockwise."""
    noise = np.random.default_rng(0).integers(0, 255, (500, 800)).astype(np.uint8)
    big = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 5), None, 0, 255, cv2.NORM_MINMAX)
    out = []
    for n in range(pairs):
        pictures = []
        for t in (n, n + 1):
            matrix = cv2.getRotationMatrix2D((400, 250), roll * t, zoom**t)
            matrix[:, 2] += (-pan * t, tilt * t)
            pictures.append(cv2.warpAffine(big, matrix, (800, 500))[106:394, 144:656])
        out.append(
            astuple(motion(*(cv2.resize(one, (171, 96), interpolation=cv2.INTER_AREA) for one in pictures), *SIZE))
        )
    return np.array(out)


@pytest.mark.parametrize(
    ("word", "does"),
    [
        ("static", {}),
        ("pan right", {"pan": 12}),
        ("pan left", {"pan": -12}),
        ("tilt up", {"tilt": 9}),
        ("tilt down", {"tilt": -9}),
        ("zoom in", {"zoom": 1.05}),
        ("zoom out", {"zoom": 0.95}),
        ("roll", {"roll": 3}),
        ("roll", {"roll": -3}),
        ("mixed", {"pan": 10, "tilt": 9}),
    ],
)
def test_a_move_has_its_word(word: str, does: dict[str, float]) -> None:
    found = camera_move(filmed(**does), *SIZE)
    assert found.move == word
    assert found.move in MOVES
    assert found.pan == pytest.approx(does.get("pan", 0), abs=2)
    assert found.tilt == pytest.approx(does.get("tilt", 0), abs=2)
    assert found.zoom == pytest.approx(does.get("zoom", 1) - 1, abs=0.015)
    assert found.roll == pytest.approx(does.get("roll", 0), abs=0.6)


def test_to_and_fro_is_mixed_and_not_static() -> None:
    assert camera_move(np.concatenate([filmed(pan=12), filmed(pan=-12)]), *SIZE).move == "mixed"


def test_things_that_move_before_a_camera_at_rest_make_no_move() -> None:
    row = dict.fromkeys(MOTION, 0.0) | {"magnitude": 9.0, "right": 6.0, "object": 9.0, "camera": 0.3}
    assert camera_move(np.array([list(row.values())]), *SIZE).move == "static"
