"""How a call is made to fit a graphics card: bytes are counted, not guessed, and the least costly way is taken.

The networks are run for the shapes at hand on torch's meta device, where tensors have sizes and no contents, and every
storage is counted while it lives. What a kernel takes for itself meanwhile (cuDNN's workspaces, an allocator's gaps) is
not seen; `usable` leaves room for it.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from marey.errors import MareyError
from marey.generate.device import DTYPES
from marey.generate.offload import Saving
from marey.generate.plan import plan_for
from marey.generate.shapes import (
    Shapes,
    embedding_bytes,
    encoding_bytes,
    networks_of,
    shapes_of,
    unet_bytes,
    window_bytes,
)

GIB = 2**30
_CONTEXT, _GAPS = 0.6 * GIB, 0.08
"""Kept back: CUDA's own context and workspaces, and a share for gaps between what is allocated."""
_ROWS = (None, 65536, 8192)
_CHUNKS = (24, 20, 16, 14, 12, 10, 8, 7, 6, 5, 4)
_TILED = (8, 6, 4, 2, 1)
_LOOP = 6
"""Float32 copies of the latents that a solver holds: the noisy ones, two predictions, the steps before."""
_KEPT = 3
"""Copies of the UNet's inner features that a step cache holds: of two steps, and the line through them."""


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
        return {**asdict(self), "dtype": str(self.dtype).removeprefix("torch."), "peak": self.peak}


def usable(vram: float) -> float:
    """Bytes of a card of so many GiB that are planned with."""
    return vram * GIB * (1 - _GAPS) - _CONTEXT


def plan_memory(
    shapes: Shapes,
    frames: int,
    height: int,
    width: int,
    vram: float,
    *,
    dtype: torch.dtype,
    guided: bool = True,
    cached: bool = False,
    turns: bool = True,
) -> MemoryPlan:
    """The least costly way to make a clip on a card of `vram` GiB.

    What is exact comes first: guidance in two calls, feed-forward layers in pieces and networks that take turns cost a
    little time; a decoder in chunks is not quite the decoder of the whole, and gets the largest chunk that fits.

    Args:
        shapes: of the networks.
        frames, height, width: of the clip, in pixels.
        dtype: of the UNet's and the embedder's weights; the autoencoder's are float32.
        guided: whether the unconditional prediction is needed.
        cached: whether features are kept from step to step.
        turns: whether the networks may take turns on the device, and wait elsewhere.

    Raises:
        MareyError: no way fits.
    """
    if not vram > 0:
        raise MareyError(f"vram is {vram}: the GiB of the card, such as 8, 12, 16 or 24, would do.")
    room = usable(vram)
    found: list[tuple[int, MemoryPlan]] = []
    least: MemoryPlan | None = None
    size = shapes.latents(frames, height, width)
    ways = _decodings(*size)
    for offload in (False, True) if turns else (False,):
        saving = Saving(offload=offload)
        for sequential, rows in ((False, None), *((True, rows) for rows in _ROWS)) if guided else _unguided():
            saving = replace(saving, sequential=sequential, rows=rows)
            if _sampling(shapes, saving, frames, height, width, dtype, guided, cached).peak <= room:
                break
        for rank, (chunk, tile) in enumerate(ways):
            if rank < len(ways) - 1 and _far_beyond(room, shapes, size, chunk, tile, dtype):
                continue
            saving = replace(saving, chunk=chunk, tile=tile)
            if _decoding(shapes, saving, frames, height, width, dtype).peak <= room:
                break
        stages = count_stages(shapes, saving, frames, height, width, dtype=dtype, guided=guided, cached=cached)
        least = MemoryPlan(frames, height, width, dtype, saving, stages, vram)
        if least.peak <= room:
            found.append((rank, least))
    if found:
        return min(found, key=lambda one: one[0])[1]  # the first of equals: without offload
    assert least is not None
    worst = max(least.stages, key=lambda stage: stage.peak)
    needs = (least.peak + _CONTEXT) / (1 - _GAPS) / GIB
    raise MareyError(
        f"{vram:g} GiB do not hold {frames} frames of {width}x{height}: the least is {needs:.1f}, for "
        f"{worst.name}; fewer frames or a smaller size would do."
    )


def plan_of(
    model: str | Path | None,
    vram: float | None,
    *,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    dtype: str = "auto",
) -> MemoryPlan:
    """What a call of a model would take on a card of `vram` GiB, none of which has to be here; for svd, svd-xt and
    svd-xt-1.1 no weights either.

    Args:
        model: as of `Model.open`.
        frames, size: of the clip; as trained otherwise.
        dtype: of the UNet's and the embedder's weights; auto is float16.

    Raises:
        MareyError: no such model, frames, size or dtype, no number of GiB, or no way fits.
    """
    if vram is None:
        raise MareyError("A plan needs the GiB that it is made for: --vram 8, 12, 16 or 24 would do.")
    if dtype != "auto" and dtype not in DTYPES:
        raise MareyError(f"There is no dtype {dtype!r}: auto, {', '.join(DTYPES)} would do.")
    shapes, info = shapes_of(model)
    plan = plan_for(info, shapes.factor, frames=frames, size=size)
    kind = torch.float16 if dtype == "auto" else DTYPES[dtype]
    return plan_memory(shapes, plan.frames, plan.height, plan.width, vram, dtype=kind, guided=plan.guided)


def count_stages(
    shapes: Shapes,
    saving: Saving,
    frames: int,
    height: int,
    width: int,
    *,
    dtype: torch.dtype,
    guided: bool = True,
    cached: bool = False,
) -> tuple[Stage, ...]:
    """What each stage of a call takes: the still's token, the still's latents, a UNet call, the decoder."""
    networks = networks_of(shapes, dtype)
    token, latents = (networks.weights(one, saving) for one in (networks.image_embedder, networks.autoencoder))
    return (
        Stage("the still's token", token, embedding_bytes(shapes, dtype)),
        Stage("the still's latents", latents, encoding_bytes(shapes, height, width, dtype)),
        _sampling(shapes, saving, frames, height, width, dtype, guided, cached),
        _decoding(shapes, saving, frames, height, width, dtype),
    )


def _sampling(
    shapes: Shapes, saving: Saving, frames: int, height: int, width: int, dtype: torch.dtype, guided: bool, cached: bool
) -> Stage:
    networks, size = networks_of(shapes, dtype), shapes.latents(frames, height, width)
    batch = 2 if guided and not saving.sequential else 1
    pixels = frames * size[1] * size[2]
    loop = _LOOP * 4 * pixels * shapes.unet.out_channels
    kept = _KEPT * dtype.itemsize * pixels * shapes.unet.channels[0] if cached else 0
    counted = unet_bytes(shapes, batch, size, dtype, saving.rows) + loop + kept
    return Stage("a UNet call", networks.weights(networks.unet, saving), counted)


def _decoding(shapes: Shapes, saving: Saving, frames: int, height: int, width: int, dtype: torch.dtype) -> Stage:
    networks, size = networks_of(shapes, dtype), shapes.latents(frames, height, width)
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
    pixels = 4 * frames * shapes.autoencoder.out_channels * high * wide * shapes.factor**2
    return window_bytes(shapes, window, dtype) + (pixels if window != size else 0)


def _unguided() -> tuple[tuple[bool, int | None], ...]:
    return tuple((False, rows) for rows in _ROWS)


def _far_beyond(
    room: float, shapes: Shapes, size: tuple[int, int, int], chunk: int | None, tile: int | None, dtype: torch.dtype
) -> bool:
    """Whether the decoder's windows are so much larger than the room that counting them tells nothing new: bytes grow
    linearly with frames and area."""
    frames, high, wide = size
    share = (chunk or frames) * (min(tile, high) * min(tile, wide) / (high * wide) if tile else 1.0)
    few, more = (window_bytes(shapes, (count, high, wide), dtype) for count in (4, 8))
    return 0.9 * (few + (share - 4) * (more - few) / 4) > room


def _decodings(frames: int, high: int, wide: int) -> list[tuple[int | None, int | None]]:
    """(chunk, tile) of the decoder, the best first."""
    chunks = [chunk for chunk in _CHUNKS if chunk < frames]
    ways: list[tuple[int | None, int | None]] = [(None, None), *((chunk, None) for chunk in chunks)]
    for share in (2, 3, 4):
        tile = max(-(-max(high, wide) // share), 16)
        if tile < max(high, wide):
            ways += [(chunk if chunk < frames else None, tile) for chunk in _TILED if chunk <= frames]
    return ways
