"""A photograph as footage of one frame: the same trace and stills as of a video."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from marey.curate.album import QUALITY, still_size
from marey.curate.roll import write_shards
from marey.media import jpeg_bytes, read_photo
from marey.signals.light import SHARPNESS_SIDE, light
from marey.signals.motion import MOTION
from marey.signals.signature import LUMA


def photograph(path: Path, library: Path, footage: str) -> dict[str, Any]:
    """Read a photograph and write its shards; the columns are those of `ReadStage` over a video of one frame."""
    picture = read_photo(path)
    height, width = picture.shape[:2]
    small = cv2.cvtColor(cv2.resize(picture, LUMA[::-1], interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2YCrCb)
    chroma = cv2.resize(small[..., [2, 1]], (LUMA[1] // 2, LUMA[0] // 2), interpolation=cv2.INTER_AREA)
    scale = SHARPNESS_SIDE / min(height, width)
    luma = cv2.cvtColor(_sized(picture, round(height * scale), round(width * scale)), cv2.COLOR_RGB2GRAY)
    trace = {
        "pts": np.zeros(1, np.int64),
        "luma": small[None, ..., 0],
        "chroma": chroma[None],
        "pairs": np.zeros((0, 2), np.int32),
        "motion": np.zeros((0, len(MOTION)), np.float32),
        "sampled": np.zeros(1, np.int32),
        # A photograph has no fields.
        "light": np.array([light(luma, chroma, np.zeros((0, width), np.uint8))], np.float32),
    }
    stills = {0: jpeg_bytes(_sized(picture, *still_size(height, width)), QUALITY)}
    part = write_shards(library, footage, trace, stills) | {"frames": 1, "first_pts": 0, "last_pts": 0}
    return {
        "width": width,
        "height": height,
        "rotation": 0,
        "interlaced": False,
        "announced_fps": 0.0,
        "time_base": "1/1",
        "announced": 1,
        "decoded": 1,
        "limited": False,
        "reason": "",
        "parts": [part],
    }


def _sized(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    return cv2.resize(picture, (max(1, width), max(1, height)), interpolation=cv2.INTER_AREA)
