"""The stills that the pass keeps: pictures near full size, few, so that whoever needs one decodes nothing."""

import cv2
import numpy as np

from marey.curate.taps import Ask, Planes
from marey.media import Frame, jpeg_bytes
from marey.signals.signature import LUMA

STILL_SIDE = 736
"""Stills are kept at this long side at most: what the text detector takes."""
QUALITY = 92
"""Of their JPEG."""
ALBUM_SECONDS = 10
"""So long is a stretch of a shot at most, whose stills are chosen together: each piece of a shot that is divided has
some."""
DRIFT = 0.08
"""Mean distance, 0..1, from the first frame of a stretch at which another begins: so that a dissolve, which no single
step betrays, leaves stills on both sides."""
LEAST = 5
"""Stills of a stretch, where it has so many frames that became a picture."""


class StillsTap:
    """The stills of each stretch of a shot: its first and its last frame, and between them one a second, or three.

    `stills` holds them as JPEG by frame number.
    """

    ask = Ask(0, LUMA)

    def __init__(self) -> None:
        self.stills: dict[int, bytes] = {}
        self._stretch: _Stretch | None = None

    def take(self, frame: Frame, planes: Planes) -> None:
        """Every frame; few become a picture."""
        if self._stretch is not None and self._stretch.is_over(frame, planes[0]):
            self._close()
        if self._stretch is None:
            self._stretch = _Stretch(frame, planes[0])
        self._stretch.take(frame)

    def end_shot(self, last: Frame) -> None:
        """The stretch ends with the shot."""
        self._close()

    def arrays(self) -> dict[str, np.ndarray]:
        """Nothing for the trace: pictures are no numbers of frames."""
        return {}

    def _close(self) -> None:
        if self._stretch is not None:
            self.stills.update((n, jpeg_bytes(picture, QUALITY)) for n, picture in self._stretch.chosen())
        self._stretch = None


class _Stretch:
    """How long a stretch will be is not known before its end. So the interval between pictures doubles with its age,
    from a quarter of a second to one second, and at the end those are kept that divide it evenly."""

    def __init__(self, first: Frame, luma: np.ndarray) -> None:
        self._luma = luma
        self._start = self._due = first.pts
        self._second = round(1 / first.time_base)  # in ticks
        self._pictures: list[tuple[int, int, np.ndarray]] = []  # frame number, pts, picture
        self._last = first

    def is_over(self, frame: Frame, luma: np.ndarray) -> bool:
        """Whether this frame begins another stretch: after ten seconds, or where the picture has become another one."""
        age = frame.pts - self._start
        if age >= ALBUM_SECONDS * self._second:
            return True
        return age >= self._second and cv2.norm(luma, self._luma, cv2.NORM_L1) > DRIFT * 255 * luma.size

    def take(self, frame: Frame) -> None:
        """One frame of it, in order."""
        self._last = frame
        if frame.pts >= self._due:
            self._keep(frame)
            age = frame.pts - self._start
            parts = 4 if age < self._second else 2 if age < 2 * self._second else 1
            step = max(1, self._second // parts)
            self._due += step * ((frame.pts - self._due) // step + 1)  # on one grid, whatever the frames' own times

    def chosen(self) -> list[tuple[int, np.ndarray]]:
        """(frame number, picture) in order, the first and the last frame among them."""
        if self._pictures[-1][0] != self._last.n:
            self._keep(self._last)
        times = np.array([pts for _, pts, _ in self._pictures])
        seconds = int(times[-1] - times[0]) // self._second
        wanted = np.linspace(times[0], times[-1], max(LEAST, 2 + seconds))
        kept = np.unique(np.abs(times[None, :] - wanted[:, None]).argmin(axis=1))
        return [(self._pictures[n][0], self._pictures[n][2]) for n in kept]

    def _keep(self, frame: Frame) -> None:
        self._pictures.append((frame.n, frame.pts, still(frame)))


def still(frame: Frame) -> np.ndarray:
    """A frame in colour, its long side at most 736 pixels: uint8 (H, W, 3)."""
    return frame.rgb(still_size(frame.height, frame.width))


def still_size(height: int, width: int) -> tuple[int, int]:
    """(height, width) of a still of a picture of this size."""
    shrink = min(1.0, STILL_SIDE / max(height, width))
    return max(1, round(height * shrink)), max(1, round(width * shrink))
