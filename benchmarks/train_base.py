"""Makes the model that comes with the package: OMP_NUM_THREADS=1 python benchmarks/train_base.py FOLDER [STAGE ...]

By recipes/marey-tiny.toml, on clips of the world of Jules (`base_clips`): an autoencoder, latents once, pictures, then
text and picture to video together, and on with that on more clips of rare events. Everything goes on where it was left:
the same command again. `model` can be asked for at any time in the last stage, and takes what there is.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from base_clips import HELDOUT, RARE_SHARES, SHARES, Chosen, chosen, load, save
from safetensors.torch import load_file, save_file

from marey.diffusion.noise import draw_sigma
from marey.network.autoencoder import Autoencoder, draw, kl, measure_scaling
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder, TextEmbedder
from marey.network.folder import save_model
from marey.network.inflate import inflate
from marey.network.unet import fresh
from marey.recipe import Autoencoder as AutoencoderSettings
from marey.recipe import Recipe, Stage
from marey.train.autoencoder import Reconstruction, load_autoencoder, save_autoencoder
from marey.train.batches import choose, noise, stream
from marey.train.card import counts
from marey.train.joint import Footage, JointNetwork, JointTask, PictureTask
from marey.train.linear_start import start_linear
from marey.train.loop import Batch, Pace, fit
from marey.train.metrics import Metrics
from marey.train.networks import ImageNetwork
from marey.train.pixels import to_unit
from marey.train.windows import fingerprint

STAGES = ("clips", "autoencoder", "latents", "image", "video", "finetune", "model")
CLIPS, PLAYS = 4600, 1000
MORE, MORE_PLAYS, MORE_FIRST = 4800, 3000, 200_000
"""Clips that are added for the last stage, and the number of their first play."""
AGAIN = {"gem": 3}
"""Events whose clips count so many times in the last stage."""
JUDGED, JUDGED_PLAYS = 360, 90
ENCODED, WATCHED = 4600, 16
VOCABULARY = 512
SAMPLED: dict[str, Any] = {
    "steps": 12,
    "solver": "dpmpp_2m",
    "sigma_min": 0.01,
    "sigma_max": 60.0,
    "guidance": (2.0, 2.0),
    "noise_aug": 0.02,
    "holds": True,
}
"""How the model samples unless told otherwise."""
CARD = """---
license: apache-2.0
library_name: marey
pipeline_tag: image-to-video
tags: [marey, image-to-video, text-to-video]
---
# marey-tiny

The model that comes with Marey: a text, a still or both to 14 frames of 64x64 pixels, 15 a second, of the world of
Jules, a platform game that Marey draws itself, in its meadows and seen from near. It knows nothing else: a picture of
anything it takes for a meadow.

```python
from marey import Model

Model.open().imagine("Jules jumps over a snail and collects a coin").save("jules.mp4")
Model.open().animate("picture.png").save("picture.mp4")
```

- An implementation of Stable Video Diffusion's network (arXiv 2311.15127) in small, trained from random weights; no
  weights and no footage of others are in it. Its cross-attention sees the text's tokens and then the still's one, so
  that diffusers' own pipeline, which has no texts, does not run it; and all tokens together are told to every residual
  block, for which diffusers' UNet has no place. `vae/` and `image_encoder/` open by their classes.
- Parameters: {parameters}; float16.
- Made by `python benchmarks/train_base.py FOLDER` of Marey's repository, recipe `marey-tiny`, seed 7, on {encoded}
  clips; the averaged weights of step {step} of {steps} of the last stage, after {before} of the one before. `train.log`
  and `metrics.jsonl` are of that training.
- Events are balanced: none is asked for in more than 13 % of the clips. All clips have 15 frames a second, so that the
  condition of the rate says nothing; the motion bucket was told for half of them, and is 127 for the others.
- How good it is, and what it cannot do, stands with contact sheets and intervals in docs/marey-tiny.md.
- Licence: Apache-2.0, as all of Marey.
"""
THINGS = 6.0
"""How much more hero, monsters and items count in the video stage than what is behind them, of which there is most."""
_SETS = ("clips", "heldout")
_EDGES = 0.5
"""Weight of the error of differences between neighbouring pixels: outlines of one pixel are much of this world."""


class Sharp(Reconstruction):
    """The autoencoder's loss with the error of edges."""

    def forward(self, pixels: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        mean, logvar = (moment.float() for moment in self.autoencoder.encode(pixels))
        error = self.autoencoder.decode(draw(mean, logvar, noise)).float() - pixels
        loss = error.abs().flatten(1).mean(1)
        for axis in (-1, -2):
            loss = loss + _EDGES * error.diff(dim=axis).abs().flatten(1).mean(1)
        return loss + self._weight * kl(mean, logvar)


class AutoencoderTask:
    """The autoencoder on runs of frames of the clips, cropped and mirrored by chance."""

    name = "autoencoder"

    def __init__(self, some: Chosen, judged: Chosen, settings: AutoencoderSettings, seed: int) -> None:
        self._videos, self._judged = some.videos, judged.videos[:: len(judged.videos) // 24]
        self._settings, self._seed = settings, seed
        size = some.videos.shape[2]
        autoencoder = Autoencoder.build(
            settings.channels,
            layers=settings.layers,
            latent_channels=settings.latent_channels,
            sample_size=size,
            seed=seed,
        )
        start_linear(autoencoder)
        self.module = Sharp(autoencoder, settings.kl)
        self._crop = min(settings.crop or size, size)

    def batch(self, step: int) -> Batch:
        many, run, crop = self._settings.batch, self._settings.frames, self._crop
        chances = torch.rand(many, 4, generator=stream(self._seed, self.name, step, "run")).tolist()
        clips = []
        for n, (start, top, left, flip) in zip(
            choose(len(self._videos), many, self._seed, self.name, step), chances, strict=True
        ):
            video = self._videos[n]
            first = int(start * (len(video) - run + 1))
            y, x = (int(chance * (video.shape[1] - crop + 1)) for chance in (top, left))
            piece = np.asarray(video[first : first + run, y : y + crop, x : x + crop])
            clips.append(piece[:, :, ::-1] if flip < 0.5 else piece)
        autoencoder = self.module.autoencoder
        side = crop // autoencoder.factor
        shape = (many, run, autoencoder.latent_channels, side, side)
        return {"pixels": to_unit(np.stack(clips)), "noise": noise(shape, self._seed, self.name, step, "posterior")}

    @torch.no_grad()
    def heldout(self, losses: object) -> dict[str, float]:
        return {"psnr": psnr(self.module.autoencoder, self._judged)}


@torch.no_grad()
def psnr(autoencoder: Autoencoder, videos: np.ndarray) -> float:
    """Mean over all frames, in dB."""
    values = []
    for video in videos:
        pixels = to_unit(np.asarray(video)[None])
        decoded = autoencoder.decode(autoencoder.encode(pixels)[0]).clamp(-1.0, 1.0).float()
        values.append(10.0 * torch.log10(4.0 / (decoded - pixels).square().mean((2, 3, 4)).clamp_min(1e-8)).flatten())
    return float(torch.cat(values).mean())


@torch.no_grad()
def _words_apart(embedder: TextEmbedder, seed: int) -> TextEmbedder:
    """First weights with which a word outweighs what all words have in common: with those that CLIP begins with, 0.02
    wide, all tokens came out alike, and the network learned to hear none of them."""
    draws = stream(seed, "words")
    for name, width in (("token", 1.0), ("position", 0.3)):
        weight = getattr(embedder.model.embeddings, f"{name}_embedding").weight
        weight.copy_(width * torch.randn(weight.shape, generator=draws))
    return embedder


@dataclass(frozen=True)
class Work:
    """A folder, the recipe, and what was made so far."""

    folder: Path
    recipe: Recipe

    def say(self, text: str) -> None:
        line = f"{time.strftime('%H:%M:%S')} {time.process_time():7.0f} s  {text}"
        print(line, flush=True)
        with (self.folder / "train.log").open("a") as log:
            log.write(line + "\n")

    def progress(self, what: str, done: float, total: float | None = None, note: str = "") -> None:
        if done and done % 25 == 0:
            self.say(f"{what} {done:g} of {total:g} {note}")

    def clips(self) -> None:
        for name, count, plays, first, shares in (
            ("clips", CLIPS, PLAYS, 0, SHARES),
            ("heldout", JUDGED, JUDGED_PLAYS, HELDOUT, SHARES),
            ("more", MORE, MORE_PLAYS, MORE_FIRST, RARE_SHARES),
        ):
            if not (self.folder / name / "clips.json").is_file():
                save(chosen(count, first, plays, shares=shares), self.folder / name)
                self.say(f"{name} made")

    def autoencoder(self) -> None:
        settings, seed = self.recipe.encode.autoencoder, self.recipe.seed
        task = AutoencoderTask(load(self.folder / "clips"), load(self.folder / "heldout"), settings, seed)
        weights = self._fit_codec(task, settings.steps, settings.lr)
        task.module.load_state_dict(weights, strict=False)
        autoencoder = task.module.autoencoder.eval()
        some = task._videos[:: len(task._videos) // 64]
        with torch.no_grad():
            scale = measure_scaling(autoencoder.encode(to_unit(np.asarray(video)[None])) for video in some)
        autoencoder.set_scaling_factor(scale)
        save_autoencoder(autoencoder, self.folder / "vae")
        self.say(f"autoencoder: {psnr(autoencoder, task._judged):.2f} dB held out, scale {scale:.3f}")

    def _fit_codec(self, task: AutoencoderTask, steps: int, lr: float) -> dict[str, torch.Tensor]:
        settings, seed = self.recipe.encode.autoencoder, self.recipe.seed
        pace = Pace(
            steps=steps,
            lr=lr,
            warmup=settings.warmup,
            clip_norm=1.0,
            ema=settings.ema,
            ema_warmup=True,
            checkpoint_every=settings.checkpoint_every,
            evaluate_every=settings.evaluate_every,
            precision=settings.precision,
            full_rate_inputs=32,
        )
        said = settings.model_dump(mode="json", exclude={"checkpoint_every", "evaluate_every"})
        print_ = fingerprint([task.name, steps, lr, said, seed])
        return fit(task, pace, self.folder, print_, device=torch.device("cpu"), progress=self.progress)

    def latents(self) -> None:
        """Everything that is asked of the networks again and again, once."""
        for name, most in (("clips", ENCODED), ("heldout", WATCHED), ("more", MORE)):
            self._encode(name, most)
        self.say("latents made")

    @torch.no_grad()
    def _encode(self, name: str, most: int) -> None:
        if (self.folder / f"{name}.npz").is_file():
            return
        autoencoder = load_autoencoder(self.folder / "vae", torch.device("cpu"))
        stage, seed = self.recipe.train.video, self.recipe.seed
        some = load(self.folder / name)
        rows = np.random.default_rng(seed).permutation(len(some.asked))[:most]
        means, logvars, conditions = [], [], []
        strengths = draw_sigma(stream(seed, name, "strength"), len(rows), stage.noise_aug_mean, stage.noise_aug_std)
        for start in range(0, len(rows), 4):
            pixels = to_unit(some.videos[rows[start : start + 4]])
            noised = pixels[:, :1] + strengths[start : start + 4, None, None, None, None] * noise(
                pixels[:, :1].shape, seed, name, start, "augmentation"
            )
            with torch.autocast("cpu", torch.bfloat16, enabled=stage.precision != "no"):
                mean, logvar = autoencoder.encode(pixels)
                condition, _ = autoencoder.encode(noised)
            means.append(mean.half().numpy())
            logvars.append(logvar.half().numpy())
            conditions.append(condition[:, 0].half().numpy())
            self.progress(f"encoding {name}", start + 4, len(rows))
        np.savez(
            self.folder / f"{name}.part.npz",
            rows=rows,
            mean=np.concatenate(means),
            logvar=np.concatenate(logvars),
            conditions=np.concatenate(conditions),
            stills=some.videos[rows, 0],
            strengths=strengths.numpy(),
            change=np.array([np.abs(np.diff(some.videos[n].astype(np.int16), axis=0)).mean() for n in rows]),
        )
        os.replace(self.folder / f"{name}.part.npz", self.folder / f"{name}.npz")

    def footage(self, name: str, embedder: TextEmbedder, again: Mapping[str, int] = MappingProxyType({})) -> Footage:
        """What `latents` made, clips of the events `again` as often as it says. The motion bucket is the quantile of
        the change between frames among the clips; half of the times the text is the plain sentence."""
        some = load(self.folder / name)
        file = np.load(self.folder / f"{name}.npz")
        often = np.repeat(np.arange(len(file["rows"])), [again.get(some.asked[n], 1) for n in file["rows"]])
        kept = {key: values[often] for key, values in file.items()}
        weights = 1.0 + (THINGS - 1.0) / 16.0 * some.things[kept["rows"]].astype(np.float32)
        marks = np.sort(np.load(self.folder / "clips.npz")["change"])
        motion = np.searchsorted(marks, kept["change"]) / len(marks) * 255
        autoencoder = load_autoencoder(self.folder / "vae", torch.device("cpu"))
        return Footage(
            **{key: kept[key] for key in ("mean", "logvar", "stills", "conditions", "strengths")},
            motion=motion.astype(np.float32),
            tokens=[embedder.tokenize([some.texts[n][0]] * 2 + some.texts[n]) for n in kept["rows"]],
            fps=self.recipe.encode.windows.fps,
            scale=autoencoder.scaling_factor,
            weights=(weights / weights.mean(axis=(1, 2, 3), keepdims=True)).astype(np.float16),
        )

    def embedder(self) -> TextEmbedder:
        """Of texts; it stays as it is drawn. Trained with the rest it made all texts alike: Adam follows the smallest
        pull."""
        settings, texts = self.recipe.train.network, load(self.folder / "clips").texts
        embedder = TextEmbedder.build(
            sorted({text for some in texts for text in some}),
            settings.context,
            tokens=settings.text_tokens,
            vocabulary=VOCABULARY,
            seed=self.recipe.seed,
        )
        return _words_apart(embedder, self.recipe.seed)

    def picture(self) -> ImageNetwork:
        network, windows = self.recipe.train.network, self.recipe.encode.windows
        config = UNetConfig.plain(
            network.channels,
            layers=network.layers,
            attends=network.attends,
            pools_context=network.pools_context,
            head_width=network.head_width,
            context=network.context,
            embed=network.embed,
            in_channels=self.recipe.encode.autoencoder.latent_channels,
            frames=windows.frames,
            sample_size=windows.size // 2 ** (len(self.recipe.encode.autoencoder.channels) - 1),
        )
        module = ImageNetwork(fresh(config, self.recipe.seed), self.embedder())
        module.text_embedder.requires_grad_(False)
        return module

    def image(self) -> None:
        module = self.picture()
        data, judged = (self.footage(name, module.text_embedder) for name in _SETS)
        self._fit(PictureTask(data, judged, self.recipe.train.image, module, self.recipe.seed), self.recipe.train.image)
        save_file(module.state_dict(), self.folder / "image.safetensors")

    def joint(self) -> JointNetwork:
        start, network = self.picture(), self.recipe.train.network
        start.load_state_dict(load_file(self.folder / "image.safetensors"))
        seen = ImageEmbedder.build(network.context, seed=self.recipe.seed)
        unet = inflate(start.unet, in_channels=2 * start.unet.config.in_channels)
        module = JointNetwork(unet, seen, start.text_embedder)
        module.text_embedder.requires_grad_(False)
        return module

    def video(self) -> None:
        module, stage = self.joint(), self.recipe.train.video
        data, judged = (self.footage(name, module.text_embedder) for name in _SETS)
        self._fit(JointTask(data, judged, stage, module, self.recipe.seed), stage)
        save_file(module.state_dict(), self.folder / "video.safetensors")

    def finetune(self) -> None:
        """On with the averaged weights, on these clips and as many more, of rare events above all."""
        module, stage = self.joint(), self.recipe.train.finetune
        module.load_state_dict(load_file(self.folder / "video.safetensors"))
        data = self.footage("clips", module.text_embedder, AGAIN)
        data = data.beside(self.footage("more", module.text_embedder, AGAIN))
        judged = self.footage("heldout", module.text_embedder)
        self._fit(JointTask(data, judged, stage, module, self.recipe.seed, "finetune"), stage)
        save_file(module.state_dict(), self.folder / "finetune.safetensors")

    def _fit(self, task: PictureTask | JointTask, stage: Stage) -> None:
        said = stage.model_dump(mode="json", exclude={"preset", "checkpoint_every", "evaluate_every"})
        print_ = fingerprint([self.recipe.train.network.model_dump(mode="json"), said, self.recipe.seed])
        weights = fit(task, Pace.of(stage), self.folder, print_, device=torch.device("cpu"), progress=self.progress)
        task.module.load_state_dict(weights, strict=False)

    def model(self) -> None:
        """The folder of the model in half precision, from the finished training or its last checkpoint."""
        module = self.joint()
        steps = step = self.recipe.train.finetune.steps
        weights = self.folder / "finetune.safetensors"
        if not weights.is_file():
            last = sorted((self.folder / "checkpoints" / "finetune").glob("step-*"))[-1]
            weights, step = last / "average.safetensors", int(last.name[5:])
        parameters = counts(
            unet=module.unet,
            autoencoder=load_autoencoder(self.folder / "vae", torch.device("cpu")),
            image_embedder=module.image_embedder,
            text_embedder=module.text_embedder,
        )
        module.load_state_dict(load_file(weights), strict=weights.name != "average.safetensors")
        windows = self.recipe.encode.windows
        save_model(
            self.folder / "marey-tiny",
            module.unet.half(),
            load_autoencoder(self.folder / "vae", torch.device("cpu")).half(),
            module.image_embedder.half(),
            text_embedder=module.text_embedder.half(),
            text=True,
            card=CARD.format(
                parameters=", ".join(f"{name} {count / 1e6:.2f} M" for name, count in parameters.items()),
                step=step,
                steps=steps,
                before=self.recipe.train.video.steps,
                encoded=sum(len(load(self.folder / name).asked) for name in ("clips", "more")),
            ),
            frames=windows.frames,
            size=windows.size,
            fps=windows.fps,
            **SAMPLED,
        )
        self._kept_lines()
        self.say(f"model of {weights.relative_to(self.folder)}")

    def _kept_lines(self) -> None:
        """The log and the curves beside the weights: every tenth step, and all that was measured."""
        place, lines = self.folder / "marey-tiny", Metrics(self.folder / "metrics.jsonl").lines()
        kept = [line for line in lines if line["step"] % 10 == 0 or "heldout" in line or "psnr" in line]
        (place / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))
        shutil.copy(self.folder / "train.log", place / "train.log")


def main(folder: Path, stages: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    work = Work(folder, Recipe.open("marey-tiny"))
    torch.set_num_threads(1)
    for stage in stages or STAGES:
        getattr(work, stage)()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
