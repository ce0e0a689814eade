import hashlib
from pathlib import Path

import pytest
import torch
from transformers import VideoMAEConfig, VideoMAEForVideoClassification, VideoMAEModel

from marey.errors import MareyError
from marey.network.videomae import VideoMae, load_videomae
from marey.network.videomae_folder import VideoMaeFolder

SMALL = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40}


def theirs(**kwargs: object) -> VideoMAEForVideoClassification:
    """transformers' own, with random weights: an independent way to the same numbers."""
    torch.manual_seed(0)
    config = VideoMAEConfig(
        **SMALL, image_size=16, patch_size=4, num_frames=4, num_labels=5, layer_norm_eps=1e-6, **kwargs
    )
    model = VideoMAEForVideoClassification(config).eval()
    for parameter in model.parameters():
        parameter.data.normal_(std=0.2)
    return model


def as_the_authors_save_it(model: VideoMAEForVideoClassification) -> dict[str, torch.Tensor]:
    state = dict(model.state_dict())
    out = {
        "patch_embed.proj.weight": state["videomae.embeddings.patch_embeddings.projection.weight"],
        "patch_embed.proj.bias": state["videomae.embeddings.patch_embeddings.projection.bias"],
    }
    for n in range(SMALL["num_hidden_layers"]):
        old, new = f"videomae.encoder.layer.{n}", f"blocks.{n}"
        attention = model.videomae.encoder.layer[n].attention.attention
        parts = [attention.query, attention.key, attention.value]
        out[f"{new}.attn.qkv.weight"] = torch.cat([part.weight.data for part in parts])
        biases = [getattr(part, "bias", None) for part in parts]
        out[f"{new}.attn.q_bias"] = attention.q_bias.data if biases[0] is None else biases[0].data
        out[f"{new}.attn.v_bias"] = attention.v_bias.data if biases[2] is None else biases[2].data
        for ours, name in (
            ("norm1", "layernorm_before"),
            ("norm2", "layernorm_after"),
            ("attn.proj", "attention.output.dense"),
            ("mlp.fc1", "intermediate.dense"),
            ("mlp.fc2", "output.dense"),
        ):
            for kind in ("weight", "bias"):
                out[f"{new}.{ours}.{kind}"] = state[f"{old}.{name}.{kind}"]
    for kind in ("weight", "bias"):
        out[f"fc_norm.{kind}"] = state[f"fc_norm.{kind}"]
        out[f"head.{kind}"] = state[f"classifier.{kind}"]
    return out


def test_it_is_transformers_own(tmp_path: Path) -> None:
    model = theirs(use_mean_pooling=True)
    torch.save({"module": as_the_authors_save_it(model)}, tmp_path / "mae.pth")
    sha256 = hashlib.sha256((tmp_path / "mae.pth").read_bytes()).hexdigest()
    ours = load_videomae(tmp_path / "mae.pth", sha256, heads=4, frames=4, size=16)
    clip = torch.rand(2, 3, 4, 16, 16)
    with torch.inference_mode():
        tokens = model.videomae(clip.transpose(1, 2)).last_hidden_state
        expected = model.fc_norm(tokens.mean(dim=1))
        assert torch.allclose(ours(clip), expected, atol=1e-5)
        assert ours(clip).std() > 0.1


def test_the_giants_names_and_sizes_are_the_authors_own() -> None:
    with torch.device("meta"):
        giant = VideoMae()
    shapes = {name: tuple(value.shape) for name, value in giant.state_dict().items()}
    assert shapes["patch_embed.proj.weight"] == (1408, 3, 2, 14, 14)
    assert shapes["blocks.39.attn.qkv.weight"] == (4224, 1408)
    assert shapes["blocks.0.attn.q_bias"] == (1408,)
    assert shapes["blocks.0.mlp.fc1.weight"] == (6144, 1408)
    assert shapes["head.weight"] == (174, 1408)
    assert "positions" not in shapes
    assert giant.positions.shape == (1, 2048, 1408)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    sha256 = hashlib.sha256((tmp_path / "other.pth").read_bytes()).hexdigest()
    with pytest.raises(MareyError, match="holds no VideoMAE"):
        load_videomae(tmp_path / "other.pth", sha256)


@pytest.mark.parametrize("pooled", [True, False])
def test_a_folder_gives_what_its_head_reads(tmp_path: Path, pooled: bool) -> None:
    model = theirs(use_mean_pooling=pooled)
    model.save_pretrained(tmp_path / "tuned")
    folder = VideoMaeFolder(tmp_path / "tuned")
    assert (folder.d, folder.frames, folder.size) == (24, 4, 16)
    clip = torch.rand(3, 4, 16, 16)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    scaled = (clip - mean.view(3, 1, 1, 1)) / deviation.view(3, 1, 1, 1)
    with torch.inference_mode():
        tokens = model.videomae(scaled.transpose(0, 1)[None]).last_hidden_state.mean(dim=1)
        expected = model.fc_norm(tokens) if pooled else tokens
        assert torch.allclose(folder(clip), expected, atol=1e-5)


def test_a_folders_own_scaling_is_used(tmp_path: Path) -> None:
    VideoMAEModel(VideoMAEConfig(**SMALL, image_size=16, patch_size=4, num_frames=4)).save_pretrained(tmp_path / "bare")
    plain = VideoMaeFolder(tmp_path / "bare")
    (tmp_path / "bare" / "preprocessor_config.json").write_text('{"image_mean": [0, 0, 0], "image_std": [1, 1, 1]}')
    unit = VideoMaeFolder(tmp_path / "bare")
    clip = torch.rand(3, 4, 16, 16)
    with torch.inference_mode():
        assert not torch.allclose(plain(clip), unit(clip), atol=1e-3)
    with pytest.raises(MareyError, match="no folder of a VideoMAE"):
        VideoMaeFolder(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(MareyError, match="of type 'clip'"):
        VideoMaeFolder(tmp_path)
