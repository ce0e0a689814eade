"""The true rate of a clip's frames."""

from marey.curate.measure import Measure, Measured, View


class FrameRate(Measure):
    """Frames a second, from the times of the first and the last frame: also right where the rate varies."""

    name, version, unit = "fps", "1", "1/s"

    def measure(self, view: View) -> Measured:
        """In 1/s; 0 of a photograph."""
        return Measured(float(view.clip["fps"]))
