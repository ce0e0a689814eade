"""The windows of an encoded selection, and which of them are the best."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from marey.catalog import Library
from marey.errors import MareyError
from marey.train.batches import spread
from marey.train.pixels import stacked, to_unit
from marey.train.windows import Window

_JUDGED = 24
"""At most this many held-out windows are judged while a stage trains."""


@dataclass(frozen=True)
class Encoded:
    """The windows of an encoded selection and the way to their arrays."""

    library: Library
    pixels: str
    latents: str
    scale: float
    """The autoencoder's scaling factor: latents times this have a variance of 1."""
    training: tuple[Window, ...]
    judged: tuple[Window, ...]
    """Held-out windows that the loss is measured on while a stage trains."""

    @classmethod
    def of(
        cls, library: Library, pixels: str, latents: str, scale: float, windows: Sequence[Window], most: int = _JUDGED
    ) -> "Encoded":
        """The training windows, photographs too, and at most `most` held-out windows, evenly taken."""
        heldout = [window for window in windows if window.heldout and not window.photo]
        return cls(
            library,
            pixels,
            latents,
            scale,
            tuple(window for window in windows if not window.heldout),
            tuple(heldout[n] for n in spread(len(heldout), most)),
        )

    def moments(self, window: Window) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance of a window's latents, each (T, C, h, w), not scaled."""
        arrays = self.library.tensor(self.latents, window.id)
        assert isinstance(arrays, dict)
        return torch.from_numpy(arrays["mean"]).float(), torch.from_numpy(arrays["logvar"]).float()

    def stills(self, windows: Sequence[Window]) -> torch.Tensor:
        """The first frames of windows, (B, 3, H, W) in [-1, 1]."""
        return to_unit(np.stack([stacked(self.library, self.pixels, [window])[0, 0] for window in windows]))


def best(library: Library, windows: Sequence[Window], signal: str, percent: float) -> list[Window]:
    """The share of windows whose clips are best by a signal: farthest from its bad end; at least one window.

    Raises:
        MareyError: the signal is missing for some clip, or has no bad end.
    """
    videos = [window for window in windows if not window.photo]
    rows = library.signals({window.clip for window in videos})
    values: dict[str, float] = {}
    for clip, signals in rows.items():
        row = signals.get(signal)
        if row is None or row["value"] is None or row["bad"] not in ("low", "high"):
            why = row["reason"] if row and row["reason"] else "no value with a bad end"
            raise MareyError(
                f"train.finetune.quality_by is {signal!r}, of which clip {clip} has {why}: a signal that "
                f"`marey curate` measured, such as 'sharpness', or quality_percent left out would do."
            )
        values[clip] = row["value"] if row["bad"] == "low" else -row["value"]
    ranked = sorted(videos, key=lambda window: (-values[window.clip], window.id))
    kept = {window.id for window in ranked[: max(1, round(len(ranked) * percent / 100))]}
    return [window for window in videos if window.id in kept]
