"""What the light does over a clip: frames that are black, and brightness that flickers."""

import numpy as np

BLACK = 0.1
"""A cell is black up to this luma, 0..1."""
BLACK_CELLS = 0.98
"""A frame is black if this share of its cells is. Source: FFmpeg, filter blackdetect, whose defaults these are."""


def black_share(luma: np.ndarray) -> float:
    """The share of frames that are black, 0..1, of signatures uint8 (T, H, W)."""
    dark = (luma <= BLACK * 255).reshape(len(luma), -1).mean(axis=1)
    return float((dark >= BLACK_CELLS).mean())


def flicker(luma: np.ndarray) -> float:
    """How much the brightness of the whole picture goes up and down from frame to frame: half the mean distance of a
    frame's mean luma from the middle between those before and after it.

    Frames whose mean luma is in turn b - a and b + a have a flicker of a. A steady change of light has none.

    Args:
        luma: uint8 (T, H, W).

    Returns:
        0 (steady) to 1; 0 of fewer than three frames.
    """
    if len(luma) < 3:
        return 0.0
    mean = luma.reshape(len(luma), -1).mean(axis=1) / 255
    return float(np.abs(mean[1:-1] - (mean[:-2] + mean[2:]) / 2).mean() / 2)
