"""Frames as metrics see them: what several metrics need of a frame is made once, whoever asks first."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from marey.evaluate.frames import Picture
from marey.evaluate.motion import change, flow_of, small_luma

_NUMBERS = count()


class View:
    """One frame, and what was made of it."""

    __slots__ = ("_made", "number", "rgb", "seconds")

    def __init__(self, rgb: Picture, seconds: float = 0.0) -> None:
        self.rgb = rgb
        """uint8 (H, W, 3)."""
        self.seconds = seconds
        """Since the video's first frame."""
        self.number = next(_NUMBERS)
        """Of its own: no two views of a process share it."""
        self._made: dict[Hashable, Any] = {}

    def made(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` gives, kept under `key` for all who ask for the same."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    @property
    def small(self) -> npt.NDArray[np.uint8]:
        """Luma for flow, (h, w)."""
        return self.made("small", lambda: small_luma(self.rgb))

    def flow_from(self, before: "View") -> npt.NDArray[np.float32]:
        """Flow from another frame to this one, (h, w, 2), in pixels of the frame as it is."""
        height, width = self.rgb.shape[:2]
        return self.made(("flow", before.number), lambda: flow_of(before.small, self.small, height, width))

    def change_from(self, before: "View") -> npt.NDArray[np.int16]:
        """This frame minus another, int16 (H, W, 3)."""
        return self.made(("change", before.number), lambda: change(before.rgb, self.rgb))

    def vector(self, encoder: Any) -> npt.NDArray[np.float32]:
        """Features (D,) of this frame by a `signals.embedding.Encoder`."""
        return self.made(("vector", encoder.name), lambda: encoder.features([self.rgb])[0])


@dataclass(frozen=True)
class Step:
    """One scored frame of a video, with what stands before and beside it."""

    n: int
    """Number of the frame from 0; those that were given are counted, and not scored."""
    shown: View
    before: View | None
    """The frame before; None at the first."""
    first: View
    """The video's own first frame."""
    true: View | None
    """The truth's frame, where there is a truth."""
    true_before: View | None
    still: View
    """The picture that the video was made from: the truth's first frame, else its own."""
