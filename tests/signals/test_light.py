"""Comb, contrast and saturation: closed forms, and fields woven from a picture that moves."""

import cv2
import numpy as np
import pytest

from marey.signals.light import LIGHT, comb, contrast, light, saturation


def texture(seed: int = 0, blur: float = 2.0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 255, (200, 400)).astype(np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), blur), None, 0, 255, cv2.NORM_MINMAX)


def woven(step: int) -> np.ndarray:
    """A picture of two fields, the second of which was taken `step` pixels later."""
    big = texture()
    picture = big[:, 20:340].copy()
    picture[1::2] = big[1::2, 20 + step : 340 + step]
    return picture


def test_comb_is_strong_where_fields_are_of_different_times() -> None:
    assert comb(woven(0)) == 0
    assert comb(woven(8)) > 0.8
    assert 0 < comb(woven(2)) < comb(woven(4)) <= 1


@pytest.mark.parametrize("blur", [0.6, 1.0, 2.0, 4.0])
def test_a_progressive_picture_has_no_comb(blur: float) -> None:
    assert comb(texture(1, blur)) == 0
    assert comb(texture(1, blur)[:, ::-1]) == 0


def test_noise_flat_pictures_and_too_few_lines_have_next_to_none() -> None:
    rng = np.random.default_rng(2)
    noisy = np.clip(128 + rng.normal(0, 6, (120, 300)), 0, 255).astype(np.uint8)
    assert comb(noisy) < 0.05
    assert comb(np.full((50, 50), 90, np.uint8)) == 0
    assert comb(texture()[:2]) == 0


def test_contrast() -> None:
    assert contrast(np.full((8, 8), 17, np.uint8)) == 0
    half = np.zeros((8, 8), np.uint8)
    half[:4] = 255
    assert contrast(half) == pytest.approx(0.5)


def test_saturation() -> None:
    assert saturation(np.full((4, 4, 2), 128, np.uint8)) == 0
    assert saturation(np.full((4, 4, 2), (128, 192), np.uint8)) == pytest.approx(0.5)
    assert saturation(np.full((4, 4, 2), (0, 0), np.uint8)) == 1
    half = np.full((4, 4, 2), 128, np.uint8)
    half[:2] = (64, 128)
    assert saturation(half) == pytest.approx(0.25)


def test_light_gives_all_columns_in_their_order() -> None:
    assert LIGHT == ("brightness", "sharpness", "comb", "contrast", "saturation")
    luma = np.full((128, 200), 51, np.uint8)
    found = light(luma, np.full((18, 32, 2), (128, 192), np.uint8), woven(8))
    assert found == pytest.approx((0.2, 0, comb(woven(8)), 0, 0.5))
