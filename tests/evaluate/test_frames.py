"""Closed forms, and a slow reference that follows the paper's sums literally."""

import math

import cv2
import numpy as np
import pytest

from marey.errors import MareyError
from marey.evaluate.frames import luma, mse, psnr, ssim


def picture(seed: int = 0, height: int = 32, width: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), (0, 0), 1.5)


def flat(level: int) -> np.ndarray:
    return np.full((20, 24, 3), level, np.uint8)


def test_mse_and_psnr_of_a_constant_offset() -> None:
    assert mse(flat(100), flat(107)) == 49.0
    assert mse(flat(107), flat(100)) == 49.0, "uint8 must not wrap round"
    assert psnr(flat(100), flat(107)) == pytest.approx(10 * math.log10(255**2 / 49), abs=1e-12)
    assert psnr(flat(0), flat(255)) == pytest.approx(0.0)


def test_psnr_of_equal_pictures_is_the_cap() -> None:
    assert psnr(picture(), picture()) == 100.0
    assert psnr(picture(), picture(), cap=60.0) == 60.0


def test_luma_is_bt601() -> None:
    assert luma(np.array([255, 0, 0])) == pytest.approx(0.299 * 255)
    assert luma(np.array([0, 255, 0])) == pytest.approx(0.587 * 255)
    assert luma(np.array([9, 9, 9])) == pytest.approx(9.0)


def test_ssim_of_equal_pictures_is_one_and_it_is_symmetric() -> None:
    assert ssim(picture(), picture()) == pytest.approx(1.0, abs=1e-12)
    assert ssim(picture(1), picture(2)) == pytest.approx(ssim(picture(2), picture(1)), abs=1e-12)


@pytest.mark.parametrize(("a", "b"), [(10, 200), (0, 255), (128, 130)])
def test_ssim_of_flat_pictures_is_the_luminance_term(a: int, b: int) -> None:
    c1 = (0.01 * 255) ** 2
    assert ssim(flat(a), flat(b)) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-9)


def test_ssim_is_the_papers_sum() -> None:
    """Window by window, weight by weight, as in eq. 14-16 of Wang et al. 2004."""
    a, b = picture(3, 14, 16), picture(4, 14, 16)
    x, y = luma(a), luma(b)
    offsets = np.arange(11) - 5
    weight = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    weight /= weight.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for top in range(14 - 10):
        for left in range(16 - 10):
            p, q = x[top : top + 11, left : left + 11], y[top : top + 11, left : left + 11]
            mean_p, mean_q = (weight * p).sum(), (weight * q).sum()
            var_p, var_q = (weight * (p - mean_p) ** 2).sum(), (weight * (q - mean_q) ** 2).sum()
            both = (weight * (p - mean_p) * (q - mean_q)).sum()
            luminance = (2 * mean_p * mean_q + c1) / (mean_p**2 + mean_q**2 + c1)
            values.append(luminance * (2 * both + c2) / (var_p + var_q + c2))
    assert ssim(a, b) == pytest.approx(float(np.mean(values)), abs=1e-9)


def test_ssim_of_a_negative_is_negative() -> None:
    assert ssim(picture(), 255 - picture()) < 0


def test_noise_and_blur_lower_both_step_by_step() -> None:
    true = picture(5, 48, 48)
    noise = np.random.default_rng(0).normal(size=true.shape)
    noisy = [np.clip(true + s * noise, 0, 255).astype(np.uint8) for s in (2, 6, 18, 50)]
    blurred = [cv2.GaussianBlur(true, (0, 0), s) for s in (0.6, 1.2, 2.5, 5.0)]
    for ladder in (noisy, blurred):
        for metric in (psnr, ssim):
            values = [metric(true, one) for one in ladder]
            assert values == sorted(values, reverse=True)
            assert values[0] > values[-1] + 0.1


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(MareyError, match=r"\(20, 24, 3\).*\(32, 40, 3\)"):
        psnr(flat(1), picture())
    with pytest.raises(MareyError, match="11x11"):
        ssim(flat(1)[:10], flat(1)[:10])
