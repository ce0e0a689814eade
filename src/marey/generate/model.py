"""A model that is open: stills in, videos out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Self, overload

import numpy as np
import torch
from torch import Tensor

from marey.diffusion import guidance as guiding
from marey.diffusion.noise import normal, seeded
from marey.diffusion.precondition import denoise
from marey.diffusion.schedules import schedule_named
from marey.diffusion.solvers import Solver
from marey.diffusion.stochastic import Draw, solver_named
from marey.errors import MareyError
from marey.generate.device import pick, pick_dtype
from marey.generate.still import still_pixels
from marey.media import write_video
from marey.network.folder import ModelInfo, Parts
from marey.network.lora import remove_adapters
from marey.network.lora_formats import load_adapter
from marey.network.memory import keep_freed_memory
from marey.network.sources import parts_of
from marey.progress import Progress, silent

Guidance = float | tuple[float, float]
"""One weight for all frames, or those of the first and the last."""


@dataclass(frozen=True)
class Video:
    """Frames uint8 (T, H, W, 3) in RGB at `fps` frames a second."""

    frames: np.ndarray
    fps: float | Fraction

    def save(self, path: str | Path, *, crf: float = 18) -> Path:
        """Write an MP4 that plays in any browser; it appears when it is whole."""
        write_video(path, self.frames, self.fps, crf=crf)
        return Path(path)


@dataclass(frozen=True)
class _Plan:
    """How to sample: what a caller asked for, checked, and the model's own where nothing was said."""

    frames: int
    height: int
    width: int
    weights: Tensor
    """Guidance of each frame, (T,)."""
    sigmas: Tensor
    noise_aug: float
    solver: Callable[[Draw], Solver]

    @property
    def guided(self) -> bool:
        """Whether the unconditional prediction is needed: with weights of 1 it has no part in the result."""
        return bool((self.weights != 1.0).any())


class Model:
    """An image-to-video model.

        model = Model.open("library/models/tiny")
        model.animate("still.png", motion=180, seed=1).save("out.mp4")

    Attributes:
        parts: its networks, on `device`.
        device, dtype: where they run, and the precision of the UNet and the embedder. The autoencoder runs in float32,
            since its decoder overflows in half precision.
    """

    def __init__(self, parts: Parts, device: torch.device, dtype: torch.dtype) -> None:
        self.parts = parts
        self.device = device
        self.dtype = dtype
        parts.unet.to(device, dtype).eval().requires_grad_(False)
        parts.image_embedder.to(device, dtype).eval().requires_grad_(False)
        parts.autoencoder.to(device, torch.float64 if dtype == torch.float64 else torch.float32)
        parts.autoencoder.eval().requires_grad_(False)

    @classmethod
    def open(
        cls,
        model: str | Path,
        device: str | torch.device = "auto",
        dtype: str | torch.dtype = "auto",
        *,
        unet: str | Path | None = None,
    ) -> Self:
        """Open a model that `marey train` made, or any Stable Video Diffusion: as diffusers' folder, as one file of
        sgm's layout, or from the hub.

        Args:
            model: a folder, a .safetensors file, a hub id, or svd, svd-xt or svd-xt-1.1.
            unet: a .safetensors file with other weights of the same UNet, in diffusers' names, such as
                AnimateLCM-SVD-xt.safetensors (with solver="lcm" and 4 to 8 steps).
            device: auto, cpu, cuda, cuda:N or mps.
            dtype: auto, float32, bfloat16 or float16. Auto is float32, on CUDA the precision of the saved weights.

        Raises:
            MareyError: no such model, a broken or unsafe one, or a device or dtype that cannot be had.
        """
        where = pick(device)
        keep_freed_memory()
        parts = parts_of(model, unet=unet)
        return cls(parts, where, pick_dtype(dtype, where, parts.saved_dtype))

    def adapt(self, path: str | Path, strength: float = 1.0) -> Self:
        """Fuse a LoRA into the UNet's weights: one of peft's, or a file of a diffusers-, kohya- or sgm-style trainer.

        Args:
            path: a folder or a .safetensors file, as of `network.lora_formats.load_adapter`.
            strength: 1 as trained; more, less or under 0. Several calls add up.

        Returns:
            This model.

        Raises:
            MareyError: no LoRA, or one of another network.
        """
        load_adapter(self.parts.unet, path, "fused", strength=strength)
        remove_adapters(self.parts.unet, fuse=True)
        return self

    @property
    def info(self) -> ModelInfo:
        """What it was trained on, and how it samples unless told otherwise."""
        return self.parts.info

    @overload
    def animate(self, image: Any, *, output: Literal["video"] = "video", **how: Any) -> Video: ...

    @overload
    def animate(self, image: Any, *, output: Literal["latents"], **how: Any) -> Tensor: ...

    def animate(  # type: ignore[misc]
        self,
        image: Any,
        *,
        frames: int | None = None,
        fps: float | None = None,
        motion: float | None = None,
        seed: int = 0,
        steps: int | None = None,
        guidance: Guidance | None = None,
        noise_aug: float | None = None,
        solver: str | None = None,
        schedule: str = "karras",
        size: tuple[int, int] | None = None,
        noise: Tensor | None = None,
        output: Literal["video", "latents"] = "video",
        progress: Progress = silent,
    ) -> Video | Tensor:
        """A still to a video that begins with it. What is not said is as the model's folder has it.

        Args:
            image: a path, a PIL image, or a uint8 array (H, W, 3) in RGB; cropped about its centre to the model's shape
                and resized, never squashed.
            frames: how many.
            fps: frames a second: a condition of the model, and the video's.
            motion: how much moves: 0 to 255, the quantile among the training clips.
            seed: of the noise.
            steps: denoising steps.
            guidance: how far to go from the unconditional prediction: one weight, or those of the first and last frame.
            noise_aug: strength of the noise on the still (of pixels in -1..1) before it is a condition; more frees the
                motion.
            solver: one of `diffusion.solvers.SOLVERS` or `diffusion.stochastic.STOCHASTIC`, such as euler, dpmpp_2m,
                unipc or euler_ancestral; heun and edm call the network twice a step, the others once.
            schedule: of the noise levels: karras or ays.
            size: (height, width) in pixels, multiples of the autoencoder's factor; best near those of training.
            noise: (1, T, C, h, w) unit normal, instead of the seed's.
            output: "video", or "latents": (1, T, C, h, w) float32 as the UNet knows them, undecoded.
            progress: told of each step.

        Raises:
            MareyError: a still, size, number or noise that will not do.
        """
        plan = self._plan(frames, steps, guidance, noise_aug, solver, schedule, size)
        if output not in ("video", "latents"):
            raise MareyError(f"There is no output {output!r}: 'video' or 'latents' would do.")
        rate = self._fps(fps)
        pixels = _to_unit(still_pixels(image, plan.height, plan.width)[None])  # (1, 3, H, W)
        total = len(plan.sigmas) - 1
        latents = self._continue(
            pixels, plan, [rate], [self._motion(motion)], [seed], noise, lambda n: progress("animating", n, total)
        )
        if output == "latents":
            return latents
        return Video(self._decode(latents)[0], rate)

    def continue_stills(
        self,
        stills: np.ndarray,
        *,
        seeds: Sequence[int],
        fps: float | Sequence[float] | None = None,
        motion: float | Sequence[float] | None = None,
        frames: int | None = None,
        steps: int | None = None,
        guidance: Guidance | None = None,
        noise_aug: float | None = None,
        solver: str | None = None,
        schedule: str = "karras",
        sigma_min: float | None = None,
        sigma_max: float | None = None,
        batch: int = 8,
        progress: Progress = silent,
    ) -> np.ndarray:
        """Many stills to as many videos. A still's video depends on its own seed and conditions, not on the batch it is
        in.

        Args:
            stills: uint8 (N, H, W, 3), H and W multiples of the autoencoder's factor: taken as they are.
            seeds: N of them.
            fps, motion: one for all, or N.
            frames, steps, guidance, noise_aug, solver, schedule: as of `animate`.
            sigma_min, sigma_max: the ends of the noise schedule.
            batch: how many at a time: memory against speed, nothing else.
            progress: told of each step of each batch.

        Returns:
            uint8 (N, T, H, W, 3).

        Raises:
            MareyError: stills or numbers that will not do.
        """
        if stills.ndim != 4 or stills.shape[3] != 3 or stills.dtype != np.uint8:
            raise MareyError(
                f"The stills are {stills.dtype} {stills.shape}: uint8 (stills, height, width, 3) would do."
            )
        count = len(stills)
        if len(seeds) != count:
            raise MareyError(f"There are {len(seeds)} seeds for {count} stills: one each would do.")
        if batch < 1:
            raise MareyError(f"The batch is {batch}: 1 or more would do.")
        height, width = stills.shape[1:3]
        plan = self._plan(frames, steps, guidance, noise_aug, solver, schedule, (height, width), sigma_min, sigma_max)
        rates = [self._fps(value) for value in _each(fps, count, "fps")]
        motions = [self._motion(value) for value in _each(motion, count, "motion")]
        videos = np.empty((count, plan.frames, height, width, 3), np.uint8)
        each = len(plan.sigmas) - 1
        for start in range(0, count, batch):
            some = slice(start, min(start + batch, count))
            done = -(-start // batch) * each
            latents = self._continue(
                _to_unit(stills[some]),
                plan,
                rates[some],
                motions[some],
                seeds[some],
                None,
                lambda n, done=done: progress("animating", done + n, -(-count // batch) * each),
            )
            videos[some] = self._decode(latents)
        return videos

    def reconstruct(self, videos: np.ndarray, *, batch: int = 8) -> np.ndarray:
        """Videos through the autoencoder and back, uint8 (N, T, H, W, 3): the best that any latents could look."""
        pieces = []
        for start in range(0, len(videos), batch):
            some = videos[start : start + batch]
            flat = _to_unit(some.reshape(-1, *some.shape[2:]))
            with torch.no_grad():
                mean, _ = self.parts.autoencoder.encode(self._pixels(flat.unflatten(0, some.shape[:2])))
                pieces.append(self._decode(mean * self.parts.autoencoder.scaling_factor))
        return np.concatenate(pieces) if pieces else videos.copy()

    def _plan(
        self,
        frames: int | None,
        steps: int | None,
        guidance: Guidance | None,
        noise_aug: float | None,
        solver: str | None,
        schedule: str,
        size: tuple[int, int] | None,
        sigma_min: float | None = None,
        sigma_max: float | None = None,
    ) -> _Plan:
        info = self.info
        frames = info.frames if frames is None else frames
        if frames < 1:
            raise MareyError(f"frames is {frames}: 1 or more would do; the model was trained on {info.frames}.")
        height, width = size or (info.height, info.width)
        factor = self.parts.autoencoder.factor
        if height < factor or width < factor or height % factor or width % factor:
            near = tuple(max(round(side / factor), 1) * factor for side in (height, width))
            raise MareyError(
                f"The size is {height}x{width}: multiples of {factor}, such as {near[0]}x{near[1]}, would do."
            )
        aug = info.noise_aug if noise_aug is None else noise_aug
        if not 0 <= aug < float("inf"):
            raise MareyError(f"noise_aug is {aug}: 0 or more would do.")
        weights = info.guidance if guidance is None else guidance
        low, high = (weights, weights) if isinstance(weights, (int, float)) else weights
        return _Plan(
            frames=frames,
            height=height,
            width=width,
            weights=guiding.linear(low, high, frames),
            sigmas=schedule_named(
                schedule,
                info.steps if steps is None else steps,
                info.sigma_min if sigma_min is None else sigma_min,
                info.sigma_max if sigma_max is None else sigma_max,
            ),
            noise_aug=aug,
            solver=solver_named(info.solver if solver is None else solver),
        )

    def _fps(self, fps: float | None) -> float:
        fps = self.info.fps if fps is None else float(fps)
        if not 0 < fps < float("inf"):
            raise MareyError(
                f"fps is {fps}: a number above 0 would do; the model was trained at about {self.info.fps:g}."
            )
        return fps

    def _motion(self, motion: float | None) -> float:
        motion = self.info.motion if motion is None else float(motion)
        if not 0 <= motion <= 255:
            raise MareyError(f"motion is {motion}: 0 (still) to 255 (the liveliest of the training clips) would do.")
        return motion

    @torch.no_grad()
    def _continue(
        self,
        stills: Tensor,
        plan: _Plan,
        fps: Sequence[float],
        motion: Sequence[float],
        seeds: Sequence[int],
        noise: Tensor | None,
        done: Any,
    ) -> Tensor:
        """Stills (N, 3, H, W) in [-1, 1] to scaled latents (N, T, C, h, w), float32 (svd.md §1.3 and §1.7)."""
        autoencoder = self.parts.autoencoder
        generators = [seeded(seed) for seed in seeds]
        # Drawn before the latents' noise, as in diffusers' pipeline, so that one generator gives the same video there
        # and here.
        augmentation = normal(generators, stills.shape[1:])
        shape = (
            plan.frames,
            autoencoder.latent_channels,
            plan.height // autoencoder.factor,
            plan.width // autoencoder.factor,
        )
        if noise is None:
            noise = normal(generators, shape)
        elif noise.shape != (len(stills), *shape):
            raise MareyError(f"The noise is {tuple(noise.shape)}: {(len(stills), *shape)} would do.")

        # The token is of the clean still, the frame is noised in pixels; its latents are not scaled.
        token = self.parts.image_embedder(self._pixels(stills))  # (N, 1, D)
        frame, _ = autoencoder.encode(self._pixels(stills + plan.noise_aug * augmentation)[:, None])  # (N, 1, C, h, w)
        frame = frame.to(self.dtype).expand(-1, plan.frames, -1, -1, -1)
        added = torch.tensor(
            [[rate - 1.0, bucket, plan.noise_aug] for rate, bucket in zip(fps, motion, strict=True)], device=self.device
        )
        if plan.guided:  # unconditional first: no token, no frame, the same numbers
            token = torch.cat([torch.zeros_like(token), token])
            frame = torch.cat([torch.zeros_like(frame), frame])
            added = torch.cat([added, added])

        def network(x: Tensor, c_noise: Tensor) -> Tensor:
            if plan.guided:
                x, c_noise = torch.cat([x, x]), torch.cat([c_noise, c_noise])
            predicted = self.parts.unet(torch.cat([x.to(self.dtype), frame], dim=2), c_noise, token, added).to(x.dtype)
            if not plan.guided:
                return predicted
            unconditional, conditional = predicted.chunk(2)
            return guiding.guide(unconditional, conditional, plan.weights)

        # In float32 whatever the network's precision: steps at high noise are differences of large numbers.
        wide = torch.float64 if self.dtype == torch.float64 else torch.float32
        start = float((1.0 + plan.sigmas[0].square()).sqrt())
        solve = plan.solver(lambda: normal(generators, shape).to(self.device, wide))
        return solve(
            lambda x, sigma: denoise(network, x, sigma),
            noise.to(self.device, wide) * start,
            plan.sigmas,
            lambda step, sigma, x, denoised: done(step + 1),
        )

    @torch.no_grad()
    def _decode(self, latents: Tensor) -> np.ndarray:
        """Scaled latents (N, T, C, h, w) to uint8 (N, T, H, W, 3)."""
        autoencoder = self.parts.autoencoder
        pixels = autoencoder.decode(latents.to(autoencoder.vae.dtype) / autoencoder.scaling_factor)
        pixels = ((pixels + 1.0) * 127.5).clamp(0.0, 255.0).round().to(torch.uint8)
        return pixels.permute(0, 1, 3, 4, 2).cpu().numpy()

    def _pixels(self, pixels: Tensor) -> Tensor:
        """Where the autoencoder is, in its precision."""
        return pixels.to(self.device, self.parts.autoencoder.vae.dtype)


def _to_unit(stills: np.ndarray) -> Tensor:
    """uint8 (N, H, W, 3) to float32 (N, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(stills)).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def _each(value: float | Sequence[float] | None, count: int, name: str) -> list[float | None]:
    if value is None or isinstance(value, (int, float)):
        return [value] * count
    if len(value) != count:
        raise MareyError(f"There are {len(value)} values of {name} for {count} stills: one, or one each, would do.")
    return list(value)
