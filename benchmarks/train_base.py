"""Makes the model that comes with the package: OMP_NUM_THREADS=1 python benchmarks/train_base.py FOLDER [STAGE ...]

By recipes/marey-tiny.toml, on clips of the world of Jules (`base_clips`): an autoencoder, latents once, pictures, then
text and picture to video together. Everything goes on where it was left: the same command again.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from base_clips import HELDOUT, Chosen, chosen, load, save
from safetensors.torch import load_file, save_file

from marey.diffusion.noise import draw_sigma
from marey.network.autoencoder import Autoencoder, draw, kl, measure_scaling
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder, TextEmbedder
from marey.network.inflate import inflate
from marey.network.unet import fresh
from marey.recipe import Autoencoder as AutoencoderSettings
from marey.recipe import Recipe, Stage
from marey.train.autoencoder import Reconstruction, load_autoencoder, save_autoencoder
from marey.train.batches import choose, noise, stream
from marey.train.joint import Footage, JointNetwork, JointTask, PictureTask
from marey.train.linear_start import start_linear
from marey.train.loop import Batch, Pace, fit
from marey.train.pixels import to_unit
from marey.train.stages import ImageNetwork
from marey.train.windows import fingerprint

STAGES = ("clips", "autoencoder", "latents", "image", "video", "model")
CLIPS, PLAYS = 9000, 1400
JUDGED, JUDGED_PLAYS = 480, 90
ENCODED = 5000
VOCABULARY = 512
_SETS = (("clips", None), ("heldout", 12))
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
        for name, count, plays, first in (("clips", CLIPS, PLAYS, 0), ("heldout", JUDGED, JUDGED_PLAYS, HELDOUT)):
            if not (self.folder / name / "clips.json").is_file():
                save(chosen(count, first, plays), self.folder / name)
                self.say(f"{name} made")

    def autoencoder(self) -> None:
        settings, seed = self.recipe.encode.autoencoder, self.recipe.seed
        task = AutoencoderTask(load(self.folder / "clips"), load(self.folder / "heldout"), settings, seed)
        pace = Pace(
            steps=settings.steps,
            lr=settings.lr,
            warmup=settings.warmup,
            clip_norm=1.0,
            ema=settings.ema,
            ema_warmup=True,
            checkpoint_every=settings.checkpoint_every,
            evaluate_every=settings.evaluate_every,
            precision=settings.precision,
            full_rate_inputs=32,
        )
        print_ = fingerprint([settings.model_dump(mode="json", exclude={"checkpoint_every", "evaluate_every"}), seed])
        weights = fit(task, pace, self.folder, print_, device=torch.device("cpu"), progress=self.progress)
        task.module.load_state_dict(weights, strict=False)
        autoencoder = task.module.autoencoder.eval()
        some = task._videos[:: len(task._videos) // 64]
        with torch.no_grad():
            scale = measure_scaling(autoencoder.encode(to_unit(np.asarray(video)[None])) for video in some)
        autoencoder.set_scaling_factor(scale)
        save_autoencoder(autoencoder, self.folder / "vae")
        self.say(f"autoencoder: {psnr(autoencoder, task._judged):.2f} dB held out, scale {scale:.3f}")

    @torch.no_grad()
    def latents(self) -> None:
        """Everything that is asked of the networks again and again, once."""
        autoencoder = load_autoencoder(self.folder / "vae", torch.device("cpu"))
        stage, seed = self.recipe.train.video, self.recipe.seed
        for name, most in (("clips", ENCODED), ("heldout", JUDGED)):
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
                self.folder / f"{name}.npz",
                rows=rows,
                mean=np.concatenate(means),
                logvar=np.concatenate(logvars),
                conditions=np.concatenate(conditions),
                stills=some.videos[rows, 0],
                strengths=strengths.numpy(),
                change=np.array([np.abs(np.diff(some.videos[n].astype(np.int16), axis=0)).mean() for n in rows]),
            )
        self.say("latents made")

    def footage(self, name: str, embedder: TextEmbedder, most: int | None = None) -> Footage:
        """What `latents` made. The motion bucket is the quantile of the change between frames among the clips."""
        kept, texts = np.load(self.folder / f"{name}.npz"), load(self.folder / name).texts
        marks = np.sort(np.load(self.folder / "clips.npz")["change"])
        motion = np.searchsorted(marks, kept["change"]) / len(marks) * 255
        autoencoder = load_autoencoder(self.folder / "vae", torch.device("cpu"))
        return Footage(
            *(kept[key][:most] for key in ("mean", "logvar", "stills", "conditions", "strengths")),
            motion=motion.astype(np.float32)[:most],
            tokens=[embedder.tokenize(texts[n]) for n in kept["rows"][:most]],
            fps=self.recipe.encode.windows.fps,
            scale=autoencoder.scaling_factor,
        )

    def embedder(self) -> TextEmbedder:
        settings, texts = self.recipe.train.network, load(self.folder / "clips").texts
        return TextEmbedder.build(
            sorted({text for some in texts for text in some}),
            settings.context,
            tokens=settings.text_tokens,
            vocabulary=VOCABULARY,
            seed=self.recipe.seed,
        )

    def picture(self) -> ImageNetwork:
        network, windows = self.recipe.train.network, self.recipe.encode.windows
        config = UNetConfig.plain(
            network.channels,
            layers=network.layers,
            attends=network.attends,
            head_width=network.head_width,
            context=network.context,
            embed=network.embed,
            in_channels=self.recipe.encode.autoencoder.latent_channels,
            frames=windows.frames,
            sample_size=windows.size // 2 ** (len(self.recipe.encode.autoencoder.channels) - 1),
        )
        return ImageNetwork(fresh(config, self.recipe.seed), self.embedder())

    def image(self) -> None:
        module = self.picture()
        data, judged = (self.footage(name, module.text_embedder, most) for name, most in _SETS)
        self._fit(PictureTask(data, judged, self.recipe.train.image, module, self.recipe.seed), self.recipe.train.image)
        save_file(module.state_dict(), self.folder / "image.safetensors")

    def joint(self) -> JointNetwork:
        start, network = self.picture(), self.recipe.train.network
        start.load_state_dict(load_file(self.folder / "image.safetensors"))
        seen = ImageEmbedder.build(network.context, seed=self.recipe.seed)
        return JointNetwork(
            inflate(start.unet, in_channels=2 * start.unet.config.in_channels), seen, start.text_embedder
        )

    def video(self) -> None:
        module = self.joint()
        data, judged = (self.footage(name, module.text_embedder, most) for name, most in _SETS)
        self._fit(JointTask(data, judged, self.recipe.train.video, module, self.recipe.seed), self.recipe.train.video)
        save_file(module.state_dict(), self.folder / "video.safetensors")

    def _fit(self, task: PictureTask | JointTask, stage: Stage) -> None:
        said = stage.model_dump(mode="json", exclude={"preset", "checkpoint_every", "evaluate_every"})
        print_ = fingerprint([self.recipe.train.network.model_dump(mode="json"), said, self.recipe.seed])
        weights = fit(task, Pace.of(stage), self.folder, print_, device=torch.device("cpu"), progress=self.progress)
        task.module.load_state_dict(weights, strict=False)


def main(folder: Path, stages: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    work = Work(folder, Recipe.open("marey-tiny"))
    torch.set_num_threads(1)
    for stage in stages or STAGES:
        getattr(work, stage)()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
