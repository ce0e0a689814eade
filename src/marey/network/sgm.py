"""Single files in the layout of Stability's generative-models (sgm), which ComfyUI reads too: svd.safetensors and the
like, both ways (svd.md §1.9).

The file is one state dict: `model.diffusion_model.` is the UNet, `first_stage_model.` the autoencoder, and
`conditioner.embedders.` holds CLIP (0) and once more an autoencoder (3), whose encoder makes the conditioning frame.
What an image-to-video model never reads (CLIP's text side, the second decoder) is written so that the file is whole,
and is not read.

Where sgm's two encoders differ, the conditioning one is read, with the quant_conv that only it has; both are written
alike. A file does not tell its numbers of heads and frames: ours say them in the header, others are taken for SVD's.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from marey.errors import MareyError
from marey.network.config import UNetConfig
from marey.network.sgm_names import clip_names, clip_state, is_matrix, is_of_frames, unet_name, vae_name

UNET, FIRST_STAGE = "model.diffusion_model.", "first_stage_model."
CLIP, CONDITION = "conditioner.embedders.0.open_clip.model.", "conditioner.embedders.3.encoder."
EPS = 1e-5
"""Of all residual blocks' normalisations in sgm's UNet; diffusers has 1e-6 in some (svd.md §1.11)."""
_HEADER = "marey"


@dataclass(frozen=True)
class Tables:
    """The configurations of a file's parts, as diffusers and transformers write them."""

    unet: UNetConfig
    vae: dict[str, Any]
    image_encoder: dict[str, Any]
    info: dict[str, Any]
    """As marey.json; empty for files that Marey did not write."""


def write_file(path: Path, unet: nn.Module, vae: nn.Module, image_encoder: nn.Module, tables: Tables) -> None:
    """Write a model as one file.

    Args:
        path: of the file, which is replaced at once.
        unet, vae, image_encoder: with diffusers' and transformers' keys.
        tables: of them; they go into the header.
    """
    state = {UNET + unet_name(key, tables.unet): value for key, value in unet.state_dict().items()}
    levels = len(tables.vae["block_out_channels"])
    for key, value in vae.state_dict().items():
        name = vae_name(key, levels)
        value = value[:, :, None, None] if is_matrix(key, value) else value
        if not key.startswith("quant_conv."):
            state[FIRST_STAGE + name] = value
        if not is_of_frames(key):
            state[CONDITION + name] = value
    width = tables.vae["latent_channels"]
    like = next(vae.parameters())
    state[CONDITION + "post_quant_conv.weight"] = torch.eye(width, dtype=like.dtype)[:, :, None, None]
    state[CONDITION + "post_quant_conv.bias"] = torch.zeros(width, dtype=like.dtype)
    state |= {CLIP + name: value for name, value in clip_state(image_encoder.state_dict()).items()}
    header = {
        "unet": tables.unet.to_json(),
        "vae": tables.vae,
        "image_encoder": tables.image_encoder,
        "info": tables.info,
    }
    part = path.with_name(f".{path.name}.tmp")
    # Each by itself: safetensors refuses tensors that share memory, as the two encoders do.
    whole = {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in state.items()}
    save_file(whole, part, metadata={"format": "pt", _HEADER: json.dumps(header)})
    part.replace(path)


class SgmFile:
    """A file that is open for reading.

    Raises:
        MareyError: it cannot be read, or is no such model.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with safe_open(path, framework="pt") as file:
                self.shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
                header = (file.metadata() or {}).get(_HEADER)
        except (SafetensorError, OSError) as error:
            raise MareyError(f"{path} cannot be read ({error}): a whole safetensors file would do.") from error
        if UNET + "input_blocks.0.0.weight" not in self.shapes:
            raise MareyError(f"{path} has no weights under {UNET!r}: a Stable Video Diffusion file of sgm would do.")
        self.tables = _told(header, str(path)) if header else self._guessed()

    def read_unet(self, unet: nn.Module, dtype: torch.dtype | None) -> None:
        """Fill the UNet, strictly."""
        names = {key: UNET + unet_name(key, self.tables.unet) for key in unet.state_dict()}
        surplus = sorted({key for key in self.shapes if key.startswith(UNET)} - set(names.values()))
        if surplus:
            raise MareyError(
                f"{self.path} has {surplus[0]!r} (one of {len(surplus)}), for which the UNet has no place."
            )
        self._fill(unet, names, dtype)

    def read_vae(self, vae: nn.Module, dtype: torch.dtype | None) -> None:
        """Fill the autoencoder, its encoder from the conditioner's where there is one."""
        levels = len(self.tables.vae["block_out_channels"])
        conditioned = CONDITION + "encoder.conv_in.weight" in self.shapes
        names = {}
        for key in vae.state_dict():
            name = vae_name(key, levels)
            whose = CONDITION if conditioned and not key.startswith("decoder.") else FIRST_STAGE
            names[key] = whose + name
            if names[key] not in self.shapes:  # as older files have it
                names[key] = names[key].replace("conv_out.time_mix_conv.", "time_mix_conv.")
        given: dict[str, Tensor] = {}
        if names["quant_conv.weight"] not in self.shapes:  # sgm's first stage has none
            width = len(vae.state_dict()["quant_conv.weight"])
            given = {"quant_conv.weight": torch.eye(width)[:, :, None, None], "quant_conv.bias": torch.zeros(width)}
        self._fill(vae, {key: name for key, name in names.items() if key not in given}, dtype, given)

    def read_image_encoder(self, image_encoder: nn.Module, dtype: torch.dtype | None) -> None:
        """Fill CLIP's image side."""
        theirs = {key: (CLIP + name, part) for key, (name, part) in clip_names(image_encoder.state_dict()).items()}
        self._fill(image_encoder, {key: name for key, (name, _) in theirs.items()}, dtype, parts=theirs)

    def dtype(self) -> torch.dtype:
        """Of the UNet's weights."""
        names = {"F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}
        with safe_open(self.path, framework="pt") as file:
            return names.get(file.get_slice(UNET + "input_blocks.0.0.weight").get_dtype(), torch.float32)

    def _fill(
        self,
        module: nn.Module,
        names: Mapping[str, str],
        dtype: torch.dtype | None,
        given: Mapping[str, Tensor] | None = None,
        parts: Mapping[str, tuple[str, Callable[[Tensor], Tensor]]] | None = None,
    ) -> None:
        wanted, state = module.state_dict(), dict(given or {})
        with safe_open(self.path, framework="pt") as file:
            for key, name in names.items():
                if name not in self.shapes:
                    raise MareyError(f"{self.path} has no weight {name!r}: the file is not whole.")
                value = file.get_tensor(name)
                value = parts[key][1](value) if parts else value
                if is_matrix(key, wanted[key]) and value.ndim == 4:
                    value = value[:, :, 0, 0]
                if value.shape != wanted[key].shape:
                    raise MareyError(
                        f"{self.path} has {name!r} of shape {tuple(value.shape)}: {tuple(wanted[key].shape)} would do."
                    )
                state[key] = value.contiguous()
        if dtype is not None:
            state = {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}
        module.load_state_dict(state, assign=True)
        module.requires_grad_(True)

    def _guessed(self) -> Tables:
        """Shapes tell everything but heads, frames and scale, which are SVD's."""
        return Tables(self._guessed_unet(), self._guessed_vae(), self._guessed_clip(), {})

    def _guessed_unet(self) -> UNetConfig:
        channels, attends, counts = [0], [False], [0]
        n = 1
        while self._has(f"{UNET}input_blocks.{n}."):
            at = f"{UNET}input_blocks.{n}."
            if at + "0.op.weight" in self.shapes:
                channels, attends, counts = [*channels, 0], [*attends, False], [*counts, 0]
            else:
                channels[-1] = self._shape(at + "0.in_layers.2.weight")[0]
                attends[-1] = attends[-1] or at + "1.norm.weight" in self.shapes
                counts[-1] += 1
            n += 1
        first = self._shape(UNET + "input_blocks.0.0.weight")
        blocks = UNET + "middle_block.1.transformer_blocks."
        depth = len({key.removeprefix(blocks).split(".")[0] for key in self.shapes if key.startswith(blocks)})
        embed = 256
        return UNetConfig(
            channels=tuple(channels),
            heads=tuple(max(1, width // 64) for width in channels),
            attends=tuple(attends),
            layers=counts[0],
            transformer_layers=depth,
            context=self._shape(blocks + "0.attn2.to_k.weight")[1],
            embed=embed,
            conditions=self._shape(UNET + "label_emb.0.0.weight")[1] // embed,
            in_channels=first[1],
            out_channels=self._shape(UNET + "out.2.weight")[0],
            frames=25 if "xt" in self.path.stem.lower() else 14,
            eps=EPS,
        )

    def _guessed_vae(self) -> dict[str, Any]:
        channels: list[int] = []
        while self._has(f"{FIRST_STAGE}encoder.down.{len(channels)}."):
            channels.append(self._shape(f"{FIRST_STAGE}encoder.down.{len(channels)}.block.0.conv1.weight")[0])
        layers = 0
        while self._has(f"{FIRST_STAGE}encoder.down.0.block.{layers}."):
            layers += 1
        return {
            "block_out_channels": channels,
            "down_block_types": ["DownEncoderBlock2D"] * len(channels),
            "layers_per_block": layers,
            "latent_channels": self._shape(FIRST_STAGE + "encoder.conv_out.weight")[0] // 2,
            "in_channels": 3,
            "out_channels": 3,
            "sample_size": 768,
            "scaling_factor": 0.18215,
            "force_upcast": True,
        }

    def _guessed_clip(self) -> dict[str, Any]:
        layers = 0
        while self._has(f"{CLIP}visual.transformer.resblocks.{layers}."):
            layers += 1
        hidden, width = self._shape(CLIP + "visual.proj")
        return {
            "architectures": ["CLIPVisionModelWithProjection"],
            "hidden_size": hidden,
            "intermediate_size": self._shape(CLIP + "visual.transformer.resblocks.0.mlp.c_fc.weight")[0],
            "num_hidden_layers": layers,
            "num_attention_heads": max(1, hidden // 80),  # of ViT-H
            "patch_size": self._shape(CLIP + "visual.conv1.weight")[-1],
            "image_size": 224,
            "projection_dim": width,
            "hidden_act": "gelu",
        }

    def _has(self, prefix: str) -> bool:
        return any(key.startswith(prefix) for key in self.shapes)

    def _shape(self, key: str) -> tuple[int, ...]:
        if key not in self.shapes:
            raise MareyError(f"{self.path} has no weight {key!r}: the file is not whole.")
        return self.shapes[key]


def _told(header: str, where: str) -> Tables:
    try:
        table = json.loads(header)
        unet = UNetConfig.from_json(table["unet"], where)
        return Tables(unet, dict(table["vae"]), dict(table["image_encoder"]), dict(table["info"]))
    except (ValueError, KeyError, TypeError) as error:
        raise MareyError(f"The header of {where} cannot be read ({error!r}).") from error
