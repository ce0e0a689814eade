"""Single files of sgm's layout: their keys, their network and the round trip."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLTemporalDecoder
from safetensors import safe_open
from safetensors.torch import load_file as tensors
from safetensors.torch import save_file as put
from sgm_reference import VideoUNet
from torch.nn.functional import multi_head_attention_forward
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from marey.errors import MareyError
from marey.network.autoencoder import Autoencoder
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder
from marey.network.folder import ModelInfo, Parts
from marey.network.sgm import CLIP, CONDITION, EPS, FIRST_STAGE, UNET
from marey.network.sgm_names import clip_state, is_matrix, is_of_frames, unet_name, vae_name
from marey.network.single_file import load_file, save_file
from marey.network.unet import SpatioTemporalUNet

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "specs" / "data"
GOLDEN = Path(os.environ.get("MAREY_GOLDEN", BESIDE)) / "sgm_svd_keys.tsv"
DIGEST = "55153a2b3ada6656b841e147022854e14fd05de333dbc181adfd9e6eda3fa14e"
"""Of its lines without the dtype, sorted."""


def drawn(seed: int = 0, **shape) -> Parts:
    """A small model whose every weight is drawn: nothing is zero, so nothing is silent."""
    given = {"channels": (32, 64), "heads": (2, 4), "attends": (True, False), "layers": 1, "context": 24}
    config = UNetConfig(**{**given, "embed": 16, "frames": 3, "eps": EPS, **shape})
    parts = Parts(
        SpatioTemporalUNet(config),
        Autoencoder.build((32, 64), layers=1),
        ImageEmbedder.build(config.context, hidden=32),
        ModelInfo(frames=3, height=32, width=48, solver="heun"),
    )
    generator = torch.Generator().manual_seed(seed)
    for part in (parts.unet, parts.autoencoder, parts.image_embedder):
        for value in part.parameters():
            scale = 0.5 if value.ndim < 2 else 1.0 / value[0].numel() ** 0.5
            value.data = scale * torch.randn(value.shape, generator=generator) + (value.ndim == 1)
    return parts


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return save_file(tmp_path_factory.mktemp("sgm") / "tiny.safetensors", drawn())


def states(parts: Parts) -> dict[str, torch.Tensor]:
    named = {"unet": parts.unet, "vae": parts.autoencoder.vae, "clip": parts.image_embedder.model}
    return {f"{name}.{key}": value for name, part in named.items() for key, value in part.state_dict().items()}


def test_the_full_models_keys_and_shapes_are_sgms():
    with torch.device("meta"):
        unet = SpatioTemporalUNet(UNetConfig())
        vae = AutoencoderKLTemporalDecoder(
            block_out_channels=(128, 256, 512, 512), down_block_types=("DownEncoderBlock2D",) * 4, layers_per_block=2
        )
        shape = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 16}
        clip = CLIPVisionModelWithProjection(CLIPVisionConfig(**shape, patch_size=14, projection_dim=1024))
        ours = {UNET + unet_name(key, unet.config): value.shape for key, value in unet.state_dict().items()}
        for key, value in vae.state_dict().items():
            shape = (*value.shape, 1, 1) if is_matrix(key, value) else value.shape
            name = vae_name(key, 4)
            ours |= {} if key.startswith("quant_conv") else {FIRST_STAGE + name: shape}
            ours |= {} if is_of_frames(key) else {CONDITION + name: shape}
        ours |= {CLIP + key: value.shape for key, value in clip_state(clip.state_dict()).items()}
    ours |= {CONDITION + "post_quant_conv.weight": (4, 4, 1, 1), CONDITION + "post_quant_conv.bias": (4,)}
    lines = sorted(f"{key}\t{','.join(map(str, shape)) or 'scalar'}" for key, shape in ours.items())
    if GOLDEN.is_file():  # says which key differs; the digest below only that one does
        assert lines == sorted("\t".join(line.split("\t")[:2]) for line in GOLDEN.read_text().splitlines())
    assert hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest() == DIGEST


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"attends": (True, True), "layers": 2, "transformer_layers": 2},
        {"channels": (32, 32, 64), "heads": (1, 2, 4), "attends": (False, True, False)},
    ],
)
def test_a_network_of_sgms_layout_gives_what_ours_gives(shape, tmp_path):
    parts = drawn(1, **shape)
    config = parts.unet.config
    path = save_file(tmp_path / "one.safetensors", parts)
    state = {key: value.double() for key, value in tensors(path).items()}
    heads = dict(zip(config.channels, config.heads, strict=True))
    reference = VideoUNet(state, heads, frames=3, embed=16)
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, 3, 8, 8, 8, generator=generator, dtype=torch.float64)
    context = torch.randn(2, 2, 24, generator=generator, dtype=torch.float64)
    added = torch.tensor([[6.0, 127.0, 0.02], [11.0, 30.0, 0.1]], dtype=torch.float64)
    c_noise = torch.tensor([0.3, -0.8], dtype=torch.float64)
    each = [value.repeat_interleave(3, 0) for value in (c_noise, context, added)]
    with torch.no_grad():
        theirs = reference(x.flatten(0, 1), *each).unflatten(0, (2, 3))
        ours = parts.unet.double()(x, c_noise, context, added)
        other = SpatioTemporalUNet(replace(config, eps=None)).double()
        other.load_state_dict(parts.unet.state_dict())
        diffusers_eps = other(x, c_noise, context, added)
    scale = float(theirs.abs().max())
    assert scale > 0.1
    assert float((ours - theirs).abs().max()) < 1e-9 * scale
    assert float((diffusers_eps - theirs).abs().max()) > 1e-9 * scale  # so the epsilon is heard, and ours is sgm's


def test_the_round_trip_is_exact(file):
    before, after = drawn(), load_file(file)
    assert after.info == before.info
    assert after.unet.config == before.unet.config
    assert after.autoencoder.to_json() == json.loads(json.dumps(before.autoencoder.to_json()))
    old, new = states(before), states(after)
    assert old.keys() == new.keys()
    for key, value in old.items():
        assert torch.equal(value, new[key]), key


def test_open_clips_one_matrix_holds_transformers_three(file):
    state, parts = tensors(file), drawn()
    layer = parts.image_embedder.model.vision_model.encoder.layers[0].self_attn
    at = CLIP + "visual.transformer.resblocks.0.attn."
    x = torch.randn(5, 1, 32)  # (tokens, batch, width)
    theirs, _ = multi_head_attention_forward(
        x, x, x, 32, 2, state[at + "in_proj_weight"], state[at + "in_proj_bias"], None, None, False, 0.0,
        state[at + "out_proj.weight"], state[at + "out_proj.bias"], training=False,
    )  # fmt: skip
    ours = layer(x.transpose(0, 1))
    torch.testing.assert_close(ours.transpose(0, 1), theirs, atol=1e-5, rtol=1e-4)


def test_a_file_without_our_header_is_known_by_its_shapes(tmp_path):
    # Heads of 64 and 80, which is what is guessed.
    parts = drawn(2, channels=(64, 128), heads=(1, 2), embed=256)
    parts = replace(parts, image_embedder=ImageEmbedder.build(24, hidden=160, heads=2))
    path = save_file(tmp_path / "ours.safetensors", parts)
    put(tensors(path), tmp_path / "svd_xt.safetensors")
    bare = load_file(tmp_path / "svd_xt.safetensors")
    assert bare.unet.config == replace(parts.unet.config, frames=25)  # as its name says
    assert bare.image_embedder.model.config.heads == 2
    assert bare.autoencoder.scaling_factor == 0.18215
    old, new = states(parts), states(bare)
    assert all(torch.equal(value, new[key]) for key, value in old.items())


def test_older_names_and_a_missing_conditioner_are_read(file, tmp_path):
    with safe_open(file, "pt") as held:
        header = held.metadata()
    renamed = tmp_path / "a.safetensors"
    put({key.replace("conv_out.time_mix", "time_mix"): value for key, value in tensors(file).items()}, renamed, header)
    assert torch.equal(
        load_file(renamed).autoencoder.vae.decoder.time_conv_out.weight,
        drawn().autoencoder.vae.decoder.time_conv_out.weight,
    )
    kept = {key: value for key, value in tensors(file).items() if not key.startswith(CONDITION)}
    put(kept, tmp_path / "b.safetensors", metadata=header)
    quant = load_file(tmp_path / "b.safetensors").autoencoder.vae.quant_conv
    assert torch.equal(quant.weight[:, :, 0, 0], torch.eye(8))


@pytest.mark.parametrize(
    ("drop", "said"),
    [
        (lambda key: key.endswith("middle_block.0.in_layers.2.weight"), "no weight.*middle_block.0.in_layers.2.weight"),
        (lambda key: key.startswith(UNET), "no weights under 'model.diffusion_model.'"),
        (lambda key: key.startswith(FIRST_STAGE + "decoder"), "no weight 'first_stage_model.decoder"),
        (lambda key: "resblocks.1.ln_1" in key, "no weight.*resblocks.1.ln_1"),
    ],
)
def test_what_is_missing_is_named(file, tmp_path, drop, said):
    with safe_open(file, "pt") as held:
        header = held.metadata()
    put({key: value for key, value in tensors(file).items() if not drop(key)}, tmp_path / "c.safetensors", header)
    with pytest.raises(MareyError, match=said):
        load_file(tmp_path / "c.safetensors")


def test_what_is_too_much_or_broken_is_an_error(file, tmp_path):
    with safe_open(file, "pt") as held:
        header = held.metadata()
    put({**tensors(file), UNET + "input_blocks.9.0.op.bias": torch.zeros(1)}, tmp_path / "d.safetensors", header)
    with pytest.raises(MareyError, match=r"input_blocks\.9\.0\.op\.bias"):
        load_file(tmp_path / "d.safetensors")
    (tmp_path / "e.safetensors").write_bytes(file.read_bytes()[:5000])
    with pytest.raises(MareyError, match="cannot be read"):
        load_file(tmp_path / "e.safetensors")
    put(tensors(file), tmp_path / "f.safetensors", metadata={"marey": "{"})
    with pytest.raises(MareyError, match="header"):
        load_file(tmp_path / "f.safetensors")
    with pytest.raises(MareyError, match=r"\.safetensors would do"):
        save_file(tmp_path / "model.ckpt", drawn())


def test_a_model_of_texts_has_no_place_in_it(tmp_path):
    parts = drawn()
    with pytest.raises(MareyError, match="no place for the text embedder"):
        save_file(tmp_path / "asked.safetensors", replace(parts, info=replace(parts.info, text=True)))
