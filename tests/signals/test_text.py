import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from rapidocr import RapidOCR

from marey.signals.text import MAREY, RAPIDOCR, TextDetector, seen_at, union_area

RNG = np.random.default_rng(5)


@pytest.fixture(scope="module")
def detector() -> TextDetector:
    return TextDetector()


def written(text: str, size: tuple[int, int] = (270, 480)) -> np.ndarray:
    picture = np.full((*size, 3), 90, np.uint8)
    cv2.putText(picture, text, (30, 150), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (255, 255, 255), 3)
    return picture


def smooth(seed: int) -> np.ndarray:
    """A picture of which the network says that all of it is text."""
    tones = np.random.default_rng(seed).integers(40, 200, (5, 8, 3))
    return cv2.resize(tones.astype(np.uint8), (480, 270), interpolation=cv2.INTER_CUBIC)


def test_overlapping_boxes_count_once() -> None:
    box = np.array([[10, 10], [59, 10], [59, 29], [10, 29]], np.float32)
    assert union_area(np.stack([box]), 100, 100) == pytest.approx(0.1, abs=0.005)
    assert union_area(np.stack([box, box]), 100, 100) == union_area(np.stack([box]), 100, 100)
    assert union_area(np.stack([box, box + np.float32([0, 40])]), 100, 100) == pytest.approx(0.2, abs=0.01)
    assert union_area(np.zeros((0, 4, 2)), 100, 100) == 0


def test_text_is_found_where_it_is_painted_and_nowhere_else(detector: TextDetector) -> None:
    plain = np.full((270, 480, 3), 90, np.uint8)
    assert detector.area(plain) == 0
    words = written("MOVING PICTURES 1882")
    ink = np.argwhere((words != plain).any(axis=2))
    true = float(np.prod(ink.max(axis=0) - ink.min(axis=0) + 1)) / (270 * 480)
    assert 0.6 * true < detector.area(words) < 2.2 * true
    foliage = cv2.GaussianBlur(RNG.integers(0, 255, (270, 480, 3)).astype(np.uint8), (0, 0), 2)
    assert detector.area(foliage) < 0.02


def test_a_box_around_the_whole_picture_is_no_text(detector: TextDetector) -> None:
    assert detector.area(smooth(3)) == 0
    assert TextDetector(settings=replace(MAREY, line=None)).area(smooth(3)) > 0.9


def test_the_settings_of_rapidocr_give_its_boxes() -> None:
    usual, ours = RapidOCR(params={"Global.log_level": "critical"}), TextDetector(settings=RAPIDOCR)
    pictures = [written("MOVING PICTURES 1882"), written("12:30", (480, 270)), smooth(3), smooth(4)]
    found = 0
    for picture in pictures:
        theirs = usual(np.ascontiguousarray(picture[..., ::-1]), use_det=True, use_cls=False, use_rec=False).boxes
        theirs = np.asarray([] if theirs is None else theirs, np.float32).reshape(-1, 4, 2)
        mine = ours.boxes(picture)
        assert len(mine) == len(theirs)
        assert union_area(mine, *picture.shape[:2]) == pytest.approx(union_area(theirs, *picture.shape[:2]), abs=0.01)
        found += len(mine)
    assert found >= 2


@pytest.mark.parametrize(
    ("size", "settings", "seen"),
    [
        ((414, 736), MAREY, (416, 736)),
        ((720, 1280), MAREY, (416, 736)),
        ((90, 160), MAREY, (96, 160)),
        ((5, 700), MAREY, (32, 704)),
        ((414, 736), RAPIDOCR, (736, 1312)),
        ((1080, 1920), RAPIDOCR, (1088, 1920)),
    ],
)
def test_what_the_network_sees(size: tuple[int, int], settings: object, seen: tuple[int, int]) -> None:
    assert seen_at(*size, settings) == seen  # type: ignore[arg-type]


def test_tiny_and_thin_pictures_are_looked_at(detector: TextDetector) -> None:
    for size in ((1, 1), (2, 500), (16, 16)):
        assert 0 <= detector.area(np.zeros((*size, 3), np.uint8)) <= 1


def test_nobody_is_told_that_text_was_looked_for() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "from marey.signals.text import TextDetector as T; T(); import sys; print([m for m in "
         "sys.modules if m.startswith('openvino_telemetry') and sys.modules[m] is not None])"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.strip() == "[]"
