"""What the transition detectors look at, from the signatures of a run of frames.

Details (luma less its local mean) tell two things that survive a moving camera and a change of light. The correlation
of two frames' details is high only where both show the same thing in the same place; between two shots it is nought.
And their energy dips in a blend of two pictures, by a law that does not ask what moves in either: with weights 1 - a
and a it is (1 - a)^2 E_A + a^2 E_B, while a cut, a pan or a wipe has no such dip.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from marey.signals.signature import distances, histograms

WIDE = 5
"""Details are what differs from the mean of so many pixels of a signature around."""
ZOOMS = (0.8, 0.9, 1.11, 1.25)
"""So far may a camera have zoomed between two frames that are compared."""
BAR = 24
"""Rows and columns at the edge that never get brighter are bars, in grey levels."""


@dataclass(frozen=True)
class Area:
    """The part of the signatures that shows a picture, without letterbox and pillarbox bars: their edges would make
    any two frames look alike in detail."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def of(cls, luma: np.ndarray) -> "Area":
        """From uint8 (N, 36, 64), by at most some hundred frames of it."""
        brightest = luma[:: max(1, len(luma) // 200)].max(axis=0)
        rows, columns = brightest.max(axis=1) >= BAR, brightest.max(axis=0) >= BAR
        if not rows.any():
            return cls(0, luma.shape[1], 0, luma.shape[2])
        top, bottom = int(np.argmax(rows)), len(rows) - int(np.argmax(rows[::-1]))
        left, right = int(np.argmax(columns)), len(columns) - int(np.argmax(columns[::-1]))
        # The row beside a bar is a mixture of both.
        return cls(top + (top > 0), bottom - (bottom < len(rows)), left + (left > 0), right - (right < len(columns)))


class Features:
    """Of the frames `luma` uint8 (N, 36, 64) and `chroma` uint8 (N, 18, 32, 2), computed when first asked for."""

    def __init__(self, luma: np.ndarray, chroma: np.ndarray, area: Area) -> None:
        self.luma, self.chroma, self._area = luma, chroma, area
        self._apart: dict[int, np.ndarray] = {}
        self._alike: dict[int, np.ndarray] = {}
        self._gap: dict[int, np.ndarray] = {}
        self._spectra: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.luma)

    def apart(self, lag: int) -> np.ndarray:
        """Distance of each frame to the one `lag` later, 0..1: float32 (N - lag,)."""
        if lag not in self._apart:
            self._apart[lag] = distances(self.luma, self.chroma, lag)
        return self._apart[lag]

    def alike(self, lag: int) -> np.ndarray:
        """Correlation of the details of each frame with those of the one `lag` later, -1..1: float32 (N - lag,)."""
        if lag not in self._alike:
            details, count = self._details[0], max(0, len(self) - lag)
            self._alike[lag] = np.einsum("ij,ij->i", details[:count], details[lag : lag + count])
        return self._alike[lag]

    def alike_pair(self, a: int, b: int) -> float:
        """The same of two frames, however far apart."""
        details = self._details[0]
        return float(details[a] @ details[b])

    def alike_shifted(self, a: int, b: int) -> float:
        """The highest such correlation over all shifts of one frame, round its edges: a pan of any speed is found."""
        return _highest(self._spectrum(a), self._spectrum(b))

    def alike_zoomed(self, a: int, b: int) -> float:
        """The same over shifts and a zoom in or out by a tenth or a quarter."""
        area = self._area
        light = self.luma[b, area.top : area.bottom, area.left : area.right]
        size = light.shape[::-1]
        best = -1.0
        for zoom in ZOOMS:
            turn = cv2.getRotationMatrix2D(((size[0] - 1) / 2, (size[1] - 1) / 2), 0, zoom)
            zoomed = cv2.warpAffine(light, turn, size, borderMode=cv2.BORDER_REFLECT)
            best = max(best, _highest(self._spectrum(a), cv2.dft(_detailed(zoomed))))
        return best

    def _spectrum(self, n: int) -> np.ndarray:
        if n not in self._spectra:
            shape = (self._area.bottom - self._area.top, self._area.right - self._area.left)
            self._spectra[n] = cv2.dft(self._details[0][n].reshape(shape))
        return self._spectra[n]

    def gap(self, lag: int) -> np.ndarray:
        """Mean squared distance of the coarse pictures of each frame and the one `lag` later: float32 (N - lag,)."""
        if lag not in self._gap:
            coarse = self.coarse.reshape(len(self), -1)
            difference = coarse[lag:] - coarse[: len(self) - lag]
            self._gap[lag] = np.einsum("ij,ij->i", difference, difference) / coarse.shape[1]
        return self._gap[lag]

    @property
    def details(self) -> np.ndarray:
        """The details of each frame, to length one: float32 (N, K)."""
        return self._details[0]

    @cached_property
    def tones(self) -> np.ndarray:
        """Histograms of the coarse picture, of luma, Cb and Cr, which together sum to 1: float32 (N, 48)."""
        levels = np.clip(255 * self.coarse, 0, 255).astype(np.uint8)
        return histograms(levels[:, 0], levels[:, 1:].transpose(0, 2, 3, 1)) / 3

    @property
    def energy(self) -> np.ndarray:
        """Mean square of the details in squared grey levels: float32 (N,)."""
        return self._details[1]

    @cached_property
    def coarse(self) -> np.ndarray:
        """Mean luma of 4x4 and chroma of 2x2 pixels, which little motion changes, 0..1: float32 (N, 3, 9, 16)."""
        light = self.luma.reshape(-1, 9, 4, 16, 4).mean(axis=(2, 4), dtype=np.float32)
        colour = self.chroma.reshape(-1, 9, 2, 16, 2, 2).mean(axis=(2, 4), dtype=np.float32)
        return np.concatenate([light[:, None], colour.transpose(0, 3, 1, 2)], axis=1) / 255

    @cached_property
    def spread(self) -> np.ndarray:
        """Standard deviation of the luma over each frame, in grey levels: float32 (N,)."""
        return self.luma.reshape(len(self), -1).std(axis=1, dtype=np.float32)

    @cached_property
    def _details(self) -> tuple[np.ndarray, np.ndarray]:
        area = self._area
        picture = self.luma[:, area.top : area.bottom, area.left : area.right]
        details = np.empty(picture.shape, np.float32)
        for n, frame in enumerate(picture):
            light = frame.astype(np.float32)
            details[n] = light - cv2.blur(light, (WIDE, WIDE))
        flat = details.reshape(len(self), -1)
        energy = np.einsum("ij,ij->i", flat, flat) / flat.shape[1]
        flat -= flat.mean(axis=1, keepdims=True)
        # A frame without details is like none: a grey level of noise counts for nothing.
        flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), np.sqrt(flat.shape[1]))
        return flat, energy


def _highest(a: np.ndarray, b: np.ndarray) -> float:
    """The highest correlation over all shifts, of two spectra."""
    crossed = cv2.mulSpectrums(b, a, 0, conjB=True)
    return float(cv2.idft(crossed, flags=cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT).max())


def _detailed(light: np.ndarray) -> np.ndarray:
    """The details of one picture, to length one."""
    light = light.astype(np.float32)
    details = light - cv2.blur(light, (WIDE, WIDE))
    details -= details.mean()
    return details / max(float(np.linalg.norm(details)), details.size**0.5)


def logistic(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)): how far x speaks for something, 0..1."""
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))
