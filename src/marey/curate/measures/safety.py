"""Whether a clip shows what most data sets must not."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marey.curate.measure import Measure, Measured, View
from marey.signals.safety import Safety, lacking


class SafetyScore(Measure):
    """Yahoo's Open-NSFW on the stills: the highest of them."""

    name, version, unit, bad = "safety", "1", "1", "high"
    params: ClassVar[Mapping[str, Any]] = {"method": "open_nsfw", "reduction": "max"}

    def lacking(self) -> str:
        """The network and its runtime."""
        return lacking()

    def setup(self, threads: int) -> None:
        """Load the network."""
        self._safety = Safety(threads)

    def measure(self, view: View) -> Measured:
        """0 (safe) to 1; the data has the value of each still."""
        scores = [round(float(score), 6) for score in self._safety.scores(view.stills)]
        return Measured(max(scores), scores)
