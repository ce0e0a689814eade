"""The three training stages as the loop trains them: what each sees, what of it is zeroed, and its v-form loss (svd.md
§1.3-1.6).

image      single frames and photographs; the UNet alone with its captions, nothing temporal touched
video      windows; one token of the first frame, that frame's latent by channel concatenation, fps, motion bucket and
           noise augmentation; everything trained
finetune   as video, on the best windows, at a lower rate
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from marey import recipe
from marey.network.autoencoder import Autoencoder, draw
from marey.network.condition import Draw, added
from marey.network.embedders import ImageEmbedder, TextEmbedder
from marey.train import batches
from marey.train.batches import choose, draw_caption, noise, noise_rows
from marey.train.encoded import Encoded
from marey.train.givers import FirstFrames, Giver, Numbers
from marey.train.loop import Batch
from marey.train.networks import ImageNetwork, VideoNetwork
from marey.train.pixels import stacked
from marey.train.sampler import Sampler
from marey.train.show import SHOWN, show
from marey.train.windows import Window

HELDOUT_SIGMAS = (0.2, 0.6, 1.5, 5.0)


class ImageTask:
    """The image stage."""

    name = "image"

    def __init__(self, data: Encoded, settings: recipe.Stage, network: ImageNetwork, seed: int) -> None:
        self.module = network
        network.unet.checkpointing = settings.checkpointing
        self._data, self._settings, self._seed = data, settings, seed
        shapes = [(1, *window.shape[1:]) for window in data.training]
        self._sampler = Sampler(shapes, settings.batch, settings.pixels, seed, self.name)

    def size(self, step: int) -> int:
        """Pictures of a step."""
        return self._sampler.size(step)

    def batch(self, step: int) -> Batch:
        """A frame of each of the windows that the step draws; a photograph has but one."""
        return self.rows(step, range(self.size(step)))

    def rows(self, step: int, rows: Sequence[int]) -> Batch:
        """Some rows of the step's batch."""
        draws = draws_of(self._settings, self._seed, self.name, step, self.size(step)).of(rows)
        windows = self._sampler.chosen(step)
        chosen = [self._data.training[windows[row]] for row in rows]
        frames = [min(int(u * len(w.pts)), len(w.pts) - 1) for u, w in zip(draws.uniform, chosen, strict=True)]
        key = (self._seed, self.name, step)
        # By clip, not by place in the batch: all windows of a clip say the same in one step.
        captions = [draw_caption(w.captions, *key, "caption", w.clip) for w in chosen]
        return {
            **self._pictures(chosen, frames, captions, rows, *key, "posterior"),
            "noise": noise_rows(self._shape(chosen)[1:], rows, *key, "noise"),
            "sigma": draws.sigma,
            "keep_token": draws.keep_token,
        }

    def heldout(self, losses: Callable[[Batch], torch.Tensor]) -> dict[str, Any]:
        """Loss of the first frames of held-out windows at fixed sigmas with fixed noise."""
        return self.judge(losses)

    def judge(self, losses: Callable[[Batch], torch.Tensor], keep_token: float = 1.0) -> dict[str, Any]:
        """As `heldout`; `keep_token` 0 takes the captions away."""

        def fixed(windows: Sequence[Window]) -> Batch:
            return {
                **self._pictures(windows, [0] * len(windows), [window.caption for window in windows]),
                "noise": torch.stack([noise(self._shape([w])[1:], self._seed, "heldout", w.id) for w in windows]),
                "keep_token": torch.full((len(windows),), keep_token),
            }

        return _judge(losses, self._data.judged, fixed, self._settings.batch)

    def _pictures(
        self,
        windows: Sequence[Window],
        frames: Sequence[int],
        captions: Sequence[str],
        rows: Sequence[int] = (),
        *key: int | str,
    ) -> Batch:
        """Latents (B, 1, C, h, w), scaled: drawn where there is a key, the mean where there is none; and captions."""
        pictures = []
        for window, frame in zip(windows, frames, strict=True):
            mean, logvar = (moment[frame : frame + 1] for moment in self._data.moments(window))
            pictures.append(torch.stack([mean, logvar]))
        mean, logvar = torch.stack(pictures, dim=1)
        latents = draw(mean, logvar, noise_rows(mean.shape[1:], rows, *key)) if key else mean
        return {
            "latents": latents * self._data.scale,
            "tokens": self.module.text_embedder.tokenize(captions),
        }

    def _shape(self, windows: Sequence[Window]) -> tuple[int, ...]:
        return len(windows), 1, *self._data.moments(windows[0])[0].shape[1:]


class VideoTask:
    """The video stage and, on the best windows, the finetuning stage."""

    def __init__(
        self,
        name: str,
        data: Encoded,
        settings: recipe.Stage,
        network: VideoNetwork,
        autoencoder: Autoencoder,
        seed: int,
        windows: Sequence[Window] | None = None,
        conditions: Giver | None = None,
        embedder: ImageEmbedder | None = None,
        numbers: Numbers | None = None,
    ) -> None:
        """
        Args:
            windows: those to train on, of `data.training`; None: all that are not photographs.
            conditions: what gives tokens and conditioning frames, such as kept ones; None: those of the first frames
                are made anew in every step.
            embedder: of stills, for validation videos; None: the network's own.
            numbers: what the network's condition tells in numbers, where it does.
        """
        self.name, self.module = name, network
        network.unet.checkpointing = settings.checkpointing
        self._data, self._settings, self._seed = data, settings, seed
        self._autoencoder, self._numbers = autoencoder, numbers
        self._giver = conditions or FirstFrames(data, autoencoder)
        self._embedder = embedder or network.image_embedder
        self._text_embedder: TextEmbedder | None = None
        self._windows = [w for w in (data.training if windows is None else windows) if not w.photo]
        shapes = [window.shape for window in self._windows]
        self._sampler = Sampler(shapes, settings.batch, settings.pixels, seed, name)
        self._pool: dict[tuple[int, ...], list[tuple[Window, int]]] = {}
        for window in data.training if settings.pictures else ():
            for frame in range(len(window.pts)):
                self._pool.setdefault(window.shape[1:], []).append((window, frame))

    def size(self, step: int) -> int:
        """Rows of a step: windows and, last, rows of pictures."""
        return self._sampler.size(step)

    def batch(self, step: int) -> Batch:
        """Whole windows, and their first frames as conditions."""
        return self.rows(step, range(self.size(step)))

    def rows(self, step: int, rows: Sequence[int]) -> Batch:
        """Some rows of the step's batch."""
        size = self._sampler.size(step)
        draws = draws_of(self._settings, self._seed, self.name, step, size).of(rows)
        chosen = self._chosen(step, rows)
        key = (self._seed, self.name, step)
        mean, logvar = self._moments(chosen)
        speckle = ("augmentation", *key)
        conditions = self._given(
            chosen, draws.augmentation, draws.uniform, lambda shape: noise_rows(shape, rows, *speckle)
        )
        batch = {"keep_token": draws.keep_token, "keep_frame": draws.keep_frame, **conditions}
        if self._settings.pictures:
            first = size - round(self._settings.pictures * size)
            only = torch.tensor([float(row >= first) for row in rows])
            for place, row in enumerate(rows):
                if row >= first:
                    mean[place], logvar[place] = self._pictures(step, row, mean[place])
            for name in ("keep_token", "keep_frame", "added"):
                batch[name] = batch[name] * (1 - only).view(-1, *(1,) * (batch[name].ndim - 1))
            batch["image_only"] = only[:, None].expand(-1, mean.shape[1]).contiguous()
        return {
            "latents": draw(mean, logvar, noise_rows(mean.shape[1:], rows, *key, "posterior")) * self._data.scale,
            "noise": noise_rows(mean.shape[1:], rows, *key, "noise"),
            "sigma": draws.sigma,
            **batch,
        }

    def heldout(self, losses: Callable[[Batch], torch.Tensor]) -> dict[str, Any]:
        """Loss of held-out windows at fixed sigmas with fixed noise and nothing dropped."""
        return self.judge(losses)

    def judge(
        self, losses: Callable[[Batch], torch.Tensor], keep_token: float = 1.0, keep_frame: float = 1.0
    ) -> dict[str, Any]:
        """As `heldout`; 0 takes the token, or the conditioning frame, away."""
        strength = float(np.exp(self._settings.noise_aug_mean))

        def fixed(windows: Sequence[Window]) -> Batch:
            mean, _ = self._moments(windows)
            size = len(windows)

            def speckle(shape: Sequence[int]) -> torch.Tensor:
                return torch.stack([noise(shape, self._seed, "heldout still", window.id) for window in windows])

            return {
                "latents": mean * self._data.scale,
                "noise": torch.stack([noise(mean.shape[1:], self._seed, "heldout", w.id) for w in windows]),
                **self._given(windows, torch.full((size,), strength), torch.zeros(size), speckle),
                "keep_token": torch.full((size,), keep_token),
                "keep_frame": torch.full((size,), keep_frame),
                **self._said(windows),
            }

        return _judge(losses, self._data.judged, fixed, self._settings.batch)

    def _chosen(self, step: int, rows: Sequence[int]) -> list[Window]:
        """The windows of some rows of a step."""
        windows = self._sampler.chosen(step)
        return [self._windows[windows[row]] for row in rows]

    def _said(self, windows: Sequence[Window]) -> Batch:
        """What held-out windows are asked by beside their stills."""
        return {}

    def show(self, folder: Path, step: int) -> None:
        """Animate some held-out stills with the weights as they are, into `folder/step-000100.mp4`."""
        shown = [window for window in self._data.judged if window.shape == self._data.judged[0].shape][:SHOWN]
        if not shown or self._embedder is None:
            return
        truth = [stacked(self._data.library, self._data.pixels, [window])[0] for window in shown]
        rates, motion = [window.fps for window in shown], [float(window.motion_bucket) for window in shown]
        path = folder / f"step-{step:06d}.mp4"
        numbers = None if self._numbers is None else self._numbers(shown)
        by = self.module.unet, self._autoencoder, self._embedder
        told = self._text_embedder, self.module.condition, numbers
        show(path, *by, truth, rates, motion, *told)

    def _moments(self, windows: Sequence[Window]) -> tuple[torch.Tensor, torch.Tensor]:
        pairs = [self._data.moments(window) for window in windows]
        return torch.stack([mean for mean, _ in pairs]), torch.stack([logvar for _, logvar in pairs])

    def _pictures(self, step: int, row: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Moments of as many pictures as a row has frames, each another, (T, C, h, w)."""
        pool = self._pool[self._sampler.shape(step)[1:]]
        picked = choose(
            len(pool), len(like), self._seed, f"{self.name} pictures", step * self._sampler.size(step) + row
        )
        frames = []
        for n in picked:
            window, frame = pool[n]
            frames.append(torch.stack([moment[frame] for moment in self._data.moments(window)]))
        mean, logvar = torch.stack(frames, dim=1)
        return mean, logvar

    @torch.no_grad()
    def _given(
        self,
        windows: Sequence[Window],
        strength: torch.Tensor,
        pick: torch.Tensor,
        speckle: Draw,
    ) -> Batch:
        """The token or what it is made of, the noised latents of the given frames, and all numbers.

        Args:
            strength: (B,) of the noise on these; where conditions are kept, they have theirs.
            pick: (B,) in 0..1: which of a window's kept frames; 0 the first, whose strength is the usual one.
            speckle: unit noise (B, *shape) for frames of a shape.
        """
        found = self._giver.of(windows, pick, strength, speckle)
        strength = found.pop("strength")
        rates = torch.tensor([window.fps - 1.0 for window in windows])
        motion = torch.tensor([float(window.motion_bucket) for window in windows])
        more = None if self._numbers is None else self._numbers(windows)
        return {**found, "added": added(torch.stack([rates, motion, strength], dim=1), more)}


def draws_of(settings: recipe.Stage, seed: int, stage: str, step: int, size: int) -> batches.Draws:
    """What chance decides of a step of a stage, for `size` rows."""
    return batches.draw(
        size,
        seed,
        stage,
        step,
        p_mean=settings.p_mean,
        p_std=settings.p_std,
        drop=settings.drop_condition,
        drop_both=settings.drop_both,
        augmentation_mean=settings.noise_aug_mean,
        augmentation_std=settings.noise_aug_std,
    )


def _judge(
    losses: Callable[[Batch], torch.Tensor],
    windows: Sequence[Window],
    fixed: Callable[[Sequence[Window]], Batch],
    size: int,
) -> dict[str, Any]:
    """{"heldout": mean loss, "heldout_by_sigma": {sigma: loss}}; the batches are the same at every sigma."""
    alike = {shape: [w for w in windows if w.shape == shape] for shape in sorted({w.shape for w in windows})}
    parts = [fixed(same[first : first + size]) for same in alike.values() for first in range(0, len(same), size)]
    by_sigma = {}
    with torch.no_grad():
        for sigma in HELDOUT_SIGMAS:
            values = [losses({**part, "sigma": torch.full_like(part["keep_token"], sigma)}) for part in parts]
            by_sigma[f"{sigma:g}"] = float(torch.cat(values).mean())
    return {"heldout": sum(by_sigma.values()) / len(by_sigma), "heldout_by_sigma": by_sigma}
