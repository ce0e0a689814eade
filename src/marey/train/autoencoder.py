"""Training the small autoencoder on the windows themselves, and keeping it as a folder that diffusers opens."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from marey import recipe
from marey.catalog import Library
from marey.errors import MareyError
from marey.network.autoencoder import Autoencoder, draw, kl, measure_scaling
from marey.progress import Progress, silent
from marey.train.batches import choose, noise, spread, stream
from marey.train.begin import begun_with
from marey.train.conditions import digest
from marey.train.linear_start import start_linear
from marey.train.loop import Batch, Pace, fit
from marey.train.metrics import Metrics
from marey.train.pixels import stacked, to_unit
from marey.train.windows import Window, fingerprint

STAGE = "autoencoder"
VERSION = 1
"""Changes whenever the same windows and settings would give another autoencoder."""
_JUDGED = 8
"""At most this many held-out windows are looked at while it trains."""
_MEASURED = 64
"""At most this many training windows say how large the latents are."""
_INDIFFERENT = {"checkpoint_every", "evaluate_every"}  # to the weights
_FULL_RATE_INPUTS = 32
"""The linear start is soon lost where layers of 864 inputs move at the rate that layers of 27 need."""
_WEIGHTS = "diffusion_pytorch_model.safetensors"


class Reconstruction(nn.Module):
    """The autoencoder with its loss: mean absolute error of pixels plus a little KL (arXiv 2112.10752, appendix G)."""

    def __init__(self, autoencoder: Autoencoder, weight: float) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self._weight = weight
        middle = autoencoder.vae.decoder.mid_block
        if len(middle.resnets) == 1:  # diffusers attends between the decoder's residual blocks: with one, never
            middle.attentions.requires_grad_(False)

    def forward(self, pixels: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """(B,) losses of clips (B, T, 3, H, W) in [-1, 1], decoded from a draw with `noise` (B, T, C, h, w)."""
        mean, logvar = (moment.float() for moment in self.autoencoder.encode(pixels))
        decoded = self.autoencoder.decode(draw(mean, logvar, noise))
        error = (decoded.float() - pixels).abs().flatten(1).mean(1)
        return error + self._weight * kl(mean, logvar)


class AutoencoderTask:
    """The autoencoder as the loop trains it: a run of frames from each window of a batch, cropped and mirrored by
    chance.

    A photograph is a still video here: its frame is repeated.
    """

    name = STAGE

    def __init__(
        self,
        library: Library,
        kind: str,
        windows: Sequence[Window],
        settings: recipe.Autoencoder,
        seed: int,
        start: Autoencoder | None = None,
    ) -> None:
        """
        Args:
            start: whose decoder alone is trained. None: a new one, and all of it.
        """
        self._library, self._kind, self._settings, self._seed = library, kind, settings, seed
        self._training = [window for window in windows if not window.heldout]
        judged = [window for window in windows if window.heldout and not window.photo]
        self._judged = [judged[n] for n in spread(len(judged), _JUDGED)]
        shortest = min(min(window.shape[1:]) for window in self._training)
        self._size = min(settings.crop or shortest, shortest)
        self._frames = min(settings.frames, max(len(window.pts) for window in self._training))
        autoencoder = _begun(settings, shortest, seed) if start is None else start
        sides = {side for window in self._training for side in window.shape[1:]}
        for name, side in (*(("windows.size", side) for side in sorted(sides)), ("autoencoder.crop", self._size)):
            if side % autoencoder.factor:
                raise MareyError(
                    f"encode.{name} is {side}: a multiple of the autoencoder's factor of {autoencoder.factor} would do."
                )
        if start is not None:
            for name, value in start.vae.named_parameters():
                value.requires_grad_(name.startswith("decoder."))
        self.module = Reconstruction(autoencoder, settings.kl)

    @property
    def autoencoder(self) -> Autoencoder:
        return self.module.autoencoder

    def batch(self, step: int) -> Batch:
        """Pixels (B, T, 3, H, W) in [-1, 1] of training windows, and the posterior's noise."""
        size = self._settings.batch
        chosen = choose(len(self._training), size, self._seed, STAGE, step)
        chances = torch.rand(size, 4, generator=stream(self._seed, STAGE, step, "run")).tolist()
        clips = []
        for n, (start, top, left, flip) in zip(chosen, chances, strict=True):
            pixels = _run(stacked(self._library, self._kind, [self._training[n]])[0], self._frames, start)
            y = int(top * (pixels.shape[1] - self._size + 1))
            x = int(left * (pixels.shape[2] - self._size + 1))
            pixels = pixels[:, y : y + self._size, x : x + self._size]
            clips.append(pixels[:, :, ::-1] if flip < 0.5 else pixels)
        pixels = to_unit(np.stack(clips))
        side = self._size // self.autoencoder.factor
        shape = (size, self._frames, self.autoencoder.latent_channels, side, side)
        return {"pixels": pixels, "noise": noise(shape, self._seed, STAGE, step, "posterior")}

    def heldout(self, losses: Callable[[Batch], torch.Tensor]) -> dict[str, Any]:
        """PSNR in dB of held-out windows, each decoded whole from the mean."""
        return {"psnr": psnr(self.autoencoder, self._library, self._kind, self._judged)}


def train_autoencoder(
    library: Library,
    kind: str,
    windows: Sequence[Window],
    settings: recipe.Autoencoder,
    seed: int,
    run: Path,
    device: torch.device,
    progress: Progress = silent,
) -> Path:
    """The folder of the autoencoder of these windows, `models/autoencoder-...`: the one that is there, or one trained
    now.

    Its name is a fingerprint of the training windows' pixels, the settings and what it begins as. The curve goes to
    `run/metrics.jsonl` as the stage "autoencoder", from the folder's own copy where nothing had to be trained.

    Raises:
        MareyError: training cannot be done, or diverged.
    """
    training = [(w.id, w.pts, w.shape[1:] if w.width else w.size) for w in windows if not w.heldout]
    begun = begun_with(settings.start)
    start = None if begun is None else begun.autoencoder
    told = settings.model_dump(mode="json", exclude=_INDIFFERENT | {"start"})
    own = [] if start is None else [digest(start.vae), start.scaling_factor]
    name = fingerprint([VERSION, training, told, seed, *own])
    folder = library.path / "models" / f"autoencoder-{name}"
    metrics = Metrics(run / "metrics.jsonl")
    if (folder / "config.json").is_file():
        metrics.put(STAGE, Metrics(folder / "metrics.jsonl").lines(STAGE))
        return folder
    task = AutoencoderTask(library, kind, windows, settings, seed, start)
    if settings.steps:
        weights = fit(task, _pace(settings), run, name, device=device, progress=progress)
        task.module.to("cpu").load_state_dict(weights, strict=False)
    else:
        metrics.put(STAGE, [])  # what an autoencoder of another run of this name left
    autoencoder = task.autoencoder.eval()
    if start is None:
        learned = [window for window in windows if not window.heldout]
        autoencoder.set_scaling_factor(_scaling(autoencoder, library, kind, learned, device))
    save_autoencoder(autoencoder, folder, metrics.lines(STAGE))
    return folder


def _begun(settings: recipe.Autoencoder, side: int, seed: int) -> Autoencoder:
    """A new one, that begins as a linear map."""
    autoencoder = Autoencoder.build(
        settings.channels,
        layers=settings.layers,
        latent_channels=settings.latent_channels,
        sample_size=side,
        seed=seed,
    )
    start_linear(autoencoder)
    return autoencoder


def save_autoencoder(autoencoder: Autoencoder, folder: Path, curve: Sequence[dict[str, Any]] = ()) -> None:
    """Write config.json, weights and the training curve; the folder appears when all of it is written."""
    part = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in autoencoder.vae.state_dict().items()}
    save_file(weights, part / _WEIGHTS, {"format": "pt"})
    Metrics(part / "metrics.jsonl").put(STAGE, list(curve))
    (part / "config.json").write_text(json.dumps(autoencoder.to_json(), indent=2), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)


def load_autoencoder(folder: Path, device: torch.device) -> Autoencoder:
    """The autoencoder in a folder of its own, or in a model's, frozen.

    Raises:
        MareyError: it is not there or not whole.
    """
    if (folder / "model_index.json").is_file():
        folder = folder / "vae"
    try:
        autoencoder = Autoencoder.from_json(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        autoencoder.vae.load_state_dict(load_file(folder / _WEIGHTS))
    except (OSError, ValueError, RuntimeError) as error:
        raise MareyError(f"{folder} holds no whole autoencoder ({error}): `marey encode` makes it again.") from error
    return autoencoder.to(device).eval().requires_grad_(False)


@torch.no_grad()
def psnr(autoencoder: Autoencoder, library: Library, kind: str, windows: Sequence[Window]) -> float:
    """Mean over all frames of the peak signal-to-noise ratio of windows, reconstructed from the mean, in dB."""
    device = next(autoencoder.parameters()).device
    values = []
    for window in windows:
        pixels = to_unit(stacked(library, kind, [window])).to(device)
        decoded = autoencoder.decode(autoencoder.encode(pixels)[0]).clamp(-1.0, 1.0)
        error = (decoded - pixels).square().mean((2, 3, 4)).clamp_min(1e-8)  # of a range of 2
        values.append(10.0 * torch.log10(4.0 / error).flatten())
    return float(torch.cat(values).mean())


@torch.no_grad()
def _scaling(
    autoencoder: Autoencoder, library: Library, kind: str, windows: Sequence[Window], device: torch.device
) -> float:
    autoencoder.to(device)
    some = [windows[n] for n in spread(len(windows), _MEASURED)]
    scale = measure_scaling(autoencoder.encode(to_unit(stacked(library, kind, [window])).to(device)) for window in some)
    autoencoder.to("cpu")
    return scale


def _run(pixels: np.ndarray, frames: int, start: float) -> np.ndarray:
    """`frames` consecutive frames of a window, from where `start` in 0..1 says. A shorter window stands still."""
    if len(pixels) < frames:
        return np.repeat(pixels[:1], frames, axis=0)
    first = min(int(start * (len(pixels) - frames + 1)), len(pixels) - frames)
    return pixels[first : first + frames]


def _pace(settings: recipe.Autoencoder) -> Pace:
    return Pace(
        steps=settings.steps,
        lr=settings.lr,
        warmup=settings.warmup,
        clip_norm=1.0,
        ema=settings.ema,
        ema_warmup=True,
        checkpoint_every=settings.checkpoint_every,
        evaluate_every=settings.evaluate_every,
        precision=settings.precision,
        full_rate_inputs=_FULL_RATE_INPUTS,
    )
