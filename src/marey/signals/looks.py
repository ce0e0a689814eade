"""How clean a picture looks, from hand-made measures: no judge of beauty, and never called one.

It tells noise, blur, enlargement, bad exposure, lack of contrast and blocks of strong compression from a clean
photograph, as far as each shows in one picture. Sources: Hasler and Suesstrunk, "Measuring colourfulness in natural
images" (2003); Immerkaer, "Fast noise variance estimation" (1996); blocks as in Wang, Sheikh and Bovik, "No-reference
perceptual quality assessment of JPEG compressed images" (2002).
"""

from dataclasses import dataclass

import cv2
import numpy as np

LEAST = 32
"""Pixels that a picture has each way at least to be looked at."""
_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_TILE = 16
_TOP = 0.01
"""The share of pixels at the strongest edges, which tell how sharp a picture is."""
_CLIPPED = 253


@dataclass(frozen=True)
class Looks:
    """What is measured of one picture. Each share is 0 (bad) to 1 (good)."""

    detail: float
    """Of sharp edges: how much of their steepness a blur of two pixels takes away."""
    clean: float
    """Of freedom from noise where the picture is smooth."""
    exposure: float
    """Of pixels that are neither burnt out nor black, and of a middling brightness."""
    contrast: float
    colour: float
    whole: float
    """Of freedom from blocks and from steps where there should be shades."""

    @property
    def value(self) -> float:
        """All of them in one number, 0 to 1: their product, so that one fault is enough."""
        return self.detail * self.clean * self.exposure * self.contrast * self.colour * self.whole


def looks(picture: np.ndarray) -> Looks:
    """Of uint8 RGB (H, W, 3) at the size at which it is to be judged, at least `LEAST` pixels each way."""
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return Looks(
        detail=float(np.clip((detail(luma) - 0.05) / 0.45, 0, 1)),
        clean=1 / (1 + (noise(luma) / 5) ** 2),
        exposure=exposure(picture, luma),
        contrast=min(1.0, float(luma.std()) / 40) ** 0.5,
        colour=0.8 + 0.2 * min(1.0, colourfulness(picture) / 45),
        whole=1 / (1 + 2 * max(0.0, blockiness(luma) - 1.15)) * (1 - 0.5 * steps(luma)),
    )


def colourfulness(picture: np.ndarray) -> float:
    """Hasler and Suesstrunk's M: 0 (grey) to above 100, of uint8 RGB (H, W, 3)."""
    red, green, blue = (picture[..., n].astype(np.float32) for n in range(3))
    first, second = red - green, (red + green) / 2 - blue
    return float(np.hypot(first.std(), second.std()) + 0.3 * np.hypot(first.mean(), second.mean()))


def noise(luma: np.ndarray) -> float:
    """Standard deviation of noise in grey levels, from the smoothest fifth of a picture's tiles: float32 (H, W)."""
    residual = np.abs(cv2.filter2D(luma, -1, _LAPLACIAN))
    calm = cv2.GaussianBlur(luma, (0, 0), 1.5)
    slope = np.hypot(cv2.Sobel(calm, -1, 1, 0), cv2.Sobel(calm, -1, 0, 1))
    slopes = _tiles(slope)
    return float(np.sqrt(np.pi / 2) / 6 * np.median(_tiles(residual)[slopes <= np.quantile(slopes, 0.2)]))


def detail(luma: np.ndarray) -> float:
    """How much less steep the steepest hundredth of a picture becomes by a blur, 0 (nothing: it was blurred before) to
    about 0.7: float32 (H, W). Noise is taken away first, and how strong the edges are does not matter."""
    calm = cv2.medianBlur(np.clip(luma, 0, 255).astype(np.uint8), 3).astype(np.float32)
    before, after = _steepest(calm), _steepest(cv2.GaussianBlur(calm, (0, 0), 2.0))
    return 1 - after / before if before > 1 else 0.0


def exposure(picture: np.ndarray, luma: np.ndarray) -> float:
    """1 of a picture of middling brightness without a pixel at either end of the scale, down to 0."""
    burnt = float((picture.max(axis=-1) >= _CLIPPED).mean())
    black = float((picture.max(axis=-1) <= 255 - _CLIPPED).mean())
    off = max(0.0, abs(float(luma.mean()) / 255 - 0.45) - 0.15)
    return float(np.exp(-3 * burnt - 1.5 * black - (off / 0.15) ** 2))


def blockiness(luma: np.ndarray) -> float:
    """How much stronger the strongest of eight phases of the differences between neighbours is than the middle one:
    1 without a grid of eight pixels."""
    found = []
    for profile in (np.abs(np.diff(luma, axis=1)).mean(axis=0), np.abs(np.diff(luma, axis=0)).mean(axis=1)):
        phases = profile[: len(profile) // 8 * 8].reshape(-1, 8).mean(axis=0)
        found.append(float((phases.max() + 0.2) / (np.median(phases) + 0.2)))
    return sum(found) / 2


def steps(luma: np.ndarray) -> float:
    """The share of neighbours that are the same to the grey level: much in what was compressed until shades broke."""
    return float((np.abs(np.diff(luma, axis=1)) < 0.5).mean())


def _tiles(values: np.ndarray) -> np.ndarray:
    """The mean of each tile."""
    height, width = (size // _TILE for size in values.shape)
    return values[: height * _TILE, : width * _TILE].reshape(height, _TILE, width, _TILE).mean(axis=(1, 3)).ravel()


def _steepest(luma: np.ndarray) -> float:
    slope = np.hypot(cv2.Sobel(luma, -1, 1, 0), cv2.Sobel(luma, -1, 0, 1)).ravel()
    count = max(1, int(_TOP * len(slope)))
    return float(np.partition(slope, -count)[-count:].mean())
