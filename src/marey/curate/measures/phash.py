"""A perceptual hash of a clip's middle frame."""

from marey.curate.measure import Measure, Measured, View
from marey.signals.hashes import perceptual_hash


class PerceptualHash(Measure):
    """Of its signature: every frame has one, stills are few."""

    name, version = "phash", "1"

    def measure(self, view: View) -> Measured:
        """Sixteen hex digits in the data; none of a picture of one tone."""
        value = perceptual_hash(view.luma[(len(view.luma) - 1) // 2])
        if value is None:
            return Measured(None, reason="the picture is nearly of one tone")
        return Measured(None, f"{value:016x}")
