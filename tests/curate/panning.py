"""Shots to compose edits of: slow pans over pictures of their own."""

import cv2
import numpy as np

from marey.curate.measures import MEASURES

NETWORKS = tuple(
    kind.name
    for kind in MEASURES
    if kind.name in {"text_area", "embedding", "labels", "match", "safety", "motion_raft"}
)
"""The signals that load a network: left out of tests of other things, for it takes seconds in each process."""

HEIGHT, WIDTH = 108, 192


def shot(seed: int, frames: int = 45, speed: float = 0.4) -> np.ndarray:
    """A slow pan over a picture of its own: uint8 (T, H, W, 3)."""
    rng = np.random.default_rng(seed)
    size = (WIDTH + 120, HEIGHT + 40)
    big = np.zeros((size[1], size[0], 3), np.float32)
    for cells, contrast in ((9, 50.0), (36, 18.0), (74, 8.0)):  # large shapes with details in them, as in a photograph
        layer = rng.normal(0, contrast, (cells, cells * 16 // 9, 3)).astype(np.float32)
        big += cv2.resize(layer, size, interpolation=cv2.INTER_CUBIC)
    big = np.clip(big + rng.integers(60, 190, 3), 0, 255).astype(np.uint8)
    move = np.float32([[1, 0, 0], [0, 1, -20]])
    out = []
    for t in range(frames):
        move[0, 2] = -10 - speed * t
        out.append(cv2.warpAffine(big, move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT))
    return np.stack(out)
