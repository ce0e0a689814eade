"""What a solver's steps can take from those before: when to compute in full, and what stands in for it when not.

A network's inner features, and the difference that guidance adds, move slowly from step to step. A cached call takes
them from a line through their values at the last two full calls, over the time -ln(sigma); a full call is due when the
network's input has changed by more than a threshold since the last one. With a threshold of 0 all calls are full.

The features that are kept are those of DeepCache (arXiv 2312.00858); to go by measured change instead of a fixed
interval is TeaCache's idea (arXiv 2411.19108); to extrapolate what is kept, TaylorSeer's (arXiv 2503.06923).
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from marey.errors import MareyError


@dataclass
class Line:
    """A tensor's values at two times, and the line through them."""

    known: list[tuple[float, Tensor]] = field(default_factory=list)

    def keep(self, time: float, value: Tensor) -> None:
        """A value at a time; the oldest of three is forgotten, and so is another at the same time."""
        earlier = [pair for pair in self.known if pair[0] != time]
        self.known = [*earlier[-1:], (time, value)]

    def at(self, time: float) -> Tensor:
        """The value on the line; before two are known, the one that is.

        Raises:
            MareyError: nothing is known yet.
        """
        if not self.known:
            raise MareyError("Nothing was kept yet to go on from: a full call first would do.")
        if len(self.known) == 1:
            return self.known[0][1]
        (start, first), (end, last) = self.known
        return torch.lerp(first, last, (time - start) / (end - start))


@dataclass
class Pace:
    """Decides which calls are full.

    Attributes:
        threshold: the relative change |x - x'| / |x'| of the input since the last full call from which the next is
            full: 0 for all; from 0.3 on every second of 16 steps is cached.
        most: cached calls in a row, at most; at the high noise levels, where the input hardly changes, more cost
            several dB.
        first: full calls at the start: two give a line.
    """

    threshold: float
    most: int = 1
    first: int = 2

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < float("inf"):
            raise MareyError(f"The cache's threshold is {self.threshold}: 0 (no cache) or more, such as 0.3, would do.")
        self._full, self._since = 0, 0
        self._last: Tensor | None = None

    def due(self, x: Tensor, *, must: bool = False) -> bool:
        """Whether the call with this input is to be full, which it `must` be anyway, or not; it is taken to be what is
        said here."""
        must = must or self._full < self.first or self._since >= self.most
        full = must or self.change(x) >= self.threshold
        if full:
            self._last, self._full, self._since = x, self._full + 1, 0
        else:
            self._since += 1
        return full

    def change(self, x: Tensor) -> float:
        """The relative change of an input since the last full call."""
        if self._last is None:
            return float("inf")
        return float(torch.linalg.vector_norm(x - self._last) / torch.linalg.vector_norm(self._last))
