"""What stands in a clip's middle still, in the words of ImageNet."""

from typing import Any, ClassVar

from marey.curate.measure import Measure, Measured, View
from marey.curate.measures.embedding import embedded
from marey.signals.embedding import LITE, Lite, encoder
from marey.signals.match import classes, lacking_labels, likeliest

TOLD = 5
"""So many labels are stored."""


class Labels(Measure):
    """The probability of the likeliest of ImageNet's thousand classes, by EfficientNet-Lite0."""

    name, version, unit = "labels", f"1+{LITE}", "1"
    params: ClassVar = {"model": LITE, "labels": TOLD}

    def lacking(self) -> str:
        """torch, the weights and the names."""
        return lacking_labels()

    def setup(self, threads: int) -> None:
        """Load the network, which the embeddings share unless a CLIP is given for them."""
        shared: Any = None if self.given.clip else encoder(self.given, threads)
        self._lite, self._shared = shared or Lite(), shared
        self._names = classes()

    def measure(self, view: View) -> Measured:
        """0 to 1; the data has the likeliest labels, each with its probability. It knows a thousand things, and calls
        whatever it sees by the name of one of them."""
        if self._shared is None:
            features = self._lite.features([view.stills[len(view.stills) // 2]])
        else:
            whole = embedded(view, self.given, self._shared)
            features = whole[len(whole) // 2][None]
        (chances,) = self._lite.probabilities(features)
        named = likeliest(chances, self._names)[:TOLD]
        return Measured(named[0][1], [[name, round(chance, 4)] for name, chance in named])
