"""A short video as an array, for whoever needs all of it at once."""

from pathlib import Path

import numpy as np

from marey.evaluate.frames import Picture
from marey.media import probe, read


def read_video(path: Path) -> tuple[Picture, float]:
    """All frames of a short video, uint8 (T, H, W, 3), and how many there are a second.

    Raises:
        MareyError: it cannot be read.
    """
    found = probe(path)
    frames = np.stack([frame.rgb(None) for frame in read(path, found)])
    return frames, float(found.fps or 25.0)
