"""How far one picture is from another: mean squared error, PSNR and SSIM, each under the name of its variant.

"SSIM" is at least five metrics, which differ by more than models do; the one here is Wang's own, on luma, without
padding. Pictures are uint8 `(H, W, 3)` RGB; both of a pair have the same size.
"""

import math

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


def luma(picture: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """BT.601 luma of `(..., 3)` RGB, in the unit of the input, as float64 `(...)`."""
    return picture.astype(np.float64) @ _LUMA


def mse(a: Picture, b: Picture) -> float:
    """Mean squared error over all pixels and channels, in squared 8-bit levels (0..65025)."""
    _alike(a, b)
    difference = a.astype(np.float64) - b.astype(np.float64)
    return float(np.mean(difference * difference))


def psnr(a: Picture, b: Picture, cap: float = PSNR_CAP) -> float:
    """Peak signal-to-noise ratio over RGB, peak 255, in dB, at most `cap`. Variant `psnr/rgb-frame-cap100`.

    `10 log10(255^2 / MSE)`. For a video it is averaged over frames: the mean of PSNRs, not the PSNR of the mean error.
    """
    error = mse(a, b)
    return cap if error <= 0 else min(cap, 10 * math.log10(255.0**2 / error))


def ssim(a: Picture, b: Picture) -> float:
    """Structural similarity, -1..1, 1 for equal pictures. Variant `ssim/wang-luma-11-valid`.

    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural similarity",
    IEEE TIP 2004, eq. 13 with the authors' constants: luma, an 11x11 Gaussian of sigma 1.5, K1 = 0.01, K2 = 0.03, L =
    255, averaged over the places where the window lies wholly inside. No downsampling before it.

    Raises:
        MareyError: the pictures differ in size or are smaller than the window.
    """
    _alike(a, b)
    if min(a.shape[:2]) < _WINDOW:
        raise MareyError(
            f"SSIM needs pictures of at least {_WINDOW}x{_WINDOW} pixels; these have {a.shape[1]}x{a.shape[0]}."
        )
    x, y = luma(a), luma(b)
    mean_x, mean_y = _blur(x), _blur(y)
    var_x = _blur(x * x) - mean_x * mean_x
    var_y = _blur(y * y) - mean_y * mean_y
    covariance = _blur(x * y) - mean_x * mean_y
    top = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    bottom = (mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2)
    return float(np.mean(top / bottom))


def _blur(plane: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    edge = _WINDOW // 2
    kernel = cv2.getGaussianKernel(_WINDOW, _SIGMA, cv2.CV_64F)
    return cv2.sepFilter2D(plane, cv2.CV_64F, kernel, kernel)[edge:-edge, edge:-edge]


def _alike(a: Picture, b: Picture) -> None:
    if a.shape != b.shape or a.ndim != 3 or a.shape[2] != 3:
        raise MareyError(
            f"Pictures of shape {a.shape} and {b.shape} cannot be compared: two of one (H, W, 3) would do."
        )
