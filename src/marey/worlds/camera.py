"""A camera that moves over a photograph: pans, tilts and zooms at an even pace, known exactly."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

MOVES = ("pan right", "zoom in", "pan left", "tilt up", "zoom out", "tilt down", "static")
"""Where the camera goes: what is seen goes the other way."""

_SIDES = {"pan right": (1, 0), "pan left": (-1, 0), "tilt up": (0, -1), "tilt down": (0, 1)}


@dataclass(frozen=True)
class CameraMove:
    """A shot over a photograph, to be rendered frame by frame."""

    label: str
    """One of `MOVES`."""
    fps: int
    height: int
    width: int
    windows: np.ndarray
    """(T, 3): the centre (x, y) and the width of what is seen in each frame, in pixels of the photograph."""
    photo: np.ndarray
    """uint8 RGB (H, W, 3)."""

    def render(self) -> Iterator[np.ndarray]:
        """All frames, uint8 RGB (H, W, 3)."""
        # Pixels far finer than those of the video would flicker: they are averaged once, beforehand.
        finer = self.windows[:, 2].max() / self.width
        photo, scale = self.photo, 1.0
        if finer > 1.25:
            scale = 1.25 / finer
            photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for x, y, wide in self.windows * scale:
            step = wide / self.width
            matrix = np.array(
                [[step, 0, x - step * (self.width - 1) / 2], [0, step, y - step * (self.height - 1) / 2]], np.float64
            )
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            yield cv2.warpAffine(photo, matrix, (self.width, self.height), flags=flags, borderMode=cv2.BORDER_REPLICATE)

    def flow(self, n: int) -> np.ndarray:
        """The true motion from frame `n` to the next, float32 (H, W, 2) in pixels, x first."""
        (x0, y0, wide0), (x1, y1, wide1) = self.windows[n], self.windows[n + 1]
        x, y = np.meshgrid(np.arange(self.width), np.arange(self.height))
        middle = np.array([(self.width - 1) / 2, (self.height - 1) / 2])
        here = np.stack([x, y], axis=-1) - middle
        there = (here * (wide0 / self.width) + (x0 - x1, y0 - y1)) * (self.width / wide1)
        return (there - here).astype(np.float32)


def move(
    photo: np.ndarray,
    label: str,
    rng: np.random.Generator,
    *,
    seconds: float = 4.0,
    fps: int = 25,
    height: int = 240,
    width: int = 320,
) -> CameraMove:
    """A move over a photograph.

    Args:
        photo: uint8 RGB (H, W, 3), of at least 32 pixels a side.
        label: one of `MOVES`.
        rng: decides where it begins, and its pace.

    Raises:
        ValueError: no such move, or a photograph that is too small.
    """
    if label not in MOVES:
        raise ValueError(f"there is no camera move {label!r}: one of {', '.join(MOVES)} would do")
    high, wide = photo.shape[:2]
    if min(high, wide) < 32:
        raise ValueError(f"a photograph of {wide}x{high} pixels is too small to move over")
    frames = max(2, round(seconds * fps))
    widest = min(wide, high * width / height)
    time = np.linspace(0, 1, frames)
    if label in _SIDES:
        seen = widest * rng.uniform(0.56, 0.68)
        side = np.array(_SIDES[label], np.float64)
        room = np.array([wide - seen, high - seen * height / width])
        pace = rng.uniform(0.14, 0.24) * seen * seconds  # all the way, at so many widths a second
        way = np.minimum(pace, room) * side
        middle = np.array([wide, high]) / 2 + rng.uniform(-0.5, 0.5, 2) * (room - np.abs(way))
        centres = middle + (time[:, None] - 0.5) * way
        widths = np.full(frames, seen)
    else:
        low, high_share = rng.uniform(0.5, 0.6), rng.uniform(0.9, 1.0)
        ratio = {"zoom in": low / high_share, "zoom out": high_share / low, "static": 1.0}[label]
        first = {"zoom in": high_share, "zoom out": low, "static": 0.8}[label]
        widths = widest * first * ratio**time  # the same factor every frame looks even
        room = np.array([wide, high]) - np.array([1, height / width]) * widths.max()
        middle = np.array([wide, high]) / 2 + rng.uniform(-0.5, 0.5, 2) * room
        centres = np.tile(middle, (frames, 1))
    return CameraMove(label, fps, height, width, np.column_stack([centres, widths]), photo)
