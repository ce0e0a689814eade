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
from marey.network.condition import added
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
    numbers: Tensor | None = None,
    done: Callable[[int], None],
    seen: Callable[[int, Tensor], None] | None = None,
    saving: Saving | None = None,
) -> Sampled:
    """Latents of the videos of which `stills` are given frames (svd.md §1.3 and §1.7).

    Args:
        parts: the networks, on `device`; what is elsewhere comes there for its work.
        stills: (N, 3, H, W) in [-1, 1], which the videos begin with; (N, S, 3, H, W) where the model's condition asks
            for several; None: there are none, and the texts say it all.
        dtype: of the UNet and the embedder.
        fps, motion, seeds: of each still.
        noise: (N, T, C, h, w) unit normal, instead of the seeds'.
        texts: N of them, for a model that takes texts.
        numbers: (N, n) or (N, T, n), for a model whose condition is told in numbers, too.
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
                    numbers=None if numbers is None else numbers[one],
                    done=lambda step, before=n * plan.steps: done((before + step) // len(seeds)),
                    seen=None if n else seen,
                    saving=saving,
                )
            )
        return Sampled(torch.cat([run.latents for run in runs]), runs[-1].calls)

    unet, autoencoder, condition = parts.unet, parts.autoencoder, parts.condition
    generators = [seeded(seed) for seed in seeds]
    shape = (
        plan.frames,
        autoencoder.latent_channels,
        plan.height // autoencoder.factor,
        plan.width // autoencoder.factor,
    )
    places = len(condition.places(plan.frames))
    # Drawn before the latents' noise, as in diffusers' pipeline, so that one generator gives the same video there
    # and here.
    if stills is None:
        normal(generators, (3, plan.height, plan.width))
        token = torch.zeros(len(seeds), places, unet.config.context, device=device, dtype=dtype)
        frames = torch.zeros(len(seeds), *shape, device=device, dtype=dtype)
        known = None
    else:
        stills = stills if stills.ndim == 5 else stills[:, None]  # (N, S, 3, H, W)

        def there(pixels: Tensor) -> Tensor:
            return pixels.to(device, autoencoder.vae.dtype)

        strength = torch.full((len(seeds),), plan.noise_aug)
        with visiting(parts.image_embedder, device):
            token = parts.image_embedder(there(stills.flatten(0, 1))).view(*stills.shape[:2], -1)  # (N, S, D)
        with visiting(autoencoder, device):
            given, known = condition.encoded(
                stills,
                strength,
                lambda drawn: normal(generators, drawn),
                lambda pixels: autoencoder.encode(there(pixels))[0],
                autoencoder.scaling_factor,
            )
            if known is None and parts.info.holds:
                known = autoencoder.encode(there(stills))[0] * autoencoder.scaling_factor
        frames = condition.concatenated(given, plan.frames).to(dtype)
    if noise is None:
        noise = normal(generators, shape)
    elif noise.shape != (len(seeds), *shape):
        raise MareyError(f"The noise is {tuple(noise.shape)}: {(len(seeds), *shape)} would do.")

    # The token is of the clean still; the latents that are given are not scaled.
    token = context_of(parts, token, texts or [""] * len(seeds))
    usual = torch.tensor(
        [[rate - 1.0, bucket, plan.noise_aug] for rate, bucket in zip(fps, motion, strict=True)], device=device
    )
    told = added(usual, numbers)
    apart = saving is not None and saving.sequential
    predictor = Predictor(unet, plan, token.to(dtype), frames, told, dtype=dtype, apart=apart)

    def after(step: int, sigma: float, x: Tensor, denoised: Tensor) -> None:
        done(step + 1)
        if seen is not None:
            seen(step + 1, denoised)

    # In float32 whatever the network's precision: steps at high noise are differences of large numbers.
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    start = float((1.0 + plan.sigmas[0].square()).sqrt())
    solve = plan.solver(lambda: normal(generators, shape).to(device, wide))

    def expected(x: Tensor, sigma: float) -> Tensor:
        clip = denoise(predictor.at(sigma), x, sigma)
        return clip if known is None else condition.pinned(clip, known)

    with visiting(unet, device):
        latents = solve(expected, noise.to(device, wide) * start, plan.sigmas, after)
    return Sampled(latents, predictor.calls)
