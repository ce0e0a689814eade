"""A model that is open: stills in, videos out."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self, overload

import numpy as np
import torch
from torch import Tensor

from marey.errors import MareyError
from marey.generate.asked import check_given, check_kinds, noise_of
from marey.generate.device import fast_bfloat16, pick, pick_dtype
from marey.generate.imagine import imagine
from marey.generate.interpolate import footage_of, interpolate
from marey.generate.meter import cost
from marey.generate.offload import Saving, chunk_feed_forward, visiting
from marey.generate.orbit import Angles, cameras
from marey.generate.plan import Guidance, Plan, each, fps_for, motion_for, plan_for
from marey.generate.preview import Drawer, Preview, PreviewFile, frames_of, linear_of
from marey.generate.sampling import Sampled, sample
from marey.generate.several import several
from marey.generate.still import Fit, still_pixels
from marey.generate.tiny import place_of
from marey.generate.video import Video
from marey.network.folder import ModelInfo, Parts
from marey.network.lora import remove_adapters
from marey.network.lora_formats import load_adapter
from marey.network.memory import keep_freed_memory
from marey.network.sources import parts_of
from marey.network.taesdv import load_taesdv
from marey.network.unet import SpatioTemporalUNet
from marey.progress import Progress, silent


class Model:
    """An image-to-video model.

        model = Model.open("library/models/tiny")
        model.animate("still.png", motion=180, seed=1).save("out.mp4")

    Attributes:
        parts: its networks, on `device`.
        device, dtype: where they run, and the precision of the UNet and the embedder. The autoencoder runs in float32,
            since its decoder overflows in half precision.
        vram: GiB of memory that a call is made to fit; None: nothing is saved.
    """

    def __init__(self, parts: Parts, device: torch.device, dtype: torch.dtype, vram: float | None = None) -> None:
        self.parts = parts
        self.device = device
        self.dtype = dtype
        self.vram = vram
        self._drawer: Drawer | None = None
        self._may_narrow = False
        self._narrow: SpatioTemporalUNet | None = None
        parts.unet.to(dtype).eval().requires_grad_(False)
        parts.image_embedder.to(dtype).eval().requires_grad_(False)
        if parts.text_embedder is not None:
            parts.text_embedder.to(device, dtype).eval().requires_grad_(False)
        parts.autoencoder.to(torch.float64 if dtype == torch.float64 else torch.float32)
        parts.autoencoder.eval().requires_grad_(False)
        if vram is None:
            self._settle(device)

    @classmethod
    def open(
        cls,
        model: str | Path | None = None,
        device: str | torch.device = "auto",
        dtype: str | torch.dtype = "auto",
        *,
        unet: str | Path | None = None,
        vram: float | None = None,
    ) -> Self:
        """Open the model that comes with Marey, one that `marey train` made, or any Stable Video Diffusion: as
        diffusers' folder, as one file of sgm's layout, or from the hub.

        Args:
            model: a folder, a .safetensors file, a hub id, or marey-tiny (what None means), svd, svd-xt or svd-xt-1.1.
            unet: a .safetensors file with other weights of the same UNet, in diffusers' names, such as
                AnimateLCM-SVD-xt.safetensors (with solver="lcm" and 4 to 8 steps).
            device: auto, cpu, cuda, cuda:N or mps.
            dtype: auto, float32, bfloat16 or float16. Auto is float32, on CUDA the precision of the saved weights, and
                float16 where there is little memory.
            vram: GiB of the card that every call is to fit, such as 8, 12, 16 or 24: what is exact is done first, and
                then the clip is decoded in chunks (`generate.memory`). None: nothing is saved.

        Raises:
            MareyError: no such model, a broken or unsafe one, or a device or dtype that cannot be had.
        """
        check_kinds({"model": model, "vram": vram})
        where = pick(device)
        keep_freed_memory()
        parts = parts_of(place_of(model), unet=unet)
        saved = torch.float16 if vram is not None else parts.saved_dtype
        opened = cls(parts, where, pick_dtype(dtype, where, saved), vram)
        opened._may_narrow = dtype == "auto" and vram is None and where.type == "cpu" and fast_bfloat16(where)
        return opened

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
        self._narrow = None
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
        schedule: str | None = None,
        size: tuple[int, int] | None = None,
        fit: Fit = "crop",
        noise: Tensor | None = None,
        output: Literal["video", "latents"] = "video",
        preset: str = "exact",
        cache: float | None = None,
        guidance_interval: tuple[float, float] | None = None,
        measure: bool = False,
        decode_chunk: int | None = None,
        preview: Preview | str | Path | None = None,
        progress: Progress = silent,
    ) -> Video | Tensor:
        """A still to a video that begins with it. What is not said is as the model's folder has it.

        Args:
            image: a path, a PIL image, or a uint8 array (H, W, 3) in RGB.
            frames: how many.
            fps: frames a second: a condition of the model, and the video's.
            motion: how much moves: 0 to 255, the quantile among the training clips.
            seed: of the noise.
            steps: denoising steps.
            guidance: how far to go from the unconditional prediction: one weight, those of the first and last frame, or
                a guider by name, such as "triangle:1:2.5" (`diffusion.guidance.weights_named`).
            noise_aug: strength of the noise on the still (of pixels in -1..1) before it is a condition; more frees the
                motion.
            solver: one of `diffusion.solvers.SOLVERS` or `diffusion.stochastic.STOCHASTIC`, such as euler, dpmpp_2m,
                unipc or euler_ancestral; heun and edm call the network twice a step, the others once.
            schedule: of the noise levels: karras or ays.
            preset: exact, fast or draft, of `generate.presets`: what it chooses holds where nothing else is said.
            cache: how much the network's input may change, as a share, until its inner part is computed anew; 0: it
                always is.
            guidance_interval: (low, high) noise levels between which there is guidance; each step outside of them costs
                half.
            measure: run again without any saving, and tell in the video's `cost` how far the two are apart.
            size: (height, width) in pixels, multiples of the autoencoder's factor; best near those of training.
            fit: what is done with a still of another shape: "crop" takes its largest centred part, "pad" puts all of it
                on black, "squash" changes its proportions.
            noise: (1, T, C, h, w) unit normal, instead of the seed's.
            decode_chunk: decode so many frames at a time, blended where chunks overlap: less memory, and nearly the
                same. None: all at once, or what `vram` asks for.
            preview: called after each step with its number, how many there are, and the clip as it is expected to be,
                uint8 (T, h, w, 3): small, and rough at first. Or a .gif or .png that is replaced after each step.
            output: "video", or "latents": (1, T, C, h, w) float32 as the UNet knows them, undecoded.
            progress: told of each step.

        Raises:
            MareyError: a still, size, number or noise that will not do.
        """
        check_kinds(locals())
        how: dict[str, Any] = {
            "frames": frames,
            "steps": steps,
            "guidance": guidance,
            "noise_aug": noise_aug,
            "solver": solver,
            "schedule": schedule,
            "size": size,
        }
        factor = self.parts.autoencoder.factor
        plan = plan_for(self.info, factor, preset=preset, cache=cache, guidance_interval=guidance_interval, **how)
        if output not in ("video", "latents"):
            raise MareyError(f"There is no output {output!r}: 'video' or 'latents' would do.")
        rate = fps_for(self.info, fps)
        saving = self._saving(plan, decode_chunk)
        if isinstance(preview, (str, Path)):
            preview = PreviewFile(preview, rate)
        exact = plan_for(self.info, factor, **how) if measure and output == "video" else None
        total = plan.steps + (exact.steps if exact else 0)
        still = still_pixels(image, plan.height, plan.width, fit)[None]
        given = still, [rate], [motion_for(self.info, motion)], [seed], noise_of(noise)
        ours = self._sample(
            plan,
            *given,
            _told(progress, 0, total),
            saving=saving,
            seen=None if preview is None else self._shown(preview, plan.steps),
        )
        if output == "latents":
            return ours.latents
        measured = None
        if exact is not None:
            measured = cost(ours, self._sample(exact, *given, _told(progress, plan.steps, total), saving=saving))
        return Video(self._decode(ours.latents, saving)[0], rate, measured)

    def imagine(
        self,
        text: str,
        image: Any = None,
        *,
        frames: int | None = None,
        fps: float | None = None,
        motion: float | None = None,
        seed: int = 0,
        steps: int | None = None,
        guidance: Guidance | None = None,
        noise_aug: float | None = None,
        solver: str | None = None,
        schedule: str | None = None,
        progress: Progress = silent,
    ) -> Video:
        """A text to a video in which it happens, from nothing or beginning with a still. Only models that were trained
        with texts, such as marey-tiny, can.

        Args:
            text: what happens, in the words that the model knows; its card says which.
            image: a still, as of `animate`; None: the model thinks of one.
            frames, fps, motion, seed, steps, guidance, noise_aug, solver, schedule, progress: as of `animate`.

        Raises:
            MareyError: a model that takes no text, an empty text, or a still or number that will not do.
        """
        check_kinds(locals())
        plan = plan_for(
            self.info,
            self.parts.autoencoder.factor,
            frames=frames,
            steps=steps,
            guidance=guidance,
            noise_aug=noise_aug,
            solver=solver,
            schedule=schedule,
        )
        stills = None if image is None else still_pixels(image, plan.height, plan.width)[None]
        rates, motions = [fps_for(self.info, fps)], [motion_for(self.info, motion)]
        videos = imagine(self, [text], stills, plan, rates, motions, [seed], progress=progress)
        return Video(videos[0], rates[0])

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
        schedule: str | None = None,
        sigma_min: float | None = None,
        sigma_max: float | None = None,
        preset: str = "exact",
        cache: float | None = None,
        guidance_interval: tuple[float, float] | None = None,
        batch: int = 8,
        progress: Progress = silent,
    ) -> np.ndarray:
        """Many stills to as many videos. A still's video depends on its own seed and conditions, not on the batch it is
        in.

        Args:
            stills: uint8 (N, H, W, 3), H and W multiples of the autoencoder's factor: taken as they are.
            seeds: N of them.
            fps, motion: one for all, or N.
            frames, steps, guidance, noise_aug, solver, schedule, preset, cache, guidance_interval: as of `animate`.
            sigma_min, sigma_max: the ends of the noise schedule.
            batch: how many at a time: memory against speed, nothing else; one where there is a `vram` to fit.
            progress: told of each step of each batch.

        Returns:
            uint8 (N, T, H, W, 3).

        Raises:
            MareyError: stills or numbers that will not do.
        """
        numbers = {"frames": frames, "steps": steps, "guidance": guidance, "noise_aug": noise_aug, "batch": batch}
        check_kinds({**numbers, "sigma_min": sigma_min, "sigma_max": sigma_max})
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
        plan = plan_for(
            self.info,
            self.parts.autoencoder.factor,
            frames=frames,
            steps=steps,
            guidance=guidance,
            noise_aug=noise_aug,
            solver=solver,
            schedule=schedule,
            size=(height, width),
            sigma_min=sigma_min,
            sigma_max=sigma_max,
            preset=preset,
            cache=cache,
            guidance_interval=guidance_interval,
        )
        rates = [fps_for(self.info, value) for value in each(fps, count, "fps")]
        motions = [motion_for(self.info, value) for value in each(motion, count, "motion")]
        given = plan, stills, rates, motions, list(seeds)
        return several(self, "animating", *given, batch=batch, progress=progress)

    def interpolate(
        self,
        video: Any,
        *,
        fps: float | None = None,
        motion: float | None = None,
        seed: int = 0,
        steps: int | None = None,
        guidance: Guidance | None = None,
        noise_aug: float | None = None,
        solver: str | None = None,
        schedule: str | None = None,
        size: tuple[int, int] | None = None,
        fit: Fit = "crop",
        batch: int = 8,
        progress: Progress = silent,
    ) -> Video:
        """A video with new frames between its own: at four times its rate, by a model that learned three between two
        (`marey finetune`, condition "ends"). Frames that have the size are in the result as they are.

        Args:
            video: a path, a `Video`, or frames uint8 (T, H, W, 3) in RGB; of one shot.
            fps: of the video; None: as its file says.
            size, fit: of the frames, as of `animate`. None: as the model was trained.
            batch: pairs of neighbours at a time.
            motion, seed, steps, guidance, noise_aug, solver, schedule, progress: as of `animate`; the noise that
                `noise_aug` scales is of latents.

        Raises:
            MareyError: a model that learned something else, or a video or number that will not do.
        """
        check_kinds(locals())
        if self.parts.condition.verb != "interpolate":
            raise MareyError(
                f"This model's condition is {self.info.condition!r}: one that was finetuned with the condition 'ends' "
                "would do."
            )
        how: dict[str, Any] = {"steps": steps, "guidance": guidance, "noise_aug": noise_aug, "size": size}
        plan = plan_for(self.info, self.parts.autoencoder.factor, solver=solver, schedule=schedule, **how)
        frames, rate = footage_of(video, fps, plan.height, plan.width, fit)
        rate = rate * (plan.frames - 1)
        given = frames, plan, float(rate), motion_for(self.info, motion), seed
        return Video(interpolate(self, *given, batch=batch, progress=progress), rate)

    def orbit(
        self,
        image: Any,
        elevation: Angles = 10.0,
        azimuths: Sequence[float] | None = None,
        *,
        frames: int | None = None,
        fps: float | None = None,
        motion: float | None = None,
        seed: int = 0,
        steps: int | None = None,
        guidance: Guidance | None = None,
        noise_aug: float | None = None,
        solver: str | None = None,
        schedule: str | None = None,
        size: tuple[int, int] | None = None,
        fit: Fit = "crop",
        progress: Progress = silent,
    ) -> Video:
        """A still of a thing to a video that goes around it, by a model that learned cameras (`marey finetune`,
        condition "elevation" or "poses").

        Args:
            image: as of `animate`.
            elevation: of the camera above the horizon, in degrees; with the condition "poses" also one for each frame.
            azimuths: with the condition "poses", of each frame, in degrees counter-clockwise as seen from above, of
                which only the differences from the first count. None: once around in even steps.
            guidance: None: the model's weights as a triangle, since an orbit ends where it begins.
            frames, fps, motion, seed, steps, noise_aug, solver, schedule, size, fit, progress: as of `animate`.

        Raises:
            MareyError: a model that learned something else, or a still, angle or number that will not do.
        """
        check_kinds({name: value for name, value in locals().items() if name != "elevation"})
        how: dict[str, Any] = {"steps": steps, "noise_aug": noise_aug, "solver": solver, "schedule": schedule}
        if guidance is None:
            guidance = "triangle:{}:{}".format(*self.info.guidance)
        if frames is None and azimuths is not None:
            frames = len(azimuths)
        factor = self.parts.autoencoder.factor
        plan = plan_for(self.info, factor, frames=frames, guidance=guidance, size=size, **how)
        told = cameras(self.parts.condition, plan.frames, elevation, azimuths)
        still = still_pixels(image, plan.height, plan.width, fit)[None]
        rate = fps_for(self.info, fps)
        given = plan, still, [rate], [motion_for(self.info, motion)], [seed]
        return Video(several(self, "turning", *given, numbers=told, progress=progress)[0], rate)

    def reconstruct(self, videos: np.ndarray, *, batch: int = 8) -> np.ndarray:
        """Videos through the autoencoder and back, uint8 (N, T, H, W, 3): the best that any latents could look."""
        pieces = []
        for start in range(0, len(videos), batch):
            some = videos[start : start + batch]
            flat = _to_unit(some.reshape(-1, *some.shape[2:]))
            with torch.no_grad():
                with visiting(self.parts.autoencoder, self.device):
                    mean, _ = self.parts.autoencoder.encode(self._pixels(flat.unflatten(0, some.shape[:2])))
                pieces.append(self._decode(mean * self.parts.autoencoder.scaling_factor))
        return np.concatenate(pieces) if pieces else videos.copy()

    def _sample(
        self,
        plan: Plan,
        stills: np.ndarray | None,
        fps: Sequence[float],
        motion: Sequence[float],
        seeds: Sequence[int],
        noise: Tensor | None,
        done: Callable[[int], None],
        texts: Sequence[str] | None = None,
        *,
        numbers: Tensor | None = None,
        saving: Saving,
        seen: Callable[[int, Tensor], None] | None = None,
    ) -> Sampled:
        """Stills uint8 (N, H, W, 3), several of each clip (N, S, H, W, 3), or texts alone, to scaled latents (N, T, C,
        h, w)."""
        parts, dtype = self.parts, self.dtype
        check_given(parts.condition, plan.frames, stills, numbers)
        if plan.narrow and self._may_narrow and dtype == torch.float32:
            if self._narrow is None:
                self._narrow = copy.deepcopy(parts.unet).to(torch.bfloat16)
            parts, dtype = replace(parts, unet=self._narrow), torch.bfloat16
        return sample(
            parts,
            plan,
            None if stills is None else _to_unit(stills),
            texts=texts,
            numbers=numbers,
            device=self.device,
            dtype=dtype,
            fps=fps,
            motion=motion,
            seeds=seeds,
            noise=noise,
            done=done,
            seen=seen,
            saving=saving,
        )

    @torch.no_grad()
    def _decode(self, latents: Tensor, saving: Saving | None = None) -> np.ndarray:
        """Scaled latents (N, T, C, h, w) to uint8 (N, T, H, W, 3)."""
        autoencoder, saving = self.parts.autoencoder, saving or Saving()
        own = latents.to(self.device, autoencoder.vae.dtype) / autoencoder.scaling_factor
        with visiting(autoencoder, self.device):
            pixels = autoencoder.decode(own, chunk=saving.chunk, tile=saving.tile)
        pixels = pixels.add_(1.0).mul_(127.5).clamp_(0.0, 255.0).round_().to(torch.uint8)
        return pixels.permute(0, 1, 3, 4, 2).cpu().numpy()

    def _settle(self, device: torch.device) -> None:
        """Have the networks live on a device."""
        for part in (self.parts.unet, self.parts.image_embedder, self.parts.autoencoder):
            part.to(device)

    def preview_by(self, taesdv: str | Path) -> Self:
        """Draw previews by TAESDV (https://github.com/madebyollin/taesdv), at full size, instead of a linear map.

        Args:
            taesdv: its weights as a .safetensors file, or a folder with them.

        Returns:
            This model.

        Raises:
            MareyError: there are no such weights, or this model's latents are not those of Stable Video Diffusion.
        """
        decoder, autoencoder = load_taesdv(taesdv), self.parts.autoencoder
        if (decoder.factor, 4) != (autoencoder.factor, autoencoder.latent_channels):
            raise MareyError(
                f"TAESDV knows latents of 4 channels and {decoder.factor} pixels a side; this model's have "
                f"{autoencoder.latent_channels} and {autoencoder.factor}: previews without it would do."
            )
        self._drawer = decoder.to(self.device)
        return self

    def _shown(self, preview: Preview, steps: int) -> Callable[[int, Tensor], None]:
        """Shows what the first clip of a batch is expected to be."""
        if self._drawer is None:
            with visiting(self.parts.autoencoder, self.device):
                self._drawer = linear_of(self.parts.autoencoder)
        drawer = self._drawer
        return lambda step, latents: preview(step, steps, frames_of(drawer, latents[0]))

    def _saving(self, plan: Plan, decode_chunk: int | None = None) -> Saving:
        """How memory is saved in a call; the networks are where it asks for."""
        if decode_chunk is not None and decode_chunk < 1:
            raise MareyError(f"decode_chunk is {decode_chunk}: 1 or more frames would do.")
        saving = Saving()
        if self.vram is not None:
            from marey.generate.memory import plan_memory
            from marey.generate.shapes import Shapes

            saving = plan_memory(
                Shapes.of(self.parts),
                plan.frames,
                plan.height,
                plan.width,
                self.vram,
                dtype=self.dtype,
                guided=plan.guided,
                cached=plan.cache > 0,
                turns=self.device.type != "cpu",
            ).saving
            self._settle(torch.device("cpu") if saving.offload else self.device)
            chunk_feed_forward(self.parts.unet, saving.rows)
        return saving if decode_chunk is None else replace(saving, chunk=decode_chunk)

    def _pixels(self, pixels: Tensor) -> Tensor:
        """Where the autoencoder is, in its precision."""
        return pixels.to(self.device, self.parts.autoencoder.vae.dtype)


def _to_unit(stills: np.ndarray) -> Tensor:
    """uint8 (..., H, W, 3) to float32 (..., 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(stills)).movedim(-1, -3).float() / 127.5 - 1.0


def _told(progress: Progress, before: int, total: int) -> Callable[[int], None]:
    """Tells of step n of a batch as one of `total`."""
    return lambda n: progress("animating", before + n, total)
