"""Trainings of a minute: clips in memory, pixels in patches for latents, and the stages of `stages` on them.

For studies that train the same small network many times. The codec is exact and has nothing to learn: each square of
pixels is laid into channels. Texts are embedded once by an embedder that is drawn at random and never trained, so that
two trainings differ by nothing but what is meant to differ. Steps, order, noise and levels are functions of the seed
and the stage alone, whatever the clips are: clip n of one set takes the same part as clip n of another set of its size.
"""

import hashlib
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from marey import recipe
from marey.diffusion import precondition
from marey.diffusion.schedules import karras
from marey.diffusion.solvers import dpmpp_2m
from marey.network.config import UNetConfig
from marey.network.embedders import TextEmbedder
from marey.network.inflate import inflate
from marey.network.unet import SpatioTemporalUNet, fresh
from marey.progress import Progress, silent
from marey.train.batches import Draws, choose, noise, stream
from marey.train.conditions import digest
from marey.train.loop import Batch, Pace, fit
from marey.train.metrics import Metrics
from marey.train.networks import ImageNetwork, VideoNetwork
from marey.train.pixels import to_unit
from marey.train.stages import draws_of
from marey.train.windows import fingerprint

UNSAID = 127.0
"""The motion bucket of all clips: none is told how much it moves."""
TOKENS, VOCABULARY = 16, 512


@dataclass(frozen=True)
class Clips:
    """Videos with their texts."""

    videos: np.ndarray
    """uint8 (N, T, H, W, 3)."""
    texts: Sequence[str]
    fps: float

    def __len__(self) -> int:
        return len(self.videos)


@dataclass(frozen=True)
class Sampling:
    """How videos are drawn from noise."""

    steps: int
    sigma_min: float
    sigma_max: float


class Codec:
    """Squares of pixels to their principal components and back: an autoencoder without a network.

    Args:
        videos: uint8 (N, T, H, W, 3), whose components they are.
        side: of a square, in pixels.
        channels: components that are kept.
    """

    def __init__(self, videos: np.ndarray, side: int, channels: int) -> None:
        self.side, self.channels = side, channels
        rows = self._rows(to_unit(videos)).flatten(0, 1)
        rows = rows.permute(0, 2, 3, 1).reshape(-1, 3 * side**2).double()
        self.mean = rows.mean(dim=0)
        strengths, axes = torch.linalg.eigh((rows - self.mean).T @ (rows - self.mean) / len(rows))
        strengths, axes = strengths.flip(0)[:channels], axes.flip(1)[:, :channels]
        signs = torch.sign(axes[axes.abs().argmax(dim=0), range(channels)])  # of two opposite axes always the same one
        # Half way to equal variances: details are neither lost in the noise nor as much of the loss as the colours.
        scale = strengths.clamp_min(1e-8).sqrt().sqrt()
        scale = scale * (strengths / scale.square()).mean().sqrt()
        self._there, self._back = (axes * signs / scale).float(), (axes * signs * scale).float()
        self._offset = self.mean.float()

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, T, 3, H, W) in [-1, 1] to (B, T, C, H / side, W / side), of about unit variance."""
        rows = self._rows(pixels).movedim(2, -1) - self._offset
        return (rows @ self._there).movedim(-1, 2).contiguous()

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """What `encode` was given, as far as the components have it."""
        rows = latents.movedim(2, -1) @ self._back.T + self._offset
        return torch.nn.functional.pixel_shuffle(rows.movedim(-1, 2), self.side)

    def _rows(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pixel_unshuffle(pixels, self.side)


class Texts:
    """A frozen text embedder, and what it says of each text, once.

    Args:
        told: all texts that its tokenizer is to know the words of.
    """

    def __init__(self, told: Sequence[str], width: int, seed: int = 0) -> None:
        self.embedder = TextEmbedder.build(
            sorted(set(told)), width, tokens=TOKENS, vocabulary=VOCABULARY, layers=1, seed=seed
        )
        draws = stream(seed, "words")
        with torch.no_grad():  # drawn as narrowly as a trainable one, all words would be nearly the same
            for name, wide in (("token", 1.0), ("position", 0.3)):
                weight = getattr(self.embedder.model.embeddings, f"{name}_embedding").weight
                weight.copy_(wide * torch.randn(weight.shape, generator=draws))
        self.embedder.requires_grad_(False).eval()
        self._known: dict[str, torch.Tensor] = {}

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """(B, TOKENS, D)."""
        new = sorted(set(texts) - set(self._known))
        with torch.no_grad():
            self._known |= dict(zip(new, self.embedder(new), strict=True)) if new else {}
        return torch.stack([self._known[text] for text in texts])


def first_weights(network: recipe.Network, codec: Codec, size: int, seed: int) -> SpatioTemporalUNet:
    """A UNet on single pictures with weights drawn from the seed."""
    config = UNetConfig.plain(
        network.channels,
        layers=network.layers,
        attends=network.attends,
        head_width=network.head_width,
        context=network.context,
        embed=network.embed,
        in_channels=codec.channels,
        sample_size=size // codec.side,
    )
    return fresh(replace(config, out_channels=codec.channels), seed)


def opened(path: Path | None, network: recipe.Network, codec: Codec, size: int, *, seed: int) -> SpatioTemporalUNet:
    """The UNet that `save` kept in a file, of pictures or of videos; without a file, one of pictures that the seed
    draws."""
    unet = first_weights(network, codec, size, seed)
    if path is None:
        return unet
    weights = load_file(path)
    width = weights["conv_in.weight"].shape[1]
    if width != unet.config.in_channels:
        unet = inflate(unet, in_channels=width)
    unet.load_state_dict(weights)
    return unet


def save(unet: SpatioTemporalUNet, path: Path) -> None:
    """Keep the weights of a UNet in a file, in one move."""
    part = path.with_name(f"{path.name}.tmp")
    save_file({name: value.contiguous() for name, value in unet.state_dict().items()}, part)
    os.replace(part, path)


def train(
    stage: str,
    unet: SpatioTemporalUNet,
    clips: Clips,
    judged: Clips,
    texts: Texts,
    settings: recipe.Stage,
    codec: Codec,
    run: Path,
    *,
    sigmas: Sequence[float],
    seed: int,
    progress: Progress = silent,
) -> tuple[SpatioTemporalUNet, list[tuple[int, float]]]:
    """One stage, from where it was stopped.

    Args:
        stage: image, on single frames of the clips; or the name of a stage of videos, before which a UNet of pictures
            is inflated.
        unet: where it begins; it is changed.
        run: for checkpoints and metrics.jsonl.
        sigmas: at which the judged clips are measured along the way.

    Returns:
        The UNet with its averaged weights, and the held-out loss by step.
    """
    first = digest(unet)
    task: _Pictures | _Videos
    if stage == "image":
        task = _Pictures(ImageNetwork(unet, texts.embedder), clips, judged, texts, settings, codec, seed)
        texts.embedder.requires_grad_(False)
    else:
        if unet.config.in_channels == codec.channels:
            unet = inflate(unet, in_channels=2 * codec.channels, frames=clips.videos.shape[1])
        network = VideoNetwork(unet, None)
        network.requires_grad_(True)  # the context has many tokens: all that asks of it is trained
        task = _Videos(stage, network, clips, judged, texts, settings, codec, sigmas, seed)
    said = [settings.model_dump(mode="json", exclude={"checkpoint_every", "evaluate_every"}), _known(clips), seed]
    pace = Pace.of(settings)
    weights = fit(task, pace, run, fingerprint([stage, first, said]), device=torch.device("cpu"), progress=progress)
    task.module.load_state_dict(weights, strict=False)
    lines = [line for line in Metrics(run / "metrics.jsonl").lines(stage) if "heldout" in line]
    return unet, [(line["step"], line["heldout"]) for line in lines]


def losses(
    unet: SpatioTemporalUNet, clips: Clips, texts: Texts, codec: Codec, sigmas: Sequence[float], *, seed: int
) -> np.ndarray:
    """The loss of each clip at each noise level, float64 (N, sigmas), with noise that the seed and the clip decide and
    with nothing dropped."""
    network, found = VideoNetwork(unet, None).eval(), []
    with torch.no_grad():
        for batch in _judged(clips, texts, codec, seed):
            size = len(batch["latents"])
            found.append(torch.stack([network(**batch, sigma=torch.full((size,), sigma)) for sigma in sigmas], dim=1))
    return torch.cat(found).double().numpy()


def sampled(
    unet: SpatioTemporalUNet, clips: Clips, texts: Texts, codec: Codec, sampling: Sampling, *, seed: int
) -> np.ndarray:
    """A video for each clip's first frame and text, uint8 (N, T, H, W, 3); the first frame is the given one."""
    levels, found = karras(sampling.steps, sampling.sigma_min, sampling.sigma_max), []
    with torch.no_grad():
        for number, batch in enumerate(_judged(clips, texts, codec, seed)):
            start = noise(batch["latents"].shape, seed, "sampled", number) * sampling.sigma_max
            frame = batch["condition"][:, None].expand(-1, start.shape[1], -1, -1, -1)

            def network(x: torch.Tensor, c_noise: torch.Tensor, given: Batch = batch, still: Any = frame) -> Any:
                return unet(torch.cat([x, still], dim=2), c_noise, given["token"], given["added"])

            latents = dpmpp_2m(lambda x, sigma: precondition.denoise(network, x, sigma), start, levels)
            found.append(codec.decode(latents))
    shown = (torch.cat(found).clamp(-1, 1) * 127.5 + 127.5).round().to(torch.uint8)
    videos = shown.permute(0, 1, 3, 4, 2).numpy().copy()
    videos[:, 0] = clips.videos[:, 0]
    return videos


class _Pictures:
    name = "image"

    def __init__(
        self,
        network: ImageNetwork,
        clips: Clips,
        judged: Clips,
        texts: Texts,
        settings: recipe.Stage,
        codec: Codec,
        seed: int,
    ) -> None:
        self.module = network
        self._clips, self._judged, self._texts = clips, judged, texts
        self._settings, self._codec, self._seed = settings, codec, seed

    def batch(self, step: int) -> Batch:
        draws, chosen = _drawn(self._clips, self._settings, self._seed, self.name, step)
        frames = [min(int(u * self._clips.videos.shape[1]), self._clips.videos.shape[1] - 1) for u in draws.uniform]
        latents = self._latents(self._clips, chosen, frames)
        return {
            "latents": latents,
            "noise": noise(latents.shape, self._seed, self.name, step, "noise"),
            "sigma": draws.sigma,
            "tokens": self._texts.embedder.tokenize([self._clips.texts[n] for n in chosen]),
            "keep_token": draws.keep_token,
        }

    def heldout(self, losses: Callable[[Batch], torch.Tensor]) -> dict[str, Any]:
        chosen = list(range(len(self._judged)))
        latents = self._latents(self._judged, chosen, [self._judged.videos.shape[1] // 2] * len(chosen))
        batch = {
            "latents": latents,
            "noise": noise(latents.shape, self._seed, "heldout"),
            "sigma": torch.ones(len(chosen)),
            "tokens": self._texts.embedder.tokenize(list(self._judged.texts)),
            "keep_token": torch.ones(len(chosen)),
        }
        return {"heldout": float(losses(batch).mean())}

    def _latents(self, clips: Clips, chosen: Sequence[int], frames: Sequence[int]) -> torch.Tensor:
        return self._codec.encode(to_unit(clips.videos[list(chosen), list(frames)])[:, None])


class _Videos:
    def __init__(
        self,
        name: str,
        network: VideoNetwork,
        clips: Clips,
        judged: Clips,
        texts: Texts,
        settings: recipe.Stage,
        codec: Codec,
        sigmas: Sequence[float],
        seed: int,
    ) -> None:
        self.name, self.module = name, network
        self._clips, self._judged, self._texts, self._settings = clips, judged, texts, settings
        self._codec, self._sigmas, self._seed = codec, sigmas, seed

    def batch(self, step: int) -> Batch:
        draws, chosen = _drawn(self._clips, self._settings, self._seed, self.name, step)
        key = (self._seed, self.name, step)
        pixels = to_unit(self._clips.videos[chosen])
        shape = pixels[:, 0].shape
        still = pixels[:, 0] + draws.augmentation[:, None, None, None] * noise(shape, *key, "augmentation")
        latents = self._codec.encode(pixels)
        return {
            "latents": latents,
            "noise": noise(latents.shape, *key, "noise"),
            "sigma": draws.sigma,
            "condition": self._codec.encode(still[:, None])[:, 0],
            "added": _added(self._clips.fps, draws.augmentation),
            "token": self._texts([self._clips.texts[n] for n in chosen]),
            "keep_token": draws.keep_token,
            "keep_frame": draws.keep_frame,
        }

    def heldout(self, losses: Callable[[Batch], torch.Tensor]) -> dict[str, Any]:
        found = []
        for batch in _judged(self._judged, self._texts, self._codec, self._seed):
            size = len(batch["latents"])
            found.append(
                torch.stack([losses({**batch, "sigma": torch.full((size,), sigma)}) for sigma in self._sigmas], dim=1)
            )
        by_sigma = torch.cat(found).mean(dim=0).tolist()
        told = {f"{sigma:g}": value for sigma, value in zip(self._sigmas, by_sigma, strict=True)}
        return {"heldout": sum(by_sigma) / len(by_sigma), "heldout_by_sigma": told}


def _known(clips: Clips) -> str:
    """Sixteen hex digits of all that the clips are."""
    hasher = hashlib.sha256(f"{clips.videos.shape} {clips.fps} {clips.texts!r}".encode())
    hasher.update(np.ascontiguousarray(clips.videos).tobytes())
    return hasher.hexdigest()[:16]


def _drawn(clips: Clips, settings: recipe.Stage, seed: int, stage: str, step: int) -> tuple[Draws, list[int]]:
    draws = draws_of(settings, seed, stage, step, settings.batch)
    return draws, choose(len(clips), settings.batch, seed, stage, step)


def _judged(clips: Clips, texts: Texts, codec: Codec, seed: int, size: int = 16) -> list[Batch]:
    """All clips, unscaled conditions and the noise of each, in batches; no levels yet."""
    strength, batches = math.exp(-3.0), []
    for first in range(0, len(clips), size):
        some = range(first, min(first + size, len(clips)))
        pixels = to_unit(clips.videos[list(some)])
        speckle = torch.stack([noise(pixels.shape[2:], seed, "heldout still", n) for n in some])
        latents = codec.encode(pixels)
        batches.append(
            {
                "latents": latents,
                "noise": torch.stack([noise(latents.shape[1:], seed, "heldout", n) for n in some]),
                "condition": codec.encode((pixels[:, 0] + strength * speckle)[:, None])[:, 0],
                "added": _added(clips.fps, torch.full((len(some),), strength)),
                "token": texts([clips.texts[n] for n in some]),
                "keep_token": torch.ones(len(some)),
                "keep_frame": torch.ones(len(some)),
            }
        )
    return batches


def _added(fps: float, strength: torch.Tensor) -> torch.Tensor:
    return torch.stack([torch.full_like(strength, fps - 1.0), torch.full_like(strength, UNSAID), strength], dim=1)
