"""What a clip shows, as vectors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from marey.curate.measure import Measure, Measured, View
from marey.errors import MareyError
from marey.recipe import Models
from marey.signals.embedding import LITE, Encoder, encoder, lacking
from marey.signals.given import Given, resolve


class Embedding(Measure):
    """Of the first, the middle and the last still: EfficientNet-Lite0's features, or those of a CLIP that is given."""

    name = "embedding"

    def __init__(self, given: Given | None = None) -> None:
        super().__init__(given)
        self.tensors = kind(self.given)
        self.version = f"1+{self.tensors.partition('@')[2]}"  # type: ignore[misc]
        self.params: Mapping[str, Any] = {"model": self.tensors.partition("@")[2]}  # type: ignore[misc]

    def lacking(self) -> str:
        """torch and the weights."""
        return lacking(self.given)

    def setup(self, threads: int) -> None:
        """Load the network."""
        self._encoder = encoder(self.given, threads)

    def measure(self, view: View) -> Measured:
        """float16 (stills, D) in a shard; the data has the kind to look it up by in the table tensors."""
        return Measured(None, array=embedded(view, self.given, self._encoder))


def kind(given: Given) -> str:
    """The kind of tensors that embeddings of these models are."""
    return f"embedding@{given.clip_name or LITE}"


def embedding_of(pictures: Sequence[np.ndarray], models: Models) -> tuple[np.ndarray, str]:
    """The embeddings of pictures that are of no clip, as a clip's stills have them: float16 (N, D), and of which model.

    Raises:
        MareyError: what makes them is not installed, or the given model is not there.
    """
    given = resolve(models)
    if why := lacking(given):
        raise MareyError(f"{why}.")
    return np.asarray(encoder(given, 1).features(pictures), np.float16), kind(given).partition("@")[2]


def embedded(view: View, given: Given, model: Encoder) -> np.ndarray:
    """The embedding of a clip's stills, float16 (stills, D): the stored one where there is one."""
    return view.array(kind(given), lambda: model.features(view.stills).astype(np.float16))
