"""From stills to latents: the conditions, the denoiser with guidance, and the solver's loop."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from marey.diffusion import guidance as guiding
from marey.diffusion.noise import normal, seeded
from marey.diffusion.precondition import denoise
from marey.errors import MareyError
from marey.generate.imagine import context_of
from marey.generate.offload import Saving, visiting
from marey.generate.plan import Plan
from marey.network.folder import Parts


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
) -> Tensor:
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
    autoencoder = parts.autoencoder
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
        token = torch.zeros(len(seeds), 1, parts.unet.config.context, device=device, dtype=dtype)
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
    if plan.guided:  # unconditional first: no text, no token, no frame, the same numbers
        token = torch.cat([torch.zeros_like(token), token])
        frame = torch.cat([torch.zeros_like(frame), frame])
        added = torch.cat([added, added])

    apart = saving is not None and saving.sequential

    def predict(x: Tensor, c_noise: Tensor, some: slice) -> Tensor:
        sample = torch.cat([x.to(dtype), frame[some]], dim=2)
        return parts.unet(sample, c_noise, token[some], added[some]).to(x.dtype)

    def network(x: Tensor, c_noise: Tensor) -> Tensor:
        if not plan.guided:
            return predict(x, c_noise, slice(None))
        if apart:
            halves = [predict(x, c_noise, slice(n * len(x), (n + 1) * len(x))) for n in range(2)]
        else:
            halves = list(predict(torch.cat([x, x]), torch.cat([c_noise, c_noise]), slice(None)).chunk(2))
        return guiding.guide(halves[0], halves[1], plan.weights)

    def after(step: int, sigma: float, x: Tensor, denoised: Tensor) -> None:
        done(step + 1)
        if seen is not None:
            seen(step + 1, denoised)

    # In float32 whatever the network's precision: steps at high noise are differences of large numbers.
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    start = float((1.0 + plan.sigmas[0].square()).sqrt())
    solve = plan.solver(lambda: normal(generators, shape).to(device, wide))
    with visiting(parts.unet, device):
        return solve(lambda x, sigma: denoise(network, x, sigma), noise.to(device, wide) * start, plan.sigmas, after)
