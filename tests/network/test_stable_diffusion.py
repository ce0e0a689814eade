"""A Stable Diffusion folder as a picture model and, inflated, as a video model that is that picture model at first."""

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from stable_folder import put
from transformers import CLIPTextModel, CLIPTokenizer

from marey.errors import MareyError
from marey.network.embedders import ImageEmbedder
from marey.network.folder import load_model, save_model
from marey.network.inflate import inflate, temporal_outputs
from marey.network.stable_diffusion import PictureModel, open_picture_model, unet_config

CAPTIONS = ["a  red Ball rolls", "it's 12 o'clock, isn't it?", "", "caf\u00e9 " * 40]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return put(tmp_path_factory.mktemp("sd") / "model")


@pytest.fixture(scope="module")
def picture(folder) -> PictureModel:
    return open_picture_model(folder)


def clip_of(frames: int = 4):
    """One picture in every frame, anything at all in the new channels, a caption, a time step."""
    torch.manual_seed(1)
    sample, context, step = torch.randn(2, 1, 4, 8, 12), torch.randn(2, 20, 24), torch.tensor([37.0, 801.0])
    clip = torch.cat([sample, torch.randn(2, 1, 4, 8, 12)], dim=2).expand(-1, frames, -1, -1, -1)
    return sample, clip, step, context, torch.rand(2, 3) * 20


@torch.no_grad()
@pytest.mark.parametrize("how", [{}, {"layers": 2}, {"linear": False}])
def test_a_video_of_one_picture_is_that_picture_to_diffusers_own_model(tmp_path, how):
    folder = put(tmp_path / "model", **how)
    theirs = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
    video = inflate(open_picture_model(folder).unet, frames=4)
    sample, clip, step, context, added = clip_of()
    expected = theirs(sample[:, 0], step, context).sample
    assert float(expected.std()) > 0.01
    result = video(clip, step, context, added)
    assert float((result - expected[:, None]).abs().max()) < 1e-5

    layer = temporal_outputs(video)[0]  # the control: a weight of the temporal half, and it is another model
    layer.weight.view(-1)[0] = 3.0
    assert float((video(clip, step, context, added) - expected[:, None]).abs().max()) > 1e-4


@torch.no_grad()
def test_the_autoencoder_is_that_of_the_folder_frame_by_frame(folder, picture):
    theirs = AutoencoderKL.from_pretrained(folder / "vae").eval()
    pixels, latents = torch.randn(1, 3, 3, 16, 24), torch.randn(1, 3, 4, 8, 12)
    mean, _ = picture.autoencoder.encode(pixels)
    torch.testing.assert_close(mean[0], theirs.encode(pixels[0]).latent_dist.mean, rtol=1e-4, atol=1e-5)
    expected = theirs.decode(latents[0]).sample
    assert float((picture.autoencoder.decode(latents)[0] - expected).abs().max()) < 1e-5
    assert picture.autoencoder.scaling_factor == pytest.approx(0.18215)


@torch.no_grad()
def test_the_bias_after_quantisation_is_folded_but_for_the_border(tmp_path):
    folder = put(tmp_path / "model", bias=True)
    theirs = AutoencoderKL.from_pretrained(folder / "vae")
    ours = open_picture_model(folder).autoencoder.vae.decoder
    latents = torch.randn(1, 4, 8, 12)
    difference = (ours.conv_in(latents) - theirs.decoder.conv_in(theirs.post_quant_conv(latents))).abs()
    assert float(difference[..., 1:-1, 1:-1].max()) < 1e-5
    assert float(difference.max()) > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("pad", ["!", "<|endoftext|>"])
def test_captions_become_the_tokens_that_transformers_makes_of_them(tmp_path, pad):
    folder = put(tmp_path / "model", pad=pad)
    embedder = open_picture_model(folder).text_embedder
    words, merges = str(folder / "tokenizer" / "vocab.json"), str(folder / "tokenizer" / "merges.txt")
    tokenizer = CLIPTokenizer(words, merges, pad_token=pad)
    rows = tokenizer(CAPTIONS, padding="max_length", truncation=True, max_length=20)["input_ids"]
    assert embedder.tokenize(CAPTIONS).tolist() == rows
    expected = CLIPTextModel.from_pretrained(folder / "text_encoder")(torch.tensor(rows)).last_hidden_state
    torch.testing.assert_close(embedder(CAPTIONS), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_inflated_it_is_saved_and_opened_as_a_model(tmp_path, picture):
    made = save_model(
        tmp_path / "video",
        inflate(picture.unet, frames=4),
        picture.autoencoder,
        ImageEmbedder.build(24, hidden=32),
        card="# A start\n",
        frames=4,
        size=16,
        fps=7.0,
        text_embedder=picture.text_embedder,
        unet_image=picture.unet,
    )
    parts = load_model(made)
    assert picture.prediction == "v_prediction"
    assert parts.text_embedder.tokenize(CAPTIONS).tolist() == picture.text_embedder.tokenize(CAPTIONS).tolist()
    _, clip, step, context, added = clip_of()
    expected = inflate(picture.unet, frames=4)(clip, step, context, added)
    assert torch.equal(parts.unet(clip, step, context, added), expected)


def test_old_names_of_the_attention_are_known(tmp_path, folder):
    other = put(tmp_path / "model")
    file = other / "vae" / "diffusion_pytorch_model.safetensors"
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = {}
    for key, value in load_file(file).items():
        for new, old in names.items():
            key = key.replace(f"mid_block.attentions.0.{new}.", f"mid_block.attentions.0.{old}.")
        state[key] = value
    assert any(".query." in key for key in state)
    save_file(state, file)
    ours, same = (open_picture_model(where).autoencoder.vae.state_dict() for where in (other, folder))
    assert all(torch.equal(value, same[key]) for key, value in ours.items())


def test_the_published_shape_is_that_of_stable_video_diffusion():
    table = {"attention_head_dim": [5, 10, 20, 20], "use_linear_projection": True, "cross_attention_dim": 1024}
    config = unet_config(table, "here")
    assert (config.channels, config.heads, config.context) == ((320, 640, 1280, 1280), (5, 10, 20, 20), 1024)
    assert config.attends == (True, True, True, False)


def test_what_is_no_such_model_is_named(tmp_path, folder):
    with pytest.raises(MareyError, match="model_index"):
        open_picture_model(tmp_path)
    with pytest.raises(MareyError, match="addition_embed_type = 'text_time'"):
        unet_config({"addition_embed_type": "text_time"}, "here")
    with pytest.raises(MareyError, match=r"is a picture model: .*train\.start"):
        load_model(folder)
    other = put(tmp_path / "model")
    file = other / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    state.pop("mid_block.resnets.0.conv1.bias")
    save_file(state, file)
    with pytest.raises(MareyError, match=r"no weight 'mid_block\.resnets\.0\.spatial_res_block\.conv1\.bias'"):
        open_picture_model(other)
