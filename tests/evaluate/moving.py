"""Small pictures that move as they are told to."""

import cv2
import numpy as np


def texture(seed: int = 0, side: int = 200) -> np.ndarray:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(picture, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)


def pan(right: int, down: int, frames: int = 4, side: int = 64) -> np.ndarray:
    """A window that moves left and up over a texture, so that the picture moves right and down."""
    wide = texture()
    start = 60
    return np.stack([wide[start - n * down :, start - n * right :][:side, :side] for n in range(frames)])
