"""Brightness, sharpness, contrast and saturation, as the mean over the frames that the pass looked at closely; and
interlacing there."""

from typing import ClassVar

import numpy as np

from marey.curate.measure import Measure, Measured, View
from marey.signals.light import LIGHT, SHARPNESS_SIDE, brightness, contrast, saturation, sharpness

PERCENTILE = 75
"""Of the combs of its frames, the one that tells of a clip: some frames of an interlaced clip may be at rest, and a
film that was made into interlaced video has three whole frames in five."""


class Brightness(Measure):
    """Mean luma."""

    name, version, unit = "brightness", "1", "1"

    def measure(self, view: View) -> Measured:
        """0 (black) to 1 (white)."""
        return Measured(_light(view)["brightness"])


class Sharpness(Measure):
    """Variance of the Laplacian at a short side of 128."""

    name, version, unit, bad = "sharpness", "1", "grey levels^2", "low"

    def measure(self, view: View) -> Measured:
        """From 0 (blurred or empty)."""
        return Measured(_light(view)["sharpness"])


class Contrast(Measure):
    """Standard deviation of luma within a picture, at a short side of 128."""

    name, version, unit, bad = "contrast", "1", "1", "low"
    params: ClassVar = {"short_side": SHARPNESS_SIDE}

    def measure(self, view: View) -> Measured:
        """0 (one tone) to 0.5 (half black, half white)."""
        return Measured(_light(view)["contrast"])


class Saturation(Measure):
    """Mean distance of the colours from grey."""

    name, version, unit = "saturation", "1", "1"

    def measure(self, view: View) -> Measured:
        """0 (no colour) to 1 (the purest that is stored)."""
        return Measured(_light(view)["saturation"])


class Interlaced(Measure):
    """How much more the two fields of a frame differ than lines within a field do."""

    name, version, unit, bad, photos = "interlaced", "1", "1", "high", False
    params: ClassVar = {"percentile": PERCENTILE}

    def measure(self, view: View) -> Measured:
        """0 (progressive, or at rest) to 1 (twice as much, or more); the data has what the file says of itself."""
        combs = view.light[:, LIGHT.index("comb")]
        if not len(combs):
            return Measured(None, reason="no frame of it was looked at closely: it is too short")
        return Measured(float(np.percentile(combs, PERCENTILE)), {"flag": bool(view.footage["interlaced"])})


def _light(view: View) -> dict[str, float]:
    if len(view.light):
        return dict(zip(LIGHT, view.light.mean(axis=0).tolist(), strict=True))
    # Between transitions that are close to each other the pass looked at no frame closely.
    n = len(view.luma) // 2
    luma = view.luma[n]
    return {
        "brightness": brightness(luma),
        "sharpness": sharpness(luma),
        "contrast": contrast(luma),
        "saturation": saturation(view.chroma[n]),
    }
