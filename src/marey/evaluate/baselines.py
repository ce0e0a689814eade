"""What a model must beat to have learned anything, and what it cannot beat.

- `frozen`: the given still, held. Most metrics of videos love it.
- `loop`: the true first frames, played to and fro: it moves and stays like itself, and nothing new ever comes.
  What compares it with the truth frame by frame is not told, for it would be praised for frames that it was given.
- `frozen_autoencoder`: the still as the autoencoder gives it back, held: it pays what the model pays for its latents,
  so that the difference to it is what the model itself adds.
- `drift`: the given still, slid at one constant velocity, that of the average motion in the training windows: a camera
  that drifts the same way over every picture. It knows the training set's mean and nothing of the still.
- `autoencoder` (made by `generate`, not here): the true continuation through the autoencoder. A model that predicted
  every latent rightly would score this: the ceiling, given the autoencoder.
"""

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

from marey.evaluate.frames import Picture
from marey.evaluate.motion import mean_flow

Video = npt.NDArray[np.uint8]


def frozen(still: Picture, frames: int) -> Video:
    """The still `(H, W, 3)`, `frames` times: `(frames, H, W, 3)`."""
    return np.repeat(still[None], frames, axis=0)


LOOP = 8
"""So many true frames are played to and fro."""


def loop_place(n: int, frames: int = LOOP) -> int:
    """Which of `frames` frames stands at place `n` when they are played to and fro: 0 1 2 1 0 1 ... for three."""
    turn = max(1, 2 * (frames - 1))
    place = n % turn
    return min(place, turn - place)


def drift(still: Picture, frames: int, velocity: tuple[float, float], fps: float) -> Video:
    """The still, moved by `velocity` (right, down) in pixels a second: `(frames, H, W, 3)`, frame 0 unmoved.

    Moved by fractions of a pixel (bilinear); what comes in at the border repeats the border.
    """
    height, width = still.shape[:2]
    moved = [still]
    for n in range(1, frames):
        right, down = velocity[0] * n / fps, velocity[1] * n / fps
        shift = np.array([[1, 0, right], [0, 1, down]], dtype=np.float64)
        moved.append(
            cv2.warpAffine(still, shift, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        )
    return np.stack(moved)


def drift_velocity(windows: Iterable[tuple[Video, float]]) -> tuple[float, float]:
    """The mean motion (right, down) over training windows `(frames (T, H, W, 3), fps)`, each of one weight, in pixels
    a second.

    Pixels a second rather than a frame, because windows differ in rate. Opposite motions cancel, so over mixed footage
    this is near zero and `drift` near `frozen`: that is what the average camera does.
    """
    seen = [mean_flow(video) * fps for video, fps in windows]
    if not seen:
        return 0.0, 0.0
    right, down = np.mean(seen, axis=0)
    return float(right), float(down)
