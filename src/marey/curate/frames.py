"""What curation's signals say of frames in memory, without a source, a pass or a catalog."""

from typing import Any

import cv2
import numpy as np

from marey import recipe
from marey.curate.transitions import Transition, find_transitions
from marey.signals.motion import motion
from marey.signals.signature import LUMA


def transitions_in(frames: np.ndarray, fps: float, settings: recipe.Transitions | None = None) -> list[Transition]:
    """The transitions within frames uint8 RGB (T, H, W, 3), by their signatures."""
    planes = [cv2.cvtColor(_fit(frame, LUMA), cv2.COLOR_RGB2YCrCb) for frame in frames]
    chroma = [_fit(plane[..., 2:0:-1], (LUMA[0] // 2, LUMA[1] // 2)) for plane in planes]
    luma = np.stack([plane[..., 0] for plane in planes])
    return find_transitions(luma, np.stack(chroma), fps, settings or recipe.Transitions())


def least_motion(frames: np.ndarray) -> float:
    """Mean length of the flow in pixels over the half of the frames, uint8 RGB (T, H, W, 3), in which less moves: a cut
    in one half is a change, but no motion of the other."""
    luma = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    height, width = luma[0].shape
    pairs = ((0, len(luma) // 2), (len(luma) // 2, len(luma) - 1))
    return min(motion(luma[a], luma[b], height, width).magnitude for a, b in pairs)


class TextShare:
    """The share of a picture that text covers, by curation's detector.

    Raises:
        MissingExtra: the extra 'ocr' is not installed.
    """

    def __init__(self) -> None:
        from marey.signals.text import TextDetector

        self._detector: Any = TextDetector()

    def __call__(self, picture: np.ndarray) -> float:
        """Of uint8 RGB (H, W, 3), 0 to 1."""
        return float(self._detector.area(picture))


def _fit(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), size[::-1], interpolation=cv2.INTER_AREA))
