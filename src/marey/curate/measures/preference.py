"""Which clips people are likely to prefer, by a head that was fitted to their votes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marey.curate.measure import Measure, Measured, View
from marey.curate.measures.embedding import embedded, kind
from marey.signals.embedding import encoder, lacking
from marey.signals.given import Given
from marey.signals.preference import Preference as Head
from marey.signals.preference import save_head

__all__ = ["Preference", "save_head"]


class Preference(Measure):
    """The logarithm of the odds by which it is preferred to the study's mean video; offered where a head is given."""

    name, unit, bad = "preference", "1", "low"

    def __init__(self, given: Given | None = None) -> None:
        super().__init__(given)
        self.version = f"1+{self.given.preference_sha256[:12]}"  # type: ignore[misc]
        self.params: Mapping[str, Any] = {  # type: ignore[misc]
            "model": kind(self.given).partition("@")[2],
            "head": self.given.preference_sha256,
            "reduction": "mean",
        }

    @classmethod
    def offered(cls, given: Given) -> bool:
        """With a head."""
        return bool(given.preference)

    def lacking(self) -> str:
        """torch and the weights of the embedding."""
        return lacking(self.given)

    def setup(self, threads: int) -> None:
        """Load the embedding's network and the head."""
        self._encoder = encoder(self.given, threads)
        self._head = Head(Path(self.given.preference), kind(self.given).partition("@")[2])

    def measure(self, view: View) -> Measured:
        """Mean over the stills."""
        return Measured(self._head.score(embedded(view, self.given, self._encoder)))
