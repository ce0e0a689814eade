"""What is taken from each frame of the pass: many taps, one decode.

A tap says what it asks for (how often, in what size and colour) and is given those frames and no others. Sizes are
scaled once a frame, whoever asks. The pass tells its taps where a shot seems to end, by a leap of the signature; that
is provisional, and too many such ends do no harm: transitions are found later, from the signatures.

To add one: a class with `ask`, `take`, `end_shot` and `arrays`, and its place in `read.taps`.
"""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from fractions import Fraction
from typing import Literal, Protocol

import cv2
import numpy as np

from marey.media import Frame, Size
from marey.signals.light import LIGHT, SHARPNESS_SIDE, light
from marey.signals.motion import MOTION, PAIR_SECONDS, SHORT_SIDE, motion
from marey.signals.signature import LUMA

_EXACTLY = Fraction(1, 1_000_000)  # times that are rounded to whole ticks may fall short of an interval by so much
_LEAP, _LEAPS = 0.05, 3.0  # mean step of the luma, 0..1: at least so much, and so many times the usual one

Planes = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Ask:
    """Which frames of a shot a tap wants, and what of them."""

    seconds: float
    """Since the frame that it was given last, of the same shot; 0 is every frame. The first of a shot always comes."""
    size: Size
    """A short side, (height, width), or None for the size as shown."""
    colour: Literal["grey", "yuv", "rgb"] = "grey"
    """What it is given: (luma,), (luma, chroma) or (rgb,), as `Frame.gray`, `.yuv` and `.rgb` make them."""

    def of(self, frame: Frame) -> Planes:
        """What is asked for of a frame."""
        if self.colour == "yuv":
            return frame.yuv(self.size)
        return (frame.gray(self.size) if self.colour == "grey" else frame.rgb(self.size),)


class Tap(Protocol):
    """One who looks at the pass."""

    ask: Ask

    def take(self, frame: Frame, planes: Planes) -> None:
        """A frame that was asked for. Frames come in order; one may be kept, with the memory that it holds."""

    def end_shot(self, last: Frame) -> None:
        """A provisional shot has ended with this frame, which may not have been asked for."""

    def arrays(self) -> dict[str, np.ndarray]:
        """What it gives to the trace: arrays by name, rows in the order of the frames."""


class Pass:
    """Hands each frame to the taps that want it.

    Args:
        taps: in the order in which they are given a frame.
    """

    def __init__(self, taps: Sequence[Tap]) -> None:
        self._taps = list(taps)
        self._due = [-math.inf] * len(self._taps)  # in ticks
        self._ticks: list[int] = []  # of each tap's interval
        self._previous: np.ndarray | None = None
        self._pace = 0.0
        self._last: Frame | None = None

    def take(self, frame: Frame) -> None:
        """One frame, in order."""
        if self._last is None:
            self._ticks = [math.ceil((Fraction(tap.ask.seconds) - _EXACTLY) / frame.time_base) for tap in self._taps]
        if self._leaps(frame.gray(LUMA)):
            self._end_shot()
        pts = frame.pts
        for n, tap in enumerate(self._taps):
            if pts >= self._due[n]:
                tap.take(frame, tap.ask.of(frame))
                self._due[n] = pts + self._ticks[n]
        self._last = frame

    def end(self) -> dict[str, np.ndarray]:
        """After the last frame: the arrays of all taps."""
        self._end_shot()
        return {name: array for tap in self._taps for name, array in tap.arrays().items()}

    def _end_shot(self) -> None:
        if self._last is not None:
            for tap in self._taps:
                tap.end_shot(self._last)
        self._due = [-math.inf] * len(self._taps)

    def _leaps(self, luma: np.ndarray) -> bool:
        if self._previous is None:
            self._previous = luma
            return False
        step = cv2.norm(luma, self._previous, cv2.NORM_L1) / (255 * luma.size)
        self._previous = luma
        leaps = step > _LEAP and step > _LEAPS * self._pace
        self._pace = 0.0 if leaps else 0.8 * self._pace + 0.2 * step
        return leaps


class SignatureTap:
    """Time and signature of every frame: pts (N,), luma (N, 36, 64), chroma (N, 18, 32, 2)."""

    ask = Ask(0, LUMA, "yuv")

    def __init__(self) -> None:
        self._pts: list[int] = []
        # All signatures end to end: a list of arrays, and then a stack of them, would be twice that.
        self._luma = bytearray()
        self._chroma = bytearray()

    def take(self, frame: Frame, planes: Planes) -> None:
        """Every frame."""
        self._pts.append(frame.pts)
        self._luma += planes[0].tobytes()
        self._chroma += planes[1].tobytes()

    def end_shot(self, last: Frame) -> None:
        """Nothing to do."""

    def arrays(self) -> dict[str, np.ndarray]:
        """As the class says."""
        return {
            "pts": np.array(self._pts, np.int64),
            "luma": np.frombuffer(self._luma, np.uint8).reshape(-1, *LUMA),
            "chroma": np.frombuffer(self._chroma, np.uint8).reshape(-1, LUMA[0] // 2, LUMA[1] // 2, 2),
        }


class MotionTap:
    """The flow from frame to frame half a second later: pairs (P, 2) of frames, motion (P, 7) over half a second.

    The columns are those of `signals.motion.MOTION`. A shot that is too short for a pair gives its widest one, scaled.
    """

    ask = Ask(PAIR_SECONDS, SHARPNESS_SIDE)  # a size that is made anyway, from which its own is near

    def __init__(self) -> None:
        self._before: tuple[Frame, np.ndarray] | None = None
        self._paired = False
        self._pairs: list[tuple[int, int]] = []
        self._motion: list[tuple[float, ...]] = []

    def take(self, frame: Frame, planes: Planes) -> None:
        """Every half second."""
        small = flow_input(planes[0])
        if self._before is not None:
            self._pair(*self._before, frame, small)
        self._before = (frame, small)

    def end_shot(self, last: Frame) -> None:
        """No pair goes from shot to shot."""
        if self._before is not None and not self._paired and last.n > self._before[0].n:
            self._pair(*self._before, last, flow_input(last.gray(SHARPNESS_SIDE)))
        self._before, self._paired = None, False

    def arrays(self) -> dict[str, np.ndarray]:
        """As the class says."""
        return {
            "pairs": np.array(self._pairs, np.int32).reshape(-1, 2),
            "motion": np.array(self._motion, np.float32).reshape(-1, len(MOTION)),
        }

    def _pair(self, before: Frame, small: np.ndarray, after: Frame, later: np.ndarray) -> None:
        moved = motion(small, later, after.height, after.width)
        scale = PAIR_SECONDS / max(float((after.pts - before.pts) * after.time_base), 1e-6)
        self._pairs.append((before.n, after.n))
        self._motion.append(astuple(moved.scaled(scale)))
        self._paired = True


def flow_input(luma: np.ndarray) -> np.ndarray:
    """A luma of the short side `SHARPNESS_SIDE` at that of the flow."""
    height, width = luma.shape
    scale = SHORT_SIDE / min(height, width)
    return cv2.resize(luma, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_LINEAR)


class LightTap:
    """What single frames look like, every half second: sampled (S,) frames, light (S, 5).

    The columns are those of `signals.light.LIGHT`.
    """

    ask = Ask(PAIR_SECONDS, SHARPNESS_SIDE)

    def __init__(self) -> None:
        self._sampled: list[int] = []
        self._light: list[tuple[float, ...]] = []

    def take(self, frame: Frame, planes: Planes) -> None:
        """Every half second."""
        self._sampled.append(frame.n)
        self._light.append(light(planes[0], frame.yuv(LUMA)[1], frame.lines()))

    def end_shot(self, last: Frame) -> None:
        """Nothing to do."""

    def arrays(self) -> dict[str, np.ndarray]:
        """As the class says."""
        return {
            "sampled": np.array(self._sampled, np.int32),
            "light": np.array(self._light, np.float32).reshape(-1, len(LIGHT)),
        }
