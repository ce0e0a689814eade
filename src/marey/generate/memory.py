"""How a call is made to fit a graphics card: bytes are counted, not guessed, and the least costly way is taken.

The networks are run for the shapes at hand on torch's meta device, where tensors have sizes and no contents, and every
storage is counted while it lives. What a kernel takes for itself meanwhile (cuDNN's workspaces, an allocator's gaps) is
not seen; `usable` leaves room for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from marey.errors import MareyError
from marey.generate.counting import FusedAttention, count_bytes
from marey.network.autoencoder import Autoencoder, AutoencoderConfig
from marey.network.config import UNetConfig
from marey.network.embedders import IMAGE_SIZE, ImageEmbedder
from marey.network.folder import Parts
from marey.network.transformer import FeedForward
from marey.network.unet import SpatioTemporalUNet

GIB = 2**30
_CONTEXT, _GAPS = 0.6 * GIB, 0.08
"""Kept back: CUDA's own context and workspaces, and a share for gaps between what is allocated."""
_ROWS = (None, 65536, 8192)
_CHUNKS = (24, 20, 16, 14, 12, 10, 8, 6, 4)
_TILED = (8, 6, 4, 2, 1)
_LOOP = 6
"""Float32 copies of the latents that a solver holds: the noisy ones, two predictions, the steps before."""


@dataclass(frozen=True)
class Saving:
    """How memory is saved in a call; as it stands, nothing is."""

    offload: bool = False
    """Only the network that works is on the device."""
    sequential: bool = False
    """The unconditional and the conditional prediction one after the other."""
    rows: int | None = None
    """Feed-forward layers take at most so many tokens at a time."""
    chunk: int | None = None
    """Frames that are decoded at a time, blended; None: all, which alone is exact."""
    tile: int | None = None
    """Latents in height and width that are decoded at a time, blended."""


@dataclass(frozen=True)
class Shapes:
    """What the networks look like, as far as memory goes."""

    unet: UNetConfig
    autoencoder: AutoencoderConfig
    image_encoder: tuple[tuple[str, Any], ...]
    """transformers' config.json, as sorted pairs."""

    @classmethod
    def of(cls, parts: Parts) -> "Shapes":
        return cls(parts.unet.config, parts.autoencoder.config, _pairs(parts.image_embedder.to_json()))


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


@dataclass(frozen=True)
class Stage:
    """One stage of a call: what lies on the device and what it adds, in bytes."""

    name: str
    weights: int
    activations: int

    @property
    def peak(self) -> int:
        return self.weights + self.activations


@dataclass(frozen=True)
class MemoryPlan:
    """How a call is made, and what each stage takes."""

    frames: int
    height: int
    width: int
    dtype: torch.dtype
    saving: Saving
    stages: tuple[Stage, ...]
    vram: float | None = None
    """GiB that it was made for."""

    @property
    def peak(self) -> int:
        return max(stage.peak for stage in self.stages)

    def __str__(self) -> str:
        saving = self.saving
        ways = [
            "networks on the device in turn" if saving.offload else "all networks on the device",
            "guidance in two calls" if saving.sequential else "guidance in one call",
        ]
        if saving.rows:
            ways.append(f"feed-forward in {saving.rows} tokens at a time")
        ways.append("decoded whole" if saving.chunk is None else f"decoded {saving.chunk} frames at a time, blended")
        if saving.tile:
            ways.append(f"in tiles of {saving.tile}x{saving.tile} latents")
        room = "" if self.vram is None else f", {usable(self.vram) / GIB:.2f} of {self.vram:g} GiB to use"
        lines = [
            f"{self.frames} frames of {self.width}x{self.height} in {str(self.dtype).removeprefix('torch.')}{room}",
            ", ".join(ways),
            f"{'stage':<24}{'weights':>10}{'counted':>10}{'GiB':>8}",
        ]
        for stage in self.stages:
            weights, activations, peak = (n / GIB for n in (stage.weights, stage.activations, stage.peak))
            lines.append(f"{stage.name:<24}{weights:>10.2f}{activations:>10.2f}{peak:>8.2f}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """For a program to read; bytes."""
        stages = [{"stage": one.name, "weights": one.weights, "activations": one.activations} for one in self.stages]
        return {**vars(self), "dtype": str(self.dtype), "saving": vars(self.saving), "stages": stages}


def usable(vram: float) -> float:
    """Bytes of a card of so many GiB that are planned with."""
    return vram * GIB * (1 - _GAPS) - _CONTEXT


def plan_memory(
    shapes: Shapes, frames: int, height: int, width: int, vram: float, *, dtype: torch.dtype, guided: bool = True
) -> MemoryPlan:
    """The least costly way to make a clip on a card of `vram` GiB.

    What is exact comes first: guidance in two calls, feed-forward layers in pieces and networks that take turns cost a
    little time; a decoder in chunks is not quite the decoder of the whole, and gets the largest chunk that fits.

    Args:
        shapes: of the networks.
        frames, height, width: of the clip, in pixels.
        dtype: of the UNet's and the embedder's weights; the autoencoder's are float32.
        guided: whether the unconditional prediction is needed.

    Raises:
        MareyError: no way fits.
    """
    if not vram > 0:
        raise MareyError(f"vram is {vram}: the GiB of the card, such as 8, 12, 16 or 24, would do.")
    room = usable(vram)
    found: list[tuple[int, MemoryPlan]] = []
    least: MemoryPlan | None = None
    size = (frames, height // _factor(shapes), width // _factor(shapes))
    ways = _decodings(*size)
    for offload in (False, True):
        saving = Saving(offload=offload)
        for sequential, rows in ((False, None), *((True, rows) for rows in _ROWS)) if guided else _unguided():
            saving = replace(saving, sequential=sequential, rows=rows)
            if _sampling(shapes, saving, frames, height, width, dtype, guided).peak <= room:
                break
        for rank, (chunk, tile) in enumerate(ways):
            if rank < len(ways) - 1 and _far_beyond(room, shapes, size, chunk, tile, dtype):
                continue
            saving = replace(saving, chunk=chunk, tile=tile)
            if _decoding(shapes, saving, frames, height, width, dtype).peak <= room:
                break
        stages = count_stages(shapes, saving, frames, height, width, dtype=dtype, guided=guided)
        least = MemoryPlan(frames, height, width, dtype, saving, stages, vram)
        if least.peak <= room:
            found.append((rank, least))
    if found:
        return min(found, key=lambda one: one[0])[1]  # the first of equals: without offload
    assert least is not None
    worst = max(least.stages, key=lambda stage: stage.peak)
    needs = (least.peak + _CONTEXT) / (1 - _GAPS) / GIB
    raise MareyError(
        f"{vram:g} GiB do not hold {frames} frames of {width}x{height}: the least is {needs:.1f}, for the {worst.name}; "
        f"fewer frames or a smaller size would do."
    )


def count_stages(
    shapes: Shapes,
    saving: Saving,
    frames: int,
    height: int,
    width: int,
    *,
    dtype: torch.dtype,
    guided: bool = True,
) -> tuple[Stage, ...]:
    """What each stage of a call takes: the still's token, the still's latents, a UNet call, the decoder."""
    networks = _networks(shapes, dtype)
    embedding, encoding = _encodings(shapes, height, width, dtype)
    token, latents = networks.image_embedder, networks.autoencoder
    return (
        Stage("the still's token", networks.weights(token, saving), embedding),
        Stage("the still's latents", networks.weights(latents, saving), encoding),
        _sampling(shapes, saving, frames, height, width, dtype, guided),
        _decoding(shapes, saving, frames, height, width, dtype),
    )


@dataclass(frozen=True)
class _Networks:
    unet: SpatioTemporalUNet
    autoencoder: Autoencoder
    image_embedder: ImageEmbedder

    def weights(self, module: nn.Module, saving: Saving) -> int:
        """Bytes on the device while a module works."""
        there = (module,) if saving.offload else (self.unet, self.autoencoder, self.image_embedder)
        return sum(value.numel() * value.element_size() for one in there for value in one.parameters())


@lru_cache(maxsize=8)
def _networks(shapes: Shapes, dtype: torch.dtype) -> _Networks:
    with torch.device("meta"):
        networks = _Networks(
            SpatioTemporalUNet(shapes.unet),
            Autoencoder(shapes.autoencoder),
            ImageEmbedder.from_json(dict(shapes.image_encoder)),
        )
    networks.unet.to(dtype)
    networks.image_embedder.to(dtype)
    return networks


def _count(module: nn.Module, work: Callable[[], Any]) -> int:
    with FusedAttention(), torch.device("meta"):
        return count_bytes(work, module.parameters())


@lru_cache(maxsize=64)
def _encodings(shapes: Shapes, height: int, width: int, dtype: torch.dtype) -> tuple[int, int]:
    networks = _networks(shapes, dtype)
    encoder, embedder = networks.autoencoder, networks.image_embedder
    return (
        _count(embedder, lambda: embedder.embed(torch.empty(1, 3, IMAGE_SIZE, IMAGE_SIZE, dtype=dtype))),
        _count(encoder, lambda: encoder.encode(torch.empty(1, 1, 3, height, width))),
    )


def _sampling(
    shapes: Shapes, saving: Saving, frames: int, height: int, width: int, dtype: torch.dtype, guided: bool
) -> Stage:
    networks, factor = _networks(shapes, dtype), _factor(shapes)
    size = (frames, height // factor, width // factor)
    batch = 2 if guided and not saving.sequential else 1
    loop = _LOOP * 4 * frames * shapes.unet.out_channels * size[1] * size[2]
    counted = _unet_call(shapes, batch, size, dtype, saving.rows) + loop
    return Stage("a UNet call", networks.weights(networks.unet, saving), counted)


@lru_cache(maxsize=64)
def _unet_call(shapes: Shapes, batch: int, size: tuple[int, int, int], dtype: torch.dtype, rows: int | None) -> int:
    unet = _networks(shapes, dtype).unet
    config = shapes.unet
    chunk_feed_forward(unet, rows)

    def call() -> Tensor:
        sample = torch.empty(batch, size[0], config.in_channels, *size[1:], dtype=dtype)
        context = torch.empty(batch, 1, config.context, dtype=dtype)
        return unet(sample, torch.empty(batch), context, torch.empty(batch, config.conditions))

    return _count(unet, call)


def _decoding(shapes: Shapes, saving: Saving, frames: int, height: int, width: int, dtype: torch.dtype) -> Stage:
    networks, factor = _networks(shapes, dtype), _factor(shapes)
    size = (frames, height // factor, width // factor)
    return Stage(
        "the decoder",
        networks.weights(networks.autoencoder, saving),
        _decoder_bytes(shapes, size, saving.chunk, saving.tile, dtype),
    )


def _decoder_bytes(
    shapes: Shapes, size: tuple[int, int, int], chunk: int | None, tile: int | None, dtype: torch.dtype
) -> int:
    """The windows of a clip are alike, so one is counted; what they are blended in is added."""
    frames, high, wide = size
    window = (min(chunk or frames, frames), min(tile or high, high), min(tile or wide, wide))
    pixels = 4 * frames * shapes.autoencoder.out_channels * high * wide * _factor(shapes) ** 2
    return _window(shapes, window, dtype) + (pixels if window != size else 0)


@lru_cache(maxsize=256)
def _window(shapes: Shapes, size: tuple[int, int, int], dtype: torch.dtype) -> int:
    autoencoder = _networks(shapes, dtype).autoencoder
    frames, high, wide = size
    channels = shapes.autoencoder.latent_channels
    return _count(autoencoder, lambda: autoencoder.decode(torch.empty(1, frames, channels, high, wide)))


def chunk_feed_forward(unet: nn.Module, rows: int | None) -> None:
    """Have a UNet's feed-forward layers take at most so many tokens at a time; None: all."""
    for module in unet.modules():
        if isinstance(module, FeedForward):
            module.rows = rows


def _unguided() -> tuple[tuple[bool, int | None], ...]:
    return tuple((False, rows) for rows in _ROWS)


def _far_beyond(
    room: float, shapes: Shapes, size: tuple[int, int, int], chunk: int | None, tile: int | None, dtype: torch.dtype
) -> bool:
    """Whether the decoder's windows are so much larger than one frame that counting them tells nothing new."""
    frames, high, wide = size
    share = (chunk or frames) * (min(tile, high) * min(tile, wide) / (high * wide) if tile else 1.0)
    return share > 1 and 0.7 * share * _window(shapes, (1, high, wide), dtype) > room


def _decodings(frames: int, high: int, wide: int) -> list[tuple[int | None, int | None]]:
    """(chunk, tile) of the decoder, the best first."""
    chunks = [chunk for chunk in _CHUNKS if chunk < frames]
    ways: list[tuple[int | None, int | None]] = [(None, None), *((chunk, None) for chunk in chunks)]
    for share in (2, 3, 4):
        tile = max(-(-max(high, wide) // share), 16)
        if tile < max(high, wide):
            ways += [(chunk, tile) for chunk in _TILED if chunk <= frames]
    return ways


def _factor(shapes: Shapes) -> int:
    return int(2 ** (len(shapes.autoencoder.channels) - 1))


def _pairs(table: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((key, value) for key, value in table.items() if isinstance(value, (int, float, str))))
