"""How good a clip looks: by LAION's predictor where it is given, and how clean it is."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from marey.curate.measure import Measure, Measured, View
from marey.curate.measures.embedding import embedded
from marey.signals.aesthetic import Aesthetic
from marey.signals.embedding import encoder, lacking
from marey.signals.given import Given
from marey.signals.looks import LEAST, looks


class LooksProxy(Measure):
    """Hand-made: detail, noise, exposure, contrast, colour and compression of the stills in one number."""

    name, version, unit, bad = "looks_proxy", "1", "1", "low"
    params: ClassVar[Mapping[str, Any]] = {"method": "hand-made"}

    def measure(self, view: View) -> Measured:
        """0 to 1, mean over the stills. The data has the means of its parts by name, and under `stills` each value."""
        if min(view.stills[0].shape[:2]) < LEAST:
            return Measured(None, reason=f"the picture is under {LEAST} pixels high or wide")
        found = [looks(picture) for picture in view.stills]
        names = asdict(found[0])
        parts = {name: round(float(np.mean([getattr(one, name) for one in found])), 6) for name in names}
        stills = [round(one.value, 6) for one in found]
        return Measured(float(np.mean(stills)), {**parts, "stills": stills})


class Looks(Measure):
    """LAION's aesthetic predictor on the CLIP embeddings of the stills; offered where both are given."""

    name, unit, bad = "looks", "1", "low"

    def __init__(self, given: Given | None = None) -> None:
        super().__init__(given)
        self.version = f"1+{self.given.clip_name}+{self.given.head_sha256[:12]}"  # type: ignore[misc]
        self.params: Mapping[str, Any] = {  # type: ignore[misc]
            "method": "laion",
            "model": self.given.clip_name,
            "head": self.given.head_sha256,
            "reduction": "mean",
        }

    @classmethod
    def offered(cls, given: Given) -> bool:
        """With a head."""
        return bool(given.head)

    def lacking(self) -> str:
        """torch and transformers."""
        return lacking(self.given)

    def setup(self, threads: int) -> None:
        """Load CLIP and the head."""
        self._encoder = encoder(self.given, threads)
        self._head = Aesthetic(Path(self.given.head), self.given.head_sha256)

    def measure(self, view: View) -> Measured:
        """About 1 to 10, mean over the stills; the data has the value of each."""
        scores = self._head.scores(embedded(view, self.given, self._encoder))
        return Measured(float(scores.mean()), [round(float(score), 6) for score in scores])
