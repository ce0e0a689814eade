"""From stills to latents: the conditions, the denoiser with guidance, and the solver's loop."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from marey.diffusion.noise import normal, seeded
from marey.diffusion.precondition import denoise
from marey.errors import MareyError
from marey.generate.imagine import context_of
from marey.generate.offload import Saving, visiting
from marey.generate.plan import Plan
from marey.generate.predictor import Calls, Predictor
from marey.network.folder import Parts


class Sampled(NamedTuple):
    """What a run gives."""

    latents: Tensor
    """(N, T, C, h, w)"""
    calls: Calls
    """Of the network, for the last clip, or batch."""


@torch.no_grad()
def sample(
    parts: Parts,
    plan: Plan,
    stills: Tensor | None,
    *,
    device: torch.device,
    dtype: torch.dtype,
    fps: Sequence[float],
    motion: Sequence[float],
    seeds: Sequence[int],
    noise: Tensor | None,
    texts: Sequence[str] | None = None,
    done: Callable[[int], None],
    seen: Callable[[int, Tensor], None] | None = None,
    saving: Saving | None = None,
) -> Sampled:
    """Latents of the videos that begin with `stills` (svd.md §1.3 and §1.7).

    Args:
        parts: the networks, on `device`; what is elsewhere comes there for its work.
        stills: (N, 3, H, W) in [-1, 1]; None: there are none, and the texts say it all.
        dtype: of the UNet and the embedder.
        fps, motion, seeds: of each still.
        noise: (N, T, C, h, w) unit normal, instead of the seeds'.
        texts: N of them, for a model that takes texts.
        done: told of each step, from 1.
        seen: shown after each step, from 1, what the clip is expected to be, as scaled latents.
        saving: how memory is saved.

    Returns:
        Scaled latents (N, T, C, h, w), float32; float64 where the network is.

    Raises:
        MareyError: noise of another shape.
    """
    if plan.cache and len(seeds) > 1:  # when a call is full is a clip's own matter, so that no video knows of others
        runs = []
        for n in range(len(seeds)):
            one = slice(n, n + 1)
            runs.append(
                sample(
                    parts,
                    plan,
                    None if stills is None else stills[one],
                    device=device,
                    dtype=dtype,
                    fps=fps[one],
                    motion=motion[one],
                    seeds=seeds[one],
                    noise=None if noise is None else noise[one],
                    texts=None if texts is None else texts[one],
                    done=lambda step, before=n * plan.steps: done((before + step) // len(seeds)),
                    seen=None if n else seen,
                    saving=saving,
                )
            )
        return Sampled(torch.cat([run.latents for run in runs]), runs[-1].calls)

    unet, autoencoder = parts.unet, parts.autoencoder
    generators = [seeded(seed) for seed in seeds]
    # Drawn before the latents' noise, as in diffusers' pipeline, so that one generator gives the same video there
    # and here.
    augmentation = normal(generators, (3, plan.height, plan.width))
    shape = (
        plan.frames,
        autoencoder.latent_channels,
        plan.height // autoencoder.factor,
        plan.width // autoencoder.factor,
    )
    if noise is None:
        noise = normal(generators, shape)
    elif noise.shape != (len(seeds), *shape):
        raise MareyError(f"The noise is {tuple(noise.shape)}: {(len(seeds), *shape)} would do.")

    # The token is of the clean still, the frame is noised in pixels; its latents are not scaled.
    if stills is None:
        token = torch.zeros(len(seeds), 1, unet.config.context, device=device, dtype=dtype)
        frame = torch.zeros(len(seeds), 1, *shape[1:], device=device, dtype=dtype)
    else:
        with visiting(parts.image_embedder, device):
            token = parts.image_embedder(stills.to(device, autoencoder.vae.dtype))  # (N, 1, D)
        noised = (stills + plan.noise_aug * augmentation).to(device, autoencoder.vae.dtype)
        with visiting(autoencoder, device):
            frame, _ = autoencoder.encode(noised[:, None])  # (N, 1, C, h, w)
    token = context_of(parts, token, texts or [""] * len(seeds))
    frame = frame.to(dtype).expand(-1, plan.frames, -1, -1, -1)
    added = torch.tensor(
        [[rate - 1.0, bucket, plan.noise_aug] for rate, bucket in zip(fps, motion, strict=True)], device=device
    )
    apart = saving is not None and saving.sequential
    predictor = Predictor(unet, plan, token.to(dtype), frame, added, dtype=dtype, apart=apart)

    def after(step: int, sigma: float, x: Tensor, denoised: Tensor) -> None:
        done(step + 1)
        if seen is not None:
            seen(step + 1, denoised)

    # In float32 whatever the network's precision: steps at high noise are differences of large numbers.
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    start = float((1.0 + plan.sigmas[0].square()).sqrt())
    solve = plan.solver(lambda: normal(generators, shape).to(device, wide))
    with visiting(unet, device):
        latents = solve(
            lambda x, sigma: denoise(predictor.at(sigma), x, sigma), noise.to(device, wide) * start, plan.sigmas, after
        )
    return Sampled(latents, predictor.calls)
