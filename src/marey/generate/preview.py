"""The clip while it forms: what is expected of it after a step, made visible at a small part of the decoder's cost.

A linear map from latents to colours is enough to see what moves where: one pixel a latent. TAESDV, where its weights
are at hand, draws at full size (https://github.com/madebyollin/taesdv).
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from marey.diffusion.noise import seeded
from marey.errors import MareyError
from marey.generate.video import write_gif
from marey.media import contact_sheet, png_bytes
from marey.network.autoencoder import Autoencoder

Preview = Callable[[int, int, np.ndarray], None]
"""Called with a step from 1, the number of steps, and frames uint8 (T, h, w, 3)."""
Drawer = Callable[[Tensor], Tensor]
"""Scaled latents (T, C, h, w) to colours (T, 3, H, W) in [-1, 1]."""

SD_FACTORS = (
    (0.298, 0.207, 0.208),
    (0.187, 0.286, 0.173),
    (-0.158, 0.189, 0.264),
    (-0.184, -0.271, -0.473),
)
"""Red, green and blue of each scaled latent channel of Stable Diffusion 1 and 2, which Stable Video Diffusion shares:
https://discuss.huggingface.co/t/decoding-latents-to-rgb-without-upscaling/23204."""
_SD_CHANNELS, _SD_SCALE = (128, 256, 512, 512), 0.18215
_STILLS, _PIXELS = 12, 64
_LEAST_WIDTH, _ROW = 192, 5
"""Of a preview's file: frames of few pixels are shown larger, and so many stand in a row."""


class Linear:
    """Colours as a linear map of latents.

    Args:
        weight: (C, 3).
        bias: (3,).
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight, self.bias = weight.float(), bias.float()

    def __call__(self, latents: Tensor) -> Tensor:
        colours = torch.einsum("tchw,cd->tdhw", latents.float(), self.weight.to(latents.device))
        return colours + self.bias.to(latents.device)[:, None, None]


def linear_of(autoencoder: Autoencoder) -> Linear:
    """The map of an autoencoder's latents: the known one of Stable Diffusion's, or the best by least squares over a few
    soft pictures, encoded and decoded.
    """
    config = autoencoder.config
    shape = (config.channels, config.latent_channels, round(config.scaling_factor, 5))
    if shape == (_SD_CHANNELS, 4, _SD_SCALE):
        return Linear(torch.tensor(SD_FACTORS), torch.zeros(3))
    return fitted(autoencoder)


@torch.no_grad()
def fitted(autoencoder: Autoencoder) -> Linear:
    """The map that is nearest to what an autoencoder decodes, averaged over the pixels of a latent."""
    factor, channels = autoencoder.factor, autoencoder.config.in_channels
    side = max(_PIXELS // factor, 4) * factor
    coarse = torch.randn(_STILLS, channels, 4, 4, generator=seeded(0))
    soft = functional.interpolate(coarse, (side, side), mode="bicubic", align_corners=False)
    like = next(autoencoder.parameters())
    stills = torch.tanh(soft).to(like)[:, None]  # (N, 1, 3, H, W)
    latents = autoencoder.encode(stills)[0]
    seen = functional.avg_pool2d(autoencoder.decode(latents)[:, 0].float(), factor)  # (N, 3, h, w)
    scaled = latents[:, 0].float() * autoencoder.scaling_factor
    ones = torch.ones_like(scaled[:, :1])
    given = torch.cat([scaled, ones], dim=1).movedim(1, -1).flatten(0, 2).cpu().double()  # (N*h*w, C + 1)
    wanted = seen.movedim(1, -1).flatten(0, 2).cpu().double()
    # A little ridge: latents of one channel alone may not vary at all.
    square = given.T @ given + 1e-6 * len(given) * torch.eye(given.shape[1], dtype=torch.float64)
    found = torch.linalg.solve(square, given.T @ wanted)
    return Linear(found[:-1], found[-1])


def frames_of(drawer: Drawer, latents: Tensor) -> np.ndarray:
    """Scaled latents (T, C, h, w) as uint8 (T, H, W, 3)."""
    with torch.no_grad():
        pixels = ((drawer(latents) + 1.0) * 127.5).clamp(0.0, 255.0).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).cpu().numpy()


class PreviewFile:
    """A preview that is kept in a file, replaced after each step at once: FILE.gif moves, FILE.png shows all frames.

    Raises:
        MareyError: another suffix.
    """

    def __init__(self, path: str | Path, fps: float = 7.0) -> None:
        self.path, self.fps = Path(path).expanduser(), fps
        if self.path.suffix.lower() not in (".gif", ".png"):
            raise MareyError(f"The preview's file is {self.path}: a name ending in .png or .gif would do.")

    def __call__(self, step: int, of: int, frames: np.ndarray) -> None:
        frames = _large(frames)
        if self.path.suffix.lower() == ".gif":
            write_gif(self.path, frames, self.fps)
            return
        rows = [list(frames[n : n + _ROW]) for n in range(0, len(frames), _ROW)]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.tmp")
        try:
            part.write_bytes(png_bytes(contact_sheet(rows, height=frames.shape[1])))
            os.replace(part, self.path)
        finally:
            part.unlink(missing_ok=True)


def _large(frames: np.ndarray) -> np.ndarray:
    times = -(-_LEAST_WIDTH // frames.shape[2])
    return frames if times < 2 else frames.repeat(times, axis=1).repeat(times, axis=2)
