"""A model that is open: stills in, videos out."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from torch import Tensor

from marey.errors import MareyError
from marey.generate.asked import check_kinds, noise_of
from marey.generate.imagine import imagine
from marey.generate.interpolate import footage_of, interpolate
from marey.generate.meter import cost
from marey.generate.opened import Opened
from marey.generate.orbit import Angles, cameras
from marey.generate.plan import Guidance, each, fps_for, motion_for, plan_for
from marey.generate.preview import Preview, PreviewFile
from marey.generate.several import several
from marey.generate.still import Fit, still_pixels
from marey.generate.video import Video
from marey.progress import Progress, silent


class Model(Opened):
    """A video model.

    model = Model.open("library/models/tiny")
    model.animate("still.png", motion=180, seed=1).save("out.mp4")
    """

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
        saving = self.saving(plan, decode_chunk)
        if isinstance(preview, (str, Path)):
            preview = PreviewFile(preview, rate)
        exact = plan_for(self.info, factor, **how) if measure and output == "video" else None
        total = plan.steps + (exact.steps if exact else 0)
        still = still_pixels(image, plan.height, plan.width, fit)[None]
        given = still, [rate], [motion_for(self.info, motion)], [seed], noise_of(noise)
        ours = self.sample(
            plan,
            *given,
            _told(progress, 0, total),
            saving=saving,
            seen=None if preview is None else self.shown(preview, plan.steps),
        )
        if output == "latents":
            return ours.latents
        measured = None
        if exact is not None:
            measured = cost(ours, self.sample(exact, *given, _told(progress, plan.steps, total), saving=saving))
        return Video(self.decode(ours.latents, saving)[0], rate, measured)

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


def _told(progress: Progress, before: int, total: int) -> Callable[[int], None]:
    """Tells of step n of a batch as one of `total`."""
    return lambda n: progress("animating", before + n, total)
