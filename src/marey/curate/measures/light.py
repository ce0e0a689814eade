"""Brightness and sharpness, as the mean over the frames that the pass looked at closely."""

from marey.curate.measure import Measure, Measured, View
from marey.signals.light import LIGHT, brightness, sharpness


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


def _light(view: View) -> dict[str, float]:
    if len(view.light):
        return dict(zip(LIGHT, view.light.mean(axis=0).tolist(), strict=True))
    # Between transitions that are close to each other the pass looked at no frame closely.
    middle = view.luma[len(view.luma) // 2]
    return {"brightness": brightness(middle), "sharpness": sharpness(middle)}
