"""The autoencoder: diffusers' AutoencoderKLTemporalDecoder at any size, with our decoder in it, clips in and clips out.

Frames are encoded one by one; the decoder also mixes them over time, and its group normalisations take their statistics
over all frames that it is given, so a clip decoded in chunks is not exactly the clip decoded whole (svd.md §1.4).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from marey.errors import MareyError, require
from marey.network.config import GROUPS
from marey.network.decoder import TemporalDecoder
from marey.network.norm import swap_norms

require("diffusers", "train")

from diffusers import AutoencoderKLTemporalDecoder  # noqa: E402 (after the sentence that says what is missing)

CLASS_NAME = "AutoencoderKLTemporalDecoder"


class Autoencoder(nn.Module):
    """Pixels (B, T, 3, H, W) in [-1, 1] to latents (B, T, C, h, w) and back; h = H / factor.

    Latents here are the autoencoder's own; the diffusion model's are these times `scaling_factor`.
    """

    def __init__(self, vae: AutoencoderKLTemporalDecoder) -> None:
        super().__init__()
        config = vae.config
        with torch.device("meta"):  # its weights are not drawn: they are those that diffusers' decoder has
            decoder = TemporalDecoder(
                config.latent_channels, config.out_channels, config.block_out_channels, config.layers_per_block
            )
        decoder.load_state_dict(vae.decoder.state_dict(), assign=True)
        vae.decoder = decoder  # diffusers' own class and file, its decoder's weights in our faster one
        swap_norms(vae.encoder)
        self.vae = vae

    @classmethod
    def build(
        cls,
        channels: Sequence[int] = (32, 64, 64),
        *,
        layers: int = 1,
        latent_channels: int = 4,
        sample_size: int = 64,
        seed: int = 0,
    ) -> Self:
        """A new one, its weights drawn from `seed` (torch's own generator is left as it was).

        Args:
            channels: width of each level, finest first, multiples of 32; each level but the first halves the size.
            layers: residual blocks a level.
            latent_channels: channels of the latents.
            sample_size: height and width in pixels that it will be trained on; it runs on any multiple of the factor.
            seed: of the weights.

        Raises:
            MareyError: a width that is not a multiple of 32, or no width at all.
        """
        if not channels or any(width < GROUPS or width % GROUPS for width in channels):
            raise MareyError(f"The autoencoder's channels are {tuple(channels)}: multiples of {GROUPS} would do.")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            vae = AutoencoderKLTemporalDecoder(
                down_block_types=("DownEncoderBlock2D",) * len(channels),
                block_out_channels=tuple(channels),
                layers_per_block=layers,
                latent_channels=latent_channels,
                sample_size=sample_size,
                scaling_factor=1.0,
                force_upcast=True,
            )
        return cls(vae)

    @classmethod
    def from_json(cls, table: Mapping[str, Any], where: str = "the autoencoder's config.json") -> Self:
        """An autoencoder without its weights, from diffusers' config.json.

        Raises:
            MareyError: the table is of another class, or diffusers cannot build it.
        """
        if table.get("_class_name", CLASS_NAME) != CLASS_NAME:
            raise MareyError(f"{where} is of a {table['_class_name']}: a {CLASS_NAME} would do.")
        try:
            return cls(AutoencoderKLTemporalDecoder.from_config(dict(table)))
        except (TypeError, ValueError) as error:
            raise MareyError(f"{where} describes no autoencoder: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """diffusers' config.json."""
        config = {key: value for key, value in self.vae.config.items() if not key.startswith("_")}
        return {"_class_name": CLASS_NAME, **config}

    @property
    def factor(self) -> int:
        """Pixels a latent, along each side."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def latent_channels(self) -> int:
        return self.vae.config.latent_channels

    @property
    def scaling_factor(self) -> float:
        """What the latents are multiplied by to have a variance of 1."""
        return float(self.vae.config.scaling_factor)

    def set_scaling_factor(self, value: float) -> None:
        """Keep a measured scaling factor in the configuration, with which it is saved.

        Raises:
            MareyError: it is not a positive number.
        """
        if not 0 < value < float("inf"):
            raise MareyError(f"The autoencoder's scaling factor is {value}: a positive number would do.")
        self.vae.register_to_config(scaling_factor=float(value))

    def encode(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latents of each frame.

        Args:
            pixels: (B, T, 3, H, W) in [-1, 1]; H and W multiples of `factor`.

        Returns:
            Two tensors (B, T, C, h, w), not multiplied by `scaling_factor`; the log-variance is in [-30, 20].

        Raises:
            MareyError: pixels of another shape.
        """
        if pixels.ndim != 5 or pixels.shape[2] != 3 or pixels.shape[3] % self.factor or pixels.shape[4] % self.factor:
            raise MareyError(
                f"The autoencoder's pixels are {tuple(pixels.shape)}: (clips, frames, 3, height, width), "
                f"height and width multiples of {self.factor}, would do."
            )
        flat = pixels.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        mean, logvar = self.vae.quant_conv(self.vae.encoder(flat)).chunk(2, dim=1)
        size = pixels.shape[:2]
        return mean.unflatten(0, size), logvar.clamp(-30.0, 20.0).unflatten(0, size)

    def decode(self, latents: Tensor, *, chunk: int | None = None) -> Tensor:
        """Pixels (B, T, 3, H, W), about in [-1, 1] (not clamped), of latents (B, T, C, h, w) not multiplied by
        `scaling_factor`.

        Args:
            latents: the autoencoder's own.
            chunk: decode at most this many frames of a clip at a time. None: all of them, which is exact.

        Raises:
            MareyError: latents of another shape, or a chunk under 1.
        """
        if latents.ndim != 5 or latents.shape[2] != self.latent_channels:
            raise MareyError(
                f"The autoencoder's latents are {tuple(latents.shape)}: (clips, frames, {self.latent_channels}, "
                f"height, width) would do."
            )
        if chunk is not None and chunk < 1:
            raise MareyError(f"The decoder's chunk is {chunk}: 1 or more frames would do.")
        pieces = []
        for piece in latents.split(chunk or latents.shape[1], dim=1):
            batch, frames = piece.shape[:2]
            flat = piece.flatten(0, 1).contiguous(memory_format=torch.channels_last)
            pieces.append(self.vae.decode(flat, num_frames=frames).sample.unflatten(0, (batch, frames)))
        return torch.cat(pieces, dim=1)

    def forward(self, pixels: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction, mean and log-variance: what a training step needs, in one call.

        Args:
            pixels: (B, T, 3, H, W) in [-1, 1].
            noise: (B, T, C, h, w) unit normal, to decode a draw; None: the mean is decoded.
        """
        mean, logvar = self.encode(pixels)
        latents = mean if noise is None else draw(mean, logvar, noise)
        return self.decode(latents), mean, logvar


def draw(mean: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """Latents drawn from their distribution with the given unit normal noise."""
    return mean + torch.exp(0.5 * logvar) * noise


def kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """Mean over all latents of the divergence from the unit normal, in nats (arXiv 1312.6114, appendix B)."""
    return 0.5 * (mean.square() + logvar.exp() - 1.0 - logvar).mean()


def measure_scaling(moments: Iterable[tuple[Tensor, Tensor]]) -> float:
    """The scaling factor of a set of latents: one over the standard deviation of all draws (arXiv 2112.10752, appendix
    G).

    Args:
        moments: pairs (mean, log-variance) of any shape; read once, summed in float64.

    Raises:
        MareyError: no latents, or latents that do not vary.
    """
    count, total, square = 0, 0.0, 0.0
    for mean, logvar in moments:
        wide = mean.detach().double()
        count += wide.numel()
        total += float(wide.sum())
        square += float((wide.square() + logvar.detach().double().exp()).sum())
    if not count:
        raise MareyError("There are no latents to measure a scaling factor on: encode at least one window.")
    variance = square / count - (total / count) ** 2
    if not 0 < variance < float("inf"):
        raise MareyError(f"The latents have a variance of {variance}: the autoencoder is not trained.")
    return variance**-0.5
