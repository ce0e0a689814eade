"""A model by whatever names it, and from one form to the other."""

import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from diffusers import StableVideoDiffusionPipeline
from safetensors.torch import load_file, save_file

from marey.errors import MareyError
from marey.network.autoencoder import Autoencoder
from marey.network.config import UNetConfig
from marey.network.embedders import ImageEmbedder
from marey.network.folder import load_model, save_model
from marey.network.sources import PUBLISHED, convert, parts_of
from marey.network.unet import fresh

SHAPE = {"head_width": 16, "context": 24, "embed": 16, "frames": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return save_model(
        tmp_path_factory.mktemp("models") / "tiny",
        fresh(UNetConfig.plain((32, 64), **SHAPE), seed=1),
        Autoencoder.build((32, 32), seed=0),
        ImageEmbedder.build(24, hidden=32),
        card="# A card\n",
        frames=4,
        size=(32, 48),
        fps=7.5,
        sigma_max=80.0,
    )


def weights(model: str | Path, **how) -> dict[str, torch.Tensor]:
    parts = parts_of(model, **how)
    named = {"unet": parts.unet, "vae": parts.autoencoder.vae, "clip": parts.image_embedder.model}
    return {f"{name}.{key}": value for name, part in named.items() for key, value in part.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in one.items())


def test_a_folder_becomes_one_file_and_a_folder_again(folder, tmp_path):
    file = convert(folder, tmp_path / "tiny.safetensors")
    again = convert(file, tmp_path / "again")
    assert same(weights(folder), weights(file))
    assert same(weights(folder), weights(again))
    assert load_model(again).info == load_model(folder).info
    assert "Converted from" in (again / "README.md").read_text()
    StableVideoDiffusionPipeline.from_pretrained(again)
    with pytest.raises(MareyError, match="is there already"):
        convert(folder, again)


def test_a_published_name_is_fetched_without_pickles(folder, monkeypatch, tmp_path):
    asked = []

    def snapshot(name, *, allow_patterns, ignore_patterns, local_files_only):
        asked.append((name, local_files_only))
        assert all(pattern.endswith((".json", ".txt", ".safetensors")) for pattern in allow_patterns)
        if local_files_only:
            raise FileNotFoundError("not in the cache")
        return str(shutil.copytree(folder, tmp_path / "fetched"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert same(weights("svd-xt"), weights(folder))
    assert asked == [(PUBLISHED["svd-xt"], True), (PUBLISHED["svd-xt"], False)]


def test_what_the_hub_refuses_is_told_in_its_words(monkeypatch):
    def snapshot(name, **how):
        raise PermissionError("Access to model is restricted. You must have access to it.\nMore lines.")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    with pytest.raises(
        MareyError, match=r"'somebody/model' is no folder.*PermissionError: Access to model is restr[^\n]*$"
    ):
        parts_of("somebody/model")
    with pytest.raises(MareyError, match="There is no model at"):
        parts_of("no-such-folder")


def test_other_weights_of_the_same_unet(folder, tmp_path):
    theirs = {
        key: value + 1 for key, value in load_file(folder / "unet" / "diffusion_pytorch_model.safetensors").items()
    }
    save_file(theirs, tmp_path / "distilled.safetensors")
    mixed, plain = weights(folder, unet=tmp_path / "distilled.safetensors"), weights(folder)
    for key, value in mixed.items():
        assert torch.equal(value, theirs[key.removeprefix("unet.")] if key.startswith("unet.") else plain[key])
    theirs.pop("conv_in.bias")
    save_file(theirs, tmp_path / "less.safetensors")
    with pytest.raises(MareyError, match=r"conv_in\.bias"):
        parts_of(folder, unet=tmp_path / "less.safetensors")
