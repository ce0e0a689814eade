"""Brightness, sharpness, contrast and saturation of a picture, and whether its two fields are of different times."""

import cv2
import numpy as np

SHARPNESS_SIDE = 128
"""Sharpness is measured at this short side, so that sources of any size compare."""
LIGHT = ("brightness", "sharpness", "comb", "contrast", "saturation")
"""The columns of a trace's array `light`."""
_STILL = 1.0  # mean difference in grey levels that lines of one field may have by noise alone


def light(luma: np.ndarray, chroma: np.ndarray, lines: np.ndarray) -> tuple[float, ...]:
    """All columns of `LIGHT`.

    Args:
        luma: uint8 (H, W), its short side that of `SHARPNESS_SIDE`.
        chroma: uint8 (h, w, 2), Cb and Cr, small.
        lines: uint8 (R, W), neighbouring rows of the luma as they are stored.
    """
    return brightness(luma), sharpness(luma), comb(lines), contrast(luma), saturation(chroma)


def brightness(luma: np.ndarray) -> float:
    """Mean luma, 0 (black) to 1 (white), of uint8 (H, W)."""
    return float(luma.mean()) / 255


def sharpness(luma: np.ndarray) -> float:
    """Variance of the Laplacian of uint8 (H, W), in squared grey levels: low is blurred or empty.

    Source: Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy" (2000), LAPV.
    """
    return float(cv2.Laplacian(luma, cv2.CV_32F).var())


def contrast(luma: np.ndarray) -> float:
    """Standard deviation of luma uint8 (H, W), 0 (one tone) to 0.5 (half black, half white)."""
    return float(luma.std()) / 255


def saturation(chroma: np.ndarray) -> float:
    """Mean distance of Cb and Cr, uint8 (H, W, 2), from grey: 0 (no colour) to 1 (the purest that is stored)."""
    away = chroma.astype(np.float32) - 128
    return min(1.0, float(np.hypot(away[..., 0], away[..., 1]).mean()) / 128)


def comb(lines: np.ndarray) -> float:
    """How much more the two fields differ than lines within a field do: 0 (not at all) to 1 (twice as much, or more).

    Of a progressive picture, a line is nearer to the next than to the one after. Of an interlaced one that moves, the
    next line was taken at another time. A picture at rest says nothing, and gives 0.

    Args:
        lines: uint8 (R, W), neighbouring rows at the size in which the picture is stored; under three rows give 0.
    """
    if len(lines) < 3:
        return 0.0
    inner = lines[:-2]
    between = cv2.norm(lines[1:-1], inner, cv2.NORM_L1) / inner.size
    within = cv2.norm(lines[2:], inner, cv2.NORM_L1) / inner.size
    return float(np.clip((between - within) / max(within, _STILL), 0.0, 1.0))
