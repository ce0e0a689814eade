"""Light, hashes, signatures and text: closed forms, invariances, and the slow way beside the fast one."""

import cv2
import numpy as np
import pytest

from marey.signals.hashes import hamming, perceptual_hash
from marey.signals.light import brightness, sharpness
from marey.signals.signature import distances, histograms

RNG = np.random.default_rng(3)


def picture(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 255, (18, 32)).astype(np.uint8)
    return cv2.resize(noise, (320, 180), interpolation=cv2.INTER_CUBIC)


def test_brightness_runs_from_black_to_white() -> None:
    assert brightness(np.zeros((4, 4), np.uint8)) == 0
    assert brightness(np.full((4, 4), 255, np.uint8)) == 1
    assert brightness(np.full((4, 4), 51, np.uint8)) == pytest.approx(0.2)


def test_sharpness_falls_with_blur_and_is_nothing_for_one_tone() -> None:
    sharp = RNG.integers(0, 255, (90, 160)).astype(np.uint8)
    values = [sharpness(sharp)] + [sharpness(cv2.GaussianBlur(sharp, (0, 0), sigma)) for sigma in (0.7, 1.5, 3)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 20 * values[-1]
    assert sharpness(np.full((9, 9), 80, np.uint8)) == 0


@pytest.mark.parametrize("seed", range(6))
def test_a_hash_survives_size_and_compression_but_not_another_picture(seed: int) -> None:
    image = picture(seed)
    own = perceptual_hash(image)
    smaller = perceptual_hash(cv2.resize(image, (160, 90), interpolation=cv2.INTER_AREA))
    coarse = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_GRAYSCALE)
    darker = perceptual_hash((image * 0.8).astype(np.uint8))
    other = perceptual_hash(picture(seed + 100))
    assert own is not None
    assert all(hamming(own, like) <= 6 for like in (smaller, perceptual_hash(coarse), darker))
    assert hamming(own, other) > 12
    assert hamming(own, perceptual_hash(image[:, ::-1].copy())) > 12


def test_a_picture_of_one_tone_has_no_hash() -> None:
    assert perceptual_hash(np.full((90, 160), 7, np.uint8)) is None


@pytest.mark.parametrize("lag", [1, 3])
def test_distances_are_those_that_the_slow_way_finds(lag: int) -> None:
    luma = RNG.integers(0, 256, (40, 36, 64)).astype(np.uint8)
    chroma = RNG.integers(0, 256, (40, 18, 32, 2)).astype(np.uint8)
    fast = distances(luma, chroma, lag)
    for n in range(40 - lag):
        light = np.abs(luma[n].astype(int) - luma[n + lag]).mean()
        colour = np.abs(chroma[n].astype(int) - chroma[n + lag]).mean()
        assert fast[n] == pytest.approx((2 * light + colour) / 3 / 255, rel=1e-4)
    assert len(distances(luma, chroma, 50)) == 0


def test_histograms_sum_to_one_a_plane() -> None:
    luma = RNG.integers(0, 256, (5, 36, 64)).astype(np.uint8)
    chroma = RNG.integers(0, 256, (5, 18, 32, 2)).astype(np.uint8)
    parts = histograms(luma, chroma).reshape(5, 3, 16)
    np.testing.assert_allclose(parts.sum(axis=2), 1, rtol=1e-5)
