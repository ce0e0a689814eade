"""Finetuning of a model that is asked by a text, by a still, or by both: what each row of a step is told.

The laws are those of the joint stage (`joint`), which such models come from, for clips of which some have captions and
others none: a clip without a caption is asked for by its still alone. The text embedder stays as it is, as the image
embedder does; texts are read as `Model.imagine` reads them.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import torch

from marey import recipe
from marey.network.autoencoder import Autoencoder
from marey.network.embedders import TextEmbedder
from marey.train.batches import draw_caption, stream
from marey.train.encoded import Encoded
from marey.train.joint import DROP_TEXT, NOISIER, TEXT_ONLY, UNSAID
from marey.train.loop import Batch
from marey.train.networks import VideoNetwork
from marey.train.stages import VideoTask
from marey.train.texts import embedded
from marey.train.windows import Window

_KEPT = 4096
"""Texts whose tokens are held in memory."""


class ToldTask(VideoTask):
    """Windows with their captions: some of those that have one are asked for by it alone, at noise that is stronger."""

    def __init__(
        self,
        name: str,
        data: Encoded,
        settings: recipe.Stage,
        network: VideoNetwork,
        autoencoder: Autoencoder,
        seed: int,
        text_embedder: TextEmbedder,
        alone: float = TEXT_ONLY,
        tokens: Callable[[str], torch.Tensor] | None = None,
        **kept: Any,
    ) -> None:
        """As of `VideoTask`.

        Args:
            text_embedder: of the model; not trained.
            alone: share of the clips with a caption that are asked for by it alone.
            tokens: (N, D) of each caption, where they are kept (`texts`). None: made here.
        """
        super().__init__(name, data, settings, network, autoencoder, seed, **kept)
        self._alone = alone
        self._text_embedder: TextEmbedder = text_embedder.eval()
        self._tokens = lru_cache(maxsize=_KEPT)(tokens or partial(embedded, self._text_embedder))

    def rows(self, step: int, rows: Sequence[int]) -> Batch:
        """Some rows of the step's batch. A row of pictures is told nothing, and shown nothing."""
        batch = super().rows(step, rows)
        key = (self._seed, self.name, step)
        texts = [draw_caption(w.captions, *key, "caption", w.clip) for w in self._chosen(step, rows)]
        chances = torch.stack([torch.rand(3, generator=stream(*key, "told", row)) for row in rows])
        video = torch.ones(len(texts), dtype=torch.bool)
        if "image_only" in batch:
            video = batch["image_only"][:, 0] == 0
        has = torch.tensor([bool(text.strip()) for text in texts]) & video
        alone = has & (chances[:, 0] < self._alone)
        # What is dropped of a clip without a still is drawn as its still's token would be.
        dropped = torch.where(alone, batch["keep_token"] == 0, chances[:, 1] < DROP_TEXT)
        unsaid = (chances[:, 2] < 0.5) & video
        added = batch["added"].clone()
        added[..., 1][unsaid] = UNSAID  # of each frame, where frames are told apart
        return {
            **batch,
            "sigma": batch["sigma"] * torch.where(alone, NOISIER, 1.0),
            "added": added,
            "keep_token": batch["keep_token"] * ~alone,
            "keep_frame": batch["keep_frame"] * ~alone,
            "text": self._stacked(texts, has & ~dropped),
        }

    def _said(self, windows: Sequence[Window]) -> Batch:
        """Held-out windows are judged with their captions."""
        texts = [window.caption for window in windows]
        return {"text": self._stacked(texts, torch.tensor([bool(text.strip()) for text in texts]))}

    def _stacked(self, texts: Sequence[str], said: torch.Tensor) -> torch.Tensor:
        """Tokens (B, N, D) of texts; zeros of those that are not said."""
        none = torch.zeros(self._text_embedder.tokens, self._text_embedder.width)
        return torch.stack([self._tokens(text) if so else none for text, so in zip(texts, said.tolist(), strict=True)])
