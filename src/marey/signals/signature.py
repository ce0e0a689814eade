"""A small signature of every frame, kept as a trace, from which transitions are computed without another decode."""

import cv2
import numpy as np

LUMA = (36, 64)
"""Height and width of a signature's luma; its chroma is half of each."""


def distances(luma: np.ndarray, chroma: np.ndarray, lag: int) -> np.ndarray:
    """How far each frame is from the one `lag` frames later: the mean absolute difference, luma and chroma alike.

    Args:
        luma: uint8 (N, 36, 64).
        chroma: uint8 (N, 18, 32, 2).

    Returns:
        float32 (max(0, N - lag),), 0 (equal) to 1 (black against white).
    """
    if lag < 1:
        raise ValueError(f"lag is {lag}: 1 or more would do")
    count = len(luma) - lag
    if count <= 0:
        return np.zeros(0, np.float32)
    out = np.empty(count, np.float32)
    for start in range(0, count, 512):  # a long source is taken in pieces that stay in the cache
        stop = min(start + 512, count)
        light = _mean_difference(luma[start:stop], luma[start + lag : stop + lag])
        colour = _mean_difference(chroma[start:stop], chroma[start + lag : stop + lag])
        out[start:stop] = (2 * light + colour) / 3 / 255
    return out


def _mean_difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    sums = cv2.reduce(cv2.absdiff(a, b), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
    return sums.astype(np.float32) / np.float32(a.shape[1])  # the sums are whole numbers that float32 holds exactly


def histograms(luma: np.ndarray, chroma: np.ndarray, bins: int = 16) -> np.ndarray:
    """Smoothed histograms of luma, Cb and Cr side by side, each summing to 1: float32 (N, 3 * bins)."""
    planes = [luma.reshape(len(luma), -1), chroma[..., 0].reshape(len(luma), -1), chroma[..., 1].reshape(len(luma), -1)]
    width = 256 // bins
    parts = []
    for plane in planes:
        index = plane // width + (np.arange(len(plane)) * bins)[:, None]
        counts = np.bincount(index.ravel(), minlength=len(plane) * bins).reshape(-1, bins).astype(np.float32)
        padded = np.pad(counts, ((0, 0), (1, 1)))
        smooth = 0.25 * padded[:, :-2] + 0.5 * padded[:, 1:-1] + 0.25 * padded[:, 2:]
        parts.append(smooth / np.maximum(smooth.sum(axis=1, keepdims=True), 1))
    return np.concatenate(parts, axis=1)
