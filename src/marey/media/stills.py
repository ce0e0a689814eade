"""First, middle and last of a shot whose length is not known yet, in one pass."""

from collections.abc import Callable

import numpy as np


class Stills:
    """Keeps 8 to 16 stills of a shot, evenly spaced, however long the shot becomes.

    Frames are kept at an interval that doubles, and every other still is dropped, whenever there are more than `most`.
    Only kept frames are made into pictures; of the latest frame only the way to make it is held, so that the shot's
    last frame is at hand too.

    Args:
        most: how many stills are kept at most, besides the last frame.
    """

    def __init__(self, most: int = 16) -> None:
        if most < 2:
            raise ValueError(f"at most {most} stills: 2 or more would do")
        self._most = most
        self._step = 1
        self._first: int | None = None
        self._kept: list[tuple[int, np.ndarray]] = []
        self._latest: tuple[int, Callable[[], np.ndarray]] | None = None

    def offer(self, n: int, make: Callable[[], np.ndarray]) -> None:
        """Tell of frame `n`; `make` gives its picture, now or (for the latest frame) when `kept` is asked for.

        Raises:
            ValueError: the frames do not come in order.
        """
        if self._latest is not None and n <= self._latest[0]:
            raise ValueError(f"frame {n} came after frame {self._latest[0]}")
        self._latest = (n, make)
        if self._first is None:
            self._first = n
        if (n - self._first) % self._step:
            return
        self._kept.append((n, make()))
        while len(self._kept) > self._most:
            self._step *= 2
            self._kept = [still for still in self._kept if (still[0] - self._first) % self._step == 0]

    @property
    def kept(self) -> list[tuple[int, np.ndarray]]:
        """(frame number, picture) in order: the first frame, those between, and the last one offered."""
        if self._latest is None:
            return []
        n, make = self._latest
        if self._kept[-1][0] != n:
            return [*self._kept, (n, make())]
        return list(self._kept)
