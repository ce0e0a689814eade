"""Pictures and videos for the page, as data URIs: the page loads nothing.

Stills of clips come from the catalog, where curation kept them; only filmstrips of transitions decode, a short span
each, and what that cost is counted apart.
"""

import base64
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from marey.media import jpeg_bytes, video_bytes

Picture = npt.NDArray[np.uint8]


def jpeg_uri(picture: Picture, *, width: int = 0, quality: int = 72) -> str:
    """A picture as a JPEG data URI, made smaller to `width` pixels if it is wider (0: as it is)."""
    if width and picture.shape[1] > width:
        height = max(1, round(picture.shape[0] * width / picture.shape[1]))
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg_bytes(picture, quality)).decode('ascii')}"


def video_uri(frames: npt.NDArray[np.uint8], fps: float) -> str:
    """Frames `(T, H, W, 3)` as an MP4 data URI that any browser plays."""
    return f"data:video/mp4;base64,{base64.b64encode(video_bytes(frames, fps, crf=20)).decode('ascii')}"


def side_by_side(videos: Sequence[npt.NDArray[np.uint8]], *, scale: int = 2) -> npt.NDArray[np.uint8]:
    """Videos of one shape `(T, H, W, 3)` in one, from left to right, enlarged: `(T, scale H, scale n W, 3)`.

    One file, so that they play in step; enlarged, because the encoder halves the resolution of colour.
    """
    wide = np.concatenate(list(videos), axis=2)
    size = wide.shape[2] * scale, wide.shape[1] * scale
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) for frame in wide]).astype(np.uint8)


def sheet(rows: Sequence[npt.NDArray[np.uint8]], *, gap: int = 2) -> Picture:
    """Videos of one shape `(T, H, W, 3)` as rows of frames on white."""
    lines = []
    for row in rows:
        spaced = np.pad(row, ((0, 0), (0, gap), (0, gap), (0, 0)), constant_values=255)
        lines.append(np.concatenate(list(spaced), axis=1))
    return np.ascontiguousarray(np.concatenate(lines, axis=0))


def evenly(count: int, most: int) -> list[int]:
    """At most `most` of the numbers 0..count-1, evenly spread, the first and the last among them."""
    if count <= most:
        return list(range(count))
    if most == 1:
        return [count // 2]
    return sorted({round(n * (count - 1) / (most - 1)) for n in range(most)})
