"""What each weight is called in sgm's layout, by its name in diffusers and transformers."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from marey.network.config import UNetConfig

_TEXT_LENGTH, _TEXT_WORDS = 77, 49408
_RES = {"norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3"}
_RES_UNET = {**_RES, "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection"}
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def unet_name(key: str, config: UNetConfig) -> str:
    """sgm's name, without its prefix, of a key of the UNet."""
    head, _, rest = key.partition(".")
    plain = {
        "conv_in": "input_blocks.0.0",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
        "time_embedding": "time_embed",
        "add_embedding": "label_emb.0",
        "context_embedding": "label_emb.1",  # sgm itself has none; what else it is told stands in that list
    }
    if head in ("time_embedding", "add_embedding", "context_embedding"):
        rest = rest.replace("linear_1", "0").replace("linear_2", "2")
    if head in plain:
        return f"{plain[head]}.{rest}"
    if head == "mid_block":
        kind, number, rest = rest.split(".", 2)
        return f"middle_block.{2 * int(number) if kind == 'resnets' else 1}.{_block(kind, rest)}"
    level, kind, number, rest = rest.split(".", 3)
    if head == "down_blocks":
        first = 1 + int(level) * (config.layers + 1)
        if kind == "downsamplers":
            return f"input_blocks.{first + config.layers}.0.op.{rest.removeprefix('conv.')}"
        return f"input_blocks.{first + int(number)}.{int(kind == 'attentions')}.{_block(kind, rest)}"
    first = int(level) * (config.layers + 1)
    if kind == "upsamplers":
        attends = config.attends[len(config.channels) - 1 - int(level)]
        return f"output_blocks.{first + config.layers}.{1 + attends}.{rest}"
    return f"output_blocks.{first + int(number)}.{int(kind == 'attentions')}.{_block(kind, rest)}"


def _block(kind: str, rest: str) -> str:
    if kind == "attentions":
        rest = rest.replace("temporal_transformer_blocks.", "time_stack.")
        return rest.replace("time_pos_embed.linear_1", "time_pos_embed.0").replace(
            "time_pos_embed.linear_2", "time_pos_embed.2"
        )
    part, _, layer = rest.partition(".")
    name, _, last = layer.rpartition(".")
    if part == "time_mixer":
        return rest
    return f"{'time_stack.' if part == 'temporal_res_block' else ''}{_RES_UNET[name]}.{last}"


def vae_name(key: str, levels: int) -> str:
    """sgm's name of a key of the autoencoder with so many levels, without its prefix."""
    side, _, rest = key.partition(".")
    if side == "quant_conv":
        return key
    rest = rest.replace("conv_norm_out.", "norm_out.").replace("time_conv_out.", "conv_out.time_mix_conv.")
    if rest.startswith("mid_block.attentions.0."):
        name, _, last = rest.removeprefix("mid_block.attentions.0.").rpartition(".")
        return f"{side}.mid.attn_1.{_ATTENTION[name]}.{last}"
    if rest.startswith("mid_block.resnets."):
        number, rest = rest.removeprefix("mid_block.resnets.").split(".", 1)
        return f"{side}.mid.block_{int(number) + 1}.{_vae_block(rest)}"
    if rest.startswith(("down_blocks.", "up_blocks.")):
        way, level, kind, number, rest = rest.split(".", 4)
        down = way == "down_blocks"
        at = f"{side}.{'down' if down else 'up'}.{int(level) if down else levels - 1 - int(level)}"
        if kind == "resnets":
            return f"{at}.block.{number}.{_vae_block(rest)}"
        return f"{at}.{'downsample' if down else 'upsample'}.{rest}"
    return f"{side}.{rest}"


def _vae_block(rest: str) -> str:
    if rest.startswith("temporal_res_block."):
        name, _, last = rest.removeprefix("temporal_res_block.").rpartition(".")
        return f"time_stack.{_RES[name]}.{last}"
    return rest.removeprefix("spatial_res_block.").removeprefix("time_mixer.").replace("conv_shortcut", "nin_shortcut")


def is_of_frames(key: str) -> bool:
    """Whether a key of the autoencoder belongs to what mixes frames, which a decoder of single pictures has not."""
    return any(part in key for part in ("temporal_res_block.", "time_mixer.", "time_conv_out."))


def is_matrix(key: str, value: Tensor) -> bool:
    """Whether a weight of the autoencoder's attention is a matrix here and a 1x1 convolution there."""
    return ".attentions.0.to_" in key and key.endswith(".weight") and value.ndim == 2


def clip_names(state: Mapping[str, Tensor]) -> dict[str, tuple[str, Callable[[Tensor], Tensor]]]:
    """open_clip's name of each key of transformers' CLIPVisionModelWithProjection, and how its value is had of that."""
    plain = {
        "embeddings.class_embedding": "class_embedding",
        "embeddings.patch_embedding.weight": "conv1.weight",
        "embeddings.position_embedding.weight": "positional_embedding",
        "pre_layrnorm.weight": "ln_pre.weight",
        "pre_layrnorm.bias": "ln_pre.bias",
        "post_layernorm.weight": "ln_post.weight",
        "post_layernorm.bias": "ln_post.bias",
    }
    names: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {}
    for key in state:
        short = key.removeprefix("vision_model.")
        if short == "visual_projection.weight":
            names[key] = "visual.proj", lambda value: value.T
        elif short in plain:
            names[key] = f"visual.{plain[short]}", lambda value: value
        elif short.startswith("encoder.layers."):
            number, rest = short.removeprefix("encoder.layers.").split(".", 1)
            layer, _, last = rest.rpartition(".")
            at = f"visual.transformer.resblocks.{number}."
            if layer in _LAYER:
                names[key] = f"{at}{_LAYER[layer]}.{last}", lambda value: value
            else:  # self_attn.q_proj and so on: thirds of one
                third = "qkv".index(layer.removeprefix("self_attn.")[0])
                names[key] = f"{at}attn.in_proj_{last}", partial(_third, third)
    return names


def _third(n: int, value: Tensor) -> Tensor:
    return value.chunk(3)[n]


def clip_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """open_clip's state dict without its text transformer, as sgm keeps it."""
    out: dict[str, Tensor] = {}
    for key, (name, _) in clip_names(state).items():
        if "q_proj" in key:
            out[name] = torch.cat([state[key.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")])
        elif "in_proj" not in name:
            out[name] = state[key].T if name == "visual.proj" else state[key]
    width, dtype = out["visual.proj"].shape[1], out["visual.proj"].dtype
    return out | {
        "ln_final.weight": torch.ones(width, dtype=dtype),
        "ln_final.bias": torch.zeros(width, dtype=dtype),
        "logit_scale": torch.zeros((), dtype=dtype),
        "positional_embedding": torch.zeros(_TEXT_LENGTH, width, dtype=dtype),
        "text_projection": torch.eye(width, dtype=dtype),
        "token_embedding.weight": torch.zeros(_TEXT_WORDS, width, dtype=dtype),
    }
