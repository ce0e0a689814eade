"""What the transition detectors look at, from the signatures of a run of frames.

Details (luma less its local mean) tell two things that survive a moving camera and a change of light. The correlation
of two frames' details is high only where both show the same thing in the same place; between two shots it is nought.
And their energy dips in a blend of two pictures, by a law that does not ask what moves in either: with weights 1 - a
and a it is (1 - a)^2 E_A + a^2 E_B, while a cut, a pan or a wipe has no such dip.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided

from marey.signals.signature import distances, histograms

WIDE = 5
"""Details are what differs from the mean of so many pixels of a signature around."""
ZOOMS = (0.8, 0.9, 1.11, 1.25)
"""So far may a camera have zoomed between two frames that are compared."""
LEVELS = 16 * 255
"""White, in sixteenths of a grey level."""
TOGETHER = 64
"""So many frames' details stay in the cache."""
HOLE = 4
"""Frames between those that are asked for are computed too if they are so few: that is cheaper than copies."""
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
        top, bottom = top + (top > 0), bottom - (bottom < len(rows))
        left, right = left + (left > 0), right - (right < len(columns))
        if min(bottom - top, right - left) <= WIDE:
            return cls(0, len(rows), 0, len(columns))
        return cls(top, bottom, left, right)


class Features:
    """Of the frames `luma` uint8 (N, 36, 64) and `chroma` uint8 (N, 18, 32, 2), computed when first asked for."""

    def __init__(self, luma: np.ndarray, chroma: np.ndarray, area: Area) -> None:
        self.luma, self.chroma, self._area = luma, chroma, area
        self._apart: dict[int, np.ndarray] = {}
        self._alike: dict[int, np.ndarray] = {}
        self._shifted: dict[tuple[int, int], float] = {}
        self._gaps = np.zeros((0, len(luma)), np.float32)
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

    def alike_at(self, at: np.ndarray, lag: int) -> np.ndarray:
        """The same of some frames only, which rise: (K,)."""
        details, found = self._details[0], np.empty(len(at), np.float32)
        ends = np.flatnonzero(np.diff(at) > HOLE) + 1
        for low, high in zip([0, *ends], [*ends, len(at)], strict=True):
            first, last = at[low], at[high - 1] + 1
            of_run = np.einsum("ij,ij->i", details[first:last], details[first + lag : last + lag])
            found[low:high] = of_run[at[low:high] - first]
        return found

    def alike_pair(self, a: int, b: int) -> float:
        """The same of two frames, however far apart."""
        details = self._details[0]
        return float(details[a] @ details[b])

    def alike_shifted(self, a: int, b: int) -> float:
        """The highest such correlation over all shifts of one frame, round its edges: a pan of any speed is found."""
        if (a, b) not in self._shifted:
            self._shifted[a, b] = _highest(self._spectrum(a), self._spectrum(b))
        return self._shifted[a, b]

    def alike_zoomed(self, a: int, b: int) -> float:
        """The same over shifts and a zoom in or out by a tenth or a quarter."""
        area = self._area
        light = self.luma[b, area.top : area.bottom, area.left : area.right]
        size = light.shape[::-1]
        best = -1.0
        for turn in _zooms(size):
            zoomed = cv2.warpAffine(light, turn, size, borderMode=cv2.BORDER_REFLECT)
            best = max(best, _highest(self._spectrum(a), cv2.dft(_detailed(zoomed))))
        return best

    def _spectrum(self, n: int) -> np.ndarray:
        if n not in self._spectra:
            shape = (self._area.bottom - self._area.top, self._area.right - self._area.left)
            self._spectra[n] = cv2.dft(self._details[0][n].reshape(shape))
        return self._spectra[n]

    def gaps(self, longest: int) -> np.ndarray:
        """Mean squared distances of the coarse pictures of each frame and the one so many later, from 0 to `longest`:
        float32 (longest + 1, N), 0 where there is none."""
        if len(self._gaps) <= longest:
            # Sums of whole numbers, which are exact in whatever order, so that no cut of a trace changes them.
            whole = self._sums.reshape(len(self), -1).astype(np.float64) - LEVELS // 2
            self._gaps = (_banded(whole, longest) / (whole.shape[1] * LEVELS**2)).astype(np.float32)
        return self._gaps[: longest + 1]

    @cached_property
    def steps(self) -> np.ndarray:
        """How far the coarse picture of each frame is from the next one's, root mean square: float32 (N - 1,)."""
        return np.sqrt(self.gaps(1)[1, :-1])

    @cached_property
    def shapes(self) -> np.ndarray:
        """The luma of each coarse picture less its mean, to length one: float32 (N, 144)."""
        return _unit(self.coarse[:, 0].reshape(len(self), -1))

    @cached_property
    def hues(self) -> np.ndarray:
        """The same of its chroma: float32 (N, 288)."""
        return _unit(self.coarse[:, 1:].reshape(len(self), -1))

    @cached_property
    def across(self) -> np.ndarray:
        """The luma in three bands across the picture, 0..1: float32 (N, 3, 64)."""
        return cv2.resize(self.luma.reshape(-1, 64), (64, 3 * len(self)), interpolation=cv2.INTER_AREA).reshape(
            -1, 3, 64
        ) / np.float32(255)

    @cached_property
    def down(self) -> np.ndarray:
        """The same in four bands down it, lying: float32 (N, 4, 36)."""
        bands = cv2.resize(self.luma.reshape(-1, 64), (4, 36 * len(self)), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(bands.reshape(-1, 36, 4).transpose(0, 2, 1)) / np.float32(255)

    @cached_property
    def light(self) -> np.ndarray:
        """Mean luma of each frame, 0..1: float32 (N,)."""
        return self.coarse[:, 0].mean(axis=(1, 2))

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
        return self._sums / np.float32(16) / np.float32(255)

    @cached_property
    def _sums(self) -> np.ndarray:
        """Sixteen times the coarse picture in grey levels, whole numbers: float32 (N, 3, 9, 16)."""
        count, size = len(self), (16, 9 * len(self))
        sums = np.empty((count, 3, 9, 16), np.float32)
        # All frames below each other: no mean crosses from one to the next.
        light = cv2.resize(self.luma.reshape(-1, 64).astype(np.float32), size, interpolation=cv2.INTER_AREA)
        colour = cv2.resize(self.chroma.reshape(-1, 32, 2).astype(np.float32), size, interpolation=cv2.INTER_AREA)
        sums[:, 0] = light.reshape(count, 9, 16)
        sums[:, 1:] = colour.reshape(count, 9, 16, 2).transpose(0, 3, 1, 2)
        return np.multiply(sums, 16, out=sums)

    @cached_property
    def spread(self) -> np.ndarray:
        """Standard deviation of the luma over each frame, in grey levels: float32 (N,)."""
        luma = self.luma.reshape(len(self), -1)
        pieces = range(0, len(self), TOGETHER)
        return np.concatenate([luma[n : n + TOGETHER].std(axis=1, dtype=np.float32) for n in pieces])

    @cached_property
    def _details(self) -> tuple[np.ndarray, np.ndarray]:
        area = self._area
        pictures = self.luma[:, area.top : area.bottom, area.left : area.right]
        flat = np.empty((len(self), pictures[0].size), np.float32)
        energy = np.empty(len(self), np.float32)
        for start in range(0, len(self), TOGETHER):
            here = slice(start, start + TOGETHER)
            part = _details(pictures[here]).reshape(-1, flat.shape[1])
            energy[here] = np.einsum("ij,ij->i", part, part) / flat.shape[1]
            part -= part.mean(axis=1, keepdims=True)
            # A frame without details is like none: a grey level of noise counts for nothing.
            least = np.sqrt(flat.shape[1])
            np.divide(part, np.maximum(np.linalg.norm(part, axis=1, keepdims=True), least), out=flat[here])
        return flat, energy


def _details(pictures: np.ndarray) -> np.ndarray:
    """What differs in each of uint8 (N, H, W) from the mean of the `WIDE` pixels around: float32 (N, H, W).

    All pictures are summed below each other, and then the rows at their edges again, between the rows that mirror
    theirs. The sums are whole numbers, so that the means are those of each picture alone.
    """
    pictures, high, half = np.ascontiguousarray(pictures), pictures.shape[1], WIDE // 2
    sums = _sums_around(pictures)
    for edge in (np.arange(half), np.arange(high - half, high)):
        rows = np.arange(edge[0] - half, edge[-1] + half + 1)
        mirrored = high - 1 - np.abs(high - 1 - np.abs(rows))
        sums[:, edge] = _sums_around(pictures[:, mirrored])[:, half:-half]
    sums /= WIDE**2
    return np.subtract(pictures, sums, out=sums)


def _sums_around(pictures: np.ndarray) -> np.ndarray:
    stack = pictures.reshape(-1, pictures.shape[2])
    return cv2.boxFilter(stack, cv2.CV_32F, (WIDE, WIDE), normalize=False).reshape(pictures.shape)


def _banded(rows: np.ndarray, longest: int) -> np.ndarray:
    """Squared distance of each row of (N, K) to the one so many later, from 0 to `longest`: float64 (longest + 1, N).
    By matrix products of blocks, of which only the band beside the diagonal is kept."""
    count, block = len(rows), 32
    padded = np.zeros((count + block + longest, rows.shape[1]))
    padded[:count] = rows
    size = np.einsum("ij,ij->i", padded, padded)
    out = np.zeros((longest + 1, count + block))
    for start in range(0, count, block):
        products = padded[start : start + block] @ padded[start : start + block + longest].T
        one = products.itemsize
        band = as_strided(products, (longest + 1, block), (one, products.strides[0] + one), writeable=False)
        later = as_strided(size[start:], (longest + 1, block), (one, one), writeable=False)
        out[:, start : start + block] = later + size[start : start + block] - 2 * band
    for lag in range(1, longest + 1):
        out[lag, max(0, count - lag) :] = 0
    return out[:, :count]


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = rows - rows.mean(axis=1, keepdims=True)
    size = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return rows / np.maximum(size, 0.01 * rows.shape[1] ** 0.5)[:, None]


def _highest(a: np.ndarray, b: np.ndarray) -> float:
    """The highest correlation over all shifts, of two spectra."""
    crossed = cv2.mulSpectrums(b, a, 0, conjB=True)
    return float(cv2.idft(crossed, flags=cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT).max())


@lru_cache(maxsize=64)
def _zooms(size: tuple[int, int]) -> list[np.ndarray]:
    """The matrices that zoom a picture of a width and height about its middle."""
    return [cv2.getRotationMatrix2D(((size[0] - 1) / 2, (size[1] - 1) / 2), 0, zoom) for zoom in ZOOMS]


def _detailed(light: np.ndarray) -> np.ndarray:
    """The details of one picture, to length one."""
    light = light.astype(np.float32)
    details = light - cv2.blur(light, (WIDE, WIDE))
    details -= cv2.mean(details)[0]
    return details / max(cv2.norm(details), details.size**0.5)


def logistic(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)): how far x speaks for something, 0..1."""
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))
