"""Things that move over a background, with the truth: where each is in every frame, and the motion of every pixel."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np


@dataclass(frozen=True)
class Mover:
    """One thing and its way. Positions are of its centre, in pixels from the upper left corner, x first."""

    name: str
    """As in a sentence: "a red car"."""
    sprite: np.ndarray
    """Premultiplied RGBA, float32 in 0..1, (S, S, 4)."""
    positions: np.ndarray
    """(T, 2), float64."""
    angles: np.ndarray
    """(T,), radians, clockwise."""
    scales: np.ndarray
    """(T,): 1 shows the sprite in its own size."""
    trail: int = 0
    """So many fainter copies follow it, from the frames before: a still tells where it came from."""

    def matrix(self, n: int) -> np.ndarray:
        """(2, 3): from sprite pixels to frame pixels."""
        half = (self.sprite.shape[0] - 1) / 2
        cos = self.scales[n] * np.cos(self.angles[n])
        sin = self.scales[n] * np.sin(self.angles[n])
        turn = np.array([[cos, -sin], [sin, cos]])
        return np.hstack([turn, (self.positions[n] - turn @ (half, half))[:, None]])


@dataclass(frozen=True)
class Layer:
    """A part of the background that scrolls with the camera, endlessly.

    Args:
        image: uint8 RGBA (h, W, 4), not premultiplied, or RGB; periodic in x.
        top: the row of the frame at which it begins.
        pace: how far it moves when the camera moves by one pixel: 0 for what is far away, 1 for the ground.
    """

    image: np.ndarray
    top: int
    pace: float


@dataclass(frozen=True)
class Scene:
    """A shot that can be rendered, frame by frame, and its truth."""

    kind: str
    sentence: str
    fps: int
    background: np.ndarray
    """uint8 RGB (H, W, 3)."""
    movers: tuple[Mover, ...]
    """From far to near."""
    layers: tuple[Layer, ...] = ()
    camera: np.ndarray | None = None
    """(T,): how far the camera has moved to the right, in pixels."""
    front: np.ndarray | None = None
    """uint8 RGBA (H, W, 4), not premultiplied: what stands before everything and hides what passes behind."""
    truth: dict[str, object] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        """How many frames it has."""
        if self.movers:
            return len(self.movers[0].positions)
        return len(self.camera) if self.camera is not None else 1

    def frame(self, n: int) -> np.ndarray:
        """Frame `n`, uint8 RGB (H, W, 3)."""
        image = self.background.copy()
        for layer in self.layers:
            _lay(image, layer, 0.0 if self.camera is None else float(self.camera[n]))
        for mover in self.movers:
            for back in range(mover.trail, 0, -1):
                if n - 2 * back >= 0:
                    place(image, mover.sprite, mover.matrix(n - 2 * back), 0.5 * (1 - back / (mover.trail + 1)))
            place(image, mover.sprite, mover.matrix(n))
        if self.front is not None:
            cover = self.front[..., 3:].astype(np.float32) / 255
            image = (image + cover * (self.front[..., :3] - image.astype(np.float32)) + 0.5).astype(np.uint8)
        return image

    def render(self) -> Iterator[np.ndarray]:
        """All frames in order."""
        for n in range(self.frames):
            yield self.frame(n)

    def flow(self, n: int) -> np.ndarray:
        """The true motion from frame `n` to the next, float32 (H, W, 2) in pixels, x first.

        Every pixel moves with what is seen there: the nearest thing that covers at least half of it, a layer, or the
        still background. Trails do not count as things.
        """
        if not 0 <= n < self.frames - 1:
            raise ValueError(f"there is no motion from frame {n} of {self.frames} to the next")
        height, width = self.background.shape[:2]
        flow = np.zeros((height, width, 2), np.float32)
        if self.camera is not None:
            for layer in self.layers:
                rows = slice(layer.top, layer.top + layer.image.shape[0])
                seen = _scrolled(layer, float(self.camera[n]), width)[: flow[rows].shape[0]]
                solid = seen[..., 3] > 127 if seen.shape[2] == 4 else np.ones(seen.shape[:2], bool)
                flow[rows][solid] = (-layer.pace * (self.camera[n + 1] - self.camera[n]), 0)
        grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float64)
        for mover in self.movers:
            now, then = mover.matrix(n), mover.matrix(n + 1)
            covered = cv2.warpAffine(mover.sprite[..., 3], now, (width, height)) > 0.5
            back = np.linalg.inv(now[:, :2])
            there = (grid[covered] - now[:, 2]) @ back.T @ then[:, :2].T + then[:, 2]
            flow[covered] = there - grid[covered]
        if self.front is not None:
            flow[self.front[..., 3] > 127] = 0
        return flow


def place(image: np.ndarray, sprite: np.ndarray, matrix: np.ndarray, strength: float = 1.0) -> None:
    """Lay a sprite over a frame, in place, where the matrix (2, 3) puts it, to fractions of a pixel."""
    height, width = image.shape[:2]
    size = sprite.shape[0]
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]]) @ matrix[:, :2].T + matrix[:, 2]
    left, top = np.maximum(np.floor(corners.min(0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(corners.max(0)).astype(int) + 2, (width, height))
    if left >= right or top >= bottom:
        return
    local = matrix.copy()
    local[:, 2] -= (left, top)
    seen = cv2.warpAffine(sprite, local, (int(right - left), int(bottom - top)), flags=cv2.INTER_LINEAR)
    if strength < 1:
        seen *= strength
    part = image[top:bottom, left:right].astype(np.float32)
    part *= 1 - seen[..., 3:]
    part += 255 * seen[..., :3]
    image[top:bottom, left:right] = (part + 0.5).astype(np.uint8)


def _scrolled(layer: Layer, camera: float, width: int) -> np.ndarray:
    shift = layer.pace * camera
    whole = int(np.floor(shift))
    columns = np.arange(whole, whole + width + 1) % layer.image.shape[1]
    seen = layer.image[:, columns]
    part = shift - whole
    if part == 0:
        return seen[:, :-1]
    return cv2.addWeighted(seen[:, :-1], 1 - part, seen[:, 1:], part, 0)


def _lay(image: np.ndarray, layer: Layer, camera: float) -> None:
    seen = _scrolled(layer, camera, image.shape[1])
    rows = slice(layer.top, layer.top + seen.shape[0])
    part = image[rows]
    seen = seen[: part.shape[0]]
    if seen.shape[2] == 3:
        part[:] = seen
        return
    cover = seen[..., 3:].astype(np.float32) / 255
    part[:] = (part + cover * (seen[..., :3] - part.astype(np.float32)) + 0.5).astype(np.uint8)


def straight(start: tuple[float, float], velocity: tuple[float, float], frames: int, fps: int) -> np.ndarray:
    """Positions (T, 2) at constant velocity, which is in pixels per second."""
    time = np.arange(frames)[:, None] / fps
    return np.array(start, np.float64) + time * np.array(velocity, np.float64)


def bouncing(
    start: tuple[float, float],
    velocity: tuple[float, float],
    box: tuple[float, float, float, float],
    frames: int,
    fps: int,
) -> np.ndarray:
    """Positions (T, 2) at constant speed between four walls: left, top, right, bottom."""
    low, high = np.array(box[:2], np.float64), np.array(box[2:], np.float64)
    way = straight(start, velocity, frames, fps) - low
    span = np.maximum(high - low, 1e-9)
    folded = np.mod(way, 2 * span)  # a mirror at each wall: a triangle wave
    return low + np.where(folded > span, 2 * span - folded, folded)


def heading(positions: np.ndarray) -> np.ndarray:
    """Angles (T,) in which a thing must be turned to look where it is going, radians clockwise from the right."""
    step = np.gradient(positions, axis=0)
    return np.arctan2(step[:, 1], step[:, 0])
