"""The proxy of looks: a clean photograph stands above the same one with a fault, and each part tells its own fault."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from photographs import photograph

from marey.media import probe, read, write_video
from marey.signals.looks import blockiness, colourfulness, detail, exposure, looks, noise

CLEAN = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "rocket.jpg")


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].copy()


def noisy(sigma: float) -> Callable[[np.ndarray], np.ndarray]:
    def add(picture: np.ndarray) -> np.ndarray:
        shift = np.random.default_rng(0).normal(0, sigma, picture.shape)
        return np.clip(picture + shift, 0, 255).astype(np.uint8)

    return add


def enlarged(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (width // 3, height // 3), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def levels(factor: float, shift: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda picture: np.clip(picture * factor + shift, 0, 255).astype(np.uint8)


FAULTS = {
    "noise": noisy(15),
    "strong noise": noisy(30),
    "blur": lambda picture: cv2.GaussianBlur(picture, (0, 0), 2),
    "strong blur": lambda picture: cv2.GaussianBlur(picture, (0, 0), 4),
    "burnt out": levels(2.5, 20),
    "dark": levels(0.2, 0),
    "flat": levels(0.3, 90),
    "blocks": lambda picture: jpeg(picture, 12),
    "strong blocks": lambda picture: jpeg(picture, 6),
    "enlarged": enlarged,
}


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_photograph_stands_above_every_fault(name: str) -> None:
    clean = photograph(name)
    best = looks(jpeg(clean, 92)).value
    assert 0.4 < best <= 1
    for fault, make in FAULTS.items():
        value = looks(jpeg(make(clean), 92)).value
        assert 0 <= value < 0.95 * best, fault
    for fault in ("noise", "blur", "blocks"):
        mild, strong = (looks(jpeg(FAULTS[which](clean), 92)).value for which in (fault, f"strong {fault}"))
        assert strong < mild, fault


@pytest.mark.parametrize("name", ["astronaut.png", "chelsea.png", "coffee.png"])
def test_it_falls_with_the_compression_of_a_video(name: str, tmp_path: Path) -> None:
    picture = photograph(name)[:256, :320]
    video = np.stack([picture[:, 2 * t : 2 * t + 256] for t in range(12)])
    values = []
    for crf in (18, 36, 44, 51):
        path = tmp_path / f"{crf}.mp4"
        write_video(path, video, 25, crf=crf)
        frames = [frame.rgb() for frame in read(path, probe(path))]
        values.append(np.mean([looks(frames[n]).value for n in (3, 6, 9)]))
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.8 * values[0]


@pytest.mark.parametrize(
    ("fault", "part"),
    [("noise", "clean"), ("blur", "detail"), ("burnt out", "exposure"), ("flat", "contrast"), ("blocks", "whole")],
)
def test_a_fault_shows_in_its_own_part(fault: str, part: str) -> None:
    clean = photograph("coffee.png")
    assert getattr(looks(FAULTS[fault](clean)), part) < 0.75 * getattr(looks(clean), part)


@pytest.mark.parametrize("sigma", [4.0, 10.0, 20.0])
def test_noise_is_told_in_grey_levels(sigma: float) -> None:
    ramp = np.tile(np.linspace(60, 190, 256, dtype=np.float32), (256, 1))
    assert noise(ramp) < 0.2
    assert noise(ramp + np.random.default_rng(1).normal(0, sigma, ramp.shape).astype(np.float32)) == pytest.approx(
        sigma, rel=0.1
    )


def test_colourfulness_by_its_formula() -> None:
    grey = np.full((8, 8, 3), 90, np.uint8)
    assert colourfulness(grey) == 0
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200  # rg = 200, yb = 100, no deviation
    assert colourfulness(red) == pytest.approx(0.3 * np.hypot(200, 100), rel=1e-5)


def test_blocks_of_eight_are_seen_and_a_smooth_picture_has_none() -> None:
    rng = np.random.default_rng(0)
    tiles = np.kron(rng.integers(0, 255, (20, 30)), np.ones((8, 8))).astype(np.float32)
    assert blockiness(tiles) > 5
    assert blockiness(cv2.resize(tiles[::8, ::8], (240, 160), interpolation=cv2.INTER_CUBIC)) < 1.6
    assert blockiness(rng.normal(128, 20, (160, 240)).astype(np.float32)) < 1.1


def test_one_tone_has_no_detail_and_does_not_fail() -> None:
    for tone in (0, 128, 255):
        picture = np.full((64, 64, 3), tone, np.uint8)
        assert looks(picture).value == 0
        assert detail(picture[..., 0].astype(np.float32)) == 0
    white = np.full((64, 64, 3), 255, np.uint8)
    assert exposure(white, white[..., 0].astype(np.float32)) < 0.05
