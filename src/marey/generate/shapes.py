"""What the networks of a model take when they work, counted on torch's meta device: no weights are needed for it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from marey.generate.counting import FusedAttention, count_bytes
from marey.generate.offload import Saving, chunk_feed_forward
from marey.generate.tiny import place_of
from marey.network.autoencoder import Autoencoder, AutoencoderConfig
from marey.network.config import UNetConfig
from marey.network.embedders import IMAGE_SIZE, ImageEmbedder
from marey.network.folder import ModelInfo, Parts
from marey.network.sources import PUBLISHED, parts_of
from marey.network.unet import SpatioTemporalUNet


@dataclass(frozen=True)
class Shapes:
    """What the networks look like, as far as memory goes."""

    unet: UNetConfig
    autoencoder: AutoencoderConfig
    image_encoder: tuple[tuple[str, Any], ...]
    """transformers' config.json, as sorted pairs."""
    tokens: int = 1
    """That cross-attention sees."""

    @classmethod
    def of(cls, parts: Parts) -> Self:
        """Those of a model."""
        table = parts.image_embedder.to_json().items()
        pairs = tuple(sorted((key, value) for key, value in table if isinstance(value, (int, float, str))))
        text = parts.text_embedder
        tokens = len(parts.condition.places(2)) + (text.tokens if parts.info.text and text is not None else 0)
        return cls(parts.unet.config, parts.autoencoder.config, pairs, tokens)

    @property
    def factor(self) -> int:
        """Pixels a latent, along each side."""
        return int(2 ** (len(self.autoencoder.channels) - 1))

    def latents(self, frames: int, height: int, width: int) -> tuple[int, int, int]:
        """Frames, height and width of a clip's latents."""
        return frames, height // self.factor, width // self.factor


SVD = Shapes(
    UNetConfig(),
    AutoencoderConfig(channels=(128, 256, 512, 512), layers=2, sample_size=768),
    (
        ("hidden_act", "gelu"),
        ("hidden_size", 1280),
        ("image_size", IMAGE_SIZE),
        ("intermediate_size", 5120),
        ("num_attention_heads", 16),
        ("num_hidden_layers", 32),
        ("patch_size", 14),
        ("projection_dim", 1024),
    ),
)
"""Stable Video Diffusion's (svd.md §1.2, §1.4, §1.9), of which no weights are needed to plan."""


def shapes_of(model: str | Path | None) -> tuple[Shapes, ModelInfo]:
    """The shapes of a model, and what it was trained on; nothing is fetched for Stability's own.

    Raises:
        MareyError: there is no such model.
    """
    name = str(model)
    if not Path(name).exists() and name in {*PUBLISHED, *PUBLISHED.values()}:
        return SVD, ModelInfo(frames=25 if "xt" in name else 14)
    parts = parts_of(place_of(model))
    return Shapes.of(parts), parts.info


@dataclass(frozen=True)
class Networks:
    """Networks without contents."""

    unet: SpatioTemporalUNet
    autoencoder: Autoencoder
    image_embedder: ImageEmbedder

    def weights(self, module: nn.Module, saving: Saving) -> int:
        """Bytes on the device while a module works."""
        there = (module,) if saving.offload else (self.unet, self.autoencoder, self.image_embedder)
        return sum(value.numel() * value.element_size() for one in there for value in one.parameters())


@lru_cache(maxsize=8)
def networks_of(shapes: Shapes, dtype: torch.dtype) -> Networks:
    """The UNet and the embedder with weights of `dtype`, the autoencoder with weights of float32."""
    with torch.device("meta"):
        networks = Networks(
            SpatioTemporalUNet(shapes.unet),
            Autoencoder(shapes.autoencoder),
            ImageEmbedder.from_json(dict(shapes.image_encoder)),
        )
    networks.unet.to(dtype)
    networks.image_embedder.to(dtype)
    return networks


def count_on_meta(module: nn.Module, work: Callable[[], Any]) -> int:
    """The most bytes that live at once while a module without contents works, its weights apart."""
    with FusedAttention(), torch.device("meta"):
        return count_bytes(work, module.parameters())


@lru_cache(maxsize=64)
def embedding_bytes(shapes: Shapes, dtype: torch.dtype) -> int:
    """Of a still's token."""
    embedder = networks_of(shapes, dtype).image_embedder
    return count_on_meta(embedder, lambda: embedder.embed(torch.empty(1, 3, IMAGE_SIZE, IMAGE_SIZE, dtype=dtype)))


@lru_cache(maxsize=64)
def encoding_bytes(shapes: Shapes, height: int, width: int, dtype: torch.dtype) -> int:
    """Of a still's latents."""
    encoder = networks_of(shapes, dtype).autoencoder
    return count_on_meta(encoder, lambda: encoder.encode(torch.empty(1, 1, 3, height, width)))


@lru_cache(maxsize=64)
def unet_bytes(shapes: Shapes, batch: int, size: tuple[int, int, int], dtype: torch.dtype, rows: int | None) -> int:
    """Of one call of the UNet for `batch` clips of `size`: frames, height and width in latents."""
    unet = networks_of(shapes, dtype).unet
    config = shapes.unet
    chunk_feed_forward(unet, rows)

    def call() -> Tensor:
        sample = torch.empty(batch, size[0], config.in_channels, *size[1:], dtype=dtype)
        context = torch.empty(batch, shapes.tokens, config.context, dtype=dtype)
        return unet(sample, torch.empty(batch), context, torch.empty(batch, config.conditions))

    return count_on_meta(unet, call)


@lru_cache(maxsize=256)
def window_bytes(shapes: Shapes, size: tuple[int, int, int], dtype: torch.dtype) -> int:
    """Of decoding one window of `size`: frames, height and width in latents."""
    autoencoder = networks_of(shapes, dtype).autoencoder
    frames, high, wide = size
    channels = shapes.autoencoder.latent_channels
    return count_on_meta(autoencoder, lambda: autoencoder.decode(torch.empty(1, frames, channels, high, wide)))
