"""How well a clip's captions tell what it shows."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from marey.catalog import caption_weights, heaviest_caption
from marey.curate.measure import Measure, Measured, View
from marey.curate.measures.embedding import embedded
from marey.recipe import Select
from marey.signals.embedding import LITE, encoder
from marey.signals.given import Given
from marey.signals.match import LABELS, Conse, lacking


class Match(Measure):
    """Cosine of picture and caption, mean over the stills: by a CLIP that is given, else by ConSE."""

    name, unit, bad, of_captions = "match", "1", "low", True

    def __init__(self, given: Given | None = None) -> None:
        super().__init__(given)
        method = self.given.clip_name or "conse"
        conse = {"method": "conse", "pictures": LITE, "labels": LABELS, "sentences": "all-MiniLM-L6-v2"}
        clip = {"method": "clip", "model": self.given.clip_name}
        weights = hashlib.sha256(json.dumps(Select().captions).encode()).hexdigest()[:6]
        self.version = f"1+{method}+{weights}"  # type: ignore[misc]
        self.params: Mapping[str, Any] = clip if self.given.clip else conse  # type: ignore[misc]

    def lacking(self) -> str:
        """torch, the weights and the labels."""
        return lacking(self.given)

    def setup(self, threads: int) -> None:
        """Load the networks."""
        self._encoder = encoder(self.given, threads)
        self._matcher = self._encoder if self.given.clip else Conse(self._encoder)

    def measure(self, view: View) -> Measured:
        """-1 to 1, that of the caption which is trained on most by the default weights. The data has the cosine of
        every caption by its captioner, under `stills` that of each still, and under `of` whose the value is."""
        texts = {name: text for name, text in sorted(view.captions.items()) if text.strip()}
        chosen = heaviest_caption(caption_weights(texts, Select().captions))
        if chosen is None:
            return Measured(None, reason="the clip has no caption")
        cosines = self._matcher.match(embedded(view, self.given, self._encoder), list(texts.values()))
        stills = {name: [round(float(one), 6) for one in row] for name, row in zip(texts, cosines, strict=True)}
        means = {name: round(float(np.mean(row)), 6) for name, row in zip(texts, cosines, strict=True)}
        return Measured(means[chosen], {**means, "stills": stills, "of": chosen})
