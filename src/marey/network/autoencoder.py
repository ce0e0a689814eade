"""The autoencoder of Stable Video Diffusion at any size, clips in and clips out: one file of weights in diffusers and
here, under the same names (AutoencoderKLTemporalDecoder).

Frames are encoded one by one; the decoder also mixes them over time, and its group normalisations take their statistics
over all frames that it is given, so a clip decoded in chunks is not exactly the clip decoded whole (svd.md §1.4).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from marey.errors import MareyError
from marey.network.config import GROUPS
from marey.network.decoder import TemporalDecoder
from marey.network.encoder import Encoder
from marey.network.tiles import decode_blended

CLASS_NAME = "AutoencoderKLTemporalDecoder"
LEAST_TILE = 4
"""Latents along a side: fewer are all border."""
_LEVEL = "DownEncoderBlock2D"


@dataclass(frozen=True)
class AutoencoderConfig:
    """The shape of an autoencoder. What config.json leaves out has diffusers' defaults, which are these.

    Raises:
        MareyError: a width that is not a multiple of 32, no width at all, or a number under 1.
    """

    channels: tuple[int, ...] = (64,)
    """Width of each level, finest first; each level but the first halves the size."""
    layers: int = 1
    """Residual blocks a level; one more on the way up."""
    latent_channels: int = 4
    in_channels: int = 3
    out_channels: int = 3
    sample_size: int = 32
    """Height and width in pixels that it was trained on; it runs on any multiple of its factor."""
    scaling_factor: float = 0.18215
    force_upcast: bool = True
    """Whether diffusers is to encode in float32 whatever the precision."""

    def __post_init__(self) -> None:
        if not self.channels or any(width < GROUPS or width % GROUPS for width in self.channels):
            raise MareyError(f"The autoencoder's channels are {self.channels}: multiples of {GROUPS} would do.")
        for name in ("layers", "latent_channels", "in_channels", "out_channels"):
            if getattr(self, name) < 1:
                raise MareyError(f"The autoencoder's {name} is {getattr(self, name)}: 1 or more would do.")

    def to_json(self) -> dict[str, Any]:
        """diffusers' config.json."""
        return {
            "_class_name": CLASS_NAME,
            "block_out_channels": list(self.channels),
            "down_block_types": [_LEVEL] * len(self.channels),
            "force_upcast": self.force_upcast,
            "in_channels": self.in_channels,
            "latent_channels": self.latent_channels,
            "layers_per_block": self.layers,
            "out_channels": self.out_channels,
            "sample_size": self.sample_size,
            "scaling_factor": self.scaling_factor,
        }

    @classmethod
    def from_json(cls, table: Mapping[str, Any], where: str = "the autoencoder's config.json") -> Self:
        """The shape that diffusers' config.json describes.

        Raises:
            MareyError: another class, or a shape that this autoencoder does not have.
        """
        if table.get("_class_name", CLASS_NAME) != CLASS_NAME:
            raise MareyError(f"{where} is of a {table['_class_name']}: a {CLASS_NAME} would do.")
        usual = cls()
        channels = table.get("block_out_channels", usual.channels)
        if not isinstance(channels, (list, tuple)) or not all(isinstance(width, int) for width in channels):
            raise MareyError(f"{where} has block_out_channels = {channels!r}: a list of widths would do.")
        kinds = table.get("down_block_types", [_LEVEL] * len(channels))
        if list(kinds) != [_LEVEL] * len(channels):
            raise MareyError(f"{where} has down_block_types = {list(kinds)}: {len(channels)} of {_LEVEL} would do.")

        def whole(key: str, usual: int) -> int:
            value = table.get(key, usual)
            if not isinstance(value, int) or isinstance(value, bool):
                raise MareyError(f"{where} has {key} = {value!r}: a whole number would do.")
            return value

        factor = table.get("scaling_factor", usual.scaling_factor)
        if not isinstance(factor, (int, float)) or not 0 < factor < float("inf"):
            raise MareyError(f"{where} has scaling_factor = {factor!r}: a positive number would do.")
        return cls(
            channels=tuple(channels),
            layers=whole("layers_per_block", usual.layers),
            latent_channels=whole("latent_channels", usual.latent_channels),
            in_channels=whole("in_channels", usual.in_channels),
            out_channels=whole("out_channels", usual.out_channels),
            sample_size=whole("sample_size", usual.sample_size),
            scaling_factor=float(factor),
            force_upcast=bool(table.get("force_upcast", usual.force_upcast)),
        )


class Coders(nn.Module):
    """The networks of an autoencoder; its state dict is that of diffusers' class."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        latents = config.latent_channels
        self.encoder = Encoder(config.in_channels, latents, config.channels, config.layers)
        self.decoder = TemporalDecoder(latents, config.out_channels, config.channels, config.layers)
        self.quant_conv = nn.Conv2d(2 * latents, 2 * latents, 1)

    @property
    def dtype(self) -> torch.dtype:
        return self.quant_conv.weight.dtype


class Autoencoder(nn.Module):
    """Pixels (B, T, 3, H, W) in [-1, 1] to latents (B, T, C, h, w) and back; h = H / factor.

    Latents here are the autoencoder's own; the diffusion model's are these times `scaling_factor`.

    Attributes:
        config: its shape, and the scaling factor.
        vae: its networks.
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.vae = Coders(config)

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
        config = AutoencoderConfig(
            channels=tuple(channels),
            layers=layers,
            latent_channels=latent_channels,
            sample_size=sample_size,
            scaling_factor=1.0,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(config)

    @classmethod
    def from_json(cls, table: Mapping[str, Any], where: str = "the autoencoder's config.json") -> Self:
        """An autoencoder without its weights, from diffusers' config.json.

        Raises:
            MareyError: the table is of another class or shape.
        """
        return cls(AutoencoderConfig.from_json(table, where))

    def to_json(self) -> dict[str, Any]:
        """diffusers' config.json."""
        return self.config.to_json()

    @property
    def factor(self) -> int:
        """Pixels a latent, along each side."""
        return 2 ** (len(self.config.channels) - 1)

    @property
    def latent_channels(self) -> int:
        return self.config.latent_channels

    @property
    def scaling_factor(self) -> float:
        """What the latents are multiplied by to have a variance of 1."""
        return self.config.scaling_factor

    def set_scaling_factor(self, value: float) -> None:
        """Keep a measured scaling factor in the configuration, with which it is saved.

        Raises:
            MareyError: it is not a positive number.
        """
        if not 0 < value < float("inf"):
            raise MareyError(f"The autoencoder's scaling factor is {value}: a positive number would do.")
        self.config = replace(self.config, scaling_factor=float(value))

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
        mean, logvar = self.vae.quant_conv(self.vae.encoder(pixels.flatten(0, 1))).chunk(2, dim=1)
        size = pixels.shape[:2]
        return mean.unflatten(0, size), logvar.clamp(-30.0, 20.0).unflatten(0, size)

    def decode(
        self, latents: Tensor, *, chunk: int | None = None, overlap: int | None = None, tile: int | None = None
    ) -> Tensor:
        """Pixels (B, T, 3, H, W), about in [-1, 1] (not clamped), of latents (B, T, C, h, w) not multiplied by
        `scaling_factor`.

        Args:
            latents: the autoencoder's own.
            chunk: decode at most this many frames of a clip at a time, blended where chunks overlap. None: all of them,
                which is exact.
            overlap: frames that chunks share at least. None: a quarter of a chunk, and three if that is no more than
                half of it; 0: hard borders.
            tile: decode at most this many latents in height and in width at a time, overlapping by a quarter, blended.
                None: all.

        Raises:
            MareyError: latents of another shape, or a chunk, overlap or tile that will not do.
        """
        if latents.ndim != 5 or latents.shape[2] != self.latent_channels:
            raise MareyError(
                f"The autoencoder's latents are {tuple(latents.shape)}: (clips, frames, {self.latent_channels}, "
                f"height, width) would do."
            )
        _, frames, _, high, wide = latents.shape
        if chunk is not None and chunk < 1:
            raise MareyError(f"The decoder's chunk is {chunk}: 1 or more frames would do.")
        if tile is not None and tile < LEAST_TILE:
            raise MareyError(f"The decoder's tile is {tile}: {LEAST_TILE} or more latents would do.")
        chunk = frames if chunk is None else min(chunk, frames)
        tiles = [side if tile is None else min(tile, side) for side in (high, wide)]
        if overlap is None:
            overlap = min(max(-(-chunk // 4), 3), chunk // 2)
        return decode_blended(
            self._decode, latents, self.factor, (chunk, *tiles), (overlap, tiles[0] // 4, tiles[1] // 4)
        )

    def decode_in(self, dtype: torch.dtype) -> None:
        """Decode in another precision than the encoder's, as of `TemporalDecoder.set_dtype`; pixels come as before."""
        self.vae.decoder.set_dtype(dtype)

    def _decode(self, latents: Tensor) -> Tensor:
        decoded = self.vae.decoder(latents.flatten(0, 1), num_frames=latents.shape[1])
        return decoded.unflatten(0, latents.shape[:2])

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
