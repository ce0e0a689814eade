"""How far one picture is from another: mean squared error, PSNR and SSIM, each under the name of its variant.

"SSIM" is at least five metrics, which differ by more than models do: `ssim` is Wang's own, on luma, without padding;
`ssim_rgb` and `ssim_uniform` are those of well-known libraries. Pictures are uint8 `(H, W, 3)` RGB; both of a pair have
the same size.
"""

import math
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from marey.errors import MareyError

Picture = npt.NDArray[np.uint8]

PSNR_CAP = 100.0
"""dB. Equal pictures have no finite PSNR; without a cap one of them would be the mean."""

_LUMA = np.array([0.299, 0.587, 0.114])  # BT.601, as MATLAB's rgb2gray in Wang's code
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_MIDDLE = 128.0  # taken off before squares are summed in single precision
_STRIP = 64  # rows at a time: what they need stays in the processor's cache, which is most of the speed
Border = Literal["valid", "reflect", "zero"]
_BORDERS = {"valid": cv2.BORDER_REFLECT_101, "reflect": cv2.BORDER_REFLECT_101, "zero": cv2.BORDER_CONSTANT}


def luma(picture: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """BT.601 luma of `(..., 3)` RGB, in the unit of the input, as float64 `(...)`."""
    return picture.astype(np.float64) @ _LUMA


def mse(a: Picture, b: Picture) -> float:
    """Mean squared error over all pixels and channels, in squared 8-bit levels (0..65025)."""
    _alike(a, b)
    return float(cv2.norm(np.ascontiguousarray(a), np.ascontiguousarray(b), cv2.NORM_L2SQR)) / a.size


def psnr(a: Picture, b: Picture, cap: float = PSNR_CAP) -> float:
    """Peak signal-to-noise ratio over RGB, peak 255, in dB, at most `cap`. Variant `psnr/rgb-frame-cap100`.

    `10 log10(255^2 / MSE)`. For a video it is averaged over frames: the mean of PSNRs, not the PSNR of the mean error.
    """
    return psnr_of(mse(a, b), cap)


def psnr_of(error: float, cap: float = PSNR_CAP) -> float:
    """The PSNR in dB of a mean squared error in squared 8-bit levels, at most `cap`."""
    return cap if error <= 0 else min(cap, 10 * math.log10(255.0**2 / error))


def ssim(a: Picture, b: Picture) -> float:
    """Structural similarity, -1..1, 1 for equal pictures. Variant `ssim/wang-luma-11-valid`.

    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural similarity",
    IEEE TIP 2004, eq. 13 with the authors' constants: luma, an 11x11 Gaussian of sigma 1.5, K1 = 0.01, K2 = 0.03, L =
    255, averaged over the places where the window lies wholly inside. No downsampling before it.

    Strip by strip and in single precision, about a tenth of the time of `ssim_exact` and within 1e-6 of it.

    Raises:
        MareyError: the pictures differ in size or are smaller than the window.
    """
    _fits(a, b, _WINDOW)
    height, total, count = a.shape[0], 0.0, 0
    for top in range(0, height - _WINDOW + 1, _STRIP):
        rows = slice(top, min(height, top + _STRIP + _WINDOW - 1))
        x, y = _grey(a[rows]), _grey(b[rows])
        mean_x, mean_y = _blurred(x), _blurred(y)
        variances, covariance = _blurred(x * x + y * y), _blurred(x * y)
        product, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
        variances -= squares
        covariance -= product
        # The means of what was there before the middle was taken off.
        both = mean_x + mean_y
        both *= _MIDDLE
        both += _MIDDLE * _MIDDLE
        product += both
        squares += 2 * both
        top_part = (2 * product + _C1) * (2 * covariance + _C2)
        total += float((top_part / ((squares + _C1) * (variances + _C2))).sum(dtype=np.float64))
        count += product.size
    return total / count


def ssim_exact(a: Picture, b: Picture) -> float:
    """What `ssim` is, in double precision and as the paper writes it."""
    _fits(a, b, _WINDOW)
    return float(_ssim_map(luma(a), luma(b), _gaussian).mean())


def ssim_rgb(a: Picture, b: Picture, border: Border = "valid") -> float:
    """SSIM of each colour channel with the same Gaussian window, averaged.

    Args:
        border: "valid" leaves out places where the window looks outside (TensorFlow's `tf.image.ssim`; also the
            StyleGAN-V family's), "reflect" mirrors the picture (torchmetrics), "zero" sets zeros around it (many
            PyTorch scripts). Variants `ssim/rgb-11-valid`, `-reflect` and `-zero`.

    Raises:
        MareyError: as in `ssim`.
    """
    _fits(a, b, _WINDOW)
    x, y = a.astype(np.float64), b.astype(np.float64)
    found = _ssim_map(x, y, lambda plane: _gaussian(plane, border))
    return float(found.mean())


def ssim_uniform(a: Picture, b: Picture) -> float:
    """SSIM of each colour channel with a flat 7x7 window and the unbiased covariance, averaged: scikit-image's
    default. Variant `ssim/skimage-rgb-7`.

    Raises:
        MareyError: as in `ssim`.
    """
    _fits(a, b, 7)
    x, y = a.astype(np.float64), b.astype(np.float64)
    found = _ssim_map(x, y, lambda plane: cv2.blur(plane, (7, 7))[3:-3, 3:-3], 49 / 48)
    return float(found.mean())


def _ssim_map(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], mean: Any, unbiased: float = 1.0) -> Any:
    mean_x, mean_y = mean(x), mean(y)
    var_x = unbiased * (mean(x * x) - mean_x * mean_x)
    var_y = unbiased * (mean(y * y) - mean_y * mean_y)
    covariance = unbiased * (mean(x * y) - mean_x * mean_y)
    top = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    return top / ((mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2))


def _gaussian(plane: npt.NDArray[np.float64], border: Border = "valid") -> npt.NDArray[np.float64]:
    kernel, edge = cv2.getGaussianKernel(_WINDOW, _SIGMA, cv2.CV_64F), _WINDOW // 2
    found = cv2.sepFilter2D(plane, cv2.CV_64F, kernel, kernel, borderType=_BORDERS[border])
    return found[edge:-edge, edge:-edge] if border == "valid" else found


def _grey(rows: Picture) -> Any:
    plane = cv2.cvtColor(rows.astype(np.float32), cv2.COLOR_RGB2GRAY)  # the weights of `luma`
    plane -= _MIDDLE
    return plane


def _blurred(plane: Any) -> Any:
    kernel, edge = cv2.getGaussianKernel(_WINDOW, _SIGMA, cv2.CV_32F), _WINDOW // 2
    return cv2.sepFilter2D(plane, cv2.CV_32F, kernel, kernel)[edge:-edge, edge:-edge]


def _fits(a: Picture, b: Picture, window: int) -> None:
    _alike(a, b)
    if min(a.shape[:2]) < window:
        raise MareyError(
            f"SSIM needs pictures of at least {window}x{window} pixels; these have {a.shape[1]}x{a.shape[0]}."
        )


def _alike(a: Picture, b: Picture) -> None:
    if a.shape != b.shape or a.ndim != 3 or a.shape[2] != 3:
        raise MareyError(
            f"Pictures of shape {a.shape} and {b.shape} cannot be compared: two of one (H, W, 3) would do."
        )
