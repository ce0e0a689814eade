"""Closed forms, and a slow reference that follows the paper's sums literally."""

import math

import cv2
import numpy as np
import pytest

from marey.errors import MareyError
from marey.evaluate.frames import luma, mse, psnr, ssim, ssim_exact, ssim_rgb, ssim_uniform


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
    for metric in (ssim, ssim_exact, ssim_rgb, ssim_uniform):
        assert metric(picture(), picture()) == pytest.approx(1.0, abs=1e-6)
        assert metric(picture(1), picture(2)) == pytest.approx(metric(picture(2), picture(1)), abs=1e-9)


@pytest.mark.parametrize(("a", "b"), [(10, 200), (0, 255), (128, 130)])
def test_ssim_of_flat_pictures_is_the_luminance_term(a: int, b: int) -> None:
    c1 = (0.01 * 255) ** 2
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    for metric in (ssim_exact, ssim_rgb, ssim_uniform):
        assert metric(flat(a), flat(b)) == pytest.approx(expected, abs=1e-9)
    assert ssim(flat(a), flat(b)) == pytest.approx(expected, abs=1e-4), "single precision at its worst"


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
    assert ssim_exact(a, b) == pytest.approx(float(np.mean(values)), abs=1e-9)
    assert ssim(a, b) == pytest.approx(float(np.mean(values)), abs=1e-6)


@pytest.mark.parametrize("height", [11, 64, 74, 75, 200])
def test_the_fast_ssim_is_the_exact_one_however_the_strips_fall(height: int) -> None:
    a, b = picture(5, height, 60), picture(6, height, 60)
    assert ssim(a, b) == pytest.approx(ssim_exact(a, b), abs=1e-6)


def test_the_uniform_ssim_is_that_of_scikit_image() -> None:
    """Its documented default, window by window: 7x7, the unbiased covariance, each channel by itself."""
    a, b = picture(7, 20, 18), picture(8, 20, 18)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for top in range(20 - 6):
        for left in range(18 - 6):
            for channel in range(3):
                p, q = (x[top : top + 7, left : left + 7, channel].astype(float).ravel() for x in (a, b))
                (var_p, both), (_, var_q) = np.cov(p, q)
                m, n = p.mean(), q.mean()
                values.append((2 * m * n + c1) * (2 * both + c2) / ((m * m + n * n + c1) * (var_p + var_q + c2)))
    assert ssim_uniform(a, b) == pytest.approx(float(np.mean(values)), abs=1e-9)


@pytest.mark.parametrize(("border", "mode"), [("valid", None), ("reflect", "reflect"), ("zero", "constant")])
def test_the_borders_are_those_of_a_padded_picture(border: str, mode: str | None) -> None:
    """Padding by hand, then only whole windows: what a convolution after a pad does."""
    a, b = picture(9, 30, 26), picture(10, 30, 26)
    kernel = cv2.getGaussianKernel(11, 1.5)

    def mean(plane: np.ndarray) -> np.ndarray:
        wide = plane if mode is None else np.pad(plane, ((5, 5), (5, 5), (0, 0)), mode=mode)
        return cv2.sepFilter2D(wide, cv2.CV_64F, kernel, kernel)[5:-5, 5:-5]

    x, y = a.astype(np.float64), b.astype(np.float64)
    m, n = mean(x), mean(y)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * m * n + c1) * (2 * (mean(x * y) - m * n) + c2)
    bottom = (m * m + n * n + c1) * (mean(x * x) - m * m + mean(y * y) - n * n + c2)
    assert ssim_rgb(a, b, border) == pytest.approx((top / bottom).mean(), abs=1e-9)


def test_the_variants_differ_by_more_than_models_do() -> None:
    rng = np.random.default_rng(0)
    clean = picture(11, 128, 160)
    noisy = np.clip(clean + 10 * rng.normal(size=clean.shape), 0, 255).astype(np.uint8)
    values = [ssim(clean, noisy), ssim_rgb(clean, noisy), ssim_rgb(clean, noisy, "zero"), ssim_uniform(clean, noisy)]
    assert min(abs(one - other) for n, one in enumerate(values) for other in values[:n]) > 1e-3


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
