"""Brightness and sharpness of a picture."""

import cv2
import numpy as np

SHARPNESS_SIDE = 128
"""Sharpness is measured at this short side, so that sources of any size compare."""


def brightness(luma: np.ndarray) -> float:
    """Mean luma, 0 (black) to 1 (white), of uint8 (H, W)."""
    return float(luma.mean()) / 255


def sharpness(luma: np.ndarray) -> float:
    """Variance of the Laplacian of uint8 (H, W), in squared grey levels: low is blurred or empty.

    Source: Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy" (2000), LAPV.
    """
    return float(cv2.Laplacian(luma, cv2.CV_32F).var())
