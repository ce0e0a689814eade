"""The joint stage: one network that is asked by a text, by a still, or by both.

It is Stable Video Diffusion's network in which the cross-attention sees the text's tokens and then the still's one
token. A clip that is asked for by its text alone has zeros where the still's token and latents would be, as in the
unconditional branch of the guidance (svd.md §1.3); what is dropped is drawn for the text and the still apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from marey import recipe
from marey.diffusion.precondition import v_loss
from marey.generate.imagine import joined
from marey.network.autoencoder import draw
from marey.network.embedders import ImageEmbedder, TextEmbedder
from marey.network.unet import SpatioTemporalUNet
from marey.train.batches import Draws, choose, noise, seed_of, stream
from marey.train.loop import Batch
from marey.train.networks import ImageNetwork
from marey.train.pixels import to_unit
from marey.train.stages import HELDOUT_SIGMAS, draws_of

UNSAID = 127.0
"""The motion bucket of a clip of which nothing is said of motion, and of half of the training clips."""
TEXT_ONLY = 0.5
"""Share of clips that are asked for by their text alone."""
NOISIER = 2.0
"""By how much the noise of these is stronger: without a still what happens is decided at the highest levels."""
DROP_TEXT = 0.4
"""Chance that a clip that has a still has no text."""


@dataclass(frozen=True)
class Footage:
    """Encoded clips in memory, with all that may be asked of them."""

    mean: np.ndarray
    """Of the latents, float16 (N, T, C, h, w), not scaled."""
    logvar: np.ndarray
    """As `mean`."""
    stills: np.ndarray
    """Their first frames, uint8 (N, H, W, 3)."""
    conditions: np.ndarray
    """The encoder's mean of these with noise on their pixels, float16 (N, C, h, w), not scaled."""
    strengths: np.ndarray
    """Of that noise, float32 (N,)."""
    motion: np.ndarray
    """Motion buckets, float32 (N,)."""
    tokens: Sequence[torch.Tensor]
    """Of each clip its texts as token ids (texts, length)."""
    fps: float
    scale: float
    """The autoencoder's scaling factor."""
    weights: np.ndarray | None = None
    """How much each place of the latents counts in the loss, float16 (N, T, h, w), about 1. None: all alike."""

    def __len__(self) -> int:
        return len(self.mean)

    def beside(self, other: "Footage") -> "Footage":
        """The clips of both, these first. Rate and autoencoder have to be the same.

        Raises:
            ValueError: they are not, or only one of them has weights.
        """
        same = {
            "fps": self.fps == other.fps,
            "scale": self.scale == other.scale,
            "weights": (self.weights is None) == (other.weights is None),
        }
        if not all(same.values()):
            raise ValueError(f"not of one kind: {', '.join(name for name, yes in same.items() if not yes)} differ")
        both: dict[str, Any] = {
            name: np.concatenate([getattr(self, name), getattr(other, name)])
            for name in ("mean", "logvar", "stills", "conditions", "strengths", "motion", "weights")
            if getattr(self, name) is not None
        }
        return replace(self, **both, tokens=[*self.tokens, *other.tokens])

    def latents(self, chosen: Sequence[int], frames: Sequence[int] | None, *key: int | str) -> torch.Tensor:
        """Scaled latents (B, T, C, h, w), or of one frame each (B, 1, C, h, w); drawn where there is a key."""
        pairs = []
        for place, clip in enumerate(chosen):
            some = slice(None) if frames is None else slice(frames[place], frames[place] + 1)
            pairs.append(torch.from_numpy(np.stack([self.mean[clip][some], self.logvar[clip][some]])).float())
        mean, logvar = torch.stack(pairs, dim=1)
        return (draw(mean, logvar, noise(mean.shape, *key)) if key else mean) * self.scale

    def weight(self, chosen: Sequence[int]) -> Batch:
        """{"weight": (B, T, 1, h, w)} where places count differently."""
        if self.weights is None:
            return {}
        return {"weight": torch.from_numpy(self.weights[chosen]).float()[:, :, None]}

    def texts(self, chosen: Sequence[int], *key: int | str) -> torch.Tensor:
        """Token ids (B, N): one of each clip's texts, the first without a key."""
        picks = [seed_of(*key, clip, place) if key else 0 for place, clip in enumerate(chosen)]
        rows = [self.tokens[clip] for clip in chosen]
        return torch.stack([row[pick % len(row)] for row, pick in zip(rows, picks, strict=True)])


class PictureTask:
    """The image stage on single frames of such clips, with their texts."""

    name = "image"

    def __init__(
        self, data: Footage, judged: Footage, settings: recipe.Stage, network: ImageNetwork, seed: int
    ) -> None:
        self.module = network
        self._data, self._judged, self._settings, self._seed = data, judged, settings, seed

    def batch(self, step: int) -> Batch:
        """A frame of each of the clips that the step draws."""
        draws, chosen = _drawn(self._data, self._settings, self._seed, self.name, step)
        key = (self._seed, self.name, step)
        frames = [min(int(u * self._data.mean.shape[1]), self._data.mean.shape[1] - 1) for u in draws.uniform.tolist()]
        latents = self._data.latents(chosen, frames, *key, "posterior")
        return {
            "latents": latents,
            "noise": noise(latents.shape, *key, "noise"),
            "sigma": draws.sigma,
            "tokens": self._data.texts(chosen, *key, "text"),
            "keep_token": draws.keep_token,
        }

    def heldout(self, losses: Callable[[Batch], torch.Tensor]) -> dict[str, Any]:
        """Loss of the middle frames of the judged clips at fixed sigmas with fixed noise."""
        chosen = list(range(len(self._judged)))
        latents = self._judged.latents(chosen, [self._judged.mean.shape[1] // 2] * len(chosen))
        batch = {
            "latents": latents,
            "noise": noise(latents.shape, self._seed, "heldout"),
            "tokens": self._judged.texts(chosen),
            "keep_token": torch.ones(len(chosen)),
        }
        return _judge(losses, batch)


class JointNetwork(nn.Module):
    """The inflated UNet with the embedders of texts and stills, all trained together."""

    def __init__(self, unet: SpatioTemporalUNet, image_embedder: ImageEmbedder, text_embedder: TextEmbedder) -> None:
        super().__init__()
        self.unet, self.image_embedder, self.text_embedder = unet, image_embedder, text_embedder
        for value in self.parameters():
            value.requires_grad_(True)

    def forward(
        self,
        latents: torch.Tensor,
        noise: torch.Tensor,
        sigma: torch.Tensor,
        tokens: torch.Tensor,
        still: torch.Tensor,
        condition: torch.Tensor,
        added: torch.Tensor,
        keep_text: torch.Tensor,
        keep_token: torch.Tensor,
        keep_frame: torch.Tensor,
        weight: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(B,) losses.

        Args:
            latents: (B, T, C, h, w), scaled.
            noise: as latents, unit normal.
            sigma: (B,), one noise level a clip.
            tokens: (B, N) token ids of the texts.
            still: (B, 3, H, W) in [-1, 1]: the clean first frame, for the token.
            condition: (B, C, h, w): encoder mean of the noised first frame, NOT scaled; copied to all frames.
            added: (B, 3): fps - 1, motion bucket, noise augmentation.
            keep_text, keep_token, keep_frame: (B,) of 0 or 1; 0 zeroes the text, the still's token, its latents.
            weight: (B, T, 1, h, w): how much each place counts. None: all alike.
        """
        text = self.text_embedder(tokens) * keep_text[:, None, None]
        context = joined(text, self.image_embedder(still) * keep_token[:, None, None])
        frame = (condition * keep_frame[:, None, None, None])[:, None].expand(-1, latents.shape[1], -1, -1, -1)

        def network(x: torch.Tensor, c_noise: torch.Tensor) -> torch.Tensor:
            return self.unet(torch.cat([x, frame], dim=2), c_noise, context, added)

        return v_loss(network, latents, noise, sigma, weight)


class JointTask:
    """Text to video and still to video in the same batches."""

    def __init__(
        self,
        data: Footage,
        judged: Footage,
        settings: recipe.Stage,
        network: JointNetwork,
        seed: int,
        name: str = "video",
    ) -> None:
        self.module, self.name = network, name
        self._data, self._judged, self._settings, self._seed = data, judged, settings, seed

    def batch(self, step: int) -> Batch:
        """Whole clips and what is asked of them."""
        draws, chosen = _drawn(self._data, self._settings, self._seed, self.name, step)
        key = (self._seed, self.name, step)
        latents = self._data.latents(chosen, None, *key, "posterior")
        text_only = draws.uniform < TEXT_ONLY
        unheard = torch.rand(len(chosen), generator=stream(*key, "text kept")) < DROP_TEXT
        said = torch.rand(len(chosen), generator=stream(*key, "motion said")) < 0.5
        sigma = even_sigmas(len(chosen), self._settings.p_mean, self._settings.p_std, *key, "levels")
        drop_text = torch.where(text_only, draws.keep_token == 0, unheard)
        return {
            "latents": latents,
            "noise": noise(latents.shape, *key, "noise"),
            "sigma": sigma * torch.where(text_only, NOISIER, 1.0),
            "tokens": self._data.texts(chosen, *key, "text"),
            **conditions(self._data, chosen, said),
            "keep_text": (~drop_text).float(),
            "keep_token": draws.keep_token * ~text_only,
            "keep_frame": draws.keep_frame * ~text_only,
            **self._data.weight(chosen),
        }

    def heldout(self, losses: Callable[[Batch], torch.Tensor]) -> dict[str, Any]:
        """Loss of the judged clips at fixed sigmas, asked for by text, by still, and by nothing."""
        return {
            **self.judge(losses, text=1.0, still=1.0),
            "heldout_text": self.judge(losses, text=1.0, still=0.0)["heldout"],
            "heldout_still": self.judge(losses, text=0.0, still=1.0)["heldout"],
            "heldout_nothing": self.judge(losses, text=0.0, still=0.0)["heldout"],
        }

    def judge(self, losses: Callable[[Batch], torch.Tensor], text: float, still: float) -> dict[str, Any]:
        """Loss with the text and the still kept (1) or taken away (0)."""
        chosen = list(range(len(self._judged)))
        latents = self._judged.latents(chosen, None)
        batch = {
            "latents": latents,
            "noise": noise(latents.shape, self._seed, "heldout"),
            "tokens": self._judged.texts(chosen),
            **conditions(self._judged, chosen, torch.zeros(len(chosen), dtype=torch.bool)),
            "keep_text": torch.full((len(chosen),), text),
            "keep_token": torch.full((len(chosen),), still),
            "keep_frame": torch.full((len(chosen),), still),
        }
        return _judge(losses, batch)


def even_sigmas(size: int, p_mean: float, p_std: float, *key: int | str) -> torch.Tensor:
    """Noise levels (B,) with log sigma ~ N(p_mean, p_std^2), one from each of B equally likely parts of that law, in a
    drawn order: each has the law by itself, and a batch has its whole width (as in arXiv 2107.00630, appendix I.1).
    """
    draws = stream(*key)
    place = (torch.randperm(size, generator=draws) + torch.rand(size, generator=draws, dtype=torch.float64)) / size
    normal = torch.special.ndtri(place.clamp(1e-6, 1 - 1e-6))
    return torch.exp(p_mean + p_std * normal).float()


def conditions(data: Footage, chosen: Sequence[int], said: torch.Tensor) -> Batch:
    """Stills, their encoded noised selves and the added conditions of clips; `said` (B,): whose motion is told."""
    motion = torch.where(said, torch.from_numpy(data.motion[chosen]), torch.tensor(UNSAID))
    strength = torch.from_numpy(data.strengths[chosen])
    return {
        "still": to_unit(data.stills[chosen]),
        "condition": torch.from_numpy(data.conditions[chosen]).float(),
        "added": torch.stack([torch.full_like(motion, data.fps - 1.0), motion, strength], dim=1),
    }


def _drawn(data: Footage, settings: recipe.Stage, seed: int, stage: str, step: int) -> tuple[Draws, list[int]]:
    draws = draws_of(settings, seed, stage, step, settings.batch)
    return draws, choose(len(data), settings.batch, seed, stage, step)


def _judge(losses: Callable[[Batch], torch.Tensor], batch: Batch) -> dict[str, Any]:
    """{"heldout": mean loss, "heldout_by_sigma": {sigma: loss}}."""
    by_sigma = {
        f"{sigma:g}": float(losses({**batch, "sigma": torch.full((len(batch["latents"]),), sigma)}).mean())
        for sigma in HELDOUT_SIGMAS
    }
    return {"heldout": sum(by_sigma.values()) / len(by_sigma), "heldout_by_sigma": by_sigma}
