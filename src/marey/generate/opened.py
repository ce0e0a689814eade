"""The networks of a model where they run: on a device, in a precision, within a memory."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from marey.errors import MareyError
from marey.generate.asked import check_given, check_kinds
from marey.generate.device import fast_bfloat16, pick, pick_dtype
from marey.generate.offload import Saving, chunk_feed_forward, visiting
from marey.generate.plan import Plan
from marey.generate.preview import Drawer, Preview, frames_of, linear_of
from marey.generate.sampling import Sampled, sample
from marey.generate.tiny import place_of
from marey.network.folder import ModelInfo, Parts
from marey.network.lora import remove_adapters
from marey.network.lora_formats import load_adapter
from marey.network.memory import keep_freed_memory
from marey.network.sources import parts_of
from marey.network.taesdv import load_taesdv
from marey.network.unet import SpatioTemporalUNet


class Opened:
    """An open model: what `Model` asks of its networks.

    Attributes:
        parts: its networks, on `device`.
        device, dtype: where they run, and the precision of the UNet and the embedder. The autoencoder runs in float32,
            since its decoder overflows in half precision.
        vram: GiB of memory that a call is made to fit; None: nothing is saved.
    """

    def __init__(self, parts: Parts, device: torch.device, dtype: torch.dtype, vram: float | None = None) -> None:
        self.parts = parts
        self.device = device
        self.dtype = dtype
        self.vram = vram
        self._drawer: Drawer | None = None
        self._may_narrow = False
        self._narrow: SpatioTemporalUNet | None = None
        parts.unet.to(dtype).eval().requires_grad_(False)
        parts.image_embedder.to(dtype).eval().requires_grad_(False)
        if parts.text_embedder is not None:
            parts.text_embedder.to(device, dtype).eval().requires_grad_(False)
        parts.autoencoder.to(torch.float64 if dtype == torch.float64 else torch.float32)
        parts.autoencoder.eval().requires_grad_(False)
        if vram is None:
            self._settle(device)

    @classmethod
    def open(
        cls,
        model: str | Path | None = None,
        device: str | torch.device = "auto",
        dtype: str | torch.dtype = "auto",
        *,
        unet: str | Path | None = None,
        vram: float | None = None,
    ) -> Self:
        """Open the model that comes with Marey, one that `marey train` made, or any Stable Video Diffusion: as
        diffusers' folder, as one file of sgm's layout, or from the hub.

        Args:
            model: a folder, a .safetensors file, a hub id, or marey-tiny (what None means), svd, svd-xt or svd-xt-1.1.
            unet: a .safetensors file with other weights of the same UNet, in diffusers' names, such as
                AnimateLCM-SVD-xt.safetensors (with solver="lcm" and 4 to 8 steps).
            device: auto, cpu, cuda, cuda:N or mps.
            dtype: auto, float32, bfloat16 or float16. Auto is float32, on CUDA the precision of the saved weights, and
                float16 where there is little memory.
            vram: GiB of the card that every call is to fit, such as 8, 12, 16 or 24: what is exact is done first, and
                then the clip is decoded in chunks (`generate.memory`). None: nothing is saved.

        Raises:
            MareyError: no such model, a broken or unsafe one, or a device or dtype that cannot be had.
        """
        check_kinds({"model": model, "vram": vram})
        where = pick(device)
        keep_freed_memory()
        parts = parts_of(place_of(model), unet=unet)
        saved = torch.float16 if vram is not None else parts.saved_dtype
        opened = cls(parts, where, pick_dtype(dtype, where, saved), vram)
        opened._may_narrow = dtype == "auto" and vram is None and where.type == "cpu" and fast_bfloat16(where)
        return opened

    def adapt(self, path: str | Path, strength: float = 1.0) -> Self:
        """Fuse a LoRA into the UNet's weights: one of peft's, or a file of a diffusers-, kohya- or sgm-style trainer.

        Args:
            path: a folder or a .safetensors file, as of `network.lora_formats.load_adapter`.
            strength: 1 as trained; more, less or under 0. Several calls add up.

        Returns:
            This model.

        Raises:
            MareyError: no LoRA, or one of another network.
        """
        load_adapter(self.parts.unet, path, "fused", strength=strength)
        remove_adapters(self.parts.unet, fuse=True)
        self._narrow = None
        return self

    @property
    def info(self) -> ModelInfo:
        """What it was trained on, and how it samples unless told otherwise."""
        return self.parts.info

    def preview_by(self, taesdv: str | Path) -> Self:
        """Draw previews by TAESDV (https://github.com/madebyollin/taesdv), at full size, instead of a linear map.

        Args:
            taesdv: its weights as a .safetensors file, or a folder with them.

        Returns:
            This model.

        Raises:
            MareyError: there are no such weights, or this model's latents are not those of Stable Video Diffusion.
        """
        decoder, autoencoder = load_taesdv(taesdv), self.parts.autoencoder
        if (decoder.factor, 4) != (autoencoder.factor, autoencoder.latent_channels):
            raise MareyError(
                f"TAESDV knows latents of 4 channels and {decoder.factor} pixels a side; this model's have "
                f"{autoencoder.latent_channels} and {autoencoder.factor}: previews without it would do."
            )
        self._drawer = decoder.to(self.device)
        return self

    def sample(
        self,
        plan: Plan,
        stills: np.ndarray | None,
        fps: Sequence[float],
        motion: Sequence[float],
        seeds: Sequence[int],
        noise: Tensor | None,
        done: Callable[[int], None],
        texts: Sequence[str] | None = None,
        *,
        numbers: Tensor | None = None,
        saving: Saving,
        seen: Callable[[int, Tensor], None] | None = None,
    ) -> Sampled:
        """Clips as scaled latents (N, T, C, h, w), in one batch.

        Args:
            plan: of all.
            stills: uint8 (N, H, W, 3), several of each clip (N, S, H, W, 3), or None: asked for by texts alone.
            fps, motion, seeds: N each.
            noise: (N, T, C, h, w) unit normal; None: of the seeds.
            done: told of each step.
            texts: N of them, as a model that takes texts takes them.
            numbers: (N, n) or (N, T, n), of a condition that is told in numbers.
            saving: what is done to save memory: of `saving`.
            seen: called after each step with its number and the clips as they are expected to be.
        """
        parts, dtype = self.parts, self.dtype
        check_given(parts.condition, plan.frames, stills, numbers)
        if plan.narrow and self._may_narrow and dtype == torch.float32:
            if self._narrow is None:
                self._narrow = copy.deepcopy(parts.unet).to(torch.bfloat16)
            parts, dtype = replace(parts, unet=self._narrow), torch.bfloat16
        return sample(
            parts,
            plan,
            None if stills is None else _to_unit(stills),
            texts=texts,
            numbers=numbers,
            device=self.device,
            dtype=dtype,
            fps=fps,
            motion=motion,
            seeds=seeds,
            noise=noise,
            done=done,
            seen=seen,
            saving=saving,
        )

    @torch.no_grad()
    def decode(self, latents: Tensor, saving: Saving | None = None) -> np.ndarray:
        """Scaled latents (N, T, C, h, w) to uint8 (N, T, H, W, 3)."""
        autoencoder, saving = self.parts.autoencoder, saving or Saving()
        own = latents.to(self.device, autoencoder.vae.dtype) / autoencoder.scaling_factor
        with visiting(autoencoder, self.device):
            pixels = autoencoder.decode(own, chunk=saving.chunk, tile=saving.tile)
        pixels = pixels.add_(1.0).mul_(127.5).clamp_(0.0, 255.0).round_().to(torch.uint8)
        return pixels.permute(0, 1, 3, 4, 2).cpu().numpy()

    def reconstruct(self, videos: np.ndarray, *, batch: int = 8) -> np.ndarray:
        """Videos through the autoencoder and back, uint8 (N, T, H, W, 3): the best that any latents could look."""
        pieces = []
        for start in range(0, len(videos), batch):
            some = videos[start : start + batch]
            flat = _to_unit(some.reshape(-1, *some.shape[2:]))
            with torch.no_grad():
                with visiting(self.parts.autoencoder, self.device):
                    mean, _ = self.parts.autoencoder.encode(self._pixels(flat.unflatten(0, some.shape[:2])))
                pieces.append(self.decode(mean * self.parts.autoencoder.scaling_factor))
        return np.concatenate(pieces) if pieces else videos.copy()

    def saving(self, plan: Plan, decode_chunk: int | None = None) -> Saving:
        """How memory is saved in a call of such a plan; the networks are where it asks for.

        Raises:
            MareyError: it will not fit, or a chunk of less than a frame.
        """
        if decode_chunk is not None and decode_chunk < 1:
            raise MareyError(f"decode_chunk is {decode_chunk}: 1 or more frames would do.")
        saving = Saving()
        if self.vram is not None:
            from marey.generate.memory import plan_memory
            from marey.generate.shapes import Shapes

            saving = plan_memory(
                Shapes.of(self.parts),
                plan.frames,
                plan.height,
                plan.width,
                self.vram,
                dtype=self.dtype,
                guided=plan.guided,
                cached=plan.cache > 0,
                turns=self.device.type != "cpu",
            ).saving
            self._settle(torch.device("cpu") if saving.offload else self.device)
            chunk_feed_forward(self.parts.unet, saving.rows)
        return saving if decode_chunk is None else replace(saving, chunk=decode_chunk)

    def shown(self, preview: Preview, steps: int) -> Callable[[int, Tensor], None]:
        """Shows what the first clip of a batch is expected to be."""
        if self._drawer is None:
            with visiting(self.parts.autoencoder, self.device):
                self._drawer = linear_of(self.parts.autoencoder)
        drawer = self._drawer
        return lambda step, latents: preview(step, steps, frames_of(drawer, latents[0]))

    def _settle(self, device: torch.device) -> None:
        """Have the networks live on a device."""
        for part in (self.parts.unet, self.parts.image_embedder, self.parts.autoencoder):
            part.to(device)

    def _pixels(self, pixels: Tensor) -> Tensor:
        """Where the autoencoder is, in its precision."""
        return pixels.to(self.device, self.parts.autoencoder.vae.dtype)


def _to_unit(stills: np.ndarray) -> Tensor:
    """uint8 (..., H, W, 3) to float32 (..., 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(stills)).movedim(-1, -3).float() / 127.5 - 1.0
