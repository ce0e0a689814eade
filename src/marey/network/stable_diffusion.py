"""Picture models to begin a video model with: Stable Diffusion's folders, 2.1 first of all (svd.md §1.10).

Their weights go under the names of the spatio-temporal network, where they are the spatial half; what is temporal is
new. `inflate` then makes a video model of it whose frames are, to begin with, those of the picture model.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from marey.errors import MareyError, require
from marey.network.autoencoder import Autoencoder, AutoencoderConfig
from marey.network.config import GROUPS, UNetConfig
from marey.network.embedders import TextEmbedder, even
from marey.network.resblock import SpatioTemporalResBlock
from marey.network.unet import SpatioTemporalUNet, fresh
from marey.network.weights import find_weights, read_weights

require("tokenizers", "train")

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors  # noqa: E402

_DOWN = {True: "CrossAttnDownBlock2D", False: "DownBlock2D"}
_UP = {True: "CrossAttnUpBlock2D", False: "UpBlock2D"}
_LAYERS = re.compile(r"(resnets\.\d+)\.(norm1|conv1|time_emb_proj|norm2|conv2|conv_shortcut)\.")
_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Names of the autoencoder's attention in folders from before diffusers 0.17, among them 2.1's own."""
_FIXED_UNET: dict[str, Any] = {
    "act_fn": "silu",
    "addition_embed_type": None,
    "center_input_sample": False,
    "class_embed_type": None,
    "dual_cross_attention": False,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "norm_eps": 1e-5,
    "norm_num_groups": GROUPS,
    "only_cross_attention": False,
    "resnet_time_scale_shift": "default",
}
_FIXED_VAE: dict[str, Any] = {
    "act_fn": "silu",
    "mid_block_add_attention": True,
    "norm_num_groups": GROUPS,
    "use_post_quant_conv": True,
    "use_quant_conv": True,
}
_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


@dataclass(frozen=True)
class PictureModel:
    """What a Stable Diffusion folder holds, on the processor, in evaluation mode."""

    unet: SpatioTemporalUNet
    """For T = 1 and `image_only` = 1; `inflate` makes the video UNet of it. Its c_noise is the folder's time step, 0 to
    999; what are added conditions to a video say nothing yet."""
    autoencoder: Autoencoder
    """Its decoder decodes frame by frame, as the folder's does, until its temporal layers are trained."""
    text_embedder: TextEmbedder
    prediction: str
    """What the UNet predicts: epsilon or v_prediction."""


def open_picture_model(folder: str | Path, *, seed: int = 0) -> PictureModel:
    """Read a folder of diffusers' StableDiffusionPipeline: 2.1, 2.1-base or any of its kind.

    Args:
        folder: with unet, vae, text_encoder, tokenizer and scheduler.
        seed: of the temporal weights, which the folder has not.

    Raises:
        MareyError: a part is missing or broken, of another class or of another shape than these models', or a pickle.
    """
    folder = Path(folder).expanduser()
    index = _json(folder / "model_index.json")
    if index.get("_class_name") != "StableDiffusionPipeline":
        raise MareyError(
            f"{folder / 'model_index.json'} is of a {index.get('_class_name')}: a StableDiffusionPipeline would do."
        )
    config = unet_config(_json(folder / "unet" / "config.json"), str(folder / "unet" / "config.json"))
    unet = fresh(config, seed)
    for layer in (unet.add_embedding.linear_2.weight, unet.add_embedding.linear_2.bias):
        nn.init.zeros_(layer)
    _fill(unet, _renamed(_weights(folder / "unet")), folder / "unet")
    return PictureModel(
        unet.eval(),
        _autoencoder(folder / "vae", seed).eval(),
        _text_embedder(folder).eval(),
        str(_json(folder / "scheduler" / "scheduler_config.json").get("prediction_type", "epsilon")),
    )


def unet_config(table: Mapping[str, Any], where: str) -> UNetConfig:
    """The spatio-temporal shape around the UNet2DConditionModel that diffusers' config.json describes.

    Raises:
        MareyError: another class, or a shape that has no such place.
    """
    _check(table, where, "UNet2DConditionModel", _FIXED_UNET)
    channels = tuple(table.get("block_out_channels", (320, 640, 1280, 1280)))
    levels = len(channels)
    down = list(table.get("down_block_types", [_DOWN[level < 3] for level in range(4)]))
    up = list(table.get("up_block_types", [_UP[level > 0] for level in range(4)]))
    attends = tuple(kind == _DOWN[True] for kind in down)
    if down != [_DOWN[a] for a in attends] or up != [_UP[a] for a in reversed(attends)]:
        raise MareyError(f"{where} has blocks {down} and {up}: mirrored ones of a UNet2DConditionModel would do.")
    # diffusers calls the number of heads attention_head_dim, and says so in its own comments.
    heads = table.get("num_attention_heads") or table.get("attention_head_dim", 8)
    return UNetConfig(
        channels=channels,
        heads=(heads,) * levels if isinstance(heads, int) else tuple(heads),
        attends=attends,
        layers=int(table.get("layers_per_block", 2)),
        transformer_layers=int(table.get("transformer_layers_per_block", 1)),
        context=int(table.get("cross_attention_dim", 1280)),
        in_channels=int(table.get("in_channels", 4)),
        out_channels=int(table.get("out_channels", 4)),
        frames=1,
        sample_size=int(table.get("sample_size") or 96),
        eps=1e-5,
    )


def _autoencoder(folder: Path, seed: int) -> Autoencoder:
    table = _json(folder / "config.json")
    _check(table, str(folder / "config.json"), "AutoencoderKL", _FIXED_VAE)
    usual = AutoencoderConfig()
    config = AutoencoderConfig(
        channels=tuple(table.get("block_out_channels", usual.channels)),
        layers=int(table.get("layers_per_block", usual.layers)),
        latent_channels=int(table.get("latent_channels", usual.latent_channels)),
        in_channels=int(table.get("in_channels", usual.in_channels)),
        out_channels=int(table.get("out_channels", usual.out_channels)),
        sample_size=int(table.get("sample_size", usual.sample_size)),
        scaling_factor=float(table.get("scaling_factor", usual.scaling_factor)),
        force_upcast=bool(table.get("force_upcast", usual.force_upcast)),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        autoencoder = Autoencoder(config)
    state = _renamed(_weights(folder))
    after, bias = state.pop("post_quant_conv.weight")[:, :, 0, 0], state.pop("post_quant_conv.bias")
    fold(state, after, bias)
    decoder = autoencoder.vae.decoder
    for module in decoder.modules():
        if isinstance(module, SpatioTemporalResBlock):
            nn.init.zeros_(module.temporal_res_block.conv2.weight)
            nn.init.zeros_(module.temporal_res_block.conv2.bias)
    nn.init.zeros_(decoder.time_conv_out.bias)
    nn.init.dirac_(decoder.time_conv_out.weight)
    _fill(autoencoder.vae, state, folder)
    return autoencoder


def fold(state: dict[str, Tensor], after: Tensor, bias: Tensor) -> None:
    """Put the 1x1 convolution that follows quantisation into the decoder's first one, for which no other place is.

    The result is the same but for the outermost latents, where the first convolution reads zeros beyond the border and
    used to read this bias only within it.
    """
    weight = state["decoder.conv_in.weight"]
    state["decoder.conv_in.bias"] = state["decoder.conv_in.bias"] + weight.sum((2, 3)) @ bias
    state["decoder.conv_in.weight"] = torch.einsum("oixy,ic->ocxy", weight, after)


def _text_embedder(folder: Path) -> TextEmbedder:
    where = folder / "text_encoder"
    table = _json(where / "config.json")
    tokenizer = even(_tokenizer(folder / "tokenizer"), int(table.get("max_position_embeddings", 77)), _pad(folder))
    with torch.device("meta"):
        embedder = TextEmbedder.from_json(table, tokenizer, str(where / "config.json"))
    read_weights(embedder.model, where, "model", torch.float32, prefix="text_model.")
    return embedder


def _tokenizer(folder: Path) -> Tokenizer:
    """CLIP's tokenizer from its words and merges, as transformers' CLIPTokenizerFast has it."""
    if (folder / "tokenizer.json").is_file():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    words = _json(folder / "vocab.json")
    try:
        lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise MareyError(f"{folder / 'merges.txt'} cannot be read ({error}): CLIP's merges would do.") from error
    merges = [(pair[0], pair[1]) for line in lines if len(pair := line.split()) == 2 and not line.startswith("#ver")]
    start, end = "<|startoftext|>", "<|endoftext|>"
    if start not in words or end not in words:
        raise MareyError(f"{folder / 'vocab.json'} has no {start} or {end}: CLIP's vocabulary would do.")
    tokenizer = Tokenizer(
        models.BPE(vocab=words, merges=merges, continuing_subword_prefix="", end_of_word_suffix="</w>", unk_token=end)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, words[start]), (end, words[end])]
    )
    return tokenizer


def _pad(folder: Path) -> str:
    """What short texts are filled with: 2.1 has "!", 1.5 the mark of the end."""
    pad = _json(folder / "tokenizer" / "tokenizer_config.json").get("pad_token") or "<|endoftext|>"
    special = folder / "tokenizer" / "special_tokens_map.json"
    if special.is_file():
        pad = _json(special).get("pad_token", pad)
    return str(pad["content"] if isinstance(pad, dict) else pad)


def _weights(folder: Path) -> dict[str, Tensor]:
    """All of a component's, in float32."""
    files = find_weights(folder, "diffusion_pytorch_model")
    return {key: value.float() for file in files for key, value in load_file(file).items()}


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The names and shapes that a picture's weights have in a spatio-temporal network."""
    made = {}
    for key, value in state.items():
        decodes = not key.startswith("encoder.")  # the encoder has no temporal half
        name = _LAYERS.sub(r"\1.spatial_res_block.\2.", key) if decodes else key
        for old, new in _OLD_ATTENTION.items():
            name = name.replace(f"mid_block.attentions.0.{old}.", f"mid_block.attentions.0.{new}.")
        linear = ".proj_in." in name or ".proj_out." in name or ".mid_block.attentions.0.to_" in name
        made[name] = value.flatten(1) if linear and value.ndim == 4 else value  # 1x1 convolutions, in 1.5
    return made


def _fill(module: nn.Module, state: dict[str, Tensor], folder: Path) -> None:
    """Every weight of the state must have its place, and every place that is not temporal or added its weight."""
    wanted = module.state_dict()
    for key, value in state.items():
        if key not in wanted or wanted[key].shape != value.shape:
            has = tuple(wanted[key].shape) if key in wanted else "no place"
            raise MareyError(f"{folder} has {key!r} of shape {tuple(value.shape)}; its config.json asks for {has}.")
    new = re.compile(r"temporal_|time_mixer|time_pos_embed|add_embedding|time_conv_out")
    for key in wanted:
        if key not in state and not new.search(key):
            raise MareyError(f"{folder} has no weight {key!r}, which its config.json asks for: it is not whole.")
    module.load_state_dict(state, strict=False)


def _check(table: Mapping[str, Any], where: str, kind: str, fixed: Mapping[str, Any]) -> None:
    if table.get("_class_name", kind) != kind:
        raise MareyError(f"{where} is of a {table['_class_name']}: a {kind} would do.")
    for key, value in fixed.items():
        if table.get(key, value) != value:
            raise MareyError(f"{where} has {key} = {table[key]!r}: {value!r} would do.")


def _json(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MareyError(f"{path} cannot be read ({error}): a Stable Diffusion folder has it.") from error
    if not isinstance(table, dict):
        raise MareyError(f"{path} holds a {type(table).__name__}: a JSON object would do.")
    return table
